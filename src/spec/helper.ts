// Helper functions: one row each, with numbers, prototype, body and doc together (helpers/, a file a family).
import type { HostServices } from './host.ts';
import type { BpfMap } from './map.ts';
import type { Address, Memory } from './memory.ts';
import type { Dialect } from './object.ts';
import type { ContextLayout } from './program.ts';
import type { AttachTypeName, ProgramTypeName } from './program-types.ts';

/**
 * What each kind of argument is, and the type its body receives (compare enum bpf_arg_type in include/linux/bpf.h).
 * Back ends check an argument by its kind before the body runs, so bodies trust their arguments.
 */
export interface ArgTypes {
  /** CONST_MAP_PTR: a map's handle. */
  map: BpfMap;
  /** Readable, key_size bytes of the map argument. */
  key: Address;
  /** Readable, value_size bytes of the map argument. */
  value: Address;
  /** As `value`, or NULL. */
  valueOrNull: Address;
  /** Writable, value_size bytes; need not be initialised. */
  valueOut: Address;
  /** Readable, as many bytes as the `size` argument that follows. */
  mem: Address;
  memOrNull: Address;
  /** Writable, as many bytes as the `size` argument that follows; need not be initialised. */
  memOut: Address;
  memOutOrNull: Address;
  /** Writable and read, as many bytes as the `size` argument that follows. */
  memInOut: Address;
  /** Bytes of the memory argument before it; above zero. */
  size: number;
  sizeOrZero: number;
  /** Size of an allocation (bpf_ringbuf_reserve). */
  allocSize: number;
  /** Writable 4 or 8 bytes. */
  out4: Address;
  out8: Address;
  /** Writable 4 bytes that are read first. */
  inOut4: Address;
  ctx: Address;
  /** The program's context, or NULL. */
  ctxOrNull: Address;
  /** Any 64-bit value. */
  scalar: bigint;
  /** The low 32 bits, unsigned. */
  u32: number;
  /** The low 32 bits, signed. */
  s32: number;
  /** NUL-terminated string in a read-only map. */
  constString: Address;
  /** A subprogram (callback), as a code address. */
  callback: bigint;
  /** Pointer that the callback gets and the program owns: stack, or NULL. */
  callbackContext: bigint;
  /** A socket of any kind, and with NULL. */
  socket: Address;
  socketOrNull: Address;
  /** A ring buffer record from bpf_ringbuf_reserve. */
  ringRecord: Address;
  spinLock: Address;
  timer: Address;
  /** Writable 16 bytes of stack. */
  dynptrOut: Address;
  dynptr: Address;
  /** A pointer with BTF (task, file, ...): a host-given address. */
  btfPointer: bigint;
  /** An address that is not checked and not dereferenced directly (probe_read source). */
  unsafePointer: bigint;
}

export type ArgKind = keyof ArgTypes;

/** What a helper gives back (compare enum bpf_return_type). */
export type ReturnKind =
  | 'integer'
  | 'void'
  | 'mapValueOrNull'
  | 'mapValue'
  | 'socketOrNull'
  | 'sockCommonOrNull'
  | 'tcpSocketOrNull'
  | 'ringRecordOrNull'
  | 'memOrNull'
  | 'btfPointer'
  | 'btfPointerOrNull'
  /** Does not come back when it succeeds (tail_call). */
  | 'integerOrNoReturn';

export type HelperBody<Args extends readonly ArgKind[]> = (
  env: HelperEnv,
  ...args: { -readonly [I in keyof Args]: ArgTypes[Args[I]] }
) => number | bigint | void;

/** BPF_MAX_LOOPS (include/linux/bpf.h): most calls of bpf_loop's callback, and passes of may_goto. */
export const MAX_LOOPS = 8 * 1024 * 1024;

/** What a back end may do itself instead of calling the row's body (compile/wasm/intrinsics.ts has a row for each). */
export type IntrinsicName =
  | 'mapLookup'
  | 'mapUpdate'
  | 'mapDelete'
  | 'mapPush'
  | 'mapPop'
  | 'mapPeek'
  | 'tailCall'
  | 'ringOutput'
  | 'ringReserve'
  | 'ringSubmit'
  | 'ringDiscard'
  | 'ringQuery'
  | 'mapLookupPerCpu'
  | 'loop'
  | 'csumDiff'
  | 'strncmp'
  | 'cpuNumber'
  | 'spinLock'
  | 'spinUnlock'
  | 'packetLoad'
  | 'packetStore'
  | 'skbStore'
  | 'packetLength';

/** A helper as data. A negative number result is a negated errno (or Windows' negated ebpf_result_t). */
export interface HelperRow {
  /** Without `bpf_`: `map_lookup_elem`. */
  readonly name: string;
  /** Number per dialect in the space common to all program types. */
  readonly numbers: Partial<Record<Dialect, number>>;
  /** Windows: numbers of one program type (0x10000 and up), which replace or extend the common ones. */
  readonly programNumbers?: { readonly [P in ProgramTypeName]?: number };
  readonly args: readonly ArgKind[];
  /** So many arguments at the end are looked at only where others ask for them: their registers may hold nothing. */
  readonly optional?: number;
  readonly returns: ReturnKind;
  /** Only for programs with a GPL-compatible licence. */
  readonly gplOnly?: boolean;
  /** Packet pointers are invalid after it (bpf_helper_changes_pkt_data). */
  readonly changesPacket?: boolean;
  /** Takes a reference that must be given back (`acquires`), or gives back the one in argument 1 (`releases`). */
  readonly acquires?: 'socket' | 'ringRecord';
  readonly releases?: 'socket' | 'ringRecord';
  readonly sleepable?: boolean;
  /** The body does nothing but this, which a back end may do itself without calling it. */
  readonly intrinsic?: IntrinsicName;
  /** One or two sentences: meaning, units, errors. */
  readonly doc: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- the argument types are checked where the row is declared
  readonly body: HelperBody<any>;
}

/** Declares one row; ties the body's parameters to the prototype. */
export const helper = <const Args extends readonly ArgKind[]>(
  row: Omit<HelperRow, 'args' | 'body'> & { readonly args: Args; readonly body: HelperBody<Args> },
): HelperRow => row;

/** A family of helpers: what program types admit as a whole. One file of helpers/ each. */
export interface HelperFamily {
  readonly family: string;
  readonly doc: string;
  readonly helpers: readonly HelperRow[];
}

/** The packet of a run. Addresses are in the linear memory and may change by `resize`. */
export interface PacketArea {
  /**
   * First byte of the buffer (head room begins). xdp: data_hard_start, XDP_PACKET_HEADROOM (256) bytes before a fresh packet;
   * bpf_xdp_adjust_head and _meta leave the first sizeof(struct xdp_frame) of it alone.
   */
  readonly head: Address;
  /** End of the buffer (tail room ends). */
  readonly limit: Address;
  readonly data: Address;
  readonly end: Address;
  /** xdp: start of metadata, at most `data`; equal to `data` where there is none. */
  readonly meta: Address;
  /** skb: start of the link header (skb->mac_header), also where `data` begins at the network header; else equal to `data`. */
  link: Address;
  /** skb: start of the network header (skb->network_header); else `data`. Both stay where they are on `move`; `reserve` carries them. */
  network: Address;
  /** Sets the pointers, the accessible regions and the context's fields. head <= meta <= data <= end <= limit must hold. */
  move(data: Address, end: Address, meta: Address): void;
  /**
   * Makes room: afterwards at least `headRoom` bytes lie before `data` and `tailRoom` after `end`. The buffer may be
   * elsewhere then (as pskb_expand_head). False where the packet type cannot grow.
   */
  reserve(headRoom: number, tailRoom: number): boolean;
}

/** Names a helper family's own state within one run; made at first use, gone when the next run begins. */
export interface StateKey<T> {
  readonly name: string;
  create(env: HelperEnv): T;
  /** Called when the run is over, also when it was aborted: gives back what the program left held. */
  end?(state: T, env: HelperEnv): void;
}

/** What a helper body sees of the run that called it. */
export interface HelperEnv {
  readonly memory: Memory;
  readonly host: HostServices;
  readonly dialect: Dialect;
  readonly program: {
    readonly id: number;
    readonly name: string;
    readonly type: ProgramTypeName;
    /** What it was loaded for, where that is known. */
    readonly attachType: AttachTypeName | undefined;
  };
  readonly ctx: Address;
  readonly layout: ContextLayout;
  readonly packet: PacketArea | undefined;
  /** CPU of this run. */
  readonly cpu: number;
  /** The map with this handle, or undefined (an inner map's handle from a lookup is one too). */
  mapAt(handle: Address): BpfMap | undefined;
  /** Asks the back end to go on with another program after this helper returns; false where the limit (33) is reached. */
  tailCall(programId: number): boolean;
  /** Runs a callback subprogram on the same stack discipline; its r0. */
  call(callback: bigint, ...args: readonly bigint[]): bigint;
  /** This run's state of a helper family. */
  state<T>(key: StateKey<T>): T;
}
