// Global helpers of eBPF for Windows that have no equal in Linux (libs/execution_context/ebpf_core.c, ebpf_general_helpers.c).
import { ERRNO } from '../spec/errno.ts';
import { type ArgKind, helper, type HelperEnv, type HelperFamily, type StateKey } from '../spec/helper.ts';
import type { BpfMap } from '../spec/map.ts';
import type { Address, Region } from '../spec/memory.ts';
import type { AttachTypeName } from '../spec/program-types.ts';
import { EBPF_RESULT } from './status.ts';

const NANOSECONDS_A_MILLISECOND = 1_000_000n;
/** bpf_sock_addr_network_context_t. */
const NETWORK_CONTEXT_VERSION = 1;
const NETWORK_CONTEXT_SIZE = 32;
const NETWORK_CONTEXT = { version: 0, interfaceType: 4, nextHop: 16 } as const;
/** NET_LUID: the interface's type (IANA) is its upper 16 bits. */
const LUID_TYPE = 48n;
/** NTSTATUS of the kernel's string functions, as the signed 32-bit number that programs get. */
const STATUS_BUFFER_OVERFLOW = 0x8000_0005 | 0;

const COPY = ['memOut', 'sizeOrZero', 'mem', 'sizeOrZero'] as const satisfies readonly ArgKind[];
const STRING_COPY = ['memInOut', 'size', 'mem', 'sizeOrZero'] as const satisfies readonly ArgKind[];

function copy(env: HelperEnv, to: Address, room: number, from: Address, size: number): number {
  if (size > room) return -ERRNO.EINVAL;
  env.memory.u8.copyWithin(to, from, from + size);
  return 0;
}

/** memcmp over what both have, then the shorter first: -1, 0 or 1. */
function compare(u8: Uint8Array, a: Address, aSize: number, b: Address, bSize: number): number {
  const common = Math.min(aSize, bSize);
  for (let i = 0; i < common; i++) if (u8[a + i] !== u8[b + i]) return u8[a + i] < u8[b + i] ? -1 : 1;
  return Math.sign(aSize - bSize);
}

/** Bytes before the NUL, at most `limit`. */
function length(u8: Uint8Array, text: Address, limit: number): number {
  const end = u8.subarray(text, text + limit).indexOf(0);
  return end < 0 ? limit : end;
}

/** RtlStringCbCopyNEx and RtlStringCbCatNEx with STRSAFE_FILL_BEHIND_NULL: what fits, a NUL, and zeros to the end. */
function append(u8: Uint8Array, to: Address, room: number, start: number, from: Address, limit: number): number {
  const wanted = length(u8, from, limit);
  const fits = Math.min(wanted, room - 1 - start);
  u8.copyWithin(to + start, from, from + fits);
  u8.fill(0, to + start + fits, to + room);
  return fits < wanted ? STATUS_BUFFER_OVERFLOW : 0;
}

/** Copies of the values that lookup_and_delete took out of maps: good until the run ends. */
const TAKEN: StateKey<Region[]> = {
  name: 'taken-values',
  create: () => [],
  end: (regions, { memory }) => {
    for (const region of regions.splice(0)) {
      memory.removeRegion(region);
      memory.free(region.base);
    }
  },
};

function take(env: HelperEnv, map: BpfMap, key: Address): Address {
  const { memory } = env;
  const taken = env.state(TAKEN);
  const value = map.lookupElem(key);
  if (value === 0) return 0;
  const { valueSize, name } = map.spec;
  const base = memory.alloc(valueSize);
  memory.u8.copyWithin(base, value, value + valueSize);
  if (map.deleteElem(key) !== 0) {
    memory.free(base);
    return 0;
  }
  taken.push(memory.addRegion({ base, size: valueSize, kind: 'map-value', name, writable: true }));
  return base;
}

export const windowsHelpers: HelperFamily = {
  family: 'windows',
  doc: 'Windows: memory, strings, users and clocks',
  helpers: [
    helper({
      name: 'map_lookup_and_delete_elem',
      numbers: { windows: 4 },
      args: ['map', 'key'],
      returns: 'mapValueOrNull',
      doc: 'Takes an element out of a map: the address of its value, good until the run ends, or NULL.',
      body: (env, map, key) => take(env, map, key),
    }),
    helper({
      name: 'get_current_logon_id',
      numbers: { windows: 20 },
      args: ['ctx'],
      returns: 'integer',
      doc: 'Id of the logon session of the user.',
      body: (env) => env.host.process().logonId,
    }),
    helper({
      name: 'is_current_admin',
      numbers: { windows: 21 },
      args: ['ctx'],
      returns: 'integer',
      doc: '1 where the user is an administrator, else 0.',
      body: (env) => (env.host.process().isAdmin ? 1 : 0),
    }),
    helper({
      name: 'memcpy_s',
      numbers: { windows: 22 },
      args: COPY,
      returns: 'integer',
      doc: 'Copies bytes. 0, or -EINVAL (22) where there is not room for all.',
      body: copy,
    }),
    helper({
      name: 'memcmp_s',
      numbers: { windows: 23 },
      args: ['mem', 'sizeOrZero', 'mem', 'sizeOrZero'],
      returns: 'integer',
      doc: 'Compares bytes: -1, 0 or 1; of buffers that are equal so far, the shorter one comes first.',
      body: (env, a, aSize, b, bSize) => compare(env.memory.u8, a, aSize, b, bSize),
    }),
    helper({
      name: 'memset',
      numbers: { windows: 24 },
      args: ['memOut', 'sizeOrZero', 's32'],
      returns: 'integer',
      doc: 'Sets bytes; gives the address.',
      body: (env, to, size, value) => {
        env.memory.u8.fill(value & 0xff, to, to + size);
        return to;
      },
    }),
    helper({
      name: 'memmove_s',
      numbers: { windows: 25 },
      args: COPY,
      returns: 'integer',
      doc: 'Copies bytes that may overlap. 0, or -EINVAL (22) where there is not room for all.',
      body: copy,
    }),
    helper({
      name: 'strncpy_s',
      numbers: { windows: 27 },
      args: STRING_COPY,
      returns: 'integer',
      doc: 'Copies a string of at most `count` bytes, ends it and fills up with zeros. 0, or STATUS_BUFFER_OVERFLOW where it is cut.',
      body: (env, to, room, from, count) => append(env.memory.u8, to, room, 0, from, count),
    }),
    helper({
      name: 'strncat_s',
      numbers: { windows: 28 },
      args: STRING_COPY,
      returns: 'integer',
      doc: 'Appends a string as strncpy_s copies one. -EINVAL (22) where the first string has no end.',
      body: (env, to, room, from, count) => {
        const { u8 } = env.memory;
        const start = length(u8, to, room);
        return start === room ? -ERRNO.EINVAL : append(u8, to, room, start, from, count);
      },
    }),
    helper({
      name: 'strnlen_s',
      numbers: { windows: 29 },
      args: ['mem', 'sizeOrZero'],
      returns: 'integer',
      doc: 'Bytes of a string before its NUL, the size where there is none.',
      body: (env, text, size) => length(env.memory.u8, text, size),
    }),
    helper({
      name: 'ktime_get_boot_ms',
      numbers: { windows: 30 },
      args: [],
      returns: 'integer',
      doc: 'Milliseconds since boot, with time asleep.',
      body: (env) => env.host.clock.boot() / NANOSECONDS_A_MILLISECOND,
    }),
    helper({
      name: 'ktime_get_ms',
      numbers: { windows: 31 },
      args: [],
      returns: 'integer',
      doc: 'Milliseconds since boot, without time asleep.',
      body: (env) => env.host.clock.monotonic() / NANOSECONDS_A_MILLISECOND,
    }),
    helper({
      name: 'get_current_process_start_key',
      numbers: { windows: 33 },
      args: [],
      returns: 'integer',
      doc: 'A number of the process that no other process since boot has.',
      body: (env) => env.host.process().processStartKey,
    }),
    helper({
      name: 'get_current_thread_create_time',
      numbers: { windows: 34 },
      args: [],
      returns: 'integer',
      doc: 'When the thread was made, 100 ns since 1601.',
      body: (env) => env.host.process().threadCreateTime,
    }),
  ],
};

/** All hooks of sock_addr but connect; a program that does not say what it is for may be for that. */
const CANNOT_REDIRECT: ReadonlySet<AttachTypeName | undefined> = new Set<AttachTypeName>([
  'cgroup_inet4_bind',
  'cgroup_inet6_bind',
  'cgroup_inet4_listen',
  'cgroup_inet6_listen',
  'cgroup_inet4_recv_accept',
  'cgroup_inet6_recv_accept',
  'cgroup_inet4_connect_authorization',
  'cgroup_inet6_connect_authorization',
]);
/** Only here it is known which way a connection takes. */
const ROUTED: ReadonlySet<AttachTypeName | undefined> = new Set<AttachTypeName>([
  'cgroup_inet4_connect_authorization',
  'cgroup_inet6_connect_authorization',
]);

/** Bytes that the program leaves for whoever gets the redirected connection. */
export const REDIRECT_CONTEXT: StateKey<{ bytes: Uint8Array | undefined }> = {
  name: 'redirect-context',
  create: () => ({ bytes: undefined }),
};

export const windowsSocketHelpers: HelperFamily = {
  family: 'windows-socket',
  doc: 'Windows: connections',
  helpers: [
    helper({
      name: 'sock_addr_set_redirect_context',
      numbers: {},
      programNumbers: { cgroup_sock_addr: 0x10001 },
      args: ['ctx', 'mem', 'size'],
      returns: 'integer',
      doc: 'Leaves bytes for the process that a connection is redirected to; the hook’s verdict has them. 0, or -1 in programs that are not for connect4 or connect6.',
      body: (env, _ctx, data, size) => {
        if (CANNOT_REDIRECT.has(env.program.attachType)) return -1;
        const bytes = env.memory.u8.slice(data, data + size);
        env.state(REDIRECT_CONTEXT).bytes = bytes;
        env.host.redirectContext?.(bytes);
        return 0;
      },
    }),
    helper({
      name: 'sock_addr_get_network_context',
      numbers: {},
      programNumbers: { cgroup_sock_addr: 0x10002 },
      args: ['ctx', 'memOut', 'size'],
      returns: 'integer',
      doc: 'What lies below the connection, as struct bpf_sock_addr_network_context of version 1: the type of the context’s interface, for connect_authorization the interface itself too; all else is unknown, 0. 0, or -6 (EBPF_INVALID_ARGUMENT) for less than 32 bytes.',
      body: (env, ctx, to, size) => {
        if (size < NETWORK_CONTEXT_SIZE) return -EBPF_RESULT.INVALID_ARGUMENT;
        const { u8, view } = env.memory;
        const luid = view.getBigUint64(ctx + env.layout.fields['interface_luid'].offset, true);
        u8.fill(0, to, to + size);
        view.setUint32(to + NETWORK_CONTEXT.version, NETWORK_CONTEXT_VERSION, true);
        view.setUint32(to + NETWORK_CONTEXT.interfaceType, Number(luid >> LUID_TYPE), true);
        if (ROUTED.has(env.program.attachType)) view.setBigUint64(to + NETWORK_CONTEXT.nextHop, luid, true);
        return 0;
      },
    }),
    helper({
      name: 'sock_ops_get_flow_id',
      numbers: {},
      programNumbers: { sock_ops: 0x10000 },
      args: ['ctx'],
      returns: 'integer',
      doc: 'A number that the connection has as long as it lasts (here the socket’s cookie), 0 where it is not known.',
      body: (env) => env.host.network.currentSocket?.()?.cookie ?? 0n,
    }),
  ],
};
