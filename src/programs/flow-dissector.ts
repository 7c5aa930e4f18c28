// Flow dissectors: what a packet's addresses and ports are. net/core/flow_dissector.c: bpf_flow_dissect.
import type { Address, Memory, Region } from '../spec/memory.ts';
import type { ContextLayout, Harness, HarnessEnvironment, ProgramTypeRow, TestRunInput } from '../spec/program.ts';
import { ContextBlock } from './context-block.ts';
import { contextImage, onlyFields, refuse } from './context-input.ts';
import { BASE } from './families.ts';
import { field, packet } from './fields.ts';
import { PacketBuffer } from './packet.ts';

const LAYOUT: ContextLayout = {
  name: 'struct __sk_buff',
  size: 192,
  fields: {
    data: packet(76, 4, 'packet'),
    data_end: packet(80, 4, 'packetEnd'),
    flow_keys: field(144, 8, 'read', { kind: 'flowKeys' }),
  },
};

/** struct bpf_flow_keys. The program writes it; a test-run takes `flags` and gives back all of it as its data. */
export const FLOW_KEYS = {
  name: 'struct bpf_flow_keys',
  size: 56,
  fields: {
    nhoff: field(0, 2, 'read-write'),
    thoff: field(2, 2, 'read-write'),
    addr_proto: field(4, 2, 'read-write'),
    is_frag: field(6, 1, 'read-write'),
    is_first_frag: field(7, 1, 'read-write'),
    is_encap: field(8, 1, 'read-write'),
    ip_proto: field(9, 1, 'read-write'),
    n_proto: field(10, 2, 'read-write'),
    sport: field(12, 2, 'read-write'),
    dport: field(14, 2, 'read-write'),
    ipv4_src: field(16, 4, 'read-write'),
    ipv4_dst: field(20, 4, 'read-write'),
    ipv6_src: field(16, 16, 'read-write'),
    ipv6_dst: field(32, 16, 'read-write'),
    flags: field(48, 4, 'read-write'),
    flow_label: field(52, 4, 'read-write'),
  },
} as const satisfies ContextLayout;

const ETH_HLEN = 14;
const PAGE_SIZE = 4096;
const DEVICE_LIMIT = 65_536 + ETH_HLEN;

class FlowDissectorHarness implements Harness {
  readonly #memory: Memory;
  readonly #context: ContextBlock;
  readonly #packet: PacketBuffer;
  readonly #keys: Address;
  readonly #region: Region;
  #length = 0;
  #image: Uint8Array<ArrayBuffer> = new Uint8Array(FLOW_KEYS.size);

  constructor({ memory, layout }: HarnessEnvironment) {
    this.#memory = memory;
    this.#context = new ContextBlock(memory, layout);
    this.#packet = new PacketBuffer(memory, layout, this.#context.address, {
      headRoom: 0,
      writable: false,
      growable: false,
    });
    this.#keys = memory.alloc(FLOW_KEYS.size);
    this.#region = memory.addRegion({
      base: this.#keys,
      size: FLOW_KEYS.size,
      kind: 'kernel',
      name: FLOW_KEYS.name,
      writable: true,
    });
  }

  start(input: TestRunInput): { ctx: Address; packet: PacketBuffer } {
    const { data } = input;
    if (data === undefined) return refuse('EINVAL', 'a packet is needed (`data`)');
    const most = input.limits === 'device' ? DEVICE_LIMIT : PAGE_SIZE;
    if (data.length < ETH_HLEN || data.length > most) {
      refuse('EINVAL', `a packet has ${ETH_HLEN} to ${most} bytes, not ${data.length}`);
    }
    const { name, size, fields } = FLOW_KEYS;
    this.#image = contextImage(input.ctx, name, size, fields);
    onlyFields(this.#image, name, fields, ['flags']);
    this.#length = data.length;
    const { u8 } = this.#memory;
    u8.fill(0, this.#keys, this.#keys + size);
    const flags = fields.flags.offset;
    u8.set(this.#image.subarray(flags, flags + 4), this.#keys + flags);
    u8.set(data.subarray(12, 14), this.#keys + fields.n_proto.offset);
    this.#set16('nhoff', ETH_HLEN);
    this.#set16('thoff', ETH_HLEN);
    this.#context.lay(new Uint8Array(0));
    this.#context.set(LAYOUT.fields.flow_keys, this.#keys);
    this.#packet.lay(data, 0);
    this.#packet.network = this.#packet.data + ETH_HLEN;
    return { ctx: this.#context.address, packet: this.#packet };
  }

  #set16(name: 'nhoff' | 'thoff', value: number): void {
    this.#memory.view.setUint16(this.#keys + FLOW_KEYS.fields[name].offset, value, true);
  }

  #get16(name: 'nhoff' | 'thoff'): number {
    return this.#memory.view.getUint16(this.#keys + FLOW_KEYS.fields[name].offset, true);
  }

  /** The kernel keeps the offsets inside the packet: ETH_HLEN <= nhoff <= thoff <= length. */
  finish(r0: bigint): { retval: number; data: Uint8Array<ArrayBuffer>; ctx: Uint8Array<ArrayBuffer> } {
    const nhoff = Math.min(Math.max(this.#get16('nhoff'), ETH_HLEN), this.#length);
    this.#set16('nhoff', nhoff);
    this.#set16('thoff', Math.min(Math.max(this.#get16('thoff'), nhoff), this.#length));
    const data = this.#memory.u8.slice(this.#keys, this.#keys + FLOW_KEYS.size);
    return { retval: Number(BigInt.asUintN(32, r0)), data, ctx: this.#image };
  }

  dispose(): void {
    this.#packet.dispose();
    this.#memory.removeRegion(this.#region);
    this.#memory.free(this.#keys);
    this.#context.dispose();
  }
}

export const flowDissector: ProgramTypeRow = {
  type: 'flow_dissector',
  contexts: { linux: LAYOUT },
  attachTypes: ['flow_dissector'],
  returns: [],
  verdicts: { linux: { BPF_OK: 0n, BPF_DROP: 2n, BPF_FLOW_DISSECTOR_CONTINUE: 129n } },
  families: [...BASE, 'skb-load', 'coarse-time'],
  harness: (environment) => new FlowDissectorHarness(environment),
  doc: 'Finds a packet’s addresses and ports for hashing and classification; a test-run gives struct bpf_flow_keys as data.',
};
