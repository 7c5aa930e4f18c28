// Runs objects on one engine and records everything that can be seen of the runs, to compare engines with each other.
import { existsSync } from 'node:fs';
import path from 'node:path';
import { toHex } from '../../src/base/bytes.ts';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { linkObject } from '../../src/link/link.ts';
import { loadObject } from '../../src/run/loader.ts';
import type { LoadedObject } from '../../src/run/object.ts';
import type { VerifyMode } from '../../src/run/verification.ts';
import type { EngineName } from '../../src/spec/backend.ts';
import { corpusFolder, filesBelow, PROJECT_ROOT } from '../support/shared.ts';

/** An engine, and which programs it runs without checks. */
export type Way = readonly [engine: EngineName, verify: VerifyMode];

/** What is compared with the reference interpreter, which checks everything. */
export const OTHER_WAYS: readonly Way[] = [
  ['interpret', 'off'],
  ['interpret', 'require'],
  ['compile', 'off'],
  ['compile', 'prefer'],
];
export const REFERENCE: Way = ['reference', 'off'];

/** Objects of the examples and, where it is there, of the corpus. */
export function objectFiles(): string[] {
  const folders = [path.join(PROJECT_ROOT, 'examples')];
  const corpus = corpusFolder('objects');
  if ('path' in corpus) folders.push(corpus.path);
  else console.log(`objects of the corpus are not run: ${corpus.reason}`);
  return folders
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => filesBelow(folder, '.o').map((file) => path.join(folder, file)));
}

export interface Trace {
  readonly steps: string[];
  readonly maps: string[];
}

/** Code of the abort, without its words: engines see some aborts at another instruction. */
const outcome = (body: () => string): string => {
  try {
    return body();
  } catch (error) {
    if (!(error instanceof AnyBpfError)) throw error;
    return error.code;
  }
};

function contents(object: LoadedObject): string[] {
  return object.maps.map((map) => {
    try {
      const rows = [...map.entries()].slice(0, 2000).map(([key, value]) => `${toHex(key)}=${toHex(value)}`);
      return `${map.name}: ${rows.sort().join(' ')}`;
    } catch (error) {
      if (!(error instanceof AnyBpfError)) throw error;
      return `${map.name}: ${error.code}`;
    }
  });
}

/**
 * By program: outcome of every packet, and the maps afterwards. Programs that cannot be run on packets are left out, and with
 * `require` those that are refused.
 */
export function trace(bytes: Uint8Array, [engine, verify]: Way, packets: readonly Uint8Array[]): Map<string, Trace> {
  const traces = new Map<string, Trace>();
  const spec = linkObject(bytes);
  const targets = spec.maps.flatMap(({ slots }) => slots.filter(({ kind }) => kind === 'program'));
  const names = spec.programs.map(({ name }) => name);
  const known = targets.map(({ target }) => target).filter((target) => names.includes(target));
  for (const name of names) {
    // A fresh object for each program: no program sees what another left in the maps.
    const programs = [...new Set([name, ...known])];
    using object = loadObject(spec, { host: memoryHost({ cpus: 2 }), engine, verify, programs, budget: 100_000 });
    const program = object.programs.find((candidate) => candidate.name === name);
    if (program === undefined || program.diagnostic !== undefined) continue;
    const steps = packets.map((data) =>
      outcome(() => {
        const { retval, data: out, ctx } = program.run({ data });
        return `${retval} ${out === undefined ? '' : toHex(out)} ${ctx === undefined ? '' : toHex(ctx)}`;
      }),
    );
    traces.set(name, { steps, maps: contents(object) });
    if (steps.every((step) => step === 'run/no-test-run' || step === 'run/test-run-refused')) traces.delete(name);
  }
  return traces;
}

/** The reference's traces of the same programs. */
export const ofSame = (traces: ReadonlyMap<string, Trace>, others: ReadonlyMap<string, Trace>): Map<string, Trace> =>
  new Map([...others].filter(([name]) => traces.has(name)));
