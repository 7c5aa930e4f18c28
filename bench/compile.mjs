// From linked instructions to the first verdict with the compiling engine, in microseconds: what the emitter, WebAssembly.Module,
// WebAssembly.Instance and the first run take, in a warm process and as the first program of one; and memory per loaded program.
// Peer: BPF_PROG_LOAD, which verifies and compiles. Options: --rounds N, --only NAME.
import { spawnSync } from 'node:child_process';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { PROGRAMS } from './programs/inputs.mjs';
import { freshRuntime, load, measure } from './programs/load-parts.mjs';
import { kernelLoad, objectOf } from './programs/peers.mjs';
import { objectsBelow, project, read, sayControl, SHARED, table } from './support.mjs';

const { linkObject } = await project('src/link/link.ts');

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '15' },
    only: { type: 'string', default: '' },
    // Set where this file starts itself: what to measure in a process of its own.
    child: { type: 'string' },
  },
});
const rounds = Number(values.rounds);
if (!(Number.isInteger(rounds) && rounds > 0)) throw new Error(`--rounds ${values.rounds}: not a number from 1`);

/** Goals: microseconds an instruction when warm and of the first program of a process, KB a program. */
const GOAL = { perInsn: 1, first: 5000, memory: 200 };
const PARTS = ['emit', 'module', 'instance', 'ready', 'run'];
const PACKET = PROGRAMS.fnv.packets[1];
/** Programs of the corpus that are shown by themselves: those nearest to these instruction counts, and the largest. */
const SIZES = [200, 500, 1000, 2000, 4000, Number.POSITIVE_INFINITY];
/**
 * Copies that are measured, and those that are there before: with the first hundred the room grows that V8 keeps for what it throws
 * away, which is the process's and no program's.
 */
const COPIES = 200;
const BEFORE = 100;

function memoryInUse() {
  globalThis.gc();
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rss, heap: heapUsed + external };
}

const CHILDREN = {
  /** The first program of this process. */
  first: (name) => measure(objectOf(name), 'program', PACKET),
  /** Bytes that a further loaded program takes which has run once, its maps shared; needs --expose-gc. */
  memory: (name) => {
    const spec = objectOf(name);
    const runtime = freshRuntime();
    const owner = load(spec, 'program', runtime);
    const shared = Object.fromEntries(owner.maps.map((map) => [map.name, { reuse: map }]));
    const another = () => {
      const object = load(spec, 'program', runtime, shared);
      object.program('program').runRaw({ data: PACKET });
      return object;
    };
    const kept = Array.from({ length: BEFORE }, another);
    const before = memoryInUse();
    while (kept.length < BEFORE + COPIES) kept.push(another());
    const after = memoryInUse();
    return { rss: (after.rss - before.rss) / COPIES, heap: (after.heap - before.heap) / COPIES };
  },
};

if (values.child !== undefined) {
  console.log(JSON.stringify(CHILDREN[values.child](values.only)));
  process.exit();
}

function inChild(child, name) {
  const args = ['--expose-gc', import.meta.filename, '--child', child, '--only', name];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${child} ${name}: ${stderr}`);
  return JSON.parse(stdout);
}

/** The least of each part over all samples. */
function least(samples) {
  const of = (part) => {
    const known = samples.map((sample) => sample[part]).filter((value) => value !== undefined && value !== null);
    return known.length === 0 ? undefined : Math.min(...known);
  };
  return { ...samples[0], ...Object.fromEntries(PARTS.map((part) => [part, of(part)])) };
}

const warm = (spec, name) => least(Array.from({ length: rounds }, () => measure(spec, name, PACKET)));

/** All packet programs of the corpus that load, each once; the time that they take together is the warm figure for all. */
function corpusPrograms() {
  const made = [];
  for (const file of objectsBelow(SHARED)) {
    const spec = linkObject(read(file));
    for (const { name, type, core } of spec.programs) {
      if ((type !== 'xdp' && type !== 'sched_cls') || core.length > 0) continue;
      const sample = measure(spec, name, PACKET);
      if (sample.reason === undefined) made.push({ label: `${basename(file)}: ${name}`, file, name, ...sample });
    }
  }
  return made;
}

const ownNames = Object.keys(PROGRAMS).filter((name) => name.includes(values.only));
const own = ownNames.map((name) => ({ name, spec: objectOf(name) })).filter(({ spec }) => spec !== undefined);
if (own.length < ownNames.length) console.log('  programs are missing: no clang with the target bpf');

const first = new Map(own.map(({ name }) => [name, least([1, 2, 3, 4, 5].map(() => inChild('first', name)))]));
const memory = new Map(own.map(({ name }) => [name, inChild('memory', name)]));

const corpus = values.only === '' ? corpusPrograms() : [];
const shown = new Map();
for (const size of SIZES) {
  const distance = ({ insns }) => (size === Number.POSITIVE_INFINITY ? -insns : Math.abs(insns - size));
  const nearest = corpus.toSorted((a, b) => distance(a) - distance(b))[0];
  if (nearest !== undefined) shown.set(nearest.label, nearest);
}

const rows = [];
for (const { name, spec } of own) {
  const peer = await kernelLoad(spec, rounds);
  if (peer.reason !== undefined) console.log(`  ${name}: no kernel: ${peer.reason}`);
  rows.push({ label: name, ...warm(spec, 'program'), kernel: peer.time });
}
for (const { label, file, name } of shown.values()) rows.push({ label, ...warm(linkObject(read(file)), name) });
table(
  'warm, us: code that V8 has not seen, emitter optimised; ready = emit + module + instance',
  ['program', 'insns', 'bytes', ...PARTS, 'ready/insn', 'kernel load', 'ready/kernel'],
  rows.map((row) => [
    row.label,
    String(row.insns),
    String(row.bytes),
    ...PARTS.map((part) => row[part]),
    row.ready / row.insns,
    row.kernel,
    row.kernel && row.ready / row.kernel,
  ]),
);

if (corpus.length > 0) {
  const sum = (part) => corpus.reduce((total, sample) => total + sample[part], 0);
  const perInsn = corpus.map(({ ready, insns }) => ready / insns).sort((a, b) => a - b);
  table(
    `the corpus: ${corpus.length} packet programs that load without CO-RE, each once, in one process`,
    ['insns', 'bytes', 'emit ms', 'module ms', 'instance ms', 'ready us/insn', 'median us/insn'],
    [
      [
        ...['insns', 'bytes'].map((part) => String(sum(part))),
        ...['emit', 'module', 'instance'].map((part) => sum(part) / 1000),
        sum('ready') / sum('insns'),
        perInsn[perInsn.length >> 1],
      ],
    ],
  );
}

table(
  `the first program of a process, us (least of 5), and KB of each of ${COPIES} more of it, its maps shared`,
  ['program', 'insns', ...PARTS, 'heap KB', 'resident KB'],
  own.map(({ name }) => [
    name,
    String(first.get(name).insns),
    ...PARTS.map((part) => first.get(name)[part]),
    memory.get(name).heap / 1024,
    memory.get(name).rss / 1024,
  ]),
);

/** A row of goals: the worst of what is measured by name. */
function worstOf(label, measured, limit) {
  const [name, worst] = measured.toSorted(([, a], [, b]) => b - a)[0] ?? [];
  if (worst === undefined) return [label, undefined, limit, undefined];
  return [`${label}: ${name}`, worst, limit, worst <= limit ? 'met' : 'not met'];
}

const FEWEST = 100;
const large = rows.filter(({ insns }) => insns >= FEWEST);
const total = (part) => large.reduce((sum, row) => sum + row[part], 0);
sayControl();
table(
  'goals',
  ['', 'measured', 'at most', ''],
  [
    worstOf(
      `us to be ready, an instruction, warm: programs from ${FEWEST} instructions`,
      large.length === 0 ? [] : [['all of them together', total('ready') / total('insns')]],
      GOAL.perInsn,
    ),
    worstOf(
      `us to be ready, an instruction, warm: the worst from ${FEWEST} instructions`,
      large.map(({ label, ready, insns }) => [label, ready / insns]),
      GOAL.perInsn,
    ),
    worstOf(
      'us to be ready, the first program of a process: the worst',
      [...first].map(([name, { ready }]) => [name, ready]),
      GOAL.first,
    ),
    worstOf(
      'KB resident a loaded program, beyond its maps: the worst',
      [...memory].map(([name, { rss }]) => [name, rss / 1024]),
      GOAL.memory,
    ),
    worstOf(
      'KB of heap a loaded program, beyond its maps: the worst',
      [...memory].map(([name, { heap }]) => [name, heap / 1024]),
      GOAL.memory,
    ),
  ],
);
