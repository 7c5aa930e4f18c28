// What lru_hash and lru_percpu_hash share: a hash table that makes room by evicting instead of answering -E2BIG.
import { fail } from '../base/diagnostic.ts';
import { mapDamaged } from '../base/messages/map.ts';
import type { MapContext } from '../spec/map.ts';
import { MAP_FLAGS } from '../spec/map-types.ts';
import type { Address } from '../spec/memory.ts';
import type { MapSpec } from '../spec/object.ts';
import { HashLike } from './hash-map.ts';
import { LRU_HEADER, LruLists } from './lru-list.ts';
import { LRU } from '../spec/map-layout.ts';

export abstract class LruLike extends HashLike {
  readonly #lists: LruLists;
  /** One list a CPU instead of one for all. */
  readonly #own: boolean;
  /** Most elements in one list. */
  readonly #share: number;

  constructor(spec: MapSpec, context: MapContext, copies: number) {
    const own = (spec.flags & MAP_FLAGS.NO_COMMON_LRU) !== 0;
    const count = own ? context.cpus : 1;
    // Linux rounds up so that every CPU gets the same share.
    const share = Math.ceil(spec.maxEntries / count);
    super(spec, context, { copies, keyOffset: LRU_HEADER, limit: share * count });
    this.#own = own;
    this.#share = share;
    const heads = this.storage('EXTRA', LruLists.bytes(count));
    this.#lists = new LruLists(this.memory, heads, this.attached ? 0 : count);
  }

  protected override touched(row: Address): void {
    this.memory.u32[(row + LRU.REFERENCED) >>> 2] = 1;
  }

  protected override makeRoom(): void {
    const head = this.#head;
    if (this.#lists.count(head) < this.#share) return;
    const victim = this.#lists.victim(head, this.#share);
    if (victim === 0) fail(mapDamaged({ map: this.spec.name }));
    this.removeRow(victim);
  }

  protected override inserted(row: Address): void {
    this.#lists.add(this.#head, row);
  }

  protected override removing(row: Address): void {
    this.#lists.remove(row);
  }

  get #head(): Address {
    return this.#lists.head(this.#own ? this.context.currentCpu() : 0);
  }
}
