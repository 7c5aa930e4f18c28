// libbpf as oracle: runs libbpf-dump.c, built once for the test file that asks, on objects.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fromHex } from '../../src/base/bytes.ts';
import type { ObjectSpec } from '../../src/spec/object.ts';
import { ATTACH_TYPES, PROGRAM_TYPES } from '../../src/spec/program-types.ts';
import { PROJECT_ROOT } from '../support/shared.ts';

export interface LibbpfMap {
  readonly name: string;
  readonly type: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
  readonly extra: bigint;
  readonly numaNode: number;
}

export interface LibbpfObject {
  /** 0, or why it stopped: 3 the file is refused, 5 a program or map is. */
  readonly exit: number;
  readonly messages: string;
  /** In libbpf's order, which its map indices count. */
  readonly maps: readonly LibbpfMap[];
  /** All programs of the file, with their sections and type numbers. */
  readonly opened: readonly { readonly name: string; readonly section: string; readonly type: number }[];
  /** Its BTF after opening, in raw form; undefined where the object has none. */
  readonly btf: Uint8Array | undefined;
  /** Instructions by program name. */
  readonly code: ReadonlyMap<string, Uint8Array>;
}

type Numbers = { readonly linux?: number };

/** What the sections of an object mean, as arguments. */
function sectionArguments(spec: ObjectSpec): string[] {
  const sections = new Map<string, string>();
  for (const { section, type, attachType } of spec.programs) {
    const program = (PROGRAM_TYPES[type] as Numbers).linux || PROGRAM_TYPES.socket_filter.linux;
    const attach = attachType === undefined ? 0 : ((ATTACH_TYPES[attachType] as Numbers).linux ?? 0);
    sections.set(section.replace(/^\?/, ''), `${program},${attach}`);
  }
  return [...sections].map(([name, types]) => `${name}=${types}`);
}

export class LibbpfDump {
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'anybpf-libbpf-'));
  readonly #tool = path.join(this.#folder, 'libbpf-dump');
  /** Why there is no oracle here. */
  readonly reason: string | undefined;

  constructor() {
    const source = path.join(PROJECT_ROOT, 'test/link/libbpf-dump.c');
    const built = spawnSync('cc', ['-O1', '-o', this.#tool, source, '-lbpf'], { encoding: 'utf8', timeout: 60_000 });
    this.reason =
      built.error !== undefined
        ? `no C compiler: ${built.error.message}`
        : built.status === 0
          ? undefined
          : `libbpf-dump.c does not build (no libbpf headers?): ${built.stderr.slice(0, 200)}`;
    if (this.reason !== undefined) console.warn(`skipped: ${this.reason}`);
  }

  #run(args: readonly string[], target?: string): { exit: number; lines: string[][]; messages: string } {
    const run = spawnSync(this.#tool, args, {
      encoding: 'utf8',
      timeout: 60_000,
      maxBuffer: 1 << 28,
      env: { ...process.env, ...(target === undefined ? {} : { TARGET_BTF: target }) },
    });
    if (run.error !== undefined) throw run.error;
    const lines = run.stdout.split('\n').filter((line) => line !== '');
    return { exit: run.status ?? -1, lines: lines.map((line) => line.split(' ')), messages: run.stderr };
  }

  #object(args: readonly string[], target?: string): LibbpfObject {
    const { exit, lines, messages } = this.#run(args, target);
    const of = (kind: string): string[][] => lines.filter(([first]) => first === kind);
    return {
      exit,
      messages,
      maps: of('map').map(([, name, ...n]) => ({
        name,
        type: Number(n[0]),
        keySize: Number(n[1]),
        valueSize: Number(n[2]),
        maxEntries: Number(n[3]),
        flags: Number(n[4]),
        extra: BigInt(n[5]),
        numaNode: Number(n[6]),
      })),
      opened: of('open').map(([, name, section, type]) => ({ name, section, type: Number(type) })),
      btf: of('btf').map(([, raw]) => fromHex(raw))[0],
      code: new Map(of('program').map(([, name, code]) => [name, fromHex(code) ?? new Uint8Array(0)])),
    };
  }

  /** Without the kernel: map references are indices (BPF_PSEUDO_MAP_IDX), CO-RE is left open. */
  generate(file: string, spec: ObjectSpec): LibbpfObject {
    return this.#object(['gen', file, ...sectionArguments(spec)]);
  }

  /** One program with CO-RE applied for the running kernel, or for the BTF of a file (raw or ELF). */
  relocate(file: string, spec: ObjectSpec, program: string, target?: string): LibbpfObject {
    return this.#object(['core', file, program, ...sectionArguments(spec)], target);
  }

  /** libbpf_prog_type_by_name() for each name that it knows. */
  types(names: readonly string[]): Map<string, { program: number; attach: number }> {
    const { lines } = this.#run(['type', ...names]);
    return new Map(lines.map(([, name, p, a]) => [name, { program: Number(p), attach: Number(a) }]));
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
