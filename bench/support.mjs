// What benchmarks share: the compiled project, compilers, tables.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';

export const ROOT = join(import.meta.dirname, '..');
export const CACHE = join(ROOT, '.cache/bench');
export const SHARED = join(ROOT, '../shared/corpus/objects');

/** A module of src/ or test/ as compiled by bench/run.mjs. */
export const project = (path) => import(join(CACHE, path.replace(/\.ts$/, '.js')));

export const nanoseconds = (count, body) => {
  const before = process.hrtime.bigint();
  body();
  return Number(process.hrtime.bigint() - before) / count;
};

export const has = (program) => spawnSync('which', [program]).status === 0;

/** Geometric mean. */
export const mean = (values) => Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);

/** `runtime`: what the figures are of, '' where the table itself says it. */
export function table(title, head, rows, runtime = `node ${process.version}`) {
  const cells = [head, ...rows].map((row) =>
    row.map((cell) => (typeof cell === 'number' ? format(cell) : String(cell ?? '-'))),
  );
  const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column].length)));
  console.log(`\n${title}${runtime === '' ? '' : ` (${runtime})`}`);
  for (const row of cells) {
    console.log(`  ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ')}`);
  }
}

const format = (value) =>
  value >= 1000
    ? Math.round(value).toLocaleString('en')
    : value >= 100
      ? value.toFixed(0)
      : value.toFixed(value >= 10 ? 1 : 2);

/** So many turns of a linear congruential generator, each of which waits for the one before. */
export function turns(count, seed) {
  let state = seed;
  for (let turn = 0; turn < count; turn++) state = (Math.imul(state, 1664525) + 1013904223) | 0;
  return state;
}

const CONTROL_TURNS = 2_000_000;
const CONTROL_ROUNDS = 10;

/**
 * Says how busy the machine is: what a turn of a loop takes that needs nothing but the processor, least and most of some rounds.
 * On an idle machine both are the same each time.
 */
export function sayControl() {
  turns(CONTROL_TURNS, 1);
  let state = 1;
  const times = Array.from({ length: CONTROL_ROUNDS }, () =>
    nanoseconds(CONTROL_TURNS, () => {
      state = turns(CONTROL_TURNS, state);
    }),
  );
  const [least, most] = [Math.min(...times), Math.max(...times)].map((time) => time.toFixed(2));
  const [load] = loadavg();
  console.log(`  control loop: ${least} to ${most} ns a turn; load ${load.toFixed(1)} on ${cpus().length} processors`);
}

/** Objects below a folder, the largest first. */
export const objectsBelow = (folder) =>
  existsSync(folder)
    ? readdirSync(folder, { recursive: true })
        .filter((name) => name.endsWith('.o'))
        .map((name) => join(folder, name))
        .sort((a, b) => statSync(b).size - statSync(a).size)
    : [];

/** Compiles C of bench/programs (or given text) into .cache; the path, or undefined where there is no compiler. */
export function compile(source, output, args, compiler = 'clang', libraries = []) {
  if (!has(compiler)) return undefined;
  mkdirSync(CACHE, { recursive: true });
  const out = join(CACHE, output);
  const { status, stderr } = spawnSync(compiler, [...args, '-o', out, source, ...libraries], { encoding: 'utf8' });
  if (status === 0) return out;
  console.log(`  ${compiler} ${source}: ${stderr.split('\n')[0]}`);
  return undefined;
}

export function read(path) {
  const { buffer, byteOffset, byteLength } = readFileSync(path);
  return new Uint8Array(buffer, byteOffset, byteLength);
}
export const write = (name, text) => {
  mkdirSync(CACHE, { recursive: true });
  writeFileSync(join(CACHE, name), text);
  return join(CACHE, name);
};

/** An Ethernet, IPv4 and UDP header with bytes behind it, the source address and port varied by `n`. */
export function packet(length, n = 0) {
  const data = Uint8Array.from({ length }, (_, i) => (i * 7 + n) & 0xff);
  data.set([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, length - 14, 0, 0, 0, 0, 64, 17, 0, 0]);
  data.set([10, 0, n & 0xff, 1, 198, 51, 100, 2, 0x30, n & 0xff, 0, n % 4 === 0 ? 53 : 80, 0, length - 34], 26);
  return data;
}
