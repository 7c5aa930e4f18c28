// Hostile programs on an engine, in batches: each batch an object of its own with maps, tail calls and a small memory, among
// things of the host that nothing may touch.
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { builtInPlatform } from '../../src/hosts/platform.ts';
import { loadObject } from '../../src/run/loader.ts';
import type { EngineName } from '../../src/spec/backend.ts';
import type { MapSpec } from '../../src/spec/object.ts';
import { mapSpec, objectSpec } from '../run/support.ts';
import { Random } from '../support/random.ts';
import { hostileProgram } from './hostile-program.ts';

const MEMORY_LIMIT = 4 << 20;
/** Elements of the prog_array. */
const TAILS = 8;
const HELPERS: readonly number[] = builtInPlatform('linux').families.flatMap(({ helpers }) =>
  helpers.flatMap(({ numbers }) => numbers.linux ?? []),
);
/** Often called: what works on maps and memory, and tail calls. */
const FAVOURED = [1, 1, 1, 2, 3, 4, 6, 12, 12, 12, 25, 28, 44, 51, 65, 87, 130, 131, 132, 133, 181];

const MAPS: readonly MapSpec[] = [
  mapSpec('array', 'array', { valueSize: 64 }),
  mapSpec('hash', 'hash', { valueSize: 16, maxEntries: 64 }),
  mapSpec('percpu', 'percpu_array', { valueSize: 8 }),
  mapSpec('tails', 'prog_array', {
    maxEntries: TAILS,
    slots: Array.from({ length: TAILS - 2 }, (_, index) => ({ index, kind: 'program', target: `p${index}` })),
  }),
  mapSpec('ring', 'ringbuf', { keySize: 0, valueSize: 0, maxEntries: 4096 }),
  mapSpec('lru', 'lru_hash', { valueSize: 8, maxEntries: 16 }),
];

export interface Outcome {
  /** `end`, or the code of the error. */
  readonly code: string;
  readonly milliseconds: number;
}

/** The code of each program of a batch. */
export function hostileBatch(seed: number, size: number, portable: boolean): Uint8Array[] {
  const random = new Random(seed);
  const helpers = portable
    ? [1, 2, 3, 6, 7, 8, 28, 44, 51, 65, 87, 130, 131]
    : [...HELPERS, ...FAVOURED, ...FAVOURED, ...FAVOURED];
  const setting = { maps: MAPS.length, helpers, portable };
  return Array.from({ length: size }, () => hostileProgram(random, setting));
}

const PACKET = new Uint8Array(64).map((_, i) => (i === 12 ? 8 : i * 37));

/**
 * Runs each program once. Whatever is not an AnyBpfError goes through to the caller.
 *
 * @param fresh an object for each program: nothing that another program left in a map changes what it does
 */
export function runHostile(
  codes: readonly Uint8Array[],
  o: { readonly engine: EngineName; readonly trusted: boolean; readonly budget: number; readonly fresh?: boolean },
): Outcome[] {
  if (o.fresh) return codes.flatMap((code) => runHostile([code], { ...o, fresh: false }));
  const text = 'exit';
  const base = objectSpec([{ text }], MAPS);
  const programs = codes.map((code, i) => ({ ...base.programs[0], name: `p${i}`, code }));
  const object = loadObject(
    { ...base, programs },
    {
      host: memoryHost({ seed: 1 }),
      engine: o.engine,
      trusted: o.trusted,
      memoryLimit: MEMORY_LIMIT,
      budget: o.budget,
    },
  );
  const { memory } = object.runtime;
  const outcomes = object.programs.map((program, i): Outcome => {
    const before = performance.now();
    let code = 'end';
    try {
      program.runRaw({ data: PACKET });
    } catch (error) {
      if (!(error instanceof AnyBpfError)) throw new Error(`program ${i} of its batch`, { cause: error });
      ({ code } = error);
    }
    return { code, milliseconds: performance.now() - before };
  });
  if (memory.wasm.buffer.byteLength > MEMORY_LIMIT)
    throw new Error(`the memory grew to ${memory.wasm.buffer.byteLength} bytes`);
  return outcomes;
}

/** Things of the host around the programs' memories. */
export class Sentinels {
  readonly #buffers: ArrayBuffer[] = [];
  readonly #objects: { readonly name: string; readonly values: number[] }[] = [];
  readonly #memories: WebAssembly.Memory[] = [];
  readonly #sums: number[] = [];

  /** To be called between allocations of programs' memories; keeps the newest 16 of each kind. */
  add(seed: number): void {
    const random = new Random(seed);
    const bytes = random.bytes(16_384);
    this.#buffers.push(bytes.buffer);
    this.#objects.push({ name: `sentinel ${seed}`, values: Array.from(bytes.subarray(0, 256)) });
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
    new Uint8Array(memory.buffer).set(bytes);
    this.#memories.push(memory);
    this.#sums.push(this.#sum(this.#sums.length));
    if (this.#sums.length <= 16) return;
    for (const list of [this.#buffers, this.#objects, this.#memories, this.#sums]) list.shift();
  }

  get intact(): boolean {
    return this.#sums.every((sum, i) => this.#sum(i) === sum);
  }

  #sum(i: number): number {
    const { name, values } = this.#objects[i];
    let sum = name.length + this.#memories[i].buffer.byteLength;
    const mix = (value: number): void => {
      sum = (Math.imul(sum ^ value, 0x0100_0193) + 1) | 0;
    };
    new Uint32Array(this.#buffers[i]).forEach(mix);
    new Uint32Array(this.#memories[i].buffer).forEach(mix);
    values.forEach(mix);
    return sum;
  }
}
