import { ERRNO } from '../spec/errno.ts';
import { helper, type HelperEnv, type HelperFamily } from '../spec/helper.ts';
import type { ProgramTypeName } from '../spec/program-types.ts';
import { perfEventArray } from './map-access.ts';
import { status } from './status.ts';

export const BPF_F_INDEX_MASK = 0xffff_ffffn;
export const BPF_F_CURRENT_CPU = 0xffff_ffff;
const BPF_F_CTXLEN_MASK = 0xf_ffffn << 32n;

/** Types that have a packet but whose bpf_perf_event_output takes no packet bytes (bpf_event_output_data_proto). */
const WITHOUT_PACKET_BYTES: readonly ProgramTypeName[] = ['sk_msg'];

/** Slot of a perf_event_array that flags name, as __bpf_perf_event_output; a negated errno where there is none. */
export function perfIndex(env: HelperEnv, maxEntries: number, flags: bigint): number {
  const masked = Number(flags & BPF_F_INDEX_MASK);
  const index = masked === BPF_F_CURRENT_CPU ? env.cpu : masked;
  return index >= maxEntries ? -ERRNO.E2BIG : index;
}

/** How many bytes of the packet the flags ask for; a negated errno where the flags or the length are not allowed. */
function packetBytes(env: HelperEnv, flags: bigint): number {
  const { packet } = env;
  const withPacket = packet !== undefined && !WITHOUT_PACKET_BYTES.includes(env.program.type);
  if ((flags & ~(withPacket ? BPF_F_CTXLEN_MASK | BPF_F_INDEX_MASK : BPF_F_INDEX_MASK)) !== 0n) return -ERRNO.EINVAL;
  const wanted = Number((flags & BPF_F_CTXLEN_MASK) >> 32n);
  return packet !== undefined && wanted > packet.end - packet.data ? -ERRNO.EFAULT : wanted;
}

export const perfOutputHelpers: HelperFamily = {
  family: 'perf-output',
  doc: 'Records for applications, one queue a CPU',
  helpers: [
    helper({
      name: 'perf_event_output',
      numbers: { linux: 25, windows: 32 },
      args: ['ctx', 'map', 'scalar', 'mem', 'sizeOrZero'],
      returns: 'integer',
      gplOnly: true,
      doc:
        'Copies a record to a perf_event_array: flags name the slot (low 32 bits, BPF_F_CURRENT_CPU for this CPU) and how many ' +
        'bytes of the packet to append (bits 32 to 51). -E2BIG: no such slot, -ENOENT: nobody listens on it, -EFAULT: the packet ' +
        'is shorter, -EINVAL: other flags, -ENOSPC: the queue is full.',
      body: (env, _ctx, map, flags, data, size) => {
        const events = perfEventArray('perf_event_output', map);
        const appended = packetBytes(env, flags);
        if (appended < 0) return status(env, appended);
        const index = perfIndex(env, map.spec.maxEntries, flags);
        if (index < 0) return status(env, index);
        const record = new Uint8Array(size + appended);
        record.set(env.memory.u8.subarray(data, data + size));
        const start = env.packet?.data ?? 0;
        record.set(env.memory.u8.subarray(start, start + appended), size);
        return status(env, events.outputTo(index, record));
      },
    }),
  ],
};
