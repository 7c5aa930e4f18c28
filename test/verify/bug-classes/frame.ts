// What the programs of the bug classes are made of: where an offset comes from, what it is added to, and how it gets there.
import type { MapSpec } from '../../../src/spec/object.ts';
import { map, type ProgramOptions } from '../support.ts';

export interface Variant {
  readonly name: string;
  readonly text: string;
  readonly options: ProgramOptions;
  /** Why Linux lets it pass, where it does. */
  readonly linuxAccepts?: string;
}

export interface BugClass {
  /** Number in the list of known classes. */
  readonly number: number;
  readonly name: string;
  /** Where it was found. */
  readonly source: string;
  readonly variants: readonly Variant[];
  /** The same without the fault, where that is a program too: accepted. */
  readonly twins: readonly Variant[];
}

/** Bytes of every region that an offset is added to. */
export const SIZE = 16;

/** What is at hand by name. */
export const MAPS: readonly MapSpec[] = [
  map('numbers', 'array', 4, 8, { maxEntries: 1 }),
  map('target', 'array', 4, SIZE, { maxEntries: 1 }),
  map('table', 'hash', 4, SIZE),
  map('ring', 'ringbuf', 0, 0, { maxEntries: 4096 }),
];

/** Into a register: 64 bits of which nothing is known, from outside. */
export const unknown = (register: string): string => `
  ${register} = map[numbers][0]+0
  ${register} = *(u64 *)(${register} + 0)`;

/** Into r0: an element of `table`, or NULL. */
export const LOOKUP = `
  *(u32 *)(r10 - 4) = 0
  r2 = r10
  r2 += -4
  r1 = map[table]
  call bpf_map_lookup_elem`;

/** Regions of SIZE bytes: into r6 a pointer to the start. */
export const TARGETS = {
  'a map value': 'r6 = map[target][0]+0',
  'the stack': `
  r6 = r10
  r6 += -16
  *(u64 *)(r10 - 16) = 0
  *(u64 *)(r10 - 8) = 0`,
} as const;
export type Target = keyof typeof TARGETS;

/** Ways of a number from where it was computed to where it is used, all from and to `register`. */
export const ROUTES: Readonly<Record<string, (register: string) => string>> = {
  'as it is': () => '',
  'through the stack': (r) => `
  *(u64 *)(r10 - 64) = ${r}
  ${r} = *(u64 *)(r10 - 64)`,
  'through r9': (r) => `
  r9 = ${r}
  ${r} = 0
  ${r} = r9`,
};

export const socketFilter = (text: string): Pick<Variant, 'text' | 'options'> => ({
  text,
  options: { type: 'socket_filter', maps: MAPS },
});

/** The end that all programs have. */
export const OUT = `
out:
  r0 = 0
  exit`;

/**
 * Programs that compute an offset in r1 from the unknown number in r1, and use it on each target, by each route, as a load and as
 * a store of one byte. `body` may go to `out`.
 */
export function offsets(name: string, body: string): Variant[] {
  return Object.entries(TARGETS).flatMap(([target, start]) =>
    Object.entries(ROUTES).flatMap(([route, move]) =>
      ['r0 = *(u8 *)(r6 + 0)', '*(u8 *)(r6 + 0) = 7'].map((access, i) => ({
        name: `${name}; ${route}, ${i === 0 ? 'loaded from' : 'stored to'} ${target}`,
        ...socketFilter(`${start}${unknown('r1')}\n${body}${move('r1')}
  r6 += r1
  ${access}${OUT}`),
      })),
    ),
  );
}

/** All of them for the first of the bodies, one for each of the others. */
export const bodies = (list: Readonly<Record<string, string>>): Variant[] =>
  Object.entries(list).flatMap(([name, body], i) => (i === 0 ? offsets(name, body) : offsets(name, body).slice(0, 2)));
