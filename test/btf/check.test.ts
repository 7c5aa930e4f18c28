import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkBtf } from '../../src/btf/check.ts';
import { decodeBtf } from '../../src/btf/decode.ts';
import { encodeBtf } from '../../src/btf/encode.ts';
import type { BtfType } from '../../src/btf/format.ts';
import { sectionByName } from '../../src/elf/lookup.ts';
import { readElf } from '../../src/elf/read.ts';
import { exampleObjects } from '../elf/objects.ts';
import { btfLoad, close } from '../support/bpf.ts';
import { requireCapability } from '../support/capability.ts';
import { anyType, btfOf } from './arbitrary.ts';
import { laidOut } from './layout.ts';

const INT: BtfType = { kind: 'int', name: 'int', size: 4, encoding: 1, bits: 32, offset: 0 };
const member = (name: string, type: number, bitOffset: number, bitSize = 0) => ({ name, type, bitOffset, bitSize });
const struct = (size: number, kindFlag: boolean, ...members: ReturnType<typeof member>[]): BtfType => ({
  kind: 'struct',
  name: 's',
  size,
  kindFlag,
  members,
});
const func = (linkage: number): BtfType => ({ kind: 'func', name: 'f', type: 2, linkage });
const proto = (...params: [string, number][]): BtfType => ({
  kind: 'func_proto',
  type: 0,
  params: params.map(([name, type]) => ({ name, type })),
});
const tag = (type: number, component: number): BtfType => ({
  kind: 'decl_tag',
  name: 'tag',
  type,
  component,
  attribute: false,
});
const datasec = (size: number, ...vars: [number, number, number][]): BtfType => ({
  kind: 'datasec',
  name: '.data',
  size,
  vars: vars.map(([type, offset, size]) => ({ type, offset, size })),
});
const VAR: BtfType = { kind: 'var', name: 'v', type: 1, linkage: 1 };

/** Types after INT (1): the kernel refuses each of them; the last is at fault unless an id says otherwise. */
const REFUSED: readonly [what: string, types: BtfType[], typeId?: number][] = [
  ['a struct in itself', [struct(4, false, member('s', 2, 0))]],
  [
    'typedefs in a circle',
    [
      { kind: 'typedef', name: 'a', type: 3 },
      { kind: 'typedef', name: 'b', type: 2 },
    ],
    2,
  ],
  [
    'pointers in a circle',
    [
      { kind: 'ptr', type: 3 },
      { kind: 'ptr', type: 2 },
    ],
    2,
  ],
  ['an array of itself', [{ kind: 'array', element: 2, index: 1, length: 1 }]],
  ['an array above 4 GiB', [{ kind: 'array', element: 1, index: 1, length: 2 ** 31 }]],
  ['an array of void', [{ kind: 'array', element: 0, index: 1, length: 1 }]],
  ['an array indexed by a struct', [struct(4, false), { kind: 'array', element: 1, index: 2, length: 1 }]],
  ['a member after the end', [struct(4, false, member('a', 1, 8))]],
  ['a member of void', [struct(4, false, member('a', 0, 0))]],
  ['a bitfield after the end', [struct(4, true, member('a', 1, 30, 3))]],
  ['a bitfield wider than its type', [struct(8, true, member('a', 1, 0, 33))]],
  ['members out of order', [struct(8, false, member('a', 1, 32), member('b', 1, 0))]],
  ['a union with a member in the middle', [{ ...struct(8, false, member('a', 1, 32)), kind: 'union' } as BtfType]],
  ['a member name that is none', [struct(4, false, member('a-b', 1, 0))]],
  ['a struct name that is none', [{ ...struct(4, false), name: '1s' } as BtfType]],
  ['an int of 3 bits in no bytes', [{ ...INT, size: 0, bits: 3 } as BtfType]],
  ['an int with two encodings', [{ ...INT, encoding: 3 } as BtfType]],
  ['a nameless typedef', [{ kind: 'typedef', name: '', type: 1 }]],
  ['an enum of 3 bytes', [{ kind: 'enum', name: 'e', size: 3, signed: false, values: [{ name: 'A', value: 0n }] }]],
  ['a nameless enumerator', [{ kind: 'enum', name: 'e', size: 4, signed: false, values: [{ name: '', value: 0n }] }]],
  ['a float of 5 bytes', [{ kind: 'float', name: 'f', size: 5 }]],
  ['a function of an int', [{ kind: 'func', name: 'f', type: 1, linkage: 0 }]],
  ['a function of unknown linkage', [proto(), func(3)]],
  ['a nameless parameter of a function', [proto(['', 1]), func(0)]],
  ['a void parameter in the middle', [proto(['a', 0], ['b', 1])]],
  ['a variable of void', [{ kind: 'var', name: 'v', type: 0, linkage: 0 }]],
  ['an extern variable', [{ ...VAR, linkage: 2 } as BtfType]],
  ['an empty data section', [datasec(0)]],
  ['a data section of types', [datasec(4, [1, 0, 4])]],
  ['variables that overlap', [VAR, datasec(8, [2, 0, 4], [2, 2, 4])]],
  ['a variable after the end', [VAR, datasec(4, [2, 4, 4])]],
  ['a variable smaller than its type', [VAR, datasec(4, [2, 0, 2])]],
  ['a tag of an int', [tag(1, -1)]],
  ['a tag of a member that is not there', [struct(4, false, member('a', 1, 0)), tag(2, 1)]],
  ['a tag of a parameter that is not there', [proto(['a', 1]), func(0), tag(3, 1)]],
  ['a tag of a part of a typedef', [{ kind: 'typedef', name: 't', type: 1 }, tag(2, 0)]],
  ['a nameless tag', [{ kind: 'typedef', name: 't', type: 1 }, { ...tag(2, -1), name: '' } as BtfType]],
];

const ACCEPTED: readonly [what: string, types: BtfType[]][] = [
  ['a struct that points at itself', [struct(8, false, member('next', 3, 0)), { kind: 'ptr', type: 2 }]],
  ['a declaration', [{ kind: 'fwd', name: 'f', union: false }]],
  ['a function with any number of parameters', [proto(['a', 1], ['', 0]), func(1)]],
  [
    'tags',
    [
      struct(4, false, member('a', 1, 0)),
      tag(2, 0),
      tag(2, -1),
      proto(['a', 1]),
      { ...func(0), type: 5 } as BtfType,
      tag(6, 0),
    ],
  ],
  ['variables in a data section', [VAR, datasec(8, [2, 0, 4], [2, 4, 4])]],
  [
    'a flexible array',
    [struct(4, false, member('n', 1, 0), member('flex', 3, 32)), { kind: 'array', element: 1, index: 1, length: 0 }],
  ],
];

const noKernel = requireCapability('kernel-bpf');

/** Whether this machine's kernel takes the BTF. */
function kernelTakes(types: readonly BtfType[]): boolean {
  const { fd } = btfLoad(encodeBtf(types));
  if (fd >= 0) close(fd);
  return fd >= 0;
}

describe('checkBtf', () => {
  it.each(REFUSED)('refuses %s', (_what, types, typeId = types.length + 1) => {
    const findings = checkBtf(btfOf([INT, ...types]));
    expect(findings.map((f) => [f.code, f.place.typeId])).toContainEqual(['btf/invalid', typeId]);
  });

  it.each(ACCEPTED)('takes %s', (_what, types) => {
    expect(checkBtf(btfOf([INT, ...types]))).toEqual([]);
  });

  it('takes every layout that C gives', () => {
    fc.assert(
      fc.property(laidOut, ({ types }) => {
        expect(checkBtf(btfOf(types))).toEqual([]);
      }),
    );
  });

  it('takes what compilers write, before it is linked', () => {
    for (const { bytes, name } of exampleObjects()) {
      const section = sectionByName(readElf(bytes), '.BTF');
      if (section === undefined) throw new Error(`${name} has no BTF`);
      expect(checkBtf(decodeBtf(section.data), { unlinked: true }), name).toEqual([]);
    }
  });

  it('ends on long chains', () => {
    const chain = Array.from({ length: 50_000 }, (_, i): BtfType => ({ kind: 'const', type: i }));
    expect(checkBtf(btfOf(chain)).every((f) => f.code === 'btf/too-deep')).toBe(true);
  });
});

describe.skipIf(noKernel !== undefined)('the kernel', () => {
  it.each(REFUSED)('refuses %s', (_what, types) => expect(kernelTakes([INT, ...types])).toBe(false));
  it.each(ACCEPTED)('takes %s', (_what, types) => expect(kernelTakes([INT, ...types])).toBe(true));

  it('takes and refuses the same layouts with one type replaced', () => {
    const changed = laidOut.chain(({ types }) =>
      fc.tuple(fc.nat({ max: types.length - 1 }), anyType(types.length + 1)).map(([at, type]) => types.with(at, type)),
    );
    let refused = 0;
    fc.assert(
      fc.property(changed, (types) => {
        const mine = checkBtf(btfOf(types)).length === 0;
        if (!mine) refused++;
        expect(mine).toBe(kernelTakes(types));
      }),
      { numRuns: 1000 },
    );
    expect(refused).toBeGreaterThan(30);
  });
});
