// A program of this folder on each engine, in the kernel and as native code, all of one form:
//   verdicts()  of each packet once, in order; call it first, as programs count
//   candidates  for race.mjs, by name
//   dispose()
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { compile, project, read, ROOT } from '../support.mjs';
import { PACKETS } from './inputs.mjs';
import { timed } from './race.mjs';

const { loadObject } = await project('src/run/loader.ts');
const { RecordReader } = await project('src/run/records.ts');
const { linkObject } = await project('src/link/link.ts');
const { memoryHost } = await project('src/hosts/memory/host.ts');

/** Nanoseconds that the kernel runs one packet for. */
const KERNEL_SAMPLE = 300_000;

/**
 * Loads of a program in the kernel, measured by turns. Its JIT puts each at a random offset (kernel/bpf/core.c:
 * bpf_jit_binary_pack_hdr), the likely reason why one in eight loads of a tight loop takes twice the time (25 of 200 measured).
 */
const LOADS = 5;

const FOLDER = join(ROOT, 'bench', 'programs');

/** What a compiled file of NAME.bpf.c is called, each with its own `-D`s. */
const fileName = (name, defines) => [name, ...defines].join('-').replaceAll('=', '-');
const flags = (defines) => defines.map((define) => `-D${define}`);

/** The linked object of NAME.bpf.c, undefined where clang is missing (which is said). */
export function objectOf(name, defines = []) {
  const args = ['-target', 'bpf', '-mcpu=v3', '-O2', '-g', '-c', ...flags(defines)];
  const path = compile(join(FOLDER, `${name}.bpf.c`), `${fileName(name, defines)}.o`, args);
  return path === undefined ? undefined : linkObject(read(path));
}

/** An engine of ours. */
export function ours(spec, { program: entry = 'program', packets, maps = {}, rings = {}, most }, options) {
  const object = loadObject(spec, { host: memoryHost(), ...options });
  const program = object.program(entry);
  for (const [name, entries] of Object.entries(maps)) {
    for (const [key, value] of entries) object.map(name).set(key, value);
  }
  const readers = Object.keys(rings).map((name) => new RecordReader(object.map(name), { record: () => {} }));
  const common = {
    unit: PACKETS,
    before: () => {
      for (const reader of readers) reader.poll();
    },
    ...(most === undefined ? {} : { most }),
  };
  const batch = program.batch(PACKETS);
  const lay = () => packets.forEach((data, index) => batch.lay(index, { data }));
  lay();
  return {
    verdicts: () => [...batch.run(PACKETS)],
    candidates: {
      /** One call for 64 packets that were laid before. */
      batch: {
        ...common,
        time: (runs) =>
          timed(() => {
            for (let done = 0; done < runs; done += PACKETS) batch.run(PACKETS);
          }),
      },
      /** As BPF_PROG_TEST_RUN does: a packet laid once, a call a run. */
      single: {
        ...common,
        time: (runs) =>
          timed(() => {
            for (const data of packets) program.run({ data, repeat: runs / PACKETS });
          }),
      },
      /** A packet copied in for each run. */
      call: {
        ...common,
        time: (runs) =>
          timed(() => {
            for (let done = 0; done < runs; done += PACKETS) {
              for (const data of packets) program.runRaw({ data });
            }
          }),
      },
    },
    dispose: () => {
      for (const reader of readers) reader[Symbol.dispose]();
      batch[Symbol.dispose]();
      object[Symbol.dispose]();
    },
  };
}

/** The running kernel, or { reason }; `timed` are the packets that are measured, where not all. */
export async function kernel(
  spec,
  { program: entry = 'program', packets, timed: chosen = packets, maps = {}, rings = {}, most },
) {
  const { kernelCapability, mapUpdate, progTestRun } = await project('test/support/bpf.ts');
  const capability = kernelCapability();
  if (!capability.ok) return { reason: `bpf(2) is refused at ${capability.stage}, errno ${capability.errno}` };
  const { KernelObject } = await project('test/support/kernel-object.ts');
  const { KernelRingBuffer } = await project('test/support/kernel-rings.ts');
  const object = new KernelObject(spec);
  // All of them, as they may call each other; further loads of the one to run go by other names.
  for (const program of spec.programs) object.load(program);
  const { spec: first } = object.programs.get(entry);
  const loads = Array.from(
    { length: LOADS },
    (_, n) => object.load(n === 0 ? first : { ...first, name: `load${n}` }).fd,
  );
  const missing = object.maps.find(({ fd }) => fd < 0);
  if (loads.some((fd) => fd < 0) || missing !== undefined) {
    const reason = missing === undefined ? object.explain(entry) : `${missing.spec.name}: errno ${-missing.fd}`;
    object.dispose();
    return { reason: reason.trim().split('\n').slice(-3).join(' ') };
  }
  for (const [name, entries] of Object.entries(maps)) {
    for (const [key, value] of entries) {
      const status = mapUpdate(object.map(name).fd, key, value);
      if (status < 0) throw new Error(`${name}: errno ${-status}`);
    }
  }
  const consumers = Object.entries(rings).map(([name, size]) => new KernelRingBuffer(object.map(name).fd, size));
  let turn = 0;
  const run = (data, repeat) => {
    const result = progTestRun(loads[turn % LOADS], { data, repeat, dataOut: 0 });
    if (result.status < 0) throw new Error(`BPF_PROG_TEST_RUN: errno ${-result.status}`);
    return result;
  };
  // Runs of a packet at once: enough that the first, slower ones do not count, few enough for a ring.
  const repeatOf = () => {
    const wanted = Math.max(200, KERNEL_SAMPLE / Math.max(1, run(packets[0], 1000).duration));
    return Math.floor(Math.min((most ?? Number.POSITIVE_INFINITY) / chosen.length, wanted));
  };
  let repeat;
  return {
    verdicts: () => packets.map((data) => run(data, 1).retval),
    candidates: {
      // By the kernel's own clock, which gives whole nanoseconds a run, rounded down. A call itself takes up to 30 ms, as the XDP
      // dispatcher is patched for it: hence few rounds.
      kernel: {
        get calls() {
          repeat ??= repeatOf();
          return repeat * chosen.length;
        },
        rounds: LOADS,
        before: () => {
          turn++;
          for (const consumer of consumers) consumer.take();
        },
        time: () => chosen.reduce((sum, data) => sum + run(data, repeat).duration * repeat, 0),
      },
    },
    dispose: () => object.dispose(),
  };
}

/** The same C, compiled for this machine by `compiler` -O2, with maps that it can inline (native.h); or { reason }. */
export function native(name, { packets, maps = {}, rings = {}, most }, compiler, defines = []) {
  const warnings = ['-Wno-unused-variable', '-Wno-unknown-pragmas'];
  const args = ['-O2', '-shared', '-fPIC', ...warnings, `-DPROGRAM_FILE="${name}.bpf.c"`, ...flags(defines)];
  const path = compile(join(FOLDER, 'native.c'), `${fileName(name, defines)}.${compiler}.so`, args, compiler);
  if (path === undefined) return { reason: `no ${compiler}` };
  let library;
  try {
    library = createRequire(import.meta.url)('koffi').load(path);
  } catch (error) {
    return { reason: error.message };
  }
  for (const [map, entries] of Object.entries(maps)) {
    const update = library.func(`void ${map}_update(const void *key, const void *value)`);
    for (const [key, value] of entries) update(key, value);
  }
  const lay = library.func('int bench_packet(int index, const void *bytes, int size)');
  for (const [index, data] of packets.entries()) {
    if (lay(index, data, data.length) < 0) return { reason: 'no memory below 4 GiB' };
  }
  const verdict = library.func('unsigned int bench_verdict(int index)');
  const batch = library.func('double bench_batch(unsigned int runs)');
  const drains = Object.keys(rings).map((ring) => library.func(`void ${ring}_drain(void)`));
  return {
    verdicts: () => packets.map((_, index) => verdict(index)),
    candidates: {
      [compiler]: {
        unit: PACKETS,
        ...(most === undefined ? {} : { most }),
        before: () => {
          for (const drain of drains) drain();
        },
        time: batch,
      },
    },
    dispose: () => {},
  };
}

/** What BPF_PROG_LOAD of the object's first program takes, in microseconds, the least of so many; or { reason }. */
export async function kernelLoad(spec, rounds) {
  const { kernelCapability } = await project('test/support/bpf.ts');
  const { ok, stage, errno } = kernelCapability();
  if (!ok) return { reason: `bpf(2) is refused at ${stage}, errno ${errno}` };
  const { KernelObject } = await project('test/support/kernel-object.ts');
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const object = new KernelObject(spec);
    const time = timed(() => object.load(spec.programs[0])) / 1000;
    const { fd } = object.load(spec.programs[0]);
    object.dispose();
    if (fd < 0) return { reason: `errno ${-fd}` };
    least = Math.min(least, time);
  }
  return { time: least };
}
