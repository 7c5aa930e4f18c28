// Packets and contexts in memory, laid as BPF_PROG_TEST_RUN does.
import { fail } from './errors.ts';
import { decode64, type ModuleMemory } from './memory.ts';
import type { PacketRecord, ProgramRecord, RegionRecord } from './record.ts';

/** Input of a run: what it leaves in memory for the program, and how to read it back. */
export interface Input {
  /** Address of the context. */
  readonly ctx: number;
  /** What the program may access. */
  regions(): readonly RegionRecord[];
  /** The packet as it is now. */
  packet(): Uint8Array;
  /** The context as it is now. */
  context(): Uint8Array;
}

const FIRST_CAPACITY = 4096;
const LINK_HEADER = 14;

/** Room for one packet and its context. */
export class PacketSlot implements Input {
  readonly ctx: number;
  readonly #memory: ModuleMemory;
  readonly #record: ProgramRecord['context'];
  readonly #packet: PacketRecord;
  readonly #image: Uint8Array;
  #head: number;
  #capacity = FIRST_CAPACITY;
  #data: number;
  #end: number;

  constructor(memory: ModuleMemory, record: ProgramRecord['context'], packet: PacketRecord) {
    this.#memory = memory;
    this.#record = record;
    this.#packet = packet;
    this.#image = decode64(packet.image);
    this.ctx = memory.alloc(record.size);
    this.#head = memory.alloc(this.#capacity);
    this.#data = this.#end = this.#head + packet.skip;
  }

  /** @param ctx the context's bytes, as far as they are not the packet's addresses and sizes; as for a fresh packet without */
  lay(bytes: Uint8Array, ctx: Uint8Array = this.#image): void {
    const { headRoom, least, most, frame, tailRoom = 0, skip, pointers, skb } = this.#packet;
    if (bytes.length < least || bytes.length > most) {
      fail('aot/packet', `a packet has ${least} to ${most} bytes, not ${bytes.length}`);
    }
    if (ctx.length > this.#record.size) {
      fail('aot/packet', `a context has ${this.#record.size} bytes, not ${ctx.length}`);
    }
    const size = Math.max(frame ?? 0, headRoom + bytes.length + tailRoom);
    if (size > this.#capacity) {
      // Twice as much, so that growing packets leave little behind.
      this.#capacity = size * 2;
      this.#head = this.#memory.alloc(this.#capacity);
    }
    const { u8, view } = this.#memory;
    // Nothing but the packet before can have been written.
    u8.fill(0, this.#data - skip, this.#end);
    u8.fill(0, this.ctx, this.ctx + this.#record.size);
    u8.set(ctx, this.ctx);
    u8.set(bytes, this.#head + headRoom);
    this.#data = this.#head + headRoom + skip;
    this.#end = this.#head + headRoom + bytes.length;
    for (const [offset, width, of] of pointers) {
      const value = of === 'end' ? this.#end : this.#data;
      if (width === 8) view.setBigUint64(this.ctx + offset, BigInt(value), true);
      else view.setUint32(this.ctx + offset, value, true);
    }
    if (skb !== undefined) this.#layFields(bytes, skb);
  }

  /** Fields of struct __sk_buff that the kernel takes from the packet (eth_type_trans on the loopback device). */
  #layFields(frame: Uint8Array, at: NonNullable<PacketRecord['skb']>): void {
    const { u8, view } = this.#memory;
    const set = (field: keyof typeof at, value: number): void => view.setUint32(this.ctx + at[field], value, true);
    const copy = (field: keyof typeof at, from: number, to: number): void =>
      u8.set(frame.subarray(from, to), this.ctx + at[field]);
    const toUs = frame.subarray(0, 6).every((byte) => byte === 0);
    const type = (frame[12] << 8) | frame[13];
    const raw = frame.length >= LINK_HEADER + 2 && frame[LINK_HEADER] === 0xff && frame[LINK_HEADER + 1] === 0xff;
    const protocol = type >= 0x0600 ? type : raw ? 1 : 4;
    set('len', this.#end - this.#data);
    if (view.getUint32(this.ctx + at.wire_len, true) === 0) set('wire_len', this.#end - this.#data);
    set('pkt_type', toUs ? 0 : (frame[0] & 1) === 1 ? 2 : 3);
    set('protocol', ((protocol & 0xff) << 8) | (protocol >> 8));
    if (protocol === 0x0800 && frame.length >= 34) {
      set('family', 2);
      copy('local_ip4', 26, 30);
      copy('remote_ip4', 30, 34);
    } else if (protocol === 0x86dd && frame.length >= 54) {
      set('family', 10);
      copy('local_ip6', 22, 38);
      copy('remote_ip6', 38, 54);
    }
  }

  regions(): readonly RegionRecord[] {
    const { name, size, writable } = this.#record;
    const length = this.#end - this.#data;
    return [
      { base: this.ctx, size, kind: 'context', name, writable },
      { base: this.#data, size: length, kind: 'packet', name: 'packet', writable: this.#packet.writable },
    ];
  }

  packet(): Uint8Array {
    const bytes = this.#memory.u8.slice(this.#data - this.#packet.skip, this.#end);
    // A link header that the program did not see comes back as zeros.
    return bytes.fill(0, 0, this.#packet.skip);
  }

  context(): Uint8Array {
    return this.#memory.u8.slice(this.ctx, this.ctx + this.#record.size);
  }
}

/** Room for a context that is nothing but bytes. */
export class ContextSlot implements Input {
  readonly #memory: ModuleMemory;
  readonly #record: ProgramRecord['context'];
  #capacity: number;
  #size = 0;
  ctx: number;

  constructor(memory: ModuleMemory, record: ProgramRecord['context']) {
    this.#memory = memory;
    this.#record = record;
    this.#capacity = record.size;
    this.ctx = memory.alloc(this.#capacity);
  }

  lay(bytes: Uint8Array): void {
    if (bytes.length > this.#capacity) {
      this.#capacity = bytes.length;
      this.ctx = this.#memory.alloc(this.#capacity);
    }
    this.#size = Math.max(bytes.length, this.#record.size);
    this.#memory.u8.fill(0, this.ctx, this.ctx + this.#size);
    this.#memory.u8.set(bytes, this.ctx);
  }

  regions(): readonly RegionRecord[] {
    const { name, writable } = this.#record;
    return [{ base: this.ctx, size: this.#size, kind: 'context', name, writable }];
  }

  packet(): Uint8Array {
    return new Uint8Array();
  }

  context(): Uint8Array {
    return this.#memory.u8.slice(this.ctx, this.ctx + this.#size);
  }
}
