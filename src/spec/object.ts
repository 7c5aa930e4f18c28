// What `link` makes of an object file: plain data, no behaviour. The same bytes give the same ObjectSpec on every machine.
import type { Endian } from '../base/bytes.ts';
import type { Diagnostic } from '../base/diagnostic.ts';
import type { Btf } from '../btf/btf.ts';
import type { CoreRelocation } from '../btf/ext.ts';
import type { MapTypeName } from './map-types.ts';
import type { AttachTypeName, ProgramTypeName } from './program-types.ts';

/** Whose numbers and context layouts an object uses. */
export type Dialect = 'linux' | 'windows';

export interface ObjectSpec {
  readonly name: string;
  readonly dialect: Dialect;
  /** Byte order of the file. Code and initial map contents in the spec are always little-endian code / file-order data. */
  readonly endian: Endian;
  readonly license: string;
  /** LINUX_VERSION_CODE of a `version` section. */
  readonly version?: number;
  readonly programs: readonly ProgramSpec[];
  /** Maps in the order that `ld_imm64 map_by_idx(n)` counts them. */
  readonly maps: readonly MapSpec[];
  readonly externs: readonly ExternSpec[];
  readonly btf?: Btf;
  /** What was not understood or is not supported, with its place; the rest of the object still loads. */
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * One program, ready to verify: its own instructions followed by those of every subprogram it reaches.
 *
 * References in `code` are symbolic and need no machine, in RFC 9669's forms (section 5.4, 64-bit immediate instructions):
 * - src 5, `map_by_idx(imm)`: imm indexes ObjectSpec.maps
 * - src 6, `map_val(map_by_idx(imm)) + next_imm`: address in the value of a one-element (data section) map
 * - src 3, `var_addr(imm)`: imm indexes ObjectSpec.externs (a variable, or the address of a kfunc)
 * - src 4, `code_addr(imm)`: a subprogram, slot offset relative to the next instruction, as BPF_PSEUDO_FUNC
 * - `call` src 1: subprogram, relative to the next slot; `call` src 2: imm indexes ObjectSpec.externs (a kfunc)
 */
export interface ProgramSpec {
  /** Function name. */
  readonly name: string;
  /** ELF section as written, e.g. `xdp`, `?tc`, `tracepoint/syscalls/sys_enter_openat`. */
  readonly section: string;
  readonly type: ProgramTypeName;
  readonly attachType?: AttachTypeName;
  /** What follows the section's prefix (`syscalls/sys_enter_openat`, a kernel function, `libc.so:malloc`). */
  readonly attachTarget?: string;
  readonly sleepable: boolean;
  /** XDP_FRAGS (`xdp.frags`). */
  readonly fragments: boolean;
  /** False for `?section`: loaded only when asked for. */
  readonly autoload: boolean;
  readonly license: string;
  readonly dialect: Dialect;
  /** Little-endian instruction encoding, 8 bytes a slot. */
  readonly code: Uint8Array;
  /** Functions in `code`, by first slot; [0] is the program itself. */
  readonly functions: readonly FunctionSpec[];
  /** Source lines, sorted by slot. */
  readonly lines: readonly LineSpec[];
  /** CO-RE relocations still to be applied against a target's BTF (link/core.ts). */
  readonly core: readonly CoreRelocationSpec[];
  /**
   * After link/core.ts: relocations that the target cannot satisfy. `place.insn` is the instruction that a call of the
   * invalid helper 0xbad2310 replaced: only a program that reaches it is refused.
   */
  readonly poisoned?: readonly Diagnostic[];
  /** Decl tags of the program's BTF function, e.g. Cilium's `tail:cilium_calls/6`. */
  readonly tags: readonly string[];
  /** Why this program cannot be loaded, where link already knows. */
  readonly unsupported?: Diagnostic;
}

export interface FunctionSpec {
  readonly name: string;
  /** First slot in ProgramSpec.code. */
  readonly slot: number;
  /** Number of slots. */
  readonly length: number;
  /** BTF id of the FUNC, 0 where there is none. */
  readonly typeId: number;
  /** Verified and callable on its own (STB_GLOBAL), as the kernel's global functions. */
  readonly global: boolean;
}

export interface LineSpec {
  readonly slot: number;
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly text: string;
}

/** A CO-RE relocation placed in a program. */
export interface CoreRelocationSpec {
  readonly slot: number;
  readonly relocation: CoreRelocation;
}

export interface MapSpec {
  readonly name: string;
  readonly type: MapTypeName;
  /** Bytes; 0 where the type has none. */
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  /** MAP_FLAGS. */
  readonly flags: number;
  readonly numaNode?: number;
  /** map_extra (bloom filter: number of hash functions; arena: address). */
  readonly extra?: number | bigint;
  /** LIBBPF_PIN_NONE 0, LIBBPF_PIN_BY_NAME 1, others (Cilium's 16) as written. */
  readonly pinning: number;
  readonly keyTypeId?: number;
  readonly valueTypeId?: number;
  /**
   * Fields of the value that belong to the kernel (bpf_spin_lock, bpf_timer, ...), from the value's BTF, sorted by offset:
   * updates leave them alone, applications read zeros, and BPF_F_LOCK needs a spin_lock among them.
   */
  readonly special?: readonly { readonly kind: string; readonly offset: number; readonly size: number }[];
  /** Template of the inner maps of array_of_maps and hash_of_maps. */
  readonly inner?: MapSpec;
  /** Data sections: which one this map stands for. */
  readonly section?: string;
  readonly kind: 'map' | 'data' | 'rodata' | 'bss' | 'kconfig';
  /** Initial value of element 0 of a data-section map. */
  readonly data?: Uint8Array;
  /** Initial slots of map-in-map and prog_array (`.values = { ... }`, decl-tag tail slots). */
  readonly slots: readonly { readonly index: number; readonly kind: 'map' | 'program'; readonly target: string }[];
  /** Frozen after its initial contents are set (.rodata). */
  readonly frozen: boolean;
  readonly tags: readonly string[];
  /** Why this map cannot be created, where link already knows. */
  readonly unsupported?: Diagnostic;
}

/** A `.ksyms`, kfunc or `.kconfig` symbol that the host must give a value. */
export interface ExternSpec {
  readonly name: string;
  readonly kind: 'ksym' | 'kfunc' | 'kconfig';
  readonly weak: boolean;
  /** BTF type id of the variable or function, 0 for a typeless ksym. */
  readonly typeId: number;
  /** kconfig: place in the `.kconfig` map's value. */
  readonly kconfig?: { readonly offset: number; readonly size: number };
}
