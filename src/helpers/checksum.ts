import { ERRNO } from '../spec/errno.ts';
import { helper, type HelperEnv, type HelperFamily, type StateKey } from '../spec/helper.ts';
import { packetOf } from './context.ts';
import { checksumDifference, replace2, replace4, replaceByDifference } from './internet-checksum.ts';
import { EBPF_RESULT } from './status.ts';

const BPF_F_HDR_FIELD_MASK = 0xfn;
const BPF_F_PSEUDO_HDR = 1n << 4n;
const BPF_F_MARK_MANGLED_0 = 1n << 5n;
const BPF_F_MARK_ENFORCE = 1n << 6n;
const BPF_F_IPV6 = 1n << 7n;
const L4_FLAGS = BPF_F_MARK_MANGLED_0 | BPF_F_MARK_ENFORCE | BPF_F_PSEUDO_HDR | BPF_F_HDR_FIELD_MASK | BPF_F_IPV6;
const CSUM_MANGLED_0 = 0xffff;
const FIELD_SIZE = 2;

/** BPF_CSUM_LEVEL_*. */
const LEVEL = { query: 0, increment: 1, decrement: 2, reset: 3 } as const;
const MAX_LEVEL = 3;

/** skb->csum_level while skb->ip_summed is CHECKSUM_UNNECESSARY; undefined for CHECKSUM_NONE, as a fresh packet has. */
const CHECKED_LEVEL: StateKey<{ level: number | undefined }> = {
  name: 'checked-level',
  create: () => ({ level: undefined }),
};

/** Address of a checksum field in the packet, or a negated errno. */
function fieldAt(env: HelperEnv, name: string, offset: number): number {
  const packet = packetOf(env, name);
  if (offset > 0xffff || offset % 2 !== 0) return -ERRNO.EFAULT;
  const address = packet.data + offset;
  return address + FIELD_SIZE > packet.end ? -ERRNO.EFAULT : address;
}

const word = (value: bigint): number => Number(BigInt.asUintN(32, value));

/** The field's new value for a change of `flags & 15` bytes, undefined where that is not 0, 2 or 4 or does not fit `from`. */
function replaced(check: number, from: bigint, to: bigint, flags: bigint, l4: boolean): number | undefined {
  switch (Number(flags & BPF_F_HDR_FIELD_MASK)) {
    case 0:
      return from === 0n ? replaceByDifference(check, word(to)) : undefined;
    case 2: {
      const [a, b] = [Number(BigInt.asUintN(16, from)), Number(BigInt.asUintN(16, to))];
      // inet_proto_csum_replace2 is inet_proto_csum_replace4 on widened words.
      return l4 ? replace4(check, a, b) : replace2(check, a, b);
    }
    case 4:
      return replace4(check, word(from), word(to));
    default:
      return undefined;
  }
}

export const checksumHelpers: HelperFamily = {
  family: 'checksum',
  doc: 'Internet checksums of buffers',
  helpers: [
    helper({
      name: 'csum_diff',
      numbers: { linux: 28, windows: 10 },
      args: ['memOrNull', 'sizeOrZero', 'memOrNull', 'sizeOrZero', 'u32'],
      returns: 'integer',
      intrinsic: 'csumDiff',
      doc:
        'Checksum difference of `to` less `from` plus a seed, folded to 16 bits, for the *_csum_replace helpers (as Linux since ' +
        '6.13, which also takes any sizes; Windows: multiples of 4, else -EBPF_INVALID_ARGUMENT).',
      body: (env, from, fromSize, to, toSize, seed) => {
        if (env.dialect === 'windows' && ((fromSize | toSize) & 3) !== 0) return -EBPF_RESULT.INVALID_ARGUMENT;
        const { u8 } = env.memory;
        return checksumDifference(u8.subarray(from, from + fromSize), u8.subarray(to, to + toSize), seed);
      },
    }),
  ],
};

export const packetChecksumHelpers: HelperFamily = {
  family: 'packet-checksum',
  doc: 'Checksum fields of an skb',
  helpers: [
    helper({
      name: 'l3_csum_replace',
      numbers: { linux: 10 },
      args: ['ctx', 'u32', 'scalar', 'scalar', 'scalar'],
      returns: 'integer',
      changesPacket: true,
      doc:
        'Corrects the IP checksum at `offset` for a word that changes from `from` to `to` (flags: its size 2 or 4; 0: `to` is a ' +
        'csum_diff). -EFAULT outside the packet or at an odd offset, -EINVAL for other flags.',
      body: (env, _ctx, offset, from, to, flags) => {
        if ((flags & ~BPF_F_HDR_FIELD_MASK) !== 0n) return -ERRNO.EINVAL;
        const at = fieldAt(env, 'l3_csum_replace', offset);
        if (at < 0) return at;
        const { view } = env.memory;
        const check = replaced(view.getUint16(at, true), from, to, flags, false);
        if (check === undefined) return -ERRNO.EINVAL;
        view.setUint16(at, check, true);
        return 0;
      },
    }),
    helper({
      name: 'l4_csum_replace',
      numbers: { linux: 11 },
      args: ['ctx', 'u32', 'scalar', 'scalar', 'scalar'],
      returns: 'integer',
      changesPacket: true,
      doc:
        'As l3_csum_replace for TCP, UDP and ICMP. BPF_F_PSEUDO_HDR and BPF_F_IPV6 change nothing as long as checksums are ' +
        'complete in the packet, which they are here; BPF_F_MARK_MANGLED_0 leaves a zero checksum alone and never makes one.',
      body: (env, _ctx, offset, from, to, flags) => {
        if ((flags & ~L4_FLAGS) !== 0n) return -ERRNO.EINVAL;
        const at = fieldAt(env, 'l4_csum_replace', offset);
        if (at < 0) return at;
        const { view } = env.memory;
        const before = view.getUint16(at, true);
        const keepZero = (flags & BPF_F_MARK_MANGLED_0) !== 0n;
        if (keepZero && (flags & BPF_F_MARK_ENFORCE) === 0n && before === 0) return 0;
        const check = replaced(before, from, to, flags, true);
        if (check === undefined) return -ERRNO.EINVAL;
        view.setUint16(at, keepZero && check === 0 ? CSUM_MANGLED_0 : check, true);
        return 0;
      },
    }),
    helper({
      name: 'csum_update',
      numbers: { linux: 40 },
      args: ['ctx', 'u32'],
      returns: 'integer',
      doc: 'Adds to the sum that a device computed over the packet (CHECKSUM_COMPLETE). No device does here: -ENOTSUPP.',
      body: () => -ERRNO.ENOTSUPP,
    }),
    helper({
      name: 'csum_level',
      numbers: { linux: 135 },
      args: ['ctx', 'scalar'],
      returns: 'integer',
      doc: 'Asks or changes how many checksums are known to be right (BPF_CSUM_LEVEL_*). A fresh packet: none, -EACCES.',
      body: (env, _ctx, what) => {
        const state = env.state(CHECKED_LEVEL);
        const { level } = state;
        switch (Number(what)) {
          case LEVEL.query:
            return level ?? -ERRNO.EACCES;
          case LEVEL.increment:
            state.level = level === undefined ? 0 : Math.min(level + 1, MAX_LEVEL);
            return 0;
          case LEVEL.decrement:
            state.level = level === undefined || level === 0 ? undefined : level - 1;
            return 0;
          case LEVEL.reset:
            state.level = undefined;
            return 0;
          default:
            return -ERRNO.EINVAL;
        }
      },
    }),
  ],
};
