// What applications ask of an execution context, as one table of methods: plain data in, plain data out. Who answers is a host's
// matter: the context in this process (context/), a service over a socket (client/), the Linux kernel (hosts/linux). The command and
// compat/libbpf speak to all of them through a Session.
//
// Types are by name; numbers are made at the edges. Bytes are Uint8Array, 64-bit numbers bigint. Failures are AnyBpfError; those that
// bpf(2) has an errno for carry it in `diagnostic.errno` (positive).
import type { Diagnostic } from '../base/diagnostic.ts';
import type { EngineChoice } from './backend.ts';
import type { MapTypeName } from './map-types.ts';
import type { AttachTypeName, ProgramTypeName } from './program-types.ts';

/** What a connection may do; each role includes those before it. */
export const ROLES = ['read', 'load', 'attach', 'admin'] as const;
export type Role = (typeof ROLES)[number];

export type ObjectKind = 'map' | 'prog' | 'link' | 'btf';

/** A handle of one session, as a file descriptor is one of a process: small, positive, given back with the session. */
export type Fd = number;
/** Of an object, unique in its kind while the context lives; 0 is none. */
export type Id = number;
type None = Record<never, never>;

/** eBPF for Windows' ebpf_execution_type_t. `any` lets the context choose; `native` is a module made ahead of time. */
export const EXECUTION_TYPES = ['any', 'jit', 'interpret', 'native'] as const;
export type ExecutionType = (typeof EXECUTION_TYPES)[number];

/** What a program is attached to. All fields absent: the hook as a whole (bind; the root cgroup). */
export interface AttachTarget {
  /** Network interface (xdp, tcx, netkit). */
  readonly ifindex?: number;
  /** Windows: 0, or absent, stands for all compartments. */
  readonly compartment?: number;
  /** Path of a cgroup (`/`, `/a/b`); absent: the root. */
  readonly cgroup?: string;
  /** Network namespace by path (sk_lookup, flow_dissector, netfilter); absent: the context's own. */
  readonly netns?: string;
  /** Tracepoint (`syscalls/sys_enter_openat`), raw tracepoint, function, `binary:symbol`. */
  readonly name?: string;
  /** A map (sockmap, struct_ops), as a handle of this session. */
  readonly mapFd?: Fd;
  /** Of perf events, uprobes and iterators; -1 or absent: all. */
  readonly pid?: number;
  /** netfilter: lower ones run first; its hook is `name` (`ipv4/local_in`). */
  readonly priority?: number;
}

export interface MapInfo {
  readonly kind: 'map';
  readonly id: Id;
  readonly name: string;
  readonly type: MapTypeName;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  /** MAP_FLAGS. */
  readonly flags: number;
  readonly extra?: bigint;
  readonly btfId: Id;
  readonly keyTypeId: number;
  readonly valueTypeId: number;
  readonly frozen: boolean;
  /** Windows: the template of a map of maps. */
  readonly innerMapId: Id;
  /** Bytes of memory that it takes. */
  readonly memory: number;
  /** Bytes of one value in map.lookup and map.update: for per-CPU maps those of all CPUs, each rounded up to 8. */
  readonly userValueSize: number;
  /** Paths in the form that the context prints. */
  readonly pins: readonly string[];
}

export interface ProgramInfo {
  readonly kind: 'prog';
  readonly id: Id;
  readonly name: string;
  readonly type: ProgramTypeName;
  readonly attachType?: AttachTypeName;
  /** Of the instructions as the kernel's bpf_prog_calc_tag (SHA-256 since Linux 6.18, before SHA-1), 16 hexadecimal digits. */
  readonly tag: string;
  readonly gplCompatible: boolean;
  /** Nanoseconds since boot. */
  readonly loadedAt: bigint;
  readonly uid: number;
  /** Process that loaded it. */
  readonly pid?: number;
  readonly mapIds: readonly Id[];
  readonly btfId: Id;
  /** Bytes of its instructions, and of compiled code (0 where it is interpreted). */
  readonly bytesXlated: number;
  readonly bytesJited: number;
  readonly verifiedInsns: number;
  readonly execution: ExecutionType;
  readonly engine: string;
  readonly runTimeNs: bigint;
  readonly runCount: bigint;
  readonly linkCount: number;
  /** The file or object that it came from. */
  readonly source: string;
  readonly section: string;
  /** A digest of everything that it was verified against (program-information hash), where there is one. */
  readonly informationHash?: string;
  /** False while a provider that it needs is away. */
  readonly usable: boolean;
  readonly pins: readonly string[];
}

export const LINK_TYPES = [
  'unspec',
  'raw_tracepoint',
  'tracing',
  'cgroup',
  'iter',
  'netns',
  'xdp',
  'perf_event',
  'kprobe_multi',
  'struct_ops',
  'netfilter',
  'tcx',
  'uprobe_multi',
  'netkit',
  'sockmap',
  'plain',
] as const;
/** Kernel's enum bpf_link_type by its number, then `plain`: Windows' only kind. */
export type LinkTypeName = (typeof LINK_TYPES)[number];

export interface LinkInfo {
  readonly kind: 'link';
  readonly id: Id;
  readonly type: LinkTypeName;
  /** 0 after link.detach. */
  readonly progId: Id;
  readonly attachType: AttachTypeName;
  readonly target: AttachTarget;
  readonly detached: boolean;
  /** Made by prog.attach, without a handle of its own. */
  readonly legacy: boolean;
  readonly pins: readonly string[];
}

export interface BtfInfo {
  readonly kind: 'btf';
  readonly id: Id;
  readonly name: string;
  readonly size: number;
  readonly kernel: boolean;
  readonly progIds: readonly Id[];
  readonly mapIds: readonly Id[];
}

/** Who has handles of an object, beside the handle that is asked by: processes, ascending; where they were asked for and the host knows. */
export interface Held {
  readonly holders?: readonly number[];
}

export type ObjectInfo = (MapInfo | ProgramInfo | LinkInfo | BtfInfo) & Held;

export interface MapCreate {
  readonly name: string;
  readonly type: MapTypeName;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags?: number;
  readonly extra?: bigint;
  readonly numaNode?: number;
  readonly innerFd?: Fd;
  readonly btfFd?: Fd;
  readonly keyTypeId?: number;
  readonly valueTypeId?: number;
  readonly dialect?: 'linux' | 'windows';
}

/** BPF_PROG_LOAD: instructions with map handles in their immediates (BPF_PSEUDO_MAP_FD 1, BPF_PSEUDO_MAP_VALUE 2). */
export interface ProgramLoad {
  readonly name: string;
  readonly type: ProgramTypeName;
  readonly attachType?: AttachTypeName;
  readonly code: Uint8Array;
  readonly license: string;
  readonly dialect?: 'linux' | 'windows';
  /** BPF_F_* of BPF_PROG_LOAD. */
  readonly flags?: number;
  readonly btfFd?: Fd;
  /** struct bpf_func_info (8 bytes) and bpf_line_info (16 bytes). */
  readonly functions?: Uint8Array;
  readonly lines?: Uint8Array;
  readonly execution?: ExecutionType;
}

/** What a loader may change of a program (bpf_program__set_*). */
export interface ProgramChange {
  readonly type?: ProgramTypeName;
  readonly attachType?: AttachTypeName;
  /** In place of what follows the section's prefix. */
  readonly attachTarget?: string;
}

/** What a loader may change of a map (bpf_map__set_*, bpf_map__reuse_fd). */
export interface MapChange {
  readonly type?: MapTypeName;
  readonly keySize?: number;
  readonly valueSize?: number;
  readonly maxEntries?: number;
  readonly flags?: number;
  readonly numaNode?: number;
  readonly extra?: bigint;
  /** Takes this map; nothing is created. */
  readonly reuseFd?: Fd;
  /** Where it is pinned, and taken from if it is there already; empty for nowhere, whatever the object says. */
  readonly pinPath?: string;
  /** Initial value of a data section's map. */
  readonly data?: Uint8Array;
}

/** A whole object: parsed, verified and compiled beside the context, created in it. All or nothing. */
export interface ObjectLoad {
  /** ELF, or a module of `anybpf compile` for execution `native`. */
  readonly object: Uint8Array;
  /** File name for diagnostics and ProgramInfo.source. */
  readonly name: string;
  readonly execution?: ExecutionType;
  readonly engine?: EngineChoice;
  /** Programs to load, by function name; without it all but those of `?` sections. */
  readonly programs?: readonly string[];
  /** Changes to programs by function name. */
  readonly types?: Readonly<Record<string, ProgramChange>>;
  /** Changes to maps by name, before they are created. */
  readonly maps?: Readonly<Record<string, MapChange>>;
  /** Where maps of LIBBPF_PIN_BY_NAME go; `/sys/fs/bpf` where absent. */
  readonly pinRoot?: string;
  /** Raw BTF to resolve CO-RE relocations against. */
  readonly btf?: Uint8Array;
}

export interface LoadedObjectInfo {
  readonly programs: readonly { readonly name: string; readonly section: string; readonly fd: Fd; readonly id: Id }[];
  /** In the object's order; those of data sections with the section's name (`.bss`). */
  readonly maps: readonly { readonly name: string; readonly section?: string; readonly fd: Fd; readonly id: Id }[];
  readonly btfFd?: Fd;
  readonly diagnostics: readonly Diagnostic[];
}

/** What happens at a hook, for those that feed it: the service's test hook, live hosts. */
export interface HookEvent {
  readonly attachType: AttachTypeName;
  /** Whose rules and contexts; where it is absent, those of the programs that are attached, and of Linux where both have such a hook. */
  readonly dialect?: 'linux' | 'windows';
  readonly target?: AttachTarget;
  /** Packet, or the bytes that Windows contexts point to (a bind's application id). */
  readonly data?: Uint8Array;
  /** Fields of the context by name, or its bytes. */
  readonly ctx?: Uint8Array | Readonly<Record<string, number | bigint | Uint8Array>>;
  /** The task that it happens in, where it is not the caller's. */
  readonly pid?: number;
}

export interface HookVerdict {
  /** What the hook does then; the hook's own default where nothing is attached. */
  readonly verdict: number;
  /** Name of the verdict (`XDP_DROP`, `BIND_DENY`), where it has one. */
  readonly name?: string;
  readonly data?: Uint8Array;
  readonly ctx?: Uint8Array;
  /** Windows: bytes for whoever gets the connection, where a program redirected it and left some. */
  readonly redirectContext?: Uint8Array;
  /** Programs that ran, in order. */
  readonly ran: readonly { readonly progId: Id; readonly linkId: Id; readonly retval: number }[];
}

interface ByFd {
  readonly fd: Fd;
}
interface NextId {
  readonly id: Id;
}

/** Every method: what it takes, what it gives. */
export interface Methods {
  // Objects of all kinds.
  'object.load': { readonly params: ObjectLoad; readonly result: LoadedObjectInfo };
  /** The object with the smallest id above `id`; ENOENT after the last. */
  'object.nextId': { readonly params: { readonly kind: ObjectKind; readonly id: Id }; readonly result: NextId };
  'object.open': { readonly params: { readonly kind: ObjectKind; readonly id: Id }; readonly result: ByFd };
  /** `holders`: with the processes that have handles of it. */
  'object.info': { readonly params: ByFd & { readonly holders?: boolean }; readonly result: ObjectInfo };
  'object.close': { readonly params: ByFd; readonly result: None };
  'object.duplicate': { readonly params: ByFd; readonly result: ByFd };
  'object.pin': { readonly params: { readonly fd: Fd; readonly path: string }; readonly result: None };
  'object.get': {
    readonly params: { readonly path: string };
    readonly result: { readonly fd: Fd; readonly kind: ObjectKind };
  };
  'object.unpin': { readonly params: { readonly path: string }; readonly result: None };
  /** All pins below a path, sorted; all where it is absent. */
  'object.pins': {
    readonly params: { readonly below?: string };
    readonly result: {
      readonly pins: readonly { readonly path: string; readonly kind: ObjectKind; readonly id: Id }[];
    };
  };

  // Maps. Keys and values as in bpf(2) (spec/map.ts: application side). Where elements hold objects, updates take handles of this
  // session and lookups give ids: maps of maps and prog_array as the u32 value, devmap, devmap_hash and cpumap (value size 8) as the
  // second u32, where 0 and negative handles mean no program. An element holds its object: it lives without a handle.
  'map.create': { readonly params: MapCreate; readonly result: ByFd };
  /** A bloom filter is asked for a value: it stands in the key's place. ENOENT: surely not. */
  'map.lookup': {
    readonly params: { readonly fd: Fd; readonly key: Uint8Array; readonly flags?: number };
    readonly result: { readonly value: Uint8Array };
  };
  'map.update': {
    readonly params: { readonly fd: Fd; readonly key: Uint8Array; readonly value: Uint8Array; readonly flags?: number };
    readonly result: None;
  };
  'map.delete': { readonly params: { readonly fd: Fd; readonly key: Uint8Array }; readonly result: None };
  'map.lookupAndDelete': {
    readonly params: { readonly fd: Fd; readonly key: Uint8Array; readonly flags?: number };
    readonly result: { readonly value: Uint8Array };
  };
  /** ENOENT after the last. */
  'map.nextKey': {
    readonly params: { readonly fd: Fd; readonly key?: Uint8Array };
    readonly result: { readonly key: Uint8Array };
  };
  /** Up to `count` elements after the cursor (absent: from the first), keys and values one after the other. */
  'map.lookupBatch': {
    readonly params: {
      readonly fd: Fd;
      readonly cursor?: Uint8Array;
      readonly count: number;
      readonly remove?: boolean;
      readonly flags?: number;
    };
    readonly result: {
      readonly keys: Uint8Array;
      readonly values: Uint8Array;
      readonly count: number;
      /** To go on with; absent where the end was reached. */
      readonly cursor?: Uint8Array;
    };
  };
  /** Elements in order until one fails: `count` were done, `errno` says why the next was not. */
  'map.updateBatch': {
    readonly params: {
      readonly fd: Fd;
      readonly keys: Uint8Array;
      readonly values: Uint8Array;
      readonly count: number;
      readonly flags?: number;
    };
    readonly result: { readonly count: number; readonly errno?: number };
  };
  'map.deleteBatch': {
    readonly params: { readonly fd: Fd; readonly keys: Uint8Array; readonly count: number };
    readonly result: { readonly count: number; readonly errno?: number };
  };
  'map.freeze': { readonly params: ByFd; readonly result: None };
  /** Records of a ring buffer or perf event array, oldest first, taken out; `lost` counts since the last call. */
  'map.consume': {
    readonly params: { readonly fd: Fd; readonly most?: number };
    readonly result: {
      readonly records: readonly { readonly cpu: number; readonly data: Uint8Array }[];
      readonly lost: number;
    };
  };
  /** Begins events `records` for a ring buffer or perf event array; they end with the handle. */
  'map.subscribe': { readonly params: { readonly fd: Fd; readonly perCpuBytes?: number }; readonly result: None };
  /** user_ringbuf: adds records in order until one does not fit. */
  'map.produce': {
    readonly params: { readonly fd: Fd; readonly records: readonly Uint8Array[] };
    readonly result: { readonly count: number; readonly errno?: number };
  };
  /** Windows' ebpf_ring_buffer_map_write and ebpf_perf_event_array_map_write. */
  'map.write': { readonly params: { readonly fd: Fd; readonly data: Uint8Array }; readonly result: None };

  // Programs.
  /** `log` is the verifier's explanation where it was refused, in the error's diagnostic otherwise. */
  'prog.load': { readonly params: ProgramLoad; readonly result: ByFd };
  'prog.testRun': {
    readonly params: {
      readonly fd: Fd;
      readonly data?: Uint8Array;
      readonly ctx?: Uint8Array;
      readonly args?: readonly bigint[];
      readonly repeat?: number;
    };
    readonly result: {
      readonly retval: number;
      readonly duration: number;
      readonly data?: Uint8Array;
      readonly ctx?: Uint8Array;
    };
  };
  'prog.bindMap': { readonly params: { readonly fd: Fd; readonly mapFd: Fd }; readonly result: None };
  /** bpf_prog_attach: holds until prog.detach, whatever becomes of the session. */
  'prog.attach': {
    readonly params: {
      readonly fd: Fd;
      readonly attachType: AttachTypeName;
      readonly target: AttachTarget;
      readonly flags?: number;
      readonly replaceFd?: Fd;
      /** tcx, netkit: the program or link to go before or after (BPF_F_BEFORE 8, BPF_F_AFTER 16); absent: all others. */
      readonly relativeFd?: Fd;
    };
    readonly result: None;
  };
  'prog.detach': {
    readonly params: { readonly fd?: Fd; readonly attachType: AttachTypeName; readonly target: AttachTarget };
    readonly result: None;
  };
  'prog.query': {
    readonly params: { readonly attachType: AttachTypeName; readonly target: AttachTarget };
    readonly result: {
      readonly progs: readonly { readonly id: Id; readonly linkId: Id; readonly flags: number }[];
      readonly revision: bigint;
    };
  };
  /** Instructions with map ids in place of handles, as BPF_OBJ_GET_INFO_BY_FD's xlated ones, and where they came from. */
  'prog.code': {
    readonly params: ByFd;
    readonly result: {
      readonly xlated: Uint8Array;
      readonly lines: readonly {
        readonly slot: number;
        readonly file: string;
        readonly line: number;
        readonly column: number;
        readonly text: string;
      }[];
      readonly functions: readonly { readonly slot: number; readonly name: string }[];
      /** Code that was made of it (WebAssembly); absent where it is interpreted. */
      readonly jited?: Uint8Array;
    };
  };

  // Links.
  'link.create': {
    readonly params: {
      readonly fd: Fd;
      readonly attachType: AttachTypeName;
      readonly target: AttachTarget;
      readonly flags?: number;
      /** Tracing programs: bpf_get_attach_cookie. */
      readonly cookie?: bigint;
      /** As in prog.attach. */
      readonly relativeFd?: Fd;
    };
    readonly result: ByFd;
  };
  /** Puts another program in the place of the link's, at once for all events that come after. */
  'link.update': {
    readonly params: { readonly fd: Fd; readonly progFd: Fd; readonly oldProgFd?: Fd };
    readonly result: None;
  };
  'link.detach': { readonly params: ByFd; readonly result: None };

  // BTF.
  'btf.load': { readonly params: { readonly btf: Uint8Array; readonly name?: string }; readonly result: ByFd };
  'btf.data': { readonly params: ByFd; readonly result: { readonly btf: Uint8Array } };

  // The context itself.
  /** BPF_ENABLE_STATS: counts run times while the handle is open. */
  'stats.enable': { readonly params: None; readonly result: ByFd };
  /** Waits until every run that had begun has ended (Windows' ebpf_program_synchronize). */
  'context.synchronize': { readonly params: None; readonly result: None };
  /** Feeds a hook: the test hook. `repeat` as prog.testRun, the last verdict is given. */
  'hook.fire': { readonly params: HookEvent & { readonly repeat?: number }; readonly result: HookVerdict };
  /** Attach types that something feeds here, and their rules. */
  'hook.list': {
    readonly params: None;
    readonly result: {
      readonly hooks: readonly {
        readonly attachType: AttachTypeName;
        readonly dialect: 'linux' | 'windows';
        readonly types: readonly ProgramTypeName[];
        readonly limit: string;
        readonly provider: string;
      }[];
    };
  };
  /** Begins events `trace` (bpf_trace_printk). */
  'trace.subscribe': { readonly params: None; readonly result: None };
  /** What there is: map types, program types, helpers by program type; `anybpf feature probe`. */
  'feature.probe': {
    readonly params: None;
    readonly result: {
      readonly mapTypes: Readonly<Record<string, boolean>>;
      readonly programTypes: Readonly<Record<string, boolean>>;
      readonly helpers: Readonly<Record<string, readonly string[]>>;
      readonly misc: Readonly<Record<string, boolean>>;
    };
  };
}

export type MethodName = keyof Methods;
export type Params<M extends MethodName> = Methods[M]['params'];
export type Result<M extends MethodName> = Methods[M]['result'];

/** The role that each method needs. */
export const METHOD_ROLES: { readonly [M in MethodName]: Role } = {
  'object.load': 'load',
  'object.nextId': 'read',
  'object.open': 'read',
  'object.info': 'read',
  'object.close': 'read',
  'object.duplicate': 'read',
  'object.pin': 'load',
  'object.get': 'read',
  'object.unpin': 'load',
  'object.pins': 'read',
  'map.create': 'load',
  'map.lookup': 'read',
  'map.update': 'load',
  'map.delete': 'load',
  'map.lookupAndDelete': 'load',
  'map.nextKey': 'read',
  // With `remove` it needs `load`: who dispatches looks at it.
  'map.lookupBatch': 'read',
  'map.updateBatch': 'load',
  'map.deleteBatch': 'load',
  'map.freeze': 'load',
  'map.consume': 'load',
  'map.subscribe': 'load',
  'map.produce': 'load',
  'map.write': 'load',
  'prog.load': 'load',
  'prog.testRun': 'load',
  'prog.bindMap': 'load',
  'prog.attach': 'attach',
  'prog.detach': 'attach',
  'prog.query': 'read',
  'prog.code': 'read',
  'link.create': 'attach',
  'link.update': 'attach',
  'link.detach': 'attach',
  'btf.load': 'load',
  'btf.data': 'read',
  'stats.enable': 'admin',
  'context.synchronize': 'read',
  'hook.fire': 'admin',
  'hook.list': 'read',
  'trace.subscribe': 'read',
  'feature.probe': 'read',
};

/** What a session says by itself. */
export interface Events {
  /** Records of a subscribed map, oldest first. `lost`: dropped since the last event, because the ring or the consumer was full. */
  readonly records: {
    readonly fd: Fd;
    readonly records: readonly { readonly cpu: number; readonly data: Uint8Array }[];
    readonly lost: number;
  };
  readonly trace: {
    readonly line: string;
    readonly cpu: number;
    /** The task's; its process's where that is known. */
    readonly pid: number;
    readonly tgid?: number;
    readonly time: bigint;
  };
  /** The session has ended; every handle is gone. */
  readonly closed: { readonly why: string };
}
export type EventName = keyof Events;

/** A connection to an execution context. Its handles go with it. */
export interface Session {
  /** Who answers: `embedded`, `service`, `linux`. */
  readonly host: string;
  /** @throws AnyBpfError */
  call<M extends MethodName>(method: M, params: Params<M>): Promise<Result<M>>;
  /** Adds a listener; the function that is given back takes it away. */
  on<E extends EventName>(event: E, listener: (data: Events[E]) => void): () => void;
  close(): Promise<void>;
}

/** Answers every method: the context, the kernel. `caller` is the session that asks. */
export type Handlers<Caller> = {
  readonly [M in MethodName]: (caller: Caller, params: Params<M>) => Result<M> | Promise<Result<M>>;
};

/**
 * Who wants to know what changes in a context, after the change and before the caller hears of it: the journal. Nothing is told of what
 * programs change in maps.
 */
export interface ContextObserver {
  /** A map's element by an application; `value` undefined where it was deleted. */
  mapElement?(mapId: Id, key: Uint8Array, value: Uint8Array | undefined): void;
  mapFrozen?(mapId: Id): void;
  created?(kind: ObjectKind, id: Id): void;
  destroyed?(kind: ObjectKind, id: Id): void;
  pinned?(path: string, kind: ObjectKind, id: Id): void;
  unpinned?(path: string): void;
  linkUpdated?(linkId: Id, progId: Id): void;
  linkDetached?(linkId: Id): void;
  /** prog.attach or prog.detach changed what is attached without a link. */
  attachmentsChanged?(): void;
  /** prog.bindMap. */
  mapBound?(progId: Id, mapId: Id): void;
}
