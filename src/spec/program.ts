// Program types: context layout, return values, helper families and how to test-run (programs/, a file a type).
import type { HelperFamily, PacketArea } from './helper.ts';
import type { HostServices } from './host.ts';
import type { Address, Memory } from './memory.ts';
import type { Dialect } from './object.ts';
import type { AttachTypeName, ProgramTypeName } from './program-types.ts';

/** What a context field holds, for the verifier and for filling it. */
export type FieldKind =
  | 'scalar'
  | 'packet'
  | 'packetEnd'
  | 'packetMeta'
  /** 64-bit pointer to a `struct bpf_sock` region, or NULL. */
  | 'socketOrNull'
  | 'flowKeys'
  /** 64-bit pointer whose target the host gives (BTF argument of a raw tracepoint, ...). */
  | 'btfPointer';

export interface ContextField {
  readonly offset: number;
  readonly size: 1 | 2 | 4 | 8 | 12 | 16 | 20;
  readonly kind: FieldKind;
  readonly access: 'read' | 'write' | 'read-write';
  /** Attach types in which the field may be used; all where absent. */
  readonly only?: readonly AttachTypeName[];
  /** Attach types in which it may be stored to, where it may be loaded in more. */
  readonly storeOnly?: readonly AttachTypeName[];
  /**
   * A load of fewer bytes than `size` is allowed (bpf_ctx_narrow_access_ok): anywhere, at its start only, or by halves. Fields
   * of more than 8 bytes are arrays of u32.
   */
  readonly narrow?: boolean | 'start' | 'halves';
  /** Two elements of an array, or a field with the padding behind it, may be accessed at once. */
  readonly wide?: boolean;
  /** A store of fewer bytes than `size` is allowed too. */
  readonly narrowStore?: boolean;
}

/** A context structure as the program sees it in memory. */
export interface ContextLayout {
  /** C name: `struct xdp_md`. */
  readonly name: string;
  readonly size: number;
  readonly fields: Readonly<Record<string, ContextField>>;
  /** The structure has no fields that the type knows (a tracepoint's record, a syscall program's argument): any bytes from `from` on. */
  readonly raw?: { readonly access: 'read' | 'read-write'; readonly from: number };
  /** Windows: any bytes outside pointers may be read and stored to, whatever the fields; what is stored where it means nothing has no effect. */
  readonly loose?: true;
}

/** Allowed r0 at exit. */
export interface ReturnRule {
  /** Where only one has the rule. */
  readonly dialect?: Dialect;
  readonly attach?: readonly AttachTypeName[];
  readonly min: bigint;
  readonly max: bigint;
}

export interface TestRunInput {
  /** Packet bytes (packet program types). */
  readonly data?: Uint8Array;
  /** Context bytes as BPF_PROG_TEST_RUN's ctx_in, or single fields by name. */
  readonly ctx?: Uint8Array | Readonly<Record<string, number | bigint | Uint8Array>>;
  /**
   * Where an skb program sees the packet begin. The kernel's test-run gives socket_filter and cgroup_skb the network header
   * ('network', the default there); a packet socket gives the link header ('link').
   */
  readonly layer?: 'link' | 'network';
  /**
   * 'test-run' (the default): the size limits of BPF_PROG_TEST_RUN. 'device': what a network device may hand over, up to
   * 64 KiB and without the minimum for an IP header.
   */
  readonly limits?: 'test-run' | 'device';
  /** Arguments of tracing programs (raw tracepoint args, pt_regs). */
  readonly args?: readonly bigint[];
}

export interface TestRunOutput {
  /** r0 as BPF_PROG_TEST_RUN gives it: the low 32 bits, unsigned. */
  readonly retval: number;
  /** Packet after the run. */
  readonly data?: Uint8Array;
  /** Context after the run. */
  readonly ctx?: Uint8Array;
}

/** Memory of a program's test runs, made once and used for each run in turn. */
export interface Harness {
  /** Lays the context (and packet) of one run; the entry value of r1, and the packet where there is one. */
  start(input: TestRunInput): { readonly ctx: Address; readonly packet: PacketArea | undefined };
  /**
   * After `start`: lays another packet, `length` bytes of `source` at `from`, and leaves all else of the context as it is. For live
   * interfaces, where a packet's time counts; absent where the type has no packets of that kind.
   */
  again?(source: Uint8Array, from: number, length: number): void;
  finish(r0: bigint): TestRunOutput;
  dispose(): void;
}

export interface ProgramTypeRow {
  readonly type: ProgramTypeName;
  readonly contexts: { readonly [D in Dialect]?: ContextLayout };
  readonly attachTypes: readonly AttachTypeName[];
  readonly returns: readonly ReturnRule[];
  /** Names of return values for verdict tables: `{ XDP_DROP: 1n, ... }`. */
  readonly verdicts: { readonly [D in Dialect]?: Readonly<Record<string, bigint>> };
  /** Name of every return value that `verdicts` does not list, where the hook gives all of them one meaning. */
  readonly otherVerdict?: { readonly [D in Dialect]?: string };
  /** Helper families that programs of this type may call. */
  readonly families: readonly HelperFamily['family'][];
  /** Families that it may call in one dialect only. */
  readonly dialectFamilies?: { readonly [D in Dialect]?: readonly HelperFamily['family'][] };
  /** Rows of those families that this type may nevertheless not call. */
  readonly withoutHelpers?: readonly string[];
  /** How to test-run it; absent where there is nothing to give it. */
  harness?(environment: HarnessEnvironment): Harness;
  readonly doc: string;
}

export interface HarnessEnvironment {
  readonly memory: Memory;
  readonly host: HostServices;
  readonly layout: ContextLayout;
  readonly dialect: Dialect;
  readonly attachType: AttachTypeName | undefined;
}
