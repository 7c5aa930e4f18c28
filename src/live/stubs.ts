// The few instructions in the kernel that live interfaces need: they hand packets to our sockets, and what we pass on to the system.
// They know nothing of what the user's program does.
import { fail } from '../base/diagnostic.ts';
import { cannotOpen } from '../base/messages/live.ts';
import { bpf, close, progLoad } from '../hosts/linux/bpf.ts';
import { assemble } from '../isa/assembler.ts';
import { ATTACH_TYPES } from '../spec/program-types.ts';
import { strerror } from '../spec/strerror.ts';

/** Offset of `mark` in struct __sk_buff, of `rx_queue_index` in struct xdp_md. */
const MARK = 8;
const QUEUE = 16;

/** struct tcx_action_base: TCX_NEXT -1, TCX_DROP 2. */
const TCX_NEXT = -1;
const TCX_DROP = 2;
const BPF_F_INGRESS = 1;

/** Frames that we send with the mark go to the interface's own ingress: the system gets them as if they had come in. */
const passText = (mark: number, ifindex: number): string => `
  r2 = *(u32 *)(r1 + ${MARK})
  w3 = ${mark | 0}
  if w2 != w3 goto next
  w1 = ${ifindex}
  w2 = ${BPF_F_INGRESS}
  call 23
  exit
next:
  w0 = ${TCX_NEXT}
  exit
`;

/** At ingress: what we passed goes on, its mark taken off; all else goes on or not, as a packet socket has it already. */
const admitText = (mark: number, others: number): string => `
  r2 = *(u32 *)(r1 + ${MARK})
  w3 = ${mark | 0}
  if w2 != w3 goto others
  w2 = 0
  *(u32 *)(r1 + ${MARK}) = r2
  w0 = ${TCX_NEXT}
  exit
others:
  w0 = ${others}
  exit
`;

/** XDP: to the socket of the queue; where there is none, as if we were not there. */
const REDIRECT_TEXT = `
  r2 = *(u32 *)(r1 + ${QUEUE})
  r1 = map[xsks]
  w3 = 2
  call 51
  exit
`;

export const XDP_MODES = { native: 4, generic: 2 } as const;
export type XdpMode = keyof typeof XDP_MODES;

type AttachTypeOf = 'tcx_ingress' | 'tcx_egress' | 'xdp';

export interface Where {
  readonly driver: string;
  readonly device: string;
  readonly ifindex: number;
}

const checked = ({ driver, device }: Where, what: string, result: number): number =>
  result < 0 ? fail(cannotOpen({}, driver, device, what, -result, strerror(-result))) : result;

/** Loads and attaches; gives the link, which goes when it is closed, with this process at the latest. */
function attach(where: Where, attachType: AttachTypeOf, code: Uint8Array, flags = 0): number {
  const type = attachType === 'xdp' ? 'xdp' : 'sched_cls';
  const { fd } = progLoad({ type, code, license: 'GPL', name: 'anybpf_live' });
  checked(where, `loading a program for ${attachType}`, fd);
  const link = bpf('LINK_CREATE', 40, (attr) => {
    attr.setUint32(0, fd, true);
    attr.setUint32(4, where.ifindex, true);
    attr.setUint32(8, ATTACH_TYPES[attachType].linux, true);
    attr.setUint32(12, flags, true);
  });
  close(fd);
  return checked(where, `attaching to ${attachType}`, link);
}

/** A mark that nobody else has: who could set it may send what they like anyway. */
export const newMark = (): number => crypto.getRandomValues(new Uint32Array(1))[0] | 1;

/** The link of the program by which frames with the mark reach the system. */
export const passLink = (where: Where, mark: number): number =>
  attach(where, 'tcx_egress', assemble(passText(mark, where.ifindex)).code);

/** The link of the program that lets them in; with `drop`, nothing else that comes in reaches the system. */
export const admitLink = (where: Where, mark: number, drop: boolean): number =>
  attach(where, 'tcx_ingress', assemble(admitText(mark, drop ? TCX_DROP : TCX_NEXT)).code);

/** The program that sends each packet to the socket of its queue in an xskmap. */
export function redirectLink(where: Where, xskmap: number, mode: XdpMode): number {
  const { code } = assemble(REDIRECT_TEXT, { maps: ['xsks'] });
  // BPF_PSEUDO_MAP_FD in place of the map's index: in the second instruction.
  code[8 + 1] = (code[8 + 1] & 0x0f) | 0x10;
  new DataView(code.buffer).setInt32(8 + 4, xskmap, true);
  return attach(where, 'xdp', code, XDP_MODES[mode]);
}
