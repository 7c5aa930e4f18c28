// struct __sk_buff: its layout, what each program type may do with it, and BPF_PROG_TEST_RUN's skb (net/bpf/test_run.c of
// Linux 6.18: bpf_prog_test_run_skb).
import type { ContextField, ContextLayout, Harness, HarnessEnvironment, TestRunInput } from '../spec/program.ts';
import { ContextBlock } from './context-block.ts';
import { contextImage, onlyFields, refuse } from './context-input.ts';
import { field, narrow, packet, socket } from './fields.ts';
import { PacketBuffer } from './packet.ts';
import { AF_INET, AF_INET6, SocketBlock, swap16 } from './socket.ts';

/** Every field (include/uapi/linux/bpf.h), with the access that no program type goes beyond (bpf_skb_is_valid_access). */
const ALL = {
  len: narrow(0, 4),
  pkt_type: narrow(4, 4),
  mark: narrow(8, 4),
  queue_mapping: narrow(12, 4),
  protocol: narrow(16, 4),
  vlan_present: narrow(20, 4),
  vlan_tci: narrow(24, 4),
  vlan_proto: narrow(28, 4),
  priority: narrow(32, 4),
  ingress_ifindex: narrow(36, 4),
  ifindex: narrow(40, 4),
  tc_index: narrow(44, 4),
  cb: narrow(48, 20, { wide: true, narrowStore: true }),
  hash: narrow(68, 4),
  tc_classid: narrow(72, 4),
  data: packet(76, 4, 'packet'),
  data_end: packet(80, 4, 'packetEnd'),
  napi_id: narrow(84, 4),
  family: narrow(88, 4),
  /** Addresses and remote_port in network byte order, local_port in host byte order. */
  remote_ip4: field(92, 4),
  local_ip4: field(96, 4),
  remote_ip6: field(100, 16),
  local_ip6: field(116, 16),
  remote_port: narrow(132, 4),
  local_port: narrow(136, 4),
  data_meta: packet(140, 4, 'packetMeta'),
  flow_keys: field(144, 8, 'read', { kind: 'flowKeys' }),
  tstamp: field(152, 8),
  wire_len: narrow(160, 4),
  gso_segs: narrow(164, 4),
  sk: socket(168),
  gso_size: narrow(176, 4),
  tstamp_type: field(180, 1),
  hwtstamp: field(184, 8),
} as const satisfies Record<string, ContextField>;

export type SkbField = keyof typeof ALL;

const NAME = 'struct __sk_buff';
const SIZE = 192;

export const SOCKET_FIELDS = [
  'family',
  'remote_ip4',
  'local_ip4',
  'remote_ip6',
  'local_ip6',
  'remote_port',
  'local_port',
] as const satisfies readonly SkbField[];

/** The layout for a program type: all fields but some, a few of them writable. */
export function skbLayout(without: readonly SkbField[], writable: readonly SkbField[]): ContextLayout {
  const fields: Record<string, ContextField> = {};
  for (const [name, row] of Object.entries(ALL) as [SkbField, ContextField][]) {
    if (without.includes(name)) continue;
    fields[name] = writable.includes(name) ? { ...row, access: 'read-write' } : row;
  }
  return { name: NAME, size: SIZE, fields };
}

/** Fields that a test-run takes (convert___skb_to_skb); all others must be zero. */
const INPUT_FIELDS = [
  'mark',
  'priority',
  'ingress_ifindex',
  'ifindex',
  'cb',
  'tstamp',
  'wire_len',
  'gso_segs',
  'gso_size',
  'hwtstamp',
] as const satisfies readonly SkbField[];

/** Fields that it gives back (convert_skb_to___skb). */
const OUTPUT_FIELDS = [
  'mark',
  'priority',
  'ingress_ifindex',
  'ifindex',
  'tstamp',
  'cb',
  'wire_len',
  'gso_segs',
  'hwtstamp',
] as const satisfies readonly SkbField[];

const ETH_HLEN = 14;
/** NET_SKB_PAD + NET_IP_ALIGN on x86-64. */
const HEAD_ROOM = 64;
/** SKB_DATA_ALIGN(sizeof(struct skb_shared_info)). */
const TAIL_ROOM = 320;
const PAGE_SIZE = 4096;
export const DEVICE_LIMIT = 65_536 + ETH_HLEN;
const GSO_LEGACY_MAX_SIZE = 65_536;
const GSO_MAX_SEGS = 65_535;
const ETH_P = { IP: 0x0800, IPV6: 0x86dd, MIN: 0x0600, IEEE_802_3: 0x0001, IEEE_802_2: 0x0004 } as const;
/** include/uapi/linux/if_packet.h */
const PACKET_HOST = 0;
const PACKET_MULTICAST = 2;
const PACKET_OTHERHOST = 3;

export interface SkbOptions {
  /** Where the program sees the packet begin unless the caller says otherwise. */
  readonly layer: 'link' | 'network';
  /** Programs may store to the packet directly (may_access_direct_pkt_data). */
  readonly writable: boolean;
}

/** What eth_type_trans makes of an Ethernet header on the loopback device; the protocol in host byte order. */
function ethTypeTrans(frame: Uint8Array): { readonly pktType: number; readonly protocol: number } {
  const toUs = frame.subarray(0, 6).every((byte) => byte === 0);
  const pktType = toUs ? PACKET_HOST : (frame[0] & 1) === 1 ? PACKET_MULTICAST : PACKET_OTHERHOST;
  const type = (frame[12] << 8) | frame[13];
  if (type >= ETH_P.MIN) return { pktType, protocol: type };
  const raw802_3 = frame.length >= ETH_HLEN + 2 && frame[ETH_HLEN] === 0xff && frame[ETH_HLEN + 1] === 0xff;
  return { pktType, protocol: raw802_3 ? ETH_P.IEEE_802_3 : ETH_P.IEEE_802_2 };
}

class SkbHarness implements Harness {
  readonly #environment: HarnessEnvironment;
  readonly #options: SkbOptions;
  readonly #context: ContextBlock;
  readonly #packet: PacketBuffer;
  readonly #socket: SocketBlock;
  #image: Uint8Array<ArrayBuffer> = new Uint8Array(SIZE);
  #layer: 'link' | 'network' = 'link';

  constructor(environment: HarnessEnvironment, options: SkbOptions) {
    const { memory, layout } = environment;
    this.#environment = environment;
    this.#options = options;
    this.#context = new ContextBlock(memory, layout);
    this.#socket = new SocketBlock(memory);
    this.#packet = new PacketBuffer(memory, layout, this.#context.address, {
      headRoom: HEAD_ROOM,
      writable: options.writable,
      growable: true,
    });
  }

  start(input: TestRunInput): { ctx: number; packet: PacketBuffer } {
    const frame = checkFrame(input);
    const length = frame.length;
    this.#layer = input.layer ?? this.#options.layer;
    const skip = this.#layer === 'network' ? ETH_HLEN : 0;
    const image = contextImage(input.ctx, NAME, SIZE, ALL);
    const packetLength = length - skip;
    if (input.ctx !== undefined) this.#checkContext(image, packetLength);
    const { pktType, protocol } = ethTypeTrans(frame);
    if (input.limits !== 'device') checkNetworkHeader(protocol, length);

    this.#image = image;
    const context = this.#context;
    context.lay(image);
    context.setU32(ALL.pkt_type, pktType);
    context.setU32(ALL.protocol, swap16(protocol));
    if (context.u32(ALL.ifindex) === 0) context.setU32(ALL.ifindex, 1);
    if (context.u32(ALL.wire_len) === 0) context.setU32(ALL.wire_len, packetLength);
    context.setU32(ALL.gso_size, context.u32(ALL.gso_size) & 0xffff);
    context.set(ALL.sk, this.#socket.address);
    this.#laySocket(frame, protocol);

    const packet = this.#packet;
    packet.lay(frame, TAIL_ROOM);
    packet.network = packet.data + ETH_HLEN;
    if (skip > 0) packet.move(packet.data + skip, packet.end, packet.data + skip);
    return { ctx: context.address, packet };
  }

  #checkContext(image: Uint8Array<ArrayBuffer>, packetLength: number): void {
    onlyFields(image, NAME, ALL, INPUT_FIELDS);
    const view = new DataView(image.buffer);
    const ifindex = view.getUint32(ALL.ifindex.offset, true);
    if (ifindex > 1 && this.#environment.host.network.mtu(ifindex) === undefined) {
      refuse('ENODEV', `there is no interface with the index ${ifindex}`);
    }
    const wire = view.getUint32(ALL.wire_len.offset, true);
    if (wire !== 0 && (wire < packetLength || wire > GSO_LEGACY_MAX_SIZE)) {
      refuse('EINVAL', `wire_len ${wire} is not between the packet's ${packetLength} bytes and ${GSO_LEGACY_MAX_SIZE}`);
    }
    if (view.getUint32(ALL.gso_segs.offset, true) > GSO_MAX_SEGS) refuse('EINVAL', `gso_segs is above ${GSO_MAX_SEGS}`);
  }

  /** The test-run's socket takes its family and addresses from the packet; the context's copies come from it. */
  #laySocket(frame: Uint8Array, protocol: number): void {
    const socket = this.#socket;
    const context = this.#context;
    socket.reset();
    if (protocol === ETH_P.IP && frame.length >= 34) {
      const [source, destination] = [frame.subarray(26, 30), frame.subarray(30, 34)];
      socket.set('family', AF_INET);
      socket.setBytes('src_ip4', source);
      socket.setBytes('dst_ip4', destination);
      context.setU32(ALL.family, AF_INET);
      context.setBytes(ALL.local_ip4, source);
      context.setBytes(ALL.remote_ip4, destination);
    } else if (protocol === ETH_P.IPV6 && frame.length >= 54) {
      const [source, destination] = [frame.subarray(22, 38), frame.subarray(38, 54)];
      socket.set('family', AF_INET6);
      socket.setBytes('src_ip6', source);
      socket.setBytes('dst_ip6', destination);
      context.setU32(ALL.family, AF_INET6);
      context.setBytes(ALL.local_ip6, source);
      context.setBytes(ALL.remote_ip6, destination);
    }
  }

  finish(r0: bigint): { retval: number; data: Uint8Array<ArrayBuffer>; ctx: Uint8Array<ArrayBuffer> } {
    const ctx = this.#image;
    for (const name of OUTPUT_FIELDS) ctx.set(this.#context.field(ALL[name]), ALL[name].offset);
    let data = this.#packet.bytes();
    if (this.#layer === 'network') {
      // The kernel puts back a link header of zeros.
      const framed = new Uint8Array(ETH_HLEN + data.length);
      framed.set(data, ETH_HLEN);
      data = framed;
    }
    return { retval: Number(BigInt.asUintN(32, r0)), data, ctx };
  }

  dispose(): void {
    this.#packet.dispose();
    this.#socket.dispose();
    this.#context.dispose();
  }
}

/** The frame of a test-run, within the limits of bpf_test_init or of a device. */
function checkFrame({ data, limits }: TestRunInput): Uint8Array {
  if (data === undefined) return refuse('EINVAL', 'a packet is needed (`data`)');
  const most = limits === 'device' ? DEVICE_LIMIT : PAGE_SIZE - HEAD_ROOM - TAIL_ROOM;
  if (data.length < ETH_HLEN || data.length > most) {
    refuse('EINVAL', `a packet has ${ETH_HLEN} to ${most} bytes, not ${data.length}`);
  }
  return data;
}

function checkNetworkHeader(protocol: number, length: number): void {
  const least = protocol === ETH_P.IP ? 34 : protocol === ETH_P.IPV6 ? 54 : ETH_HLEN;
  if (length < least) refuse('EINVAL', `an IP packet of ${length} bytes has no whole header (${least} bytes)`);
}

export const skbHarness =
  (options: SkbOptions) =>
  (environment: HarnessEnvironment): Harness =>
    new SkbHarness(environment, options);
