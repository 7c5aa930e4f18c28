// What loading a program with the compiling engine consists of, in microseconds: told by timing what the engine calls, from
// outside. Importing this changes WebAssembly and the table of engines of the process.
import { createHash } from 'node:crypto';
import { project } from '../support.mjs';

const { ENGINES } = await project('src/run/engines.ts');
const { loadObject } = await project('src/run/loader.ts');
const { Runtime } = await project('src/run/runtime.ts');
const { memoryHost } = await project('src/hosts/memory/host.ts');

function microseconds(work) {
  const before = process.hrtime.bigint();
  const result = work();
  return { time: Number(process.hrtime.bigint() - before) / 1000, result };
}

const current = { module: 0, instance: 0, load: 0, modules: [] };

/** WebAssembly's constructor, with its time added to a part. */
function timedConstructor(part, original) {
  return function (first, second) {
    const { time, result } = microseconds(() => new original(first, second));
    current[part] += time;
    if (part === 'module') current.modules.push(first);
    return result;
  };
}
WebAssembly.Module = timedConstructor('module', WebAssembly.Module);
WebAssembly.Instance = timedConstructor('instance', WebAssembly.Instance);

const compiler = ENGINES.compile;
ENGINES.compile = {
  ...compiler,
  load: (image, options) => {
    const { time, result } = microseconds(() => compiler.load(image, options));
    current.load += time;
    return result;
  },
};

/** Modules that V8 has compiled in this process: the same bytes again come out of its cache, and tell nothing. */
const seen = new Set();
let shift = 0;

/** Maps this small: their size is no matter of code, and some objects declare gigabytes. */
const FEW_ENTRIES = 1024;

const smallMaps = (spec) =>
  Object.fromEntries(
    spec.maps
      .filter((map) => map.kind === 'map' && map.maxEntries > FEW_ENTRIES && map.type !== 'ringbuf')
      .map(({ name }) => [name, { maxEntries: FEW_ENTRIES }]),
  );

/** A runtime in which addresses, and so the code, are unlike those of the ones before. */
export function freshRuntime() {
  const runtime = new Runtime({ host: memoryHost(), engine: 'compile', trusted: true });
  runtime.memory.alloc(64 * ++shift);
  return runtime;
}

/** Loads one program into a runtime; with only one program loaded, tail calls and slots find no others. */
export const load = (spec, name, runtime, maps = smallMaps(spec)) =>
  loadObject(spec, { host: runtime.host, runtime, programs: [name], maps });

/**
 * Loads a program and runs it once: { insns, bytes, emit, module, instance, run, ready }, or { reason } where it is not loaded.
 * `run` is undefined where a first run was aborted; `cached` says that V8 knew the module.
 */
export function measure(spec, name, data) {
  Object.assign(current, { module: 0, instance: 0, load: 0, modules: [] });
  const runtime = freshRuntime();
  let object;
  try {
    object = load(spec, name, runtime);
    const program = object.program(name);
    if (program.diagnostic !== undefined) return { reason: program.diagnostic.message };
    const { module, instance } = current;
    const ready = current.load;
    const run = firstRun(program, data);
    const digests = current.modules.map((bytes) => createHash('sha1').update(bytes).digest('hex'));
    const cached = digests.some((digest) => seen.has(digest));
    for (const digest of digests) seen.add(digest);
    return {
      insns: program.spec.code.length / 8,
      bytes: current.modules.reduce((sum, { length }) => sum + length, 0),
      emit: ready - module - instance,
      module,
      instance,
      ready,
      run,
      cached,
    };
  } catch (error) {
    return { reason: error.message };
  } finally {
    object?.[Symbol.dispose]();
    runtime[Symbol.dispose]();
  }
}

function firstRun(program, data) {
  try {
    return microseconds(() => program.runRaw({ data })).time;
  } catch {
    return undefined;
  }
}
