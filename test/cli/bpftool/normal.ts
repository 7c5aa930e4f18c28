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

/** The value without what is each context's own; elements of maps by their keys, as hash maps have no order. */
export function normal(value: unknown): unknown {
  if (Array.isArray(value)) {
    const list = value.map(normal);
    return list.some((element) => keyOf(element) !== '')
      ? list.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : keyOf(a) > keyOf(b) ? 1 : 0))
      : list;
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, member]) => (OWN.has(name) ? [] : [[name, normal(member)]])),
  );
}

/** JSON of bpftool as a value; integers that JavaScript would round are text. */
export function parsed(text: string): unknown {
  if (text.trim() === '') return undefined;
  return JSON.parse(text.replace(/(?<=[:[,])-?\d{16,}(?=[,}\]])/g, '"$&"'));
}
