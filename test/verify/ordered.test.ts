// Loads and stores that order others: where and how aligned they may be, as Linux has it.
import { describe, expect, test } from 'vitest';
import { map, verdictOf } from './support.ts';

const LOOKUP = `
  *(u32 *)(r10 - 4) = 0
  r2 = r10
  r2 += -4
  r1 = map[values]
  call bpf_map_lookup_elem
  if r0 == 0 goto out
  r6 = r0`;

const code = (text: string, type: 'xdp' | 'socket_filter' = 'socket_filter'): string => {
  const options = { type, maps: [map('values', 'array', 4, 16)] };
  const { verdict, diagnostic } = verdictOf(`r9 = r1\n${text}\nout: r0 = 0\nexit`, options);
  return diagnostic?.code ?? verdict;
};

const load = (where: string): string => `r1 = load_acquire((u64 *)(${where}))`;
const store = (where: string): string => `r1 = 5\nstore_release((u64 *)(${where}), r1)`;

describe.each([
  ['load_acquire', load],
  ['store_release', store],
])('%s', (_, access) => {
  test.each([
    ['the stack', '*(u64 *)(r10 - 16) = 0', 'r10 - 16', 'accepted'],
    ['the stack, misaligned', '*(u64 *)(r10 - 16) = 0\n*(u64 *)(r10 - 8) = 0', 'r10 - 12', 'verify/misaligned'],
    ['a map', LOOKUP, 'r6 + 8', 'accepted'],
    ['a map, misaligned', LOOKUP, 'r6 + 4', 'verify/misaligned'],
    ['the context', '', 'r9 + 0', 'verify/atomic'],
  ])('%s', (_where, before, where, expected) => {
    expect(code(`${before}\n${access(where)}`)).toBe(expected);
  });

  test('a packet', () => {
    const before = `r6 = *(u32 *)(r9 + 0)
      r7 = *(u32 *)(r9 + 4)
      r2 = r6
      r2 += 8
      if r2 > r7 goto out`;
    expect(code(`${before}\nr3 = *(u64 *)(r6 + 0)`, 'xdp')).toBe('accepted');
    expect(code(`${before}\n${access('r6 + 0')}`, 'xdp')).toBe('verify/atomic');
  });
});
