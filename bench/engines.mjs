// When which engine is worth it: microseconds from linked instructions to the last of so many verdicts, of each engine and of
// `auto`, which chooses among them (src/compile/auto/costs.ts has what it reckons with). Warm: other programs ran before, and V8 has
// not seen this one; first: the first program of a process. Options: --rounds N, --only NAME.
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { PROGRAMS } from './programs/inputs.mjs';
import { freshRuntime, load } from './programs/load-parts.mjs';
import { objectOf } from './programs/peers.mjs';
import { mean, table } from './support.mjs';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '7' },
    only: { type: 'string', default: '' },
    // Set where this file starts itself: the engine to measure in a process of its own.
    child: { type: 'string' },
  },
});
const rounds = Number(values.rounds);
if (!(Number.isInteger(rounds) && rounds > 0)) throw new Error(`--rounds ${values.rounds}: not a number from 1`);

const ENGINES = ['reference', 'interpret', 'compile'];
const SHOWN = [...ENGINES, 'auto'];
const RUNS = [1, 10, 100, 1000, 10_000];
/** Instructions of one run times runs that the reference interpreter is asked for: more would tell nothing new. */
const MOST_REFERENCE = 3000;
const PROGRAM = 'program';

/** Microseconds for a new program to run so often, call by call. */
function measure(spec, { packets }, engine, runs) {
  const runtime = freshRuntime({ engine });
  const before = process.hrtime.bigint();
  const object = load(spec, PROGRAM, runtime);
  const program = object.program(PROGRAM);
  const loaded = process.hrtime.bigint();
  for (let i = 0; i < runs; i++) program.runRaw({ data: packets[i % packets.length] });
  const after = process.hrtime.bigint();
  const used = program.engine;
  object[Symbol.dispose]();
  runtime[Symbol.dispose]();
  return { load: Number(loaded - before) / 1000, time: Number(after - before) / 1000, used };
}

if (values.child !== undefined) {
  const { time } = measure(objectOf(values.only), PROGRAMS[values.only], values.child, 1);
  console.log(time);
  process.exit();
}

function firstOfProcess(name, engine) {
  const args = [import.meta.filename, '--child', engine, '--only', name];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${engine}, ${name}: ${stderr}`);
  return Number(stdout);
}

const least = (samples) => samples.reduce((best, sample) => (sample.time < best.time ? sample : best));
const programs = Object.entries(PROGRAMS)
  .filter(([name]) => name.includes(values.only) && !name.startsWith('lookup'))
  .map(([name, input]) => ({ name, input, spec: objectOf(name) }))
  .filter(({ spec }) => spec !== undefined);

const firsts = programs.map(({ name }) => [
  name,
  ...SHOWN.map((engine) => Math.min(...Array.from({ length: 3 }, () => firstOfProcess(name, engine)))),
]);
table('the first program of a process, one run: us', ['program', ...SHOWN], firsts);

// Warms what all programs share.
for (const { spec, input } of programs) for (const engine of ENGINES) measure(spec, input, engine, 20);

const regrets = [];
for (const runs of RUNS) {
  const rows = programs.map(({ name, spec, input }) => {
    const heavy = runs * (spec.programs[0].code.length / 8) > MOST_REFERENCE * 100;
    const figures = SHOWN.map((engine) =>
      engine === 'reference' && heavy
        ? undefined
        : least(Array.from({ length: rounds }, () => measure(spec, input, engine, runs))),
    );
    const times = figures.map((figure) => figure?.time);
    const regret = times.at(-1) / Math.min(...times.slice(0, -1).filter((time) => time !== undefined));
    regrets.push(regret);
    return [name, ...times, figures.at(-1).used, regret];
  });
  table(`${runs} runs, warm: us`, ['program', ...SHOWN, 'auto ends with', 'auto/best'], rows);
}
console.log(
  `\nauto takes ${mean(regrets).toFixed(2)} times the best engine's time, and ${Math.max(...regrets).toFixed(2)} at most`,
);
