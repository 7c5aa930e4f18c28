// Programs in C of bench/programs on our engines, in the kernel (BPF_PROG_TEST_RUN) and as native code of the same source, on the
// same 64 packets and map contents: nanoseconds a run, then the ratios. Options: --rounds N, --only NAME.
import { parseArgs } from 'node:util';
import { kernel, native, objectOf, ours } from './programs/peers.mjs';
import { PROGRAMS } from './programs/inputs.mjs';
import { race } from './programs/race.mjs';
import { mean, table } from './support.mjs';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '9' }, only: { type: 'string', default: '' } },
});
const rounds = Number(values.rounds);
if (!(Number.isInteger(rounds) && rounds > 0)) throw new Error(`--rounds ${values.rounds}: not a number from 1`);

/** Programs that take the kernel less, without its test loop, are too short for its raw figure to say much. */
const LONG_NS = 30;
const COMPILERS = ['clang', 'gcc'];

/** Runners of one program: ours by what they are called in the table, and the peers that there are. */
async function runnersOf(name, spec, input) {
  const made = {
    trusted: ours(spec, input, { engine: 'compile', trusted: true }),
    checked: ours(spec, input, { engine: 'compile' }),
    interpret: ours(spec, input, { engine: 'interpret', trusted: true }),
    reference: ours(spec, input, { engine: 'reference' }),
    kernel: await kernel(spec, input),
    ...Object.fromEntries(COMPILERS.map((compiler) => [compiler, native(name, input, compiler)])),
  };
  for (const [peer, { reason }] of Object.entries(made)) {
    if (reason === undefined) continue;
    console.log(`  ${name}: no ${peer}: ${reason}`);
    delete made[peer];
  }
  return made;
}

/** How often each verdict came; raises where an engine has others than the reference, packet by packet. */
function agreed(name, runners) {
  const expected = runners.reference.verdicts();
  for (const [runner, { verdicts }] of Object.entries(runners)) {
    const found = runner === 'reference' ? expected : verdicts();
    const at = found.findIndex((verdict, index) => verdict !== expected[index]);
    if (at >= 0) throw new Error(`${name}, packet ${at}: ${runner} gives ${found[at]}, the reference ${expected[at]}`);
  }
  const counts = new Map();
  for (const verdict of expected) counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
  return counts.size > 6 ? `${counts.size} different` : [...counts].map(([v, n]) => `${v}: ${n}`).join(', ');
}

const results = [];
const verdicts = [];
for (const [name, input] of Object.entries(PROGRAMS)) {
  if (!name.includes(values.only)) continue;
  const spec = objectOf(name);
  if (spec === undefined) {
    console.log('  no programs: clang with the target bpf is missing');
    break;
  }
  const runners = await runnersOf(name, spec, input);
  const agree = agreed(name, runners);
  const { batch, single, call } = runners.trusted.candidates;
  const figures = race(
    {
      ...runners.clang?.candidates,
      ...runners.gcc?.candidates,
      ...runners.kernel?.candidates,
      batch,
      single,
      call,
      checked: runners.checked.candidates.batch,
      interpret: runners.interpret.candidates.batch,
    },
    rounds,
  );
  results.push({ name, insns: spec.programs[0].code.length / 8, ...figures });
  verdicts.push([name, Object.keys(runners).join(', '), agree]);
  for (const { dispose } of Object.values(runners)) dispose();
}

/** What the kernel's test loop adds: its figure for a program that does nothing, less what that takes natively. */
const nop = results.find(({ name }) => name === 'nop');
const loop = nop?.kernel === undefined ? undefined : nop.kernel - (nop.clang ?? nop.gcc ?? 1);
for (const result of results) {
  if (result.kernel !== undefined && loop !== undefined) result.less = Math.max(1, result.kernel - loop);
}

if (loop !== undefined) console.log(`\nthe kernel's own test loop: ${loop.toFixed(1)} ns a run, in its raw figures`);

const FIGURES = ['clang', 'gcc', 'kernel', 'less', 'batch', 'single', 'call', 'checked', 'interpret'];
const TITLES = { less: 'kernel - loop', checked: 'batch, checked', interpret: 'interpret, batch' };
table(
  'ns a run over 64 packets; trusted unless checked',
  ['program', 'insns', ...FIGURES.map((figure) => TITLES[figure] ?? figure)],
  results.map((result) => [result.name, String(result.insns), ...FIGURES.map((figure) => result[figure])]),
);

const RATIOS = [
  ['batch', 'kernel'],
  ['batch', 'less'],
  ['batch', 'clang'],
  ['batch', 'gcc'],
  ['single', 'kernel'],
  ['checked', 'kernel'],
];
const over = (result, [mine, peer]) => (result[peer] === undefined ? undefined : result[mine] / result[peer]);
const meanOf = (pair, chosen) => {
  const present = chosen.map((result) => over(result, pair)).filter((value) => value !== undefined);
  return present.length === 0 ? undefined : mean(present);
};
const means = (label, chosen) => [label, ...RATIOS.map((pair) => meanOf(pair, chosen))];
const working = results.filter(({ name }) => name !== 'nop');
const long = working.filter((result) => (result.less ?? result.clang ?? result.batch) >= LONG_NS);
table(
  'ratios, below 1: ours takes less time; means are geometric, without nop',
  ['program', ...RATIOS.map(([mine, peer]) => `${mine}/${TITLES[peer] ?? peer}`)],
  [
    ...working.map((result) => [result.name, ...RATIOS.map((pair) => over(result, pair))]),
    means('mean', working),
    means(`mean, ${LONG_NS} ns and more`, long),
  ],
);

const worst = Math.max(...working.map((result) => over(result, ['batch', 'clang']) ?? 0));
const goal = (label, value, limit) => {
  const known = Number.isFinite(value) && value > 0;
  return [label, known ? value : undefined, limit, known ? (value <= limit ? 'met' : 'not met') : undefined];
};
table(
  'goals',
  ['', 'measured', 'goal', ''],
  [
    goal('batch/kernel', meanOf(['batch', 'kernel'], working), 0.75),
    goal(`batch/kernel, ${LONG_NS} ns and more`, meanOf(['batch', 'kernel'], long), 0.9),
    goal('batch/clang', meanOf(['batch', 'clang'], working), 1.2),
    goal('batch/clang, worst program', worst, 1.6),
    goal('single/kernel', meanOf(['single', 'kernel'], working), 0.85),
  ],
);
table('verdicts, equal packet by packet', ['program', 'on', 'verdict: packets'], verdicts);
