// The verifier over the corpus: total, median and slowest, in milliseconds of processor time (other work on the machine disturbs it
// less than wall time, which stands beside it), as the first work of a process and warm; memory of a process that verifies one
// program. Peer: the running kernel's verifier on the same programs, by the time that it gives itself (BPF_LOG_STATS).
// Options: --rounds N (warm ones), --only TEXT (of `object program`).
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { project, read, sayControl, SHARED, table } from './support.mjs';

const { corpusPrograms, mended } = await project('test/verify/corpus.ts');
const { verify } = await project('src/verify/verify.ts');
const { builtInPlatform } = await project('src/hosts/platform.ts');

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    only: { type: 'string', default: '' },
    // Set where this file starts itself: the object and the index of the program that a process of its own verifies.
    child: { type: 'string' },
  },
});
const rounds = Number(values.rounds);
if (!(Number.isInteger(rounds) && rounds > 0)) throw new Error(`--rounds ${values.rounds}: not a number from 1`);

/** Milliseconds, MB, and times the kernel's time. */
const GOAL = { milestone: 8000, total: 4000, kernel: 1.5, tiny: 0.2, slowest: 400, memory: 64 };
/** Instructions below which a program is a tiny one. */
const TINY = 100;
/** Programs that are shown by themselves, and whose memory is measured. */
const SHOWN = 8;
const BPF_LOG_STATS = 4;
/** print_verification_stats of kernel/bpf/verifier.c. */
const VERIFICATION_TIME = /verification time (\d+) usec/;

const platform = builtInPlatform('linux');
const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];
const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
const most = (numbers) => numbers.reduce((a, b) => Math.max(a, b), 0);
const peakMemory = () => process.resourceUsage().maxRSS / 1024;

/** The verdict, and milliseconds of processor and of wall time. */
function timed(object, program) {
  const wall = performance.now();
  const before = process.cpuUsage();
  const verdict = verify(object, program, platform);
  const { user, system } = process.cpuUsage(before);
  return { verdict, cpu: (user + system) / 1000, wall: performance.now() - wall };
}

if (values.child !== undefined) {
  const [file, index] = values.child.split(' ');
  const object = mended(file, read(join(SHARED, file)));
  const linked = peakMemory();
  const { cpu, wall } = timed(object, object.programs[Number(index)]);
  console.log(JSON.stringify({ cpu, wall, linked, memory: peakMemory() }));
  process.exit();
}

function inChild(args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${args.join(' ')}: ${stderr}`);
  return JSON.parse(stdout);
}

/** The first program of a process. */
const alone = ({ id, object, program }) =>
  inChild([import.meta.filename, '--child', `${id.split(' ')[0]} ${object.programs.indexOf(program)}`]);

const corpus = corpusPrograms({ path: SHARED }).filter(({ id }) => id.includes(values.only));
if (corpus.length === 0) {
  console.log(`  no programs in ${SHARED}`);
  process.exit();
}

/** Round 0 is the first work of this process. */
const passes = [];
for (let round = 0; round <= rounds; round++) passes.push(corpus.map(({ object, program }) => timed(object, program)));
const [cold, ...warm] = passes;
const measured = corpus.map((program, i) => ({
  ...program,
  insns: program.program.code.length / 8,
  verdict: cold[i].verdict,
  cold: cold[i].cpu,
  cpu: Math.min(...warm.map((pass) => pass[i].cpu)),
  wall: Math.min(...warm.map((pass) => pass[i].wall)),
}));

/** The kernel's own time for each program in milliseconds: the least of as many loads; undefined where it refuses. */
async function kernelTimes() {
  const { KernelObject } = await project('test/support/kernel-object.ts');
  const { kernelCapability } = await project('test/support/bpf.ts');
  const { ok, stage, errno, detail } = kernelCapability();
  if (!ok) return `no kernel: ${detail ?? `${stage} gave errno ${errno}`}`;
  const times = new Map();
  let kernel;
  for (const { id, object, program } of corpus) {
    if (kernel?.spec !== object) {
      kernel?.dispose();
      kernel = new KernelObject(object);
    }
    for (let round = 0; round < rounds; round++) {
      kernel.programs.delete(program.name);
      const { fd, log } = kernel.load(program, BPF_LOG_STATS);
      const micros = VERIFICATION_TIME.exec(log)?.[1];
      if (fd >= 0 && micros !== undefined)
        times.set(id, Math.min(times.get(id) ?? Number.POSITIVE_INFINITY, micros / 1000));
    }
  }
  kernel?.dispose();
  return times;
}

const kernel = await kernelTimes();
if (typeof kernel === 'string') console.log(`  ${kernel}`);
const kernelTime = ({ id }) => (typeof kernel === 'string' ? undefined : kernel.get(id));

const total = (part) => sum(measured.map((program) => program[part]));
const verdicts = ['accepted', 'refused', 'budget'].map(
  (kind) => measured.filter(({ verdict }) => verdict.verdict === kind).length,
);
table(
  `the corpus, ms of processor time: ${corpus.length} programs, ${total('insns').toLocaleString('en')} instructions; ${verdicts.join(' / ')} accepted / refused / budget`,
  ['', 'total', 'median', 'slowest', 'total, wall'],
  [
    [
      'first work of a process',
      ...[sum, median, most].map((of) => of(measured.map((p) => p.cold))),
      sum(cold.map((t) => t.wall)),
    ],
    [`warm, least of ${rounds}`, ...[sum, median, most].map((of) => of(measured.map((p) => p.cpu))), total('wall')],
  ],
);

const visited = measured.toSorted((a, b) => b.cpu - a.cpu).slice(0, SHOWN);
const floor = Math.min(...[1, 2, 3].map(() => inChild(['-p', 'process.resourceUsage().maxRSS']) / 1024));
const single = visited.map(alone);
table(
  `the slowest, ms of processor time; MB that a process of its own reaches above the ${floor.toFixed(0)} MB of one that does nothing: linked, verified`,
  ['program', 'insns', 'visits', 'verdict', 'warm', 'alone', 'kernel', 'warm/kernel', 'linked MB', 'peak MB'],
  visited.map((program, i) => {
    const time = kernelTime(program);
    return [
      program.id,
      String(program.insns),
      String(program.verdict.visits),
      program.verdict.verdict,
      program.cpu,
      single[i].cpu,
      time,
      time && program.cpu / time,
      single[i].linked - floor,
      single[i].memory - floor,
    ];
  }),
);

const both = measured.filter((program) => kernelTime(program) !== undefined);
const ratios = both.map((program) => program.cpu / kernelTime(program)).sort((a, b) => a - b);
const folders = [...new Set(both.map(({ folder }) => folder))].sort();
if (both.length > 0) {
  table(
    `programs that Linux accepts, one by one; ms of processor time beside the kernel's own; ${ratios.filter((ratio) => ratio <= GOAL.kernel).length} of ${both.length} within ${GOAL.kernel} times`,
    ['folder', 'programs', 'accepted', 'ours', 'kernel', 'ours/kernel', 'median ratio', 'worst ratio'],
    folders.map((folder) => {
      const own = both.filter((program) => program.folder === folder);
      const ours = sum(own.map(({ cpu }) => cpu));
      const theirs = sum(own.map(kernelTime));
      const each = own.map((program) => program.cpu / kernelTime(program));
      const accepted = own.filter(({ verdict }) => verdict.verdict === 'accepted').length;
      return [folder, String(own.length), String(accepted), ours, theirs, ours / theirs, median(each), most(each)];
    }),
  );
}

const tiny = measured.filter(({ insns }) => insns < TINY);
const row = (label, value, limit) => [
  label,
  value,
  limit,
  value === undefined ? undefined : value <= limit ? 'met' : 'not met',
];
sayControl();
table(
  'goals',
  ['', 'measured', 'at most', ''],
  [
    row('ms for the whole corpus, warm: first milestone', total('cpu'), GOAL.milestone),
    row('ms for the whole corpus, warm', total('cpu'), GOAL.total),
    row(
      "times the kernel's time, all programs that Linux accepts",
      both.length === 0 ? undefined : sum(both.map(({ cpu }) => cpu)) / sum(both.map(kernelTime)),
      GOAL.kernel,
    ),
    row(
      `ms for programs below ${TINY} instructions, median`,
      tiny.length === 0 ? undefined : median(tiny.map((p) => p.cpu)),
      GOAL.tiny,
    ),
    row('ms for the slowest program', most(measured.map(({ cpu }) => cpu)), GOAL.slowest),
    row(
      "MB above Node's floor, the worst of those alone in a process",
      most(single.map(({ memory }) => memory)) - floor,
      GOAL.memory,
    ),
    row(
      'MB of that which the verifier adds to the linked object, the worst',
      most(single.map(({ memory, linked }) => memory - linked)),
      GOAL.memory,
    ),
  ],
);
