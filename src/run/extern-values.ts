// Values of externs: `.ksyms` variables, kfuncs and `.kconfig` entries, as the caller gives them.
import { decodeProgram } from '../isa/insn.ts';
import type { HelperRow } from '../spec/helper.ts';
import type { ExternSpec, MapSpec, ProgramSpec } from '../spec/object.ts';

export type KconfigValue = number | bigint | boolean | string;

/**
 * What libbpf answers itself, for the Linux whose behaviour is followed here: version 6.18.0 as LINUX_VERSION_CODE, with
 * bpf_get_attach_cookie and with wrappers around system calls (x86-64).
 */
const OF_LIBBPF: Readonly<Record<string, KconfigValue>> = {
  LINUX_KERNEL_VERSION: (6 << 16) | (18 << 8),
  LINUX_HAS_BPF_COOKIE: true,
  LINUX_HAS_SYSCALL_WRAPPER: true,
};

export interface ExternOptions {
  /** Values of `.kconfig` externs: numbers, texts for strings, true for `y` (1); they go before those that libbpf gives. */
  readonly kconfig?: Readonly<Record<string, KconfigValue>>;
  /** Addresses of kernel symbols. */
  readonly ksyms?: Readonly<Record<string, bigint>>;
  /** Kernel functions, in the form of helpers. */
  readonly kfuncs?: Readonly<Record<string, HelperRow>>;
}

/** What an extern variable resolves to: its value, 0 for a weak one that is missing, undefined for a strong one. */
export function ksymValue(spec: ExternSpec | undefined, { ksyms }: ExternOptions): bigint | undefined {
  if (spec === undefined) return undefined;
  const value = ksyms !== undefined && Object.hasOwn(ksyms, spec.name) ? ksyms[spec.name] : undefined;
  return value ?? (spec.weak ? 0n : undefined);
}

export function kfuncRow(spec: ExternSpec | undefined, { kfuncs }: ExternOptions): HelperRow | undefined {
  return spec !== undefined && kfuncs !== undefined && Object.hasOwn(kfuncs, spec.name) ? kfuncs[spec.name] : undefined;
}

/** Whether a program calls kernel functions that the caller gives. */
export function callsGivenKfuncs(
  { code }: ProgramSpec,
  externs: readonly ExternSpec[],
  options: ExternOptions,
): boolean {
  if (options.kfuncs === undefined) return false;
  return decodeProgram(code).some(
    (insn) => insn?.op === 'call_kfunc' && kfuncRow(externs[insn.imm], options) !== undefined,
  );
}

/** The value of the `.kconfig` map, and the strong externs in it that have none. */
export function kconfigData(
  map: MapSpec,
  externs: readonly ExternSpec[],
  options: ExternOptions,
): { readonly data: Uint8Array; readonly missing: readonly ExternSpec[] } {
  const kconfig = { ...OF_LIBBPF, ...options.kconfig };
  const data = new Uint8Array(map.valueSize);
  const missing: ExternSpec[] = [];
  for (const spec of externs) {
    if (spec.kind !== 'kconfig' || spec.kconfig === undefined) continue;
    const { offset, size } = spec.kconfig;
    if (!Object.hasOwn(kconfig, spec.name)) {
      if (!spec.weak) missing.push(spec);
      continue;
    }
    data.set(bytesOf(kconfig[spec.name], size), offset);
  }
  return { data, missing };
}

/** Little-endian, cut to the extern's size; text is ended by a NUL. */
function bytesOf(value: number | bigint | boolean | string, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  if (typeof value === 'string') {
    bytes.set(new TextEncoder().encode(value).subarray(0, Math.max(0, size - 1)));
    return bytes;
  }
  for (let i = 0, rest = BigInt.asUintN(64, BigInt(value)); i < Math.min(size, 8); i++, rest >>= 8n) {
    bytes[i] = Number(rest & 0xffn);
  }
  return bytes;
}
