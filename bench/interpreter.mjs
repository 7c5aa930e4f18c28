// Instructions per second of each engine, beside the kernel's BPF_PROG_TEST_RUN of the same code: a loop of arithmetic of known
// length, and the example programs on one packet.
import { join } from 'node:path';
import { kernelPeer, least, nanoseconds, packet, project, ROOT, read, table } from './support.mjs';

const { loadObject } = await project('src/run/loader.ts');
const { linkObject } = await project('src/link/link.ts');
const { memoryHost } = await project('src/hosts/memory/host.ts');
const { assemble } = await project('src/isa/assembler.ts');

const ENGINES = [
  ['reference', { engine: 'reference' }, 1],
  ['interpret', { engine: 'interpret' }, 20],
  ['compile', { engine: 'compile' }, 100],
  ['compile, trusted', { engine: 'compile', trusted: true }, 100],
];
const ROUNDS = 10_000;
/** Instructions of one run of the loop: three a round, and five around it. */
const LENGTH = 3 * ROUNDS + 5;
const { code } = assemble(`r0 = 0\nr1 = ${ROUNDS}\nr2 = 7\nl:\nr0 += r2\nr1 -= 1\nif r1 != 0 goto l\nw0 = 2\nexit`);
const program = {
  name: 'loop',
  section: 'xdp',
  type: 'xdp',
  sleepable: false,
  fragments: false,
  autoload: true,
  license: 'GPL',
  dialect: 'linux',
  code,
  functions: [],
  lines: [],
  core: [],
  tags: [],
};
const loop = {
  name: 'loop',
  dialect: 'linux',
  endian: 'little',
  license: 'GPL',
  programs: [program],
  maps: [],
  externs: [],
  diagnostics: [],
};

const time = (spec, name, options, data, repeat) => {
  const object = loadObject(spec, { host: memoryHost(), ...options });
  const target = object.program(name);
  target.run({ data, repeat });
  const ns = least(7, () => target.run({ data, repeat }).duration);
  object[Symbol.dispose]();
  return ns;
};

/** 64 different packets in one call. */
const timeBatch = (spec, name) => {
  const object = loadObject(spec, { host: memoryHost(), engine: 'compile', trusted: true });
  const batch = object.program(name).batch(64);
  for (let i = 0; i < 64; i++) batch.lay(i, { data: packet(96, i) });
  const ns = least(30, () =>
    nanoseconds(64 * 500, () => {
      for (let round = 0; round < 500; round++) batch.run();
    }),
  );
  batch[Symbol.dispose]();
  object[Symbol.dispose]();
  return ns;
};

const data = packet(96);
{
  const peer = await kernelPeer(loop, 'loop');
  const kernel = peer.ns === undefined ? undefined : least(5, () => peer.ns(data, 100));
  const rows = ENGINES.map(([name, options, factor]) => {
    const ns = time(loop, 'loop', options, data, factor);
    return [name, (LENGTH / ns) * 1000, ns, kernel && ns / kernel];
  });
  if (kernel !== undefined) rows.push(['kernel', (LENGTH / kernel) * 1000, kernel, 1]);
  else console.log(`  no kernel: ${peer.reason}`);
  table('a loop of 10,000 rounds', ['engine', 'million insns/s', 'ns/run', 'of the kernel'], rows);
  peer.dispose?.();
}

const rows = [];
for (const [object, name] of [
  ['drop-port/drop_port', 'drop_port'],
  ['counters/counters', 'count_protocols'],
  ['sampler/sampler', 'sample'],
]) {
  const spec = linkObject(read(join(ROOT, `examples/${object}.bpf.o`)));
  const peer = await kernelPeer(spec, name);
  const kernel = peer.ns === undefined ? undefined : least(5, () => peer.ns(data, 100_000));
  const ours = ENGINES.map(([, options, factor]) => time(spec, name, options, data, factor * 200));
  const batched = timeBatch(spec, name);
  rows.push([name, ...ours, batched, kernel, kernel && ours[3] / kernel, kernel && batched / kernel]);
  peer.dispose?.();
}
table(
  'example programs, ns per run (one packet repeated)',
  ['program', ...ENGINES.map(([name]) => name), 'batch, trusted', 'kernel', 'single/kernel', 'batch/kernel'],
  rows,
);
