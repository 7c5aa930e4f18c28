import { ERRNO } from '../spec/errno.ts';
import { helper, type HelperEnv, type HelperFamily } from '../spec/helper.ts';
import type { StackTraceMap } from '../spec/map.ts';
import { MAP_FLAGS } from '../spec/map-types.ts';
import type { Address } from '../spec/memory.ts';
import { needMapType, perfEventArray } from './map-access.ts';
import { BPF_F_INDEX_MASK, perfIndex } from './perf-output.ts';

type Counter = { value: bigint; enabled: bigint; running: bigint };

const BPF_F_SKIP_FIELD_MASK = 0xffn;
const BPF_F_USER_STACK = 1n << 8n;
const BPF_F_FAST_STACK_CMP = 1n << 9n;
const BPF_F_REUSE_STACKID = 1n << 10n;
const STACK_ID_FLAGS = BPF_F_SKIP_FIELD_MASK | BPF_F_USER_STACK | BPF_F_FAST_STACK_CMP | BPF_F_REUSE_STACKID;
const COUNTER_SIZE = 24;
const ADDRESS_SIZE = 8;

/** The counter in the slot that flags name, or a negated errno. */
function counterAt(
  env: HelperEnv,
  name: string,
  map: Parameters<typeof perfEventArray>[1],
  flags: bigint,
): Counter | number {
  needMapType(name, map, ['perf_event_array']);
  if ((flags & ~BPF_F_INDEX_MASK) !== 0n) return -ERRNO.EINVAL;
  const index = perfIndex(env, map.spec.maxEntries, flags);
  return index < 0 ? index : (env.host.perfCounter(map, index) ?? -ERRNO.ENOENT);
}

/** Writes struct bpf_perf_event_value, or zeros with a negated errno. */
function giveCounter(env: HelperEnv, out: Address, size: number, counter: Counter | number): number {
  const { memory } = env;
  memory.u8.fill(0, out, out + size);
  if (size !== COUNTER_SIZE) return -ERRNO.EINVAL;
  if (typeof counter === 'number') return counter;
  memory.view.setBigUint64(out, counter.value, true);
  memory.view.setBigUint64(out + 8, counter.enabled, true);
  memory.view.setBigUint64(out + 16, counter.running, true);
  return 0;
}

/** Return addresses less those that the flags skip; undefined where fewer than that are there. */
function stack(env: HelperEnv, flags: bigint): readonly bigint[] | undefined {
  const addresses = env.host.stack((flags & BPF_F_USER_STACK) === 0n ? 'kernel' : 'user');
  const skip = Number(flags & BPF_F_SKIP_FIELD_MASK);
  return addresses.length < skip ? undefined : addresses.slice(skip);
}

export const perfCounterHelpers: HelperFamily = {
  family: 'perf-counter',
  doc: 'Counters of hardware and software events',
  helpers: [
    helper({
      name: 'perf_event_read',
      numbers: { linux: 22 },
      args: ['map', 'scalar'],
      returns: 'integer',
      gplOnly: true,
      doc: 'Value of a counter of a perf_event_array (flags: the slot, or BPF_F_CURRENT_CPU); -E2BIG, -ENOENT, -EINVAL.',
      body: (env, map, flags) => {
        const counter = counterAt(env, 'perf_event_read', map, flags);
        return typeof counter === 'number' ? counter : counter.value;
      },
    }),
    helper({
      name: 'perf_event_read_value',
      numbers: { linux: 55 },
      args: ['map', 'scalar', 'memOut', 'size'],
      returns: 'integer',
      gplOnly: true,
      doc: 'As perf_event_read, into a struct bpf_perf_event_value (24 bytes: value, time enabled, time running, ns).',
      body: (env, map, flags, out, size) =>
        giveCounter(env, out, size, counterAt(env, 'perf_event_read_value', map, flags)),
    }),
  ],
};

export const perfProgramHelpers: HelperFamily = {
  family: 'perf-program',
  doc: 'The event that a perf_event program runs for',
  helpers: [
    helper({
      name: 'perf_prog_read_value',
      numbers: { linux: 56 },
      args: ['ctx', 'memOut', 'size'],
      returns: 'integer',
      gplOnly: true,
      doc: 'Counter of the event, as struct bpf_perf_event_value (24 bytes). -EINVAL where the host has no such counter.',
      body: (env, _ctx, out, size) => giveCounter(env, out, size, env.host.programCounter?.() ?? -ERRNO.EINVAL),
    }),
  ],
};

export const stackHelpers: HelperFamily = {
  family: 'stack',
  doc: 'Stack traces',
  helpers: [
    helper({
      name: 'get_stackid',
      numbers: { linux: 27 },
      args: ['ctx', 'map', 'scalar'],
      returns: 'integer',
      gplOnly: true,
      doc:
        'Stores the stack in a stack_trace map and gives its id. Flags: frames to skip (low 8 bits), BPF_F_USER_STACK, ' +
        'BPF_F_FAST_STACK_CMP, BPF_F_REUSE_STACKID. -EFAULT: no frames, -EEXIST: the slot holds another stack.',
      body: (env, _ctx, map, flags) => {
        needMapType('get_stackid', map, ['stack_trace'], 2);
        if ((flags & ~STACK_ID_FLAGS) !== 0n) return -ERRNO.EINVAL;
        // The host gives addresses, not build ids and offsets.
        if ((map.spec.flags & MAP_FLAGS.STACK_BUILD_ID) !== 0) return -ERRNO.EOPNOTSUPP;
        const frames = stack(env, flags)?.slice(0, map.spec.valueSize / ADDRESS_SIZE) ?? [];
        if (frames.length === 0) return -ERRNO.EFAULT;
        const trace = new Uint8Array(frames.length * ADDRESS_SIZE);
        const view = new DataView(trace.buffer);
        for (const [i, address] of frames.entries()) view.setBigUint64(i * ADDRESS_SIZE, address, true);
        return (map as StackTraceMap).storeTrace(trace, Number(flags & (BPF_F_FAST_STACK_CMP | BPF_F_REUSE_STACKID)));
      },
    }),
    helper({
      name: 'get_stack',
      numbers: { linux: 67 },
      args: ['ctx', 'memOut', 'sizeOrZero', 'scalar'],
      returns: 'integer',
      gplOnly: true,
      doc:
        'Copies return addresses (u64, innermost first) and fills the rest with zeros; the bytes copied. Flags: frames to skip ' +
        '(low 8 bits), BPF_F_USER_STACK; build ids are not supported (-EINVAL).',
      body: (env, _ctx, out, size, flags) => {
        const { memory } = env;
        memory.u8.fill(0, out, out + size);
        if ((flags & ~(BPF_F_SKIP_FIELD_MASK | BPF_F_USER_STACK)) !== 0n || size % ADDRESS_SIZE !== 0)
          return -ERRNO.EINVAL;
        const frames = stack(env, flags)?.slice(0, size / ADDRESS_SIZE);
        if (frames === undefined) return -ERRNO.EFAULT;
        for (const [i, address] of frames.entries()) memory.view.setBigUint64(out + i * ADDRESS_SIZE, address, true);
        return frames.length * ADDRESS_SIZE;
      },
    }),
  ],
};
