// What loading a program with the compiling engine consists of, in microseconds: told by timing what the engine calls, from
// outside. Importing this changes WebAssembly and the table of engines of the process.
import { project } from '../support.mjs';

const { ENGINE_CHOICES } = await project('src/run/engines.ts');
const { loadObject } = await project('src/run/loader.ts');
const { Runtime } = await project('src/run/runtime.ts');
const { memoryHost } = await project('src/hosts/memory/host.ts');

function microseconds(work) {
  const before = process.hrtime.bigint();
  const result = work();
  return { time: Number(process.hrtime.bigint() - before) / 1000, result };
}

const current = { module: 0, instance: 0, load: 0, own: 0, bytes: 0 };

let modules = 0;

/** The module with a custom section that no other has: V8 keeps what it compiled, and the same bytes again would tell nothing. */
function unlike(bytes) {
  const mark = new Uint8Array(8);
  // Section 0 of 6 bytes: a name of one byte, and a number.
  mark.set([0, 6, 1, 0x6e]);
  new DataView(mark.buffer).setUint32(4, ++modules);
  const made = new Uint8Array(bytes.length + mark.length);
  made.set(bytes);
  made.set(mark, bytes.length);
  return made;
}

const { Module, Instance } = WebAssembly;
WebAssembly.Module = function (bytes) {
  const marked = microseconds(() => unlike(bytes));
  const { time, result } = microseconds(() => new Module(marked.result));
  current.own += marked.time;
  current.module += time;
  current.bytes += bytes.length;
  return result;
};
WebAssembly.Instance = function (module, imports) {
  const { time, result } = microseconds(() => new Instance(module, imports));
  current.instance += time;
  return result;
};

const compiler = ENGINE_CHOICES.compile;
ENGINE_CHOICES.compile = {
  ...compiler,
  load: (image, options) => {
    const { time, result } = microseconds(() => compiler.load(image, options));
    current.load += time;
    return result;
  },
};

/** Maps this small: their size is no matter of code, and some objects declare gigabytes. */
const FEW_ENTRIES = 1024;

const smallMaps = (spec) =>
  Object.fromEntries(
    spec.maps
      .filter((map) => map.kind === 'map' && map.maxEntries > FEW_ENTRIES && map.type !== 'ringbuf')
      .map(({ name }) => [name, { maxEntries: FEW_ENTRIES }]),
  );

export const freshRuntime = (options = { engine: 'compile', trusted: true }) =>
  new Runtime({ host: memoryHost(), ...options });

/** Loads one program into a runtime; with only one program loaded, tail calls and slots find no others. */
export const load = (spec, name, runtime, maps = smallMaps(spec)) =>
  loadObject(spec, { host: runtime.host, runtime, programs: [name], maps });

/**
 * Loads a program and runs it once: { insns, bytes, emit, module, instance, ready, run }, or { reason } where it is not loaded.
 * `run` is undefined where the first run was aborted.
 */
export function measure(spec, name, data) {
  Object.assign(current, { module: 0, instance: 0, load: 0, own: 0, bytes: 0 });
  const runtime = freshRuntime();
  let object;
  try {
    object = load(spec, name, runtime);
    const program = object.program(name);
    if (program.diagnostic !== undefined) return { reason: program.diagnostic.message };
    const { module, instance, bytes } = current;
    const ready = current.load - current.own;
    const insns = program.spec.code.length / 8;
    const run = firstRun(program, data);
    return { insns, bytes, emit: ready - module - instance, module, instance, ready, run };
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
