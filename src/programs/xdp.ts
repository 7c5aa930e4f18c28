// XDP: packets at the driver. Linux' xdp_md (net/core/filter.c: xdp_is_valid_access) and Windows' (xdp-for-windows).
import type { Harness, HarnessEnvironment, ProgramTypeRow, TestRunInput } from '../spec/program.ts';
import { ContextBlock } from './context-block.ts';
import { contextImage, refuse } from './context-input.ts';
import { NETWORK, WINDOWS_GLOBAL } from './families.ts';
import { field, packet } from './fields.ts';
import { PacketBuffer } from './packet.ts';

const LINUX = {
  name: 'struct xdp_md',
  size: 24,
  fields: {
    data: packet(0, 4, 'packet'),
    data_end: packet(4, 4, 'packetEnd'),
    data_meta: packet(8, 4, 'packetMeta'),
    ingress_ifindex: field(12, 4),
    rx_queue_index: field(16, 4),
    egress_ifindex: field(20, 4, 'read', { only: ['xdp_devmap'] }),
  },
} as const;

const WINDOWS = {
  name: 'struct xdp_md',
  size: 32,
  loose: true,
  fields: {
    data: packet(0, 8, 'packet'),
    data_end: packet(8, 8, 'packetEnd'),
    data_meta: field(16, 8),
    ingress_ifindex: field(24, 4),
  },
} as const;

const ETH_HLEN = 14;
const HEAD_ROOM = 256;
/** SKB_DATA_ALIGN(sizeof(struct skb_shared_info)), at the end of the frame. */
const SHARED_INFO = 320;
const FRAME = 4096;
const DEVICE_LIMIT = 65_536 + ETH_HLEN;
/** Largest metadata: the head room without its struct xdp_frame (40 bytes). */
const META_MAX = HEAD_ROOM - 40;

/** BPF_PROG_TEST_RUN's xdp_buff: one frame of a page; fragments (packets beyond the frame) are not made. */
class XdpHarness implements Harness {
  readonly #environment: HarnessEnvironment;
  readonly #context: ContextBlock;
  readonly #packet: PacketBuffer;
  #image: Uint8Array<ArrayBuffer> = new Uint8Array(LINUX.size);

  constructor(environment: HarnessEnvironment) {
    const { memory, layout, dialect } = environment;
    this.#environment = environment;
    this.#context = new ContextBlock(memory, layout);
    this.#packet = new PacketBuffer(memory, layout, this.#context.address, {
      headRoom: HEAD_ROOM,
      writable: true,
      // Linux' drivers give a fixed frame; Windows' provider lays the packet anew.
      growable: dialect === 'windows',
    });
  }

  start(input: TestRunInput): { ctx: number; packet: PacketBuffer } {
    const { data } = input;
    if (data === undefined) return refuse('EINVAL', 'a packet is needed (`data`)');
    const most = input.limits === 'device' ? DEVICE_LIMIT : FRAME - HEAD_ROOM - SHARED_INFO;
    if (data.length < ETH_HLEN || data.length > most) {
      refuse('EINVAL', `an XDP packet without fragments has ${ETH_HLEN} to ${most} bytes, not ${data.length}`);
    }
    const meta = this.#environment.dialect === 'linux' ? this.#linux(input, data) : this.#windows(input);
    const packetLength = data.length - meta;
    this.#packet.lay(data, Math.max(0, FRAME - SHARED_INFO - HEAD_ROOM - packetLength), meta);
    return { ctx: this.#context.address, packet: this.#packet };
  }

  again(source: Uint8Array, from: number, length: number): void {
    if (length < ETH_HLEN || length > DEVICE_LIMIT)
      refuse('EINVAL', `an XDP packet has ${ETH_HLEN} to ${DEVICE_LIMIT} bytes, not ${length}`);
    this.#packet.layPart(source, from, length, Math.max(0, FRAME - SHARED_INFO - HEAD_ROOM - length));
  }

  /** Checks and fills xdp_md (xdp_convert_md_to_buff); gives the length of the metadata, with which `data` begins. */
  #linux(input: TestRunInput, data: Uint8Array): number {
    const { fields } = LINUX;
    if (input.ctx === undefined) {
      // The usual case, without a new image for each packet.
      this.#image.fill(0);
      this.#context.lay(this.#image);
      this.#context.setU32(fields.ingress_ifindex, 1);
      return 0;
    }
    const image = contextImage(input.ctx, LINUX.name, LINUX.size, fields);
    const view = new DataView(image.buffer);
    const given = input.ctx instanceof Uint8Array ? undefined : Object.keys(input.ctx);
    // A context by field names need not repeat the length that `data` already has.
    if (given?.includes('data_end') === false) view.setUint32(fields.data_end.offset, data.length, true);
    const value = (name: keyof typeof fields) => view.getUint32(fields[name].offset, true);
    const meta = value('data');
    const end = value('data_end');
    if (value('data_meta') !== 0) refuse('EINVAL', 'data_meta must be 0: user data begins with the metadata');
    if (end > data.length || meta > end)
      refuse('EINVAL', `data ${meta} and data_end ${end} do not lie in the ${data.length} bytes`);
    if (meta % 4 !== 0 || meta > META_MAX)
      refuse('EINVAL', `metadata of ${meta} bytes: a multiple of 4, at most ${META_MAX}`);
    if (data.length - meta < ETH_HLEN) refuse('EINVAL', `behind ${meta} bytes of metadata no link header is left`);
    if (value('egress_ifindex') !== 0) refuse('EINVAL', 'egress_ifindex must be 0');
    const ifindex = value('ingress_ifindex');
    const queue = value('rx_queue_index');
    if (ifindex === 0 && queue !== 0) refuse('EINVAL', 'rx_queue_index needs an ingress_ifindex');
    // What a device is, its driver knows.
    const ofDevice = input.limits === 'device';
    if (!ofDevice && ifindex > 1 && this.#environment.host.network.mtu(ifindex) === undefined) {
      refuse('ENODEV', `there is no interface with the index ${ifindex}`);
    }
    if (!ofDevice && queue !== 0) refuse('EINVAL', `interface ${ifindex} has no receive queue ${queue}`);
    if (end < data.length) refuse('EOPNOTSUPP', `data_end ${end} asks for fragments, which are not made`);
    this.#image = image;
    this.#context.lay(image);
    this.#context.setU32(fields.ingress_ifindex, ifindex === 0 ? 1 : ifindex);
    return meta;
  }

  #windows(input: TestRunInput): number {
    const { fields, name, size } = WINDOWS;
    this.#image = contextImage(input.ctx, name, size, fields);
    this.#context.lay(this.#image);
    return 0;
  }

  finish(r0: bigint): { retval: number; data: Uint8Array<ArrayBuffer>; ctx: Uint8Array<ArrayBuffer> } {
    const packet = this.#packet;
    const ctx = this.#image;
    const view = new DataView(ctx.buffer);
    if (this.#environment.dialect === 'linux') {
      view.setUint32(LINUX.fields.data.offset, packet.data - packet.meta, true);
      view.setUint32(LINUX.fields.data_end.offset, packet.end - packet.meta, true);
    } else {
      ctx.set(this.#context.bytes());
      // The addresses of this run mean nothing outside: as Linux, offsets in the packet that comes back.
      view.setBigUint64(WINDOWS.fields.data.offset, 0n, true);
      view.setBigUint64(WINDOWS.fields.data_end.offset, BigInt(packet.end - packet.data), true);
    }
    return { retval: Number(BigInt.asUintN(32, r0)), data: packet.bytes(packet.meta), ctx: ctx.slice() };
  }

  dispose(): void {
    this.#packet.dispose();
    this.#context.dispose();
  }
}

export const xdp: ProgramTypeRow = {
  type: 'xdp',
  contexts: { linux: LINUX, windows: WINDOWS },
  attachTypes: ['xdp', 'xdp_devmap', 'xdp_cpumap'],
  returns: [],
  verdicts: {
    linux: { XDP_ABORTED: 0n, XDP_DROP: 1n, XDP_PASS: 2n, XDP_TX: 3n, XDP_REDIRECT: 4n },
    windows: { XDP_PASS: 1n, XDP_DROP: 2n, XDP_TX: 3n },
  },
  otherVerdict: { linux: 'XDP_ABORTED' },
  families: [
    ...NETWORK,
    'checksum',
    'fib',
    'mtu',
    'redirect',
    'redirect-map',
    'socket-lookup',
    'socket-release',
    'xdp',
  ],
  dialectFamilies: { windows: WINDOWS_GLOBAL },
  harness: (environment) => new XdpHarness(environment),
  doc: 'Packets as the network driver hands them over, before the kernel has looked at them. Fragments are not made.',
};
