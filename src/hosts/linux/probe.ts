// What this kernel has, by really doing it once: a map of each type, a program of each type, a call of each helper.
import { ERRNO } from '../../spec/errno.ts';
import { MAP_FLAGS, MAP_TYPES, type MapTypeName } from '../../spec/map-types.ts';
import { type AttachTypeName, PROGRAM_TYPES, type ProgramTypeName } from '../../spec/program-types.ts';
import type { Result } from '../../spec/session.ts';
import { assemble } from '../../isa/assembler.ts';
import { encodeBtf } from '../../btf/encode.ts';
import { builtInPlatform } from '../platform.ts';
import { btfLoad, close, mapCreate, type MapAttributes, type ProgramAttributes, progLoad } from './bpf.ts';
import { kernelTypes } from './kernel-types.ts';

type Features = Result<'feature.probe'>;

let found: Features | undefined;

/** Found out once in the life of a process. */
export function probeFeatures(): Features {
  found ??= {
    mapTypes: Object.fromEntries(linuxNames(MAP_TYPES).map((type) => [type, hasMapType(type)])),
    programTypes: programTypes(),
    helpers: helpersByType(),
    misc: misc(),
  };
  return found;
}

const linuxNames = <T extends string>(table: Readonly<Record<T, object>>): T[] =>
  (Object.keys(table) as T[]).filter((name) => 'linux' in table[name] && name !== 'unspec');

/** Closes what was made; whether it was. */
function made(fd: number): boolean {
  if (fd >= 0) close(fd);
  return fd >= 0;
}

// Maps.

const PLAIN = { keySize: 4, valueSize: 4, maxEntries: 1 } as const;
const NO_PREALLOC = { flags: MAP_FLAGS.NO_PREALLOC } as const;
const PAGE = 4096;

/** What a type wants other than a key and a value of 4 bytes and one element. */
const MAP_ATTRIBUTES: { readonly [T in MapTypeName]?: Partial<MapAttributes> } = {
  stack_trace: { valueSize: 8 },
  lpm_trie: { keySize: 8, ...NO_PREALLOC },
  queue: { keySize: 0 },
  stack: { keySize: 0 },
  bloom_filter: { keySize: 0 },
  ringbuf: { keySize: 0, valueSize: 0, maxEntries: PAGE },
  user_ringbuf: { keySize: 0, valueSize: 0, maxEntries: PAGE },
  cgroup_storage: { keySize: 8, maxEntries: 0 },
  percpu_cgroup_storage: { keySize: 8, maxEntries: 0 },
  sk_storage: { maxEntries: 0, ...NO_PREALLOC },
  inode_storage: { maxEntries: 0, ...NO_PREALLOC },
  task_storage: { maxEntries: 0, ...NO_PREALLOC },
  cgrp_storage: { maxEntries: 0, ...NO_PREALLOC },
  arena: { keySize: 0, valueSize: 0, flags: MAP_FLAGS.MMAPABLE },
};
/** Types that are made with BTF only. */
const NEEDS_BTF: ReadonlySet<MapTypeName> = new Set(['sk_storage', 'inode_storage', 'task_storage', 'cgrp_storage']);
const OF_MAPS: ReadonlySet<MapTypeName> = new Set(['array_of_maps', 'hash_of_maps']);

function hasMapType(type: MapTypeName): boolean {
  const attributes = { type, ...PLAIN, ...MAP_ATTRIBUTES[type] };
  // The value is a structure of the kernel's, which the map must name: another number than "no such type" is enough.
  if (type === 'struct_ops') {
    const status = mapCreate({ ...attributes, btfVmlinuxValueTypeId: 1 });
    return made(status) || status === -ERRNO.ENOTSUPP || status === -ERRNO.ENOENT;
  }
  if (NEEDS_BTF.has(type)) {
    const { fd } = btfLoad(encodeBtf([{ kind: 'int', name: 'int', size: 4, encoding: 1, bits: 32, offset: 0 }]));
    const map = mapCreate({ ...attributes, btfFd: fd, btfKeyTypeId: 1, btfValueTypeId: 1 });
    made(fd);
    return made(map);
  }
  if (!OF_MAPS.has(type)) return made(mapCreate(attributes));
  const innerFd = mapCreate({ type: 'array', ...PLAIN });
  const map = mapCreate({ ...attributes, innerFd });
  made(innerFd);
  return made(map);
}

// Programs.

/** What types want beside a number and a licence. */
const PROGRAM_ATTRIBUTES: {
  readonly [T in ProgramTypeName]?: { readonly attachType?: AttachTypeName; readonly flags?: number };
} = {
  cgroup_sock_addr: { attachType: 'cgroup_inet4_connect' },
  cgroup_sockopt: { attachType: 'cgroup_getsockopt' },
  sk_lookup: { attachType: 'sk_lookup' },
  netfilter: { attachType: 'netfilter' },
  syscall: { flags: 1 << 4 },
  cgroup_skb: { attachType: 'cgroup_inet_ingress' },
};

/** Bytes of a log: small programs have small ones. */
const LOG = 65_536;

const RETURNS_ZERO = assemble('r0 = 0\nexit').code;
/** Sockets are let through by returning 1, of these alone. */
const RETURNS_ONE = assemble('r0 = 1\nexit').code;

function loadedFor(attachType: AttachTypeName, kind: 'func' | 'typedef', name: string) {
  const attachBtfId = kernelTypes('feature.probe').findByName(name, kind);
  return attachBtfId === undefined ? undefined : { attachType, attachBtfId };
}

/** For something that every kernel with BTF has. */
function tracingAttributes(type: ProgramTypeName): Partial<ProgramAttributes> | undefined {
  // What may be traced differs: raw tracepoints where nothing of a function's code is to be changed.
  if (type === 'tracing') return loadedFor('trace_raw_tp', 'typedef', 'btf_trace_sched_switch');
  return type === 'lsm' ? loadedFor('lsm_mac', 'func', 'bpf_lsm_file_open') : {};
}

function attributesOf(type: ProgramTypeName): Omit<ProgramAttributes, 'code'> | undefined {
  const special = tracingAttributes(type);
  return special && { type, license: 'GPL', ...PROGRAM_ATTRIBUTES[type], ...special };
}

/** A program that changes functions needs one to change, and a table of the kernel's its own structure: asked for what it lacks. */
const INCOMPLETE: ReadonlySet<ProgramTypeName> = new Set(['ext', 'struct_ops']);

function hasProgramType(type: ProgramTypeName): boolean {
  const attributes = attributesOf(type);
  if (attributes === undefined) return false;
  if (INCOMPLETE.has(type)) {
    const { log } = progLoad({ ...attributes, code: RETURNS_ZERO, attachBtfId: 1, logLevel: 1, logSize: LOG });
    return log !== '';
  }
  return [RETURNS_ZERO, RETURNS_ONE].some((code) => made(progLoad({ ...attributes, code }).fd));
}

let types: Readonly<Record<string, boolean>> | undefined;

function programTypes(): Readonly<Record<string, boolean>> {
  types ??= Object.fromEntries(linuxNames(PROGRAM_TYPES).map((type) => [type, hasProgramType(type)]));
  return types;
}

// Helpers.

/** What the verifier says of a helper that it does not have for a type (check_helper_call), and of none that it has. */
const NO_HELPER = /unknown func|invalid func|program of this type cannot use helper|cannot use helper/;

function helpersByType(): Record<string, string[]> {
  const rows = builtInPlatform('linux').families.flatMap(({ helpers }) => helpers);
  const numbers = new Map(
    rows.flatMap(({ name, numbers }) => (numbers.linux === undefined ? [] : [[numbers.linux, `bpf_${name}`] as const])),
  );
  return Object.fromEntries(
    linuxNames(PROGRAM_TYPES).map((type) => {
      const attributes = programTypes()[type] && !INCOMPLETE.has(type) ? attributesOf(type) : undefined;
      const has = (number: number): boolean => attributes !== undefined && hasHelper(attributes, number);
      return [type, [...numbers].filter(([number]) => has(number)).map(([, name]) => name)];
    }),
  );
}

function hasHelper(attributes: Omit<ProgramAttributes, 'code'>, number: number): boolean {
  const { fd, log } = progLoad({
    ...attributes,
    code: assemble(`call ${number}\nr0 = 0\nexit`).code,
    logLevel: 1,
    logSize: LOG,
  });
  if (made(fd)) return true;
  return log !== '' && !NO_HELPER.test(log);
}

// Others.

/** More instructions than the 4,096 of old kernels. */
const MANY = 5000;

function loads(text: string): boolean {
  return made(progLoad({ type: 'socket_filter', license: 'GPL', code: assemble(text).code }).fd);
}

const misc = (): Record<string, boolean> => ({
  large_insn_limit: loads(`${'r0 = 1\n'.repeat(MANY)}exit`),
  bounded_loops: loads('r0 = 10\nloop:\nr0 += -1\nif r0 != 0 goto loop\nexit'),
  v2_isa_extension: loads('r0 = 0\nif r0 < 1 goto out\nr0 = 1\nout:\nexit'),
  v3_isa_extension: loads('r0 = 0\nif w0 < 1 goto out\nr0 = 1\nout:\nexit'),
  v4_isa_extension: loads('r0 = 0\nif r0 == 0 goto one\ngotol out\none:\nr0 = 1\nout:\nexit'),
});
