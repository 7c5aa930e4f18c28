// XDP programs of interfaces without a link, as `ip link set xdp` and `bpftool net attach` put them: rtnetlink's messages
// (include/uapi/linux/rtnetlink.h, if_link.h).
import { closeSync, readSync, writeSync } from 'node:fs';
import { alignUp, ByteWriter } from '../../base/bytes.ts';
import { ERRNO } from '../../spec/errno.ts';
import { checked } from './errors.ts';
import { native } from './native.ts';

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const NETLINK_ROUTE = 0;

const NLMSG = { error: 2, done: 3 } as const;
const RTM = { newLink: 16, getLink: 18, setLink: 19 } as const;
const NLM_F = { request: 1, ack: 4 } as const;
const NLA_F_NESTED = 0x8000;
const NLA_TYPE_MASK = 0x3fff;
const IFLA_XDP = 43;
const XDP = {
  fd: 1,
  attached: 2,
  flags: 3,
  progId: 4,
  drvProgId: 5,
  skbProgId: 6,
  hwProgId: 7,
  expectedFd: 8,
} as const;
/** struct nlmsghdr and struct ifinfomsg. */
const HEADER = 16;
const IFINFO = 16;

/** XDP_FLAGS_* of the modes. */
export const XDP_MODES = { skb: 2, drv: 4, hw: 8 } as const;

/** Programs of an interface by mode: the flag, and the id. */
export interface XdpProgram {
  readonly mode: number;
  readonly id: number;
}

function message(type: number, flags: number, ifindex: number, attributes: Uint8Array): Uint8Array {
  const out = new ByteWriter('little');
  out.u32(HEADER + IFINFO + attributes.length);
  out.u16(type).u16(NLM_F.request | flags);
  out.u32(1).u32(0);
  out.u8(0).u8(0).u16(0).u32(ifindex).u32(0).u32(0);
  return out.bytes(attributes).finish();
}

function attribute(type: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(alignUp(4 + payload.length, 4));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 4 + payload.length, true);
  view.setUint16(2, type, true);
  bytes.set(payload, 4);
  return bytes;
}

const u32 = (value: number): Uint8Array => new Uint8Array(Int32Array.of(value).buffer);

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const out = new ByteWriter('little');
  for (const part of parts) out.bytes(part);
  return out.finish();
}

/** Sends one request and gives its answer. */
function ask(operation: string, request: Uint8Array): Uint8Array {
  const socket = checked(operation, native().socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), {}, 'netlink');
  try {
    writeSync(socket, request);
    const buffer = new Uint8Array(65_536);
    return buffer.subarray(0, readSync(socket, buffer));
  } finally {
    closeSync(socket);
  }
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Sets, or with fd -1 takes away, the XDP program of an interface. 0 or the negated errno. */
export function setXdp(operation: string, ifindex: number, fd: number, flags: number, expectedFd?: number): number {
  const nested = joined([
    attribute(XDP.fd, u32(fd)),
    ...(flags === 0 ? [] : [attribute(XDP.flags, u32(flags))]),
    ...(expectedFd === undefined ? [] : [attribute(XDP.expectedFd, u32(expectedFd))]),
  ]);
  const answer = ask(operation, message(RTM.setLink, NLM_F.ack, ifindex, attribute(IFLA_XDP | NLA_F_NESTED, nested)));
  const view = viewOf(answer);
  return view.getUint16(4, true) === NLMSG.error ? view.getInt32(HEADER, true) : -ERRNO.EPROTO;
}

/** The XDP programs of an interface, or the negated errno. */
export function getXdp(operation: string, ifindex: number): XdpProgram[] | number {
  const answer = ask(operation, message(RTM.getLink, 0, ifindex, new Uint8Array()));
  const view = viewOf(answer);
  if (view.getUint16(4, true) === NLMSG.error) return view.getInt32(HEADER, true);
  const found = attributesOf(answer.subarray(HEADER + IFINFO, view.getUint32(0, true))).get(IFLA_XDP);
  const xdp = attributesOf(found ?? new Uint8Array());
  const id = (type: number): number => {
    const bytes = xdp.get(type);
    return bytes === undefined ? 0 : viewOf(bytes).getUint32(0, true);
  };
  return [
    { mode: XDP_MODES.drv, id: id(XDP.drvProgId) },
    { mode: XDP_MODES.skb, id: id(XDP.skbProgId) },
    { mode: XDP_MODES.hw, id: id(XDP.hwProgId) },
  ].filter((one) => one.id !== 0);
}

function attributesOf(bytes: Uint8Array): Map<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  const view = viewOf(bytes);
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = view.getUint16(at, true);
    if (length < 4) break;
    found.set(view.getUint16(at + 2, true) & NLA_TYPE_MASK, bytes.subarray(at + 4, at + length));
    at += alignUp(length, 4);
  }
  return found;
}
