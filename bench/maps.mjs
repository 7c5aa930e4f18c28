// Map lookups (programs/lookup.bpf.c: 64 a run, keys in random order, each found): nanoseconds each, in maps small and large, beside
// the kernel by BPF_PROG_TEST_RUN and the same C as native code. Options: --rounds N, --only KIND.
import { parseArgs } from 'node:util';
import { lookupEntries, packets } from './programs/inputs.mjs';
import { kernel, native, objectOf, ours } from './programs/peers.mjs';
import { race } from './programs/race.mjs';
import { sayControl, table } from './support.mjs';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '40' }, only: { type: 'string', default: '' } },
});
const rounds = Number(values.rounds);
if (!(Number.isInteger(rounds) && rounds > 0)) throw new Error(`--rounds ${values.rounds}: not a number from 1`);

/** LOOKUPS of lookup.bpf.c. */
const LOOKUPS = 64;
/** Packets that the kernel's runs are measured on: which one is no matter to the program. */
const KERNEL_PACKETS = 3;
/** Of the kernel's memory, a map takes so many entries at most here: beyond, its column is empty. */
const KERNEL_ENTRIES = 65_536;

const TITLES = { hash: 'hash, 8-byte key', lpm4: 'LPM, IPv4', lpm6: 'LPM, IPv6' };
const SIZES = {
  hash: [1000, KERNEL_ENTRIES, 1_000_000],
  lpm4: [1000, KERNEL_ENTRIES, 100_000],
  lpm6: [1000, KERNEL_ENTRIES, 100_000],
};
/** Nanoseconds a lookup at most. */
const GOALS = { lpm4: { 1000: 25, 100_000: 60 }, lpm6: { 1000: 25, 100_000: 60 } };

/** Nanoseconds a lookup of each candidate. */
async function measure(kind, count) {
  const defines = kind === 'none' ? ['ENTRIES=1000'] : [`KIND_${kind}`, `ENTRIES=${count}`];
  const spec = objectOf('lookup', defines);
  if (spec === undefined) return undefined;
  const maps = kind === 'none' ? {} : { entries: lookupEntries(kind, count) };
  const input = { packets: packets(64), maps, timed: packets(64).slice(0, KERNEL_PACKETS) };
  const runners = { ours: ours(spec, input, { engine: 'compile', trusted: true }) };
  runners.clang = native('lookup', input, 'clang', defines);
  if (count <= KERNEL_ENTRIES) runners.kernel = await kernel(spec, input);
  const candidates = { ours: runners.ours.candidates.batch };
  const expected = String(runners.ours.verdicts());
  for (const peer of ['clang', 'kernel']) {
    if (runners[peer] === undefined) continue;
    if (runners[peer].reason !== undefined) {
      console.log(`  ${kind}, ${count}: no ${peer}: ${runners[peer].reason}`);
      continue;
    }
    if (String(runners[peer].verdicts()) !== expected) throw new Error(`${kind}, ${count}: ${peer} finds others`);
    candidates[peer] = runners[peer].candidates[peer];
  }
  const figures = await race(candidates, rounds);
  for (const { dispose } of Object.values(runners)) dispose?.();
  const each = Object.fromEntries(Object.entries(figures).map(([name, ns]) => [name, ns / LOOKUPS]));
  return { kind, count, ...each };
}

sayControl();
const empty = await measure('none', 1000);
const results = [];
for (const [kind, sizes] of Object.entries(SIZES)) {
  if (!kind.includes(values.only)) continue;
  for (const count of sizes) {
    const result = await measure(kind, count);
    if (result !== undefined) results.push(result);
  }
}
if (results.length === 0) console.log('  no programs: clang with the target bpf is missing');
sayControl();

const number = (value) => value.toLocaleString('en');
/** Without what the loop around it takes. */
const net = (result, name) => (result[name] === undefined ? undefined : result[name] - (empty[name] ?? 0));
table(
  `ns a lookup, trusted, in batches; less the loop that makes the keys (${['ours', 'kernel', 'clang']
    .filter((name) => empty?.[name] !== undefined)
    .map((name) => `${name} ${empty[name].toFixed(1)}`)
    .join(', ')})`,
  ['map', 'entries', 'ours', 'kernel', 'clang', 'ours/kernel', 'ours/clang', 'goal', ''],
  results.map((result) => {
    const { kind, count } = result;
    const [mine, peer, compiled] = ['ours', 'kernel', 'clang'].map((name) => net(result, name));
    // Beside a kernel that was not asked: its smaller map, which a larger one is not faster than.
    const smaller = results.findLast((other) => other.kind === kind && other.kernel !== undefined);
    const limit = kind === 'hash' ? smaller && net(smaller, 'kernel') : GOALS[kind][count];
    const goal = limit === undefined ? [undefined, undefined] : [limit, mine <= limit ? 'met' : 'not met'];
    return [
      TITLES[kind],
      number(count),
      mine,
      peer,
      compiled,
      peer && mine / peer,
      compiled && mine / compiled,
      ...goal,
    ];
  }),
);
console.log(
  `  kernel: no maps above ${number(KERNEL_ENTRIES)} entries here; larger ones of ours stand against that one's goal for hashes`,
);
