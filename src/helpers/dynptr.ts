// Dynamic pointers: 16 bytes on the stack as struct bpf_dynptr_kern (address, size with kind, offset), all zero when invalid.
import { fail } from '../base/diagnostic.ts';
import { helperKind } from '../base/messages/helper.ts';
import { ERRNO } from '../spec/errno.ts';
import { helper, type HelperEnv, type HelperFamily } from '../spec/helper.ts';
import type { UserRingBufferMap } from '../spec/map.ts';
import type { Address, Memory } from '../spec/memory.ts';
import { needMapType, ringBuffer } from './map-access.ts';
import { releaseRecord, reserveRecord } from './ring-buffer.ts';

const SIZE = 16;
const SIZE_MASK = 0xff_ffff;
const READ_ONLY = 0x8000_0000;
const KIND_SHIFT = 28;
/** enum bpf_dynptr_type. */
const KIND = { local: 1, record: 2 } as const;
type Kind = (typeof KIND)[keyof typeof KIND];
const DYNPTR_MAX_SIZE = 0xff_ffff;
/** BPF_RB_NO_WAKEUP, BPF_RB_FORCE_WAKEUP. */
const WAKE_UP_FLAGS = 3n;

interface Dynptr {
  /** First byte that it shows. */
  readonly data: Address;
  readonly size: number;
  readonly kind: number;
  readonly readOnly: boolean;
}

function write(memory: Memory, at: Address, data: Address, size: number, kind: Kind, readOnly = false): void {
  memory.view.setBigUint64(at, BigInt(data), true);
  memory.view.setUint32(at + 8, (size | (kind << KIND_SHIFT) | (readOnly ? READ_ONLY : 0)) >>> 0, true);
  memory.view.setUint32(at + 12, 0, true);
}

const clear = (memory: Memory, at: Address): void => void memory.u8.fill(0, at, at + SIZE);

/** Undefined where the dynptr is invalid (as after a failure). */
function read(memory: Memory, at: Address): Dynptr | undefined {
  const data = Number(memory.view.getBigUint64(at, true));
  const word = memory.view.getUint32(at + 8, true);
  const offset = memory.view.getUint32(at + 12, true);
  if (data === 0) return undefined;
  return { data: data + offset, size: word & SIZE_MASK, kind: (word >>> KIND_SHIFT) & 7, readOnly: word >= READ_ONLY };
}

/** bpf_dynptr_check_off_len. */
const inside = (dynptr: Dynptr, offset: number, length: number): boolean =>
  length <= dynptr.size && offset <= dynptr.size - length;

function release(env: HelperEnv, name: string, at: Address, flags: bigint, how: 'submit' | 'discard'): void {
  const dynptr = read(env.memory, at);
  if (dynptr === undefined) return;
  if (dynptr.kind !== KIND.record) fail(helperKind({}, name, 1, BigInt(at), 'a dynptr of a ring buffer record'));
  releaseRecord(env, name, dynptr.data, flags, how);
  clear(env.memory, at);
}

export const dynptrHelpers: HelperFamily = {
  family: 'dynptr',
  doc: 'Memory whose size is only known at run time',
  helpers: [
    helper({
      name: 'dynptr_from_mem',
      numbers: { linux: 197 },
      args: ['memInOut', 'sizeOrZero', 'scalar', 'dynptrOut'],
      returns: 'integer',
      doc: 'A dynptr to bytes of a map value. Flags: 0, else -EINVAL; -E2BIG above 16 MiB. The dynptr is invalid then.',
      body: (env, data, size, flags, out) => {
        clear(env.memory, out);
        if (size > DYNPTR_MAX_SIZE) return -ERRNO.E2BIG;
        if (flags !== 0n) return -ERRNO.EINVAL;
        write(env.memory, out, data, size, KIND.local);
        return 0;
      },
    }),
    helper({
      name: 'ringbuf_reserve_dynptr',
      numbers: { linux: 198 },
      args: ['map', 'u32', 'scalar', 'dynptrOut'],
      returns: 'integer',
      doc: 'As ringbuf_reserve for a size known at run time; to be submitted or discarded also after -EINVAL, -E2BIG.',
      body: (env, map, size, flags, out) => {
        const ring = ringBuffer('ringbuf_reserve_dynptr', map);
        clear(env.memory, out);
        if (flags !== 0n) return -ERRNO.EINVAL;
        if (size > DYNPTR_MAX_SIZE) return -ERRNO.E2BIG;
        const record = reserveRecord(env, ring, size, 0n);
        if (record === 0) return -ERRNO.EINVAL;
        write(env.memory, out, record, size, KIND.record);
        return 0;
      },
    }),
    helper({
      name: 'ringbuf_submit_dynptr',
      numbers: { linux: 199 },
      args: ['dynptr', 'scalar'],
      returns: 'void',
      doc: 'As ringbuf_submit; nothing for an invalid dynptr.',
      body: (env, at, flags) => release(env, 'ringbuf_submit_dynptr', at, flags, 'submit'),
    }),
    helper({
      name: 'ringbuf_discard_dynptr',
      numbers: { linux: 200 },
      args: ['dynptr', 'scalar'],
      returns: 'void',
      doc: 'As ringbuf_discard; nothing for an invalid dynptr.',
      body: (env, at, flags) => release(env, 'ringbuf_discard_dynptr', at, flags, 'discard'),
    }),
    helper({
      name: 'dynptr_read',
      numbers: { linux: 201 },
      args: ['memOut', 'sizeOrZero', 'dynptr', 'u32', 'scalar'],
      returns: 'integer',
      doc: 'Copies bytes out from an offset on. -E2BIG beyond the end, -EINVAL for an invalid dynptr or flags.',
      body: (env, to, length, at, offset, flags) => {
        const dynptr = read(env.memory, at);
        if (dynptr === undefined || flags !== 0n) return -ERRNO.EINVAL;
        if (!inside(dynptr, offset, length)) return -ERRNO.E2BIG;
        env.memory.u8.copyWithin(to, dynptr.data + offset, dynptr.data + offset + length);
        return 0;
      },
    }),
    helper({
      name: 'dynptr_write',
      numbers: { linux: 202 },
      args: ['dynptr', 'u32', 'mem', 'sizeOrZero', 'scalar'],
      returns: 'integer',
      doc: 'Copies bytes in from an offset on. -E2BIG beyond the end, -EINVAL for an invalid or read-only dynptr or flags.',
      body: (env, at, offset, from, length, flags) => {
        const dynptr = read(env.memory, at);
        if (dynptr === undefined || dynptr.readOnly || flags !== 0n) return -ERRNO.EINVAL;
        if (!inside(dynptr, offset, length)) return -ERRNO.E2BIG;
        env.memory.u8.copyWithin(dynptr.data + offset, from, from + length);
        return 0;
      },
    }),
    helper({
      name: 'dynptr_data',
      numbers: { linux: 203 },
      args: ['dynptr', 'u32', 'allocSize'],
      returns: 'memOrNull',
      doc: 'Address of bytes to read and write directly, or NULL beyond the end and for an invalid or read-only dynptr.',
      body: (env, at, offset, length) => {
        const dynptr = read(env.memory, at);
        return dynptr === undefined || dynptr.readOnly || !inside(dynptr, offset, length) ? 0 : dynptr.data + offset;
      },
    }),
    helper({
      name: 'user_ringbuf_drain',
      numbers: { linux: 209 },
      args: ['map', 'callback', 'callbackContext', 'scalar'],
      returns: 'integer',
      doc: 'Calls callback(dynptr, ctx) for each record that the application has put into a user_ringbuf; the number of records.',
      body: (env, map, callback, context, flags) => {
        needMapType('user_ringbuf_drain', map, ['user_ringbuf']);
        if ((flags & ~WAKE_UP_FLAGS) !== 0n) return -ERRNO.EINVAL;
        const { memory } = env;
        const dynptr = memory.alloc(SIZE);
        const region = memory.addRegion({
          base: dynptr,
          size: SIZE,
          kind: 'stack',
          name: 'dynptr of a record',
          writable: true,
        });
        try {
          return (map as UserRingBufferMap).drain((sample, size) => {
            write(memory, dynptr, sample, size, KIND.local, true);
            return env.call(callback, BigInt(dynptr), context) === 0n ? 0 : 1;
          });
        } finally {
          memory.removeRegion(region);
          memory.free(dynptr);
        }
      },
    }),
  ],
};
