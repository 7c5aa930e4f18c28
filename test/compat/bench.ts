// What the rows of the table test work on: a fresh context, libbpf over a session of it, objects and maps when they are asked for.
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { createLibbpf } from '../../src/compat/libbpf/create.ts';
import type { BpfMap, BpfObject, BpfProgram } from '../../src/compat/libbpf/handles.ts';
import { type Out, out } from '../../src/compat/libbpf/library.ts';
import type { Libbpf } from '../../src/compat/libbpf/types.ts';
import { createRuntime } from '../../src/context/create.ts';
import { PROJECT_ROOT } from '../support/shared.ts';

export { out };
export type { Libbpf, Out };

export const EXAMPLES = {
  sampler: 'examples/sampler/sampler.bpf.o',
  dropPort: 'examples/drop-port/drop_port.bpf.o',
  counters: 'examples/counters/counters.bpf.o',
  portQuota: 'examples/port-quota/port_quota.bpf.o',
} as const;
export type Example = keyof typeof EXAMPLES;

export const exampleFile = (name: Example): string => path.join(PROJECT_ROOT, EXAMPLES[name]);
export const exampleBytes = (name: Example): Uint8Array => new Uint8Array(readFileSync(exampleFile(name)));

/** Little-endian bytes of a number. */
export const u32 = (n: number): Uint8Array => new Uint8Array(new Uint32Array([n]).buffer);
export const u64 = (n: bigint): Uint8Array => new Uint8Array(new BigUint64Array([n]).buffer);
export const toU32 = (bytes: Uint8Array): number => new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
export const toU64 = (bytes: Uint8Array): bigint => new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
export const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));

/** `r0 = n; exit`. */
export const returns = (n: number): Uint8Array =>
  Uint8Array.from([0xb7, 0, 0, 0, ...u32(n), 0x95, 0, 0, 0, 0, 0, 0, 0]);

/** A frame that the examples take for IPv4 and TCP. */
export const FRAME = Uint8Array.from({ length: 64 }, (_, i) => (i === 12 ? 8 : i === 14 ? 0x45 : i === 23 ? 6 : 0));

export class Bench {
  /** Files that are only here. */
  readonly files = new Map<string, Uint8Array>();
  readonly runtime = createRuntime();
  /** Linux' numbers. */
  readonly l: Libbpf = this.library('linux');
  /** Windows' numbers, over the same session. */
  readonly w: Libbpf = this.library('windows');

  library(dialect: 'linux' | 'windows'): Libbpf {
    return createLibbpf(this.runtime, {
      dialect,
      readFile: async (file) => this.files.get(file) ?? readFile(file),
    });
  }

  close(): void {
    this.runtime.context[Symbol.dispose]();
  }

  /** An open object. */
  open(name: Example, lib = this.l): BpfObject {
    const bytes = exampleBytes(name);
    return need(lib.bpf_object__open_mem(bytes, bytes.length, { object_name: name }), lib);
  }

  /** A loaded object. */
  async load(name: Example, lib = this.l): Promise<BpfObject> {
    const object = this.open(name, lib);
    const status = await lib.bpf_object__load(object);
    if (status !== 0) throw new Error(`load of ${name}: ${status}`);
    return object;
  }

  map(object: BpfObject, name: string): BpfMap {
    return need(this.l.bpf_object__find_map_by_name(object, name), this.l);
  }

  program(object: BpfObject): BpfProgram {
    return need(this.l.bpf_object__next_program(object, null), this.l);
  }

  /** A hash map of 4-byte keys and values with the keys 1 to `filled`, each with ten times itself. */
  async hash(filled = 0): Promise<number> {
    const fd = await this.l.bpf_map_create(1, 'numbers', 4, 4, 16);
    for (let key = 1; key <= filled; key++) await this.l.bpf_map_update_elem(fd, u32(key), u32(key * 10), 0);
    return fd;
  }

  /** An XDP program. */
  xdp(verdict = 2): Promise<number> {
    return this.l.bpf_prog_load(6, 'verdict', 'GPL', returns(verdict), 2);
  }

  /** A link of an XDP program on interface 7. */
  async link(): Promise<number> {
    return this.l.bpf_link_create(await this.xdp(), 7, 37);
  }
}

export function need<T>(value: T | null, lib: Libbpf): T {
  if (value === null) throw new Error(`null, errno ${lib.errno}`);
  return value;
}

/** One name: what calling it shows, and what that must be. */
export interface Row {
  readonly run: (b: Bench) => unknown;
  readonly expected: unknown;
}
export type Rows = Readonly<Record<string, Row>>;

export const row = (run: (b: Bench) => unknown, expected: unknown): Row => ({ run, expected });
