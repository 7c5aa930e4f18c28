// BPF_PROG_TEST_RUN.
import type { Fd, Params, Result } from '../../spec/session.ts';
import { bpf, pointer, putAt } from './bpf.ts';
import { checked, refuse } from './errors.ts';
import { rawInfo } from './info.ts';
import { native } from './native.ts';

type Input = Omit<Params<'prog.testRun'>, 'fd'>;

const OPERATION = 'prog.testRun';
/** Bytes that a packet may have grown to. */
const DATA_ROOM = 1 << 16;
/** Offsets in union bpf_attr. */
const ATTR = {
  fd: 0,
  retval: 4,
  dataSizeIn: 8,
  dataSizeOut: 12,
  dataIn: 16,
  dataOut: 24,
  repeat: 32,
  duration: 36,
  ctxSizeIn: 40,
  ctxSizeOut: 44,
  ctxIn: 48,
  ctxOut: 56,
  flags: 64,
  size: 80,
} as const;
/** BPF_PROG_TYPE_*: those whose test run takes other things than packets. */
const RAW_TRACEPOINT = 17;
const SYSCALL = 31;

export function testRun(fd: Fd, { data, ctx, args, repeat = 1 }: Input): Result<'prog.testRun'> {
  const info = rawInfo(fd, 'prog');
  if (typeof info === 'number') return checked(OPERATION, info) as never;
  const type = info.getUint32(0, true);
  const context =
    args === undefined ? ctx : new Uint8Array(BigUint64Array.from(args, (arg) => BigInt.asUintN(64, arg)).buffer);
  // These take no repetitions (bpf_prog_test_run_raw_tp, bpf_prog_test_run_syscall).
  const once = type === RAW_TRACEPOINT || type === SYSCALL;
  if (once && repeat > 1) refuse(OPERATION, 'EINVAL', 'programs of this type run once a call');
  // A raw tracepoint's context is its arguments, which are not given back; the syscall type's comes back where it was.
  const ctxRoom = once ? 0 : (context?.length ?? 0);
  let out: { data?: Uint8Array; ctx?: Uint8Array } = {};
  let found = { retval: 0, duration: 0, dataSize: 0, ctxSize: 0 };
  const status = bpf(
    'PROG_TEST_RUN',
    ATTR.size,
    (attr) => {
      attr.setUint32(ATTR.fd, fd, true);
      attr.setUint32(ATTR.repeat, once ? 0 : repeat, true);
      if (data !== undefined) {
        const room = native().room(DATA_ROOM + data.length);
        attr.setUint32(ATTR.dataSizeIn, data.length, true);
        putAt(attr, ATTR.dataIn, data);
        attr.setUint32(ATTR.dataSizeOut, room.bytes.length, true);
        pointer(attr, ATTR.dataOut, room.address);
        out = { data: room.bytes };
      }
      if (context !== undefined) {
        const room = native().room(Math.max(context.length, 1));
        room.bytes.set(context);
        attr.setUint32(ATTR.ctxSizeIn, context.length, true);
        pointer(attr, ATTR.ctxIn, room.address);
        if (type === SYSCALL) out = { ...out, ctx: room.bytes };
      }
      if (ctxRoom > 0) {
        const room = native().room(ctxRoom);
        attr.setUint32(ATTR.ctxSizeOut, ctxRoom, true);
        pointer(attr, ATTR.ctxOut, room.address);
        out = { ...out, ctx: room.bytes };
      }
    },
    (attr) => {
      found = {
        retval: attr.getUint32(ATTR.retval, true),
        duration: attr.getUint32(ATTR.duration, true),
        dataSize: attr.getUint32(ATTR.dataSizeOut, true),
        ctxSize: attr.getUint32(ATTR.ctxSizeOut, true),
      };
    },
  );
  checked(OPERATION, status);
  const { retval, duration, dataSize, ctxSize } = found;
  return {
    retval,
    duration,
    ...(out.data === undefined ? {} : { data: out.data.slice(0, dataSize) }),
    ...(out.ctx === undefined ? {} : { ctx: out.ctx.slice(0, type === SYSCALL ? context?.length : ctxSize) }),
  };
}
