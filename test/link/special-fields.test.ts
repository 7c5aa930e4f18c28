import { describe, expect, test } from 'vitest';
import { decodeBtf } from '../../src/btf/decode.ts';
import { encodeBtf } from '../../src/btf/encode.ts';
import type { BtfType } from '../../src/btf/format.ts';
import { specialFields } from '../../src/link/special-fields.ts';

const member = (name: string, type: number, bitOffset: number) => ({ name, type, bitOffset, bitSize: 0 });
const struct = (name: string, size: number, ...members: readonly ReturnType<typeof member>[]): BtfType => ({
  kind: 'struct',
  name,
  size,
  kindFlag: false,
  members,
});

// Ids from 1 in the order of the list.
const TYPES: readonly BtfType[] = [
  { kind: 'int', name: 'int', size: 4, encoding: 1, offset: 0, bits: 32 },
  struct('bpf_spin_lock', 4, member('val', 1, 0)),
  struct('bpf_timer', 16),
  { kind: 'typedef', name: 'lock_t', type: 2 },
  struct('value', 32, member('n', 1, 0), member('timer', 3, 64), member('lock', 4, 192)),
  { kind: 'array', element: 5, index: 1, length: 3 },
  struct('outer', 100, member('n', 1, 0), member('values', 6, 32)),
  { kind: 'type_tag', name: 'kptr', type: 5, attribute: false },
  { kind: 'ptr', type: 8 },
  struct('holder', 16, member('plain', 1, 0), member('object', 9, 64)),
  { kind: 'var', name: 'v', type: 4, linkage: 1 },
  { kind: 'datasec', name: '.bss', size: 24, vars: [{ type: 11, offset: 20, size: 4 }] },
  { kind: 'array', element: 1, index: 1, length: 2_000_000_000 },
  struct('bpf_unknown', 4, member('n', 1, 0)),
  struct('many', 64, ...Array.from({ length: 100 }, (_, i) => member(`m${i}`, 14, 0))),
];

describe('fields of a value that belong to the kernel', () => {
  const btf = decodeBtf(encodeBtf(TYPES));
  test.each([
    ['none in a number', 1, []],
    ['none in a struct of the kernel that is not special', 14, []],
    ['none in a long array', 13, []],
    ['none in a struct that repeats one', 15, []],
    ['a lock as the value', 2, [{ kind: 'spin_lock', offset: 0, size: 4 }]],
    [
      'in a struct, behind a typedef',
      5,
      [
        { kind: 'timer', offset: 8, size: 16 },
        { kind: 'spin_lock', offset: 24, size: 4 },
      ],
    ],
    [
      'in an array of structs',
      7,
      [0, 32, 64].flatMap((at) => [
        { kind: 'timer', offset: 4 + at + 8, size: 16 },
        { kind: 'spin_lock', offset: 4 + at + 24, size: 4 },
      ]),
    ],
    ['a pointer with a tag', 10, [{ kind: 'kptr', offset: 8, size: 8 }]],
    ['among global variables', 12, [{ kind: 'spin_lock', offset: 20, size: 4 }]],
  ])('%s', (_, id, expected) => {
    expect(specialFields(btf, id)).toEqual(expected);
  });
});
