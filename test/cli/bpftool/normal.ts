// What of bpftool's answers is the same whoever answers: all but ids, times, tags, and sizes of machines.

/** Names of members whose values differ from one context to the next, and from one run to the next. */
const OWN = new Set([
  'id',
  'prog_id',
  'map_ids',
  'prog_ids',
  'btf_id',
  'tag',
  'loaded_at',
  'duration',
  'run_time_ns',
  'run_cnt',
  // Memory, and instructions that the kernel rewrites.
  'bytes_memlock',
  'bytes_xlated',
  'bytes_jited',
  'jited',
]);

function keyOf(value: unknown): string {
  return typeof value === 'object' && value !== null && 'key' in value ? JSON.stringify(value.key) : '';
}

/** Numbers of helpers, which the kernel puts addresses in the place of, and names of its own for subprograms. */
const inCode = (text: string): string =>
  text.replace(/(call bpf_\w+)#-?\d+/g, '$1').replace(/#bpf_prog_[0-9a-f]{16}_/g, '#');

/** The value without what is each context's own; elements of maps by their keys, as hash maps have no order. */
export function normal(value: unknown): unknown {
  if (Array.isArray(value)) {
    const list = value.map(normal);
    // Paths of pins, whose order is that of a hash table of bpftool's.
    if (list.every((element) => typeof element === 'string' && element.startsWith('$D/'))) return list.toSorted();
    return list.some((element) => keyOf(element) !== '')
      ? list.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : keyOf(a) > keyOf(b) ? 1 : 0))
      : list;
  }
  if (typeof value === 'string') return inCode(value);
  if (typeof value !== 'object' || value === null) return value;
  // An instruction that calls: the kernel changes where to.
  if ('code' in value && value.code === '0x85') return { code: value.code };
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, member]) => (OWN.has(name) ? [] : [[name, normal(member)]])),
  );
}

/** JSON of bpftool as a value; integers that JavaScript would round are text. */
export function parsed(text: string): unknown {
  if (text.trim() === '') return undefined;
  return JSON.parse(text.replace(/(?<=[:[,])-?\d{16,}(?=[,}\]])/g, '"$&"'));
}

/** Parts of bpftool's text that are each context's own. */
const OWN_TEXT: readonly (readonly [pattern: RegExp, instead: string])[] = [
  // What libbpf says, and what is said here in its place.
  [/^(libbpf|anybpf): .*\n/gm, ''],
  [/^Warning: bpftool is now running in libbpf strict mode[\s\S]*?\n\n/gm, ''],
  [/^Usage: [\s\S]*/gm, 'USAGE\n'],
  [/^\d+: (?=name|\w+  )/gm, 'ID: '],
  [/\bid \d+\b(?=.*\n)/gm, 'id ID'],
  [/tag [0-9a-f]{16}/g, 'tag TAG'],
  [/loaded_at \S+/g, 'loaded_at TIME'],
  [/xlated \d+B {2}(?:jited \d+B|not jited) {2}memlock \d+B/g, 'SIZES'],
  [/memlock \d+B/g, 'memlock SIZE'],
  [/map_ids [\d,]+/g, 'map_ids IDS'],
  [/prog_ids [\d,]+/g, 'prog_ids IDS'],
  [/btf_id \d+/g, 'btf_id ID'],
  [/duration(?: \(average\))?: \d+ns/g, 'duration'],
  // bpftool takes a call at the end of a block for a branch to what follows, and draws that edge twice.
  [/(^\tfn_.* -> .*\n)\1/gm, '$1'],
  [/^ {7}85 .*/gm, '       CALL'],
  [/run_time_ns \d+ run_cnt \d+/g, 'RUNS'],
];

/** With the lines of each match in order. */
const sorted = (text: string, lines: RegExp): string =>
  text.replace(lines, (found) => `${found.trimEnd().split('\n').toSorted().join('\n')}\n`);

/** Text without what is each context's own. Dumps of maps by line, as hash maps have no order. */
export function normalText(text: string): string {
  let out = inCode(text);
  for (const [pattern, instead] of OWN_TEXT) out = out.replace(pattern, instead);
  out = sorted(out, /^\tpinned .*\n(?:\tpinned .*\n)+/gm);
  return /^Found \d+ element/m.test(out) ? out.split('\n').toSorted().join('\n') : out;
}
