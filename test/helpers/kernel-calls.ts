// The same helper calls here and in the running kernel. A program is a list of calls with constant arguments; its result mixes
// every r0 and every buffer that a helper wrote, so that one number tells whether all of them agree.
import { invokeHelper } from '../../src/compile/helper-call.ts';
import type { ProgramTypeName } from '../../src/spec/program-types.ts';
import { close, progLoad, progTestRun } from '../support/bpf.ts';
import { FakeRun, helperNamed } from './fake-run.ts';

/** The context, a constant, or bytes on the stack (`out`: a helper writes them, and they count for the result). */
export type Argument = 'ctx' | bigint | number | { readonly stack: Uint8Array; readonly out?: boolean };

export interface Call {
  readonly helper: string;
  readonly args: readonly Argument[];
}

export interface Outcome {
  readonly retval: number;
  readonly data: string;
}

const MIX = 31;
const FP = 10;
const STACK = 512;

const hex = (data: Uint8Array | undefined): string => Buffer.from(data ?? new Uint8Array()).toString('hex');

function stackOf(calls: readonly Call[]): number {
  const sizes = calls.map(({ args }) =>
    args.reduce((sum: number, arg) => sum + (typeof arg === 'object' ? (arg.stack.length + 7) & ~7 : 0), 0),
  );
  const most = Math.max(0, ...sizes);
  if (most > STACK) throw new Error('too many bytes for the stack');
  return most;
}

/** The program: r6 keeps the context, r7 the mixed result. */
function encode(calls: readonly Call[]): Uint8Array {
  const slots: number[][] = [];
  const put = (op: number, dst = 0, src = 0, offset = 0, imm = 0): void => {
    const slot = new Uint8Array(8);
    slot[0] = op;
    slot[1] = dst | (src << 4);
    const view = new DataView(slot.buffer);
    view.setInt16(2, offset, true);
    view.setInt32(4, imm, true);
    slots.push([...slot]);
  };
  const constant = (register: number, value: bigint): void => {
    put(0x18, register, 0, 0, Number(BigInt.asIntN(32, value)));
    put(0x00, 0, 0, 0, Number(BigInt.asIntN(32, value >> 32n)));
  };
  const mixR0 = (): void => {
    put(0x27, 7, 0, 0, MIX);
    put(0x0f, 7, 0);
  };
  stackOf(calls);
  put(0xbf, 6, 1);
  put(0xb7, 7, 0, 0, 0);
  for (const { helper, args } of calls) {
    let at = 0;
    const written: { readonly at: number; readonly size: number }[] = [];
    for (const [i, arg] of args.entries()) {
      const register = i + 1;
      if (arg === 'ctx') put(0xbf, register, 6);
      else if (typeof arg === 'object') {
        const size = (arg.stack.length + 7) & ~7;
        at -= size;
        const padded = new Uint8Array(size);
        padded.set(arg.stack);
        const view = new DataView(padded.buffer);
        for (let j = 0; j < size; j += 4) put(0x62, FP, 0, at + j, view.getInt32(j, true));
        put(0xbf, register, FP);
        put(0x07, register, 0, 0, at);
        if (arg.out === true) written.push({ at, size });
      } else constant(register, BigInt(arg));
    }
    put(0x85, 0, 0, 0, helperNamed(helper).numbers.linux ?? 0);
    mixR0();
    for (const one of written) {
      for (let j = 0; j < one.size; j += 4) {
        put(0x61, 0, FP, one.at + j);
        mixR0();
      }
    }
  }
  put(0xbf, 0, 7);
  put(0x95);
  return Uint8Array.from(slots.flat());
}

/** Undefined where the kernel refuses the packet. */
export function inKernel(
  type: ProgramTypeName,
  calls: readonly Call[],
  packets: readonly Uint8Array[],
): (Outcome | undefined)[] {
  const { fd, log } = progLoad({ type, code: encode(calls), license: 'GPL', logLevel: 1 });
  if (fd < 0) throw new Error(`refused with ${fd}: ${log}`);
  try {
    return packets.map((packet) => {
      const run = progTestRun(fd, { data: packet });
      return run.status < 0 ? undefined : { retval: run.retval, data: hex(run.data) };
    });
  } finally {
    close(fd);
  }
}

export function here(type: ProgramTypeName, calls: readonly Call[], packets: readonly Uint8Array[]): Outcome[] {
  const run = new FakeRun({ type });
  const stack = run.buffer(STACK);
  return packets.map((packet) => {
    run.start({ data: packet });
    let mixed = 0n;
    const mix = (value: bigint): void => {
      mixed = BigInt.asUintN(64, mixed * BigInt(MIX) + value);
    };
    for (const { helper, args } of calls) {
      let at = stack + STACK;
      const written: { readonly at: number; readonly size: number }[] = [];
      const registers = args.map((arg) => {
        if (arg === 'ctx') return BigInt(run.ctx);
        if (typeof arg !== 'object') return BigInt.asUintN(64, BigInt(arg));
        const size = (arg.stack.length + 7) & ~7;
        at -= size;
        run.memory.u8.fill(0, at, at + size);
        run.memory.u8.set(arg.stack, at);
        if (arg.out === true) written.push({ at, size });
        return BigInt(at);
      });
      mix(invokeHelper(helperNamed(helper), run, registers));
      for (const one of written) {
        for (let j = 0; j < one.size; j += 4) mix(BigInt(run.memory.view.getUint32(one.at + j, true)));
      }
    }
    const { retval, data } = run.finish(mixed);
    return { retval, data: hex(data) };
  });
}
