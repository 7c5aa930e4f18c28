// The order of elements of an LRU map: doubly linked lists through the elements themselves (spec/map-layout.ts: LRU), newest first.
// There is one head for the map or, with BPF_F_NO_COMMON_LRU, one for each CPU, 32 bytes apart from EXTRA of the descriptor.
//
// To evict, the oldest element goes, but one that was referenced since it was last passed over is put to the front instead
// (second chance: kernel/bpf/bpf_lru_list.c has the same idea with an active and an inactive list). Linux takes elements
// from the list in batches of up to 128 a CPU and so evicts before the map is full; here exactly the element needed is evicted.
import { LRU } from '../spec/map-layout.ts';
import type { Address, Memory } from '../spec/memory.ts';

const { PREV, NEXT, REFERENCED, LIST } = LRU;
/** Header of an element of an LRU map: where its key is. */
export const LRU_HEADER = 32;
const HEAD_SIZE = 32;

export class LruLists {
  readonly heads: Address;
  readonly #memory: Memory;

  /** @param lists how many of them are new */
  constructor(memory: Memory, heads: Address, lists: number) {
    this.#memory = memory;
    this.heads = heads;
    for (let list = 0; list < lists; list++) {
      const head = this.head(list);
      this.#set(head, PREV, head);
      this.#set(head, NEXT, head);
    }
  }

  static bytes(lists: number): number {
    return lists * HEAD_SIZE;
  }

  head(list: number): Address {
    return this.heads + list * HEAD_SIZE;
  }

  count(head: Address): number {
    return this.#get(head, REFERENCED);
  }

  /** Puts a new element in front. */
  add(head: Address, row: Address): void {
    this.#link(head, row);
    this.#set(row, REFERENCED, 0);
    this.#set(row, LIST, head);
    this.#set(head, REFERENCED, this.count(head) + 1);
  }

  remove(row: Address): void {
    const head = this.#get(row, LIST);
    this.#unlink(row);
    this.#set(head, REFERENCED, this.count(head) - 1);
  }

  /** The element to evict, from a list of 1 to `most`: the oldest that was not referenced. 0 where the list is longer. */
  victim(head: Address, most: number): Address {
    for (let passed = 0; passed <= most; passed++) {
      const oldest = this.#get(head, PREV);
      if (this.#get(oldest, REFERENCED) === 0) return oldest;
      this.#set(oldest, REFERENCED, 0);
      this.#unlink(oldest);
      this.#link(head, oldest);
    }
    return 0;
  }

  #link(head: Address, row: Address): void {
    const newest = this.#get(head, NEXT);
    this.#set(row, PREV, head);
    this.#set(row, NEXT, newest);
    this.#set(newest, PREV, row);
    this.#set(head, NEXT, row);
  }

  #unlink(row: Address): void {
    const before = this.#get(row, PREV);
    const after = this.#get(row, NEXT);
    this.#set(before, NEXT, after);
    this.#set(after, PREV, before);
  }

  #get(row: Address, offset: number): number {
    return this.#memory.u32[(row + offset) >>> 2];
  }

  #set(row: Address, offset: number, value: number): void {
    this.#memory.u32[(row + offset) >>> 2] = value;
  }
}
