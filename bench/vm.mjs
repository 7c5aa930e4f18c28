// Programs in C of bench/programs on our engines, in the kernel (BPF_PROG_TEST_RUN) and as native code of the same source, on the
// same 64 packets and map contents: nanoseconds a run, then the ratios and the goals. Ours in processes of their own, of this Node
// and of the newest one (tools/runtimes, or --newest PATH). Options: --rounds N, --only NAME.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { PROGRAMS } from './programs/inputs.mjs';
import { kernel, native, objectOf, ours } from './programs/peers.mjs';
import { race } from './programs/race.mjs';
import { remote } from './programs/remote.mjs';
import { mean, ROOT, sayControl, table } from './support.mjs';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '40' },
    only: { type: 'string', default: '' },
    newest: { type: 'string', default: join(ROOT, 'tools/runtimes/node_modules/node26/bin/node') },
  },
});
const rounds = Number(values.rounds);
if (!(Number.isInteger(rounds) && rounds > 0)) throw new Error(`--rounds ${values.rounds}: not a number from 1`);

/** Programs that take the kernel less, without its test loop, are too short for its raw figure to say much. */
const LONG_NS = 30;
const COMPILERS = ['clang', 'gcc'];

const nodes = [process.execPath];
if (existsSync(values.newest)) nodes.push(values.newest);
else console.log(`  only this Node: there is no ${values.newest}`);

const TRUSTED = { engine: 'compile', trusted: true };
/** BPF_STX with BPF_ATOMIC, of 32 and 64 bits. */
const ATOMIC_OPCODES = [0xc3, 0xdb];

/**
 * How ours run: where there are atomic operations, in memory that other threads may use, so that they are WebAssembly's (as those of
 * the kernel and of native code are the processor's). In other memory they are plain ones.
 */
function kept({ programs }) {
  const atomic = programs.some(({ code }) => code.some((byte, at) => at % 8 === 0 && ATOMIC_OPCODES.includes(byte)));
  return atomic ? { ...TRUSTED, shared: true, memoryLimit: 2 ** 26 } : TRUSTED;
}

/** What is measured on the first Node besides; `candidate` to the name of its figure. */
const MORE = [
  { options: TRUSTED, figures: { batch: 'plain', single: 'plain single', call: 'call' } },
  { options: { engine: 'compile' }, figures: { batch: 'checked' } },
  { options: { engine: 'interpret', trusted: true }, figures: { batch: 'interpret' } },
];

/** Of uBPF's interpreter, ns a run, for programs of these kinds but not this source: design/PERFORMANCE.md of the project. */
const UBPF_INTERPRETER = {
  drop: 197,
  l4lb: 1213,
  count_hash: 117,
  count_array: 94,
  fnv: 56_838,
  siphash: 77_065,
  scan: 22_549,
  acl: 1214,
  lpm: 192,
  ring: 125,
};

/** What runs a program, with the figures that it gives: candidate to figure. The first is what all verdicts must be equal to. */
async function runnersOf(name, spec, input) {
  const made = [{ title: 'reference', runner: ours(spec, input, { engine: 'reference' }), figures: {} }];
  for (const [index, node] of nodes.entries()) {
    const figures = { batch: `batch ${index}`, single: `single ${index}` };
    made.push({ title: node, runner: await remote(node, name, kept(spec)), figures });
  }
  for (const { options, figures } of MORE) {
    made.push({ title: Object.values(figures)[0], runner: await remote(nodes[0], name, options), figures });
  }
  made.push({ title: 'kernel', runner: await kernel(spec, input), figures: { kernel: 'kernel' } });
  for (const compiler of COMPILERS) {
    made.push({ title: compiler, runner: native(name, input, compiler), figures: { [compiler]: compiler } });
  }
  for (const { title, runner } of made) {
    if (runner.reason !== undefined) console.log(`  ${name}: no ${title}: ${runner.reason}`);
  }
  return made.filter(({ runner }) => runner.reason === undefined);
}

/** How often each verdict came; raises where an engine has others than the reference, packet by packet. */
async function agreed(name, [reference, ...others]) {
  const expected = reference.runner.verdicts();
  for (const { title, runner } of others) {
    const found = await runner.verdicts();
    const at = found.findIndex((verdict, index) => verdict !== expected[index]);
    if (at >= 0) throw new Error(`${name}, packet ${at}: ${title} gives ${found[at]}, the reference ${expected[at]}`);
  }
  const counts = new Map();
  for (const verdict of expected) counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
  return counts.size > 6 ? `${counts.size} different` : [...counts].map(([v, n]) => `${v}: ${n}`).join(', ');
}

const results = [];
const verdicts = [];
let versions = [];
sayControl();
for (const [name, input] of Object.entries(PROGRAMS)) {
  if (!name.includes(values.only)) continue;
  const spec = objectOf(name);
  if (spec === undefined) {
    console.log('  no programs: clang with the target bpf is missing');
    break;
  }
  const runners = await runnersOf(name, spec, input);
  versions = runners.flatMap(({ title, runner }) => (nodes.includes(title) ? [runner.version] : []));
  verdicts.push([name, String(runners.length), await agreed(name, runners)]);
  const candidates = runners.flatMap(({ runner, figures }) =>
    Object.entries(figures).map(([candidate, figure]) => [figure, runner.candidates[candidate]]),
  );
  results.push({
    name,
    insns: spec.programs[0].code.length / 8,
    ...(await race(Object.fromEntries(candidates), rounds)),
  });
  for (const { runner } of runners) runner.dispose();
}
sayControl();

/** What the kernel's test loop adds: its figure for a program that does nothing, less what that takes natively. */
const nop = results.find(({ name }) => name === 'nop');
const loop = nop?.kernel === undefined ? undefined : nop.kernel - (nop.clang ?? nop.gcc ?? 1);
for (const result of results) {
  if (result.kernel !== undefined && loop !== undefined) result.less = Math.max(1, result.kernel - loop);
}
if (loop !== undefined) console.log(`\nthe kernel's own test loop: ${loop.toFixed(1)} ns a run, in its raw figures`);

const on = (what) => versions.map((version, index) => [`${what} ${index}`, `${what}, ${version.split('.')[0]}`]);
const FIGURES = [
  ['clang', 'clang -O2'],
  ['gcc', 'gcc -O2'],
  ['kernel', 'kernel raw'],
  ['less', 'kernel - loop'],
  ...on('batch'),
  ...on('single'),
];
const columns = (figures) => [
  ['program', 'insns', ...figures.map(([, title]) => title)],
  results.map((result) => [result.name, String(result.insns), ...figures.map(([figure]) => result[figure])]),
];
table(`ns a run over 64 packets, verified code, atomics kept; ${versions.join(' and ')}`, ...columns(FIGURES), '');
table(
  'ns a run of ours besides: plain adds as one thread needs no others, the packet copied in for each call, code that checks, the interpreter',
  ...columns([
    ['batch 0', 'batch'],
    ['plain', 'batch, plain adds'],
    ['plain single', 'single, plain adds'],
    ['call', 'call'],
    ['checked', 'batch, checked'],
    ['interpret', 'interpret, batch'],
  ]),
);

const over = (result, mine, peer) => (result[peer] === undefined ? undefined : result[mine] / result[peer]);
const meanOf = (mine, peer, chosen) => {
  const present = chosen.map((result) => over(result, mine, peer)).filter((value) => value !== undefined);
  return present.length === 0 ? undefined : mean(present);
};
const working = results.filter(({ name }) => name !== 'nop');
const long = working.filter((result) => (result.less ?? result.clang ?? result['batch 0']) >= LONG_NS);
const goal = (label, value, limit) => {
  const known = Number.isFinite(value) && value > 0;
  return [label, known ? value : undefined, limit, known ? (value <= limit ? 'met' : 'not met') : undefined];
};

for (const [index, version] of versions.entries()) {
  const [batch, single] = [`batch ${index}`, `single ${index}`];
  const RATIOS = [
    [batch, 'kernel', 'batch/kernel raw'],
    [batch, 'less', 'batch/(kernel - loop)'],
    [batch, 'clang', 'batch/clang'],
    [batch, 'gcc', 'batch/gcc'],
    [single, 'kernel', 'single/kernel raw'],
  ];
  const means = (label, chosen) => [label, ...RATIOS.map(([mine, peer]) => meanOf(mine, peer, chosen))];
  table(
    `ratios on ${version}, below 1: ours takes less time; means are geometric, without nop`,
    ['program', ...RATIOS.map(([, , title]) => title)],
    [
      ...working.map((result) => [result.name, ...RATIOS.map(([mine, peer]) => over(result, mine, peer))]),
      means('mean', working),
      means(`mean, above ${LONG_NS} ns`, long),
    ],
    '',
  );
  const ratios = working.map((result) => [over(result, batch, 'clang') ?? 0, result.name]);
  const [worst = 0, slowest] = ratios.toSorted(([a], [b]) => b - a)[0] ?? [];
  table(
    `goals on ${version}, geometric means`,
    ['', 'measured', 'at most', ''],
    [
      goal('batched, of the kernel raw', meanOf(batch, 'kernel', working), 0.75),
      goal(`batched, of the kernel raw on the programs above ${LONG_NS} ns`, meanOf(batch, 'kernel', long), 0.9),
      goal('batched, of native clang -O2', meanOf(batch, 'clang', working), 1.2),
      goal('single, of the kernel raw', meanOf(single, 'kernel', working), 0.85),
      goal(`batched, of native, the worst program (${slowest})`, worst, 1.6),
    ],
    '',
  );
}
const interpreted = working.map(({ name, interpret }) => [name, interpret, UBPF_INTERPRETER[name]]);
table(
  `interpreter on ${versions[0]}, ns a run in batches, beside uBPF's as it was measured on programs of the same kinds`,
  ['program', 'ours', 'uBPF', 'ours/uBPF'],
  [
    ...interpreted.map(([name, mine, peer]) => [name, mine, peer, mine / peer]),
    ['mean (goal: at most 0.50)', undefined, undefined, mean(interpreted.map(([, mine, peer]) => mine / peer))],
  ],
);
table('verdicts, equal packet by packet', ['program', 'runners', 'verdict: packets'], verdicts);
