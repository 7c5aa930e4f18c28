// AnyBPF as the helpers of a module's loader: `load(source, { helpers: anybpf({ host }) })`. Every program runs then, with the same
// maps, helpers and test runs as if AnyBPF had loaded the object; the code is the module's.
import { AnyBpfError } from '../base/diagnostic.ts';
import { MAX_BATCH } from '../run/batch.ts';
import type { LoadedMap } from '../run/map.ts';
import type { LoadedProgram } from '../run/program.ts';
import { RecordReader } from '../run/records.ts';
import { AotError } from './loader/errors.ts';
import type { MapView } from './loader/maps.ts';
import type { HelperProvider, Module, ProgramView } from './loader/module.ts';
import { type OpenOptions, openModule } from './open.ts';

/** @throws AotError, with AnyBPF's codes, from `open` and from all that is done with what it gives */
export const anybpf = (options: OpenOptions): HelperProvider => ({
  async open(bytes, record): Promise<Module> {
    const object = await openModule(bytes, options).catch(rethrow);
    return {
      record,
      programs: Object.fromEntries(object.programs.map((program) => [program.name, programView(program)])),
      maps: Object.fromEntries(object.maps.map((map) => [map.name, mapView(map)])),
      memory: object.runtime.memory.wasm,
    };
  },
});

function rethrow(error: unknown): never {
  if (!(error instanceof AnyBpfError)) throw error;
  const { code, message, place } = error.diagnostic;
  const { program, insn, source } = place;
  const { file = '', line = 0, column = 0 } = source ?? {};
  const where = {
    ...(program === undefined ? {} : { program }),
    ...(insn === undefined ? {} : { insn }),
    ...(source === undefined ? {} : { source: { file, line, column } }),
  };
  throw new AotError(code, message, where, { cause: error });
}

function guarded<T>(body: () => T): T {
  try {
    return body();
  } catch (error) {
    return rethrow(error);
  }
}

const NOTHING = new Uint8Array();

/** As the program's own, with packets of all sizes that a device may hand over. */
function runBatch(program: LoadedProgram, packets: readonly Uint8Array[]): Uint32Array {
  const results = new Uint32Array(packets.length);
  if (packets.length === 0) return results;
  using batch = program.batch(Math.min(packets.length, MAX_BATCH));
  for (let from = 0; from < packets.length; from += batch.size) {
    const part = packets.slice(from, from + batch.size);
    part.forEach((data, index) => {
      batch.lay(index, { data, limits: 'device' });
    });
    results.set(batch.run(part.length), from);
  }
  return results;
}

const programView = (program: LoadedProgram): ProgramView => ({
  name: program.name,
  type: program.spec.type,
  run: (packet, ctx) =>
    guarded(() => {
      const input = { ...(packet === undefined ? {} : { data: packet }), ...(ctx === undefined ? {} : { ctx }) };
      const output = program.run({ ...input, limits: 'device' });
      const { retval, verdict } = output;
      return { retval, verdict, packet: output.data ?? NOTHING, ctx: output.ctx ?? NOTHING };
    }),
  runBatch: (packets) => guarded(() => runBatch(program, packets)),
  verdictOf: (retval) => program.verdictOf(retval),
});

const mapView = (map: LoadedMap): MapView => ({
  name: map.name,
  type: map.type,
  keySize: map.spec.keySize,
  valueSize: map.valueSize,
  maxEntries: map.spec.maxEntries,
  lookup: (key) => guarded(() => map.get(key)),
  update: (key, value, mode) => guarded(() => map.set(key, value, mode)),
  delete: (key) => guarded(() => map.delete(key)),
  entries: () => guarded(() => map.entries()),
  consume: (record) => guarded(() => new RecordReader(map, { record }).poll()),
});
