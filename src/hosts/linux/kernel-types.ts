// What the running kernel says of itself: its types, its symbols, its configuration. Read once, when something asks.
import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { gunzipSync } from 'node:zlib';
import type { Btf } from '../../btf/btf.ts';
import { decodeBtf } from '../../btf/decode.ts';
import type { KconfigValue } from '../../run/extern-values.ts';
import { refuseFile } from './errors.ts';

const VMLINUX = '/sys/kernel/btf/vmlinux';

let types: Btf | undefined;

/** @throws AnyBpfError where the kernel gives none */
export function kernelTypes(operation: string): Btf {
  if (types === undefined) {
    let bytes: Uint8Array;
    try {
      bytes = readFileSync(VMLINUX);
    } catch (error) {
      return refuseFile(operation, error);
    }
    types = decodeBtf(new Uint8Array(bytes), { place: { file: VMLINUX } });
  }
  return types;
}

let symbols: Map<string, bigint> | undefined;

/** Addresses by name; all are 0 where this user may not see them. Of several with one name the first counts. */
export function kernelSymbols(): ReadonlyMap<string, bigint> {
  if (symbols === undefined) {
    symbols = new Map();
    for (const line of readFileSync('/proc/kallsyms', 'utf8').split('\n')) {
      const [address, , name] = line.split(/\s/, 3);
      if (name !== undefined && !symbols.has(name)) symbols.set(name, BigInt(`0x${address}`));
    }
  }
  return symbols;
}

let options: Readonly<Record<string, KconfigValue>> | undefined;

/** Values of `.kconfig` externs: those of the running kernel, and what libbpf adds. */
export function kernelConfig(): Readonly<Record<string, KconfigValue>> {
  options ??= {
    ...Object.fromEntries(configured()),
    LINUX_KERNEL_VERSION: versionCode(release()),
    LINUX_HAS_BPF_COOKIE: true,
    LINUX_HAS_SYSCALL_WRAPPER: true,
  };
  return options;
}

/** LINUX_VERSION_CODE of `6.18.44-x`: the last part has a byte. */
export function versionCode(text: string): number {
  const [major = 0, minor = 0, patch = 0] = (/^(\d+)\.(\d+)(?:\.(\d+))?/.exec(text) ?? []).slice(1).map(Number);
  return (major << 16) | (minor << 8) | Math.min(patch || 0, 255);
}

function configText(): string {
  for (const [file, packed] of [
    ['/proc/config.gz', true],
    [`/boot/config-${release()}`, false],
  ] as const) {
    try {
      const bytes = readFileSync(file);
      return (packed ? gunzipSync(bytes) : bytes).toString();
    } catch {
      // Kernels need not tell.
    }
  }
  return '';
}

/** enum libbpf_tristate: TRI_MODULE; characters for those that are asked for as such. */
const TRISTATE: Readonly<Record<string, KconfigValue>> = { y: true, m: 2, n: false };

function* configured(): Generator<readonly [name: string, value: KconfigValue]> {
  for (const [, name, value] of configText().matchAll(/^(CONFIG_\w+)=(.*)$/gm)) {
    if (value.startsWith('"')) yield [name, value.slice(1, -1)];
    else if (Object.hasOwn(TRISTATE, value)) yield [name, TRISTATE[value]];
    else if (/^-?(0x)?[0-9a-f]+$/i.test(value))
      yield [name, value.startsWith('-') ? -BigInt(value.slice(1)) : BigInt(value)];
  }
}
