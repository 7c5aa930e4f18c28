import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodeBtf } from '../../src/btf/decode.ts';
import { formatC } from '../../src/btf/format-c.ts';
import { paddingBetween } from '../../src/btf/c-declare.ts';
import type { BtfType } from '../../src/btf/format.ts';
import { sectionByName } from '../../src/elf/lookup.ts';
import { readElf } from '../../src/elf/read.ts';
import { allObjects, exampleObjects } from '../elf/objects.ts';
import { requireCapability } from '../support/capability.ts';
import { btfOf } from './arbitrary.ts';

const INT: BtfType = { kind: 'int', name: 'int', size: 4, encoding: 1, bits: 32, offset: 0 };
const LONG: BtfType = { kind: 'int', name: 'long', size: 8, encoding: 1, bits: 64, offset: 0 };
const CHAR: BtfType = { kind: 'int', name: 'char', size: 1, encoding: 1, bits: 8, offset: 0 };

const struct = (name: string, size: number, members: [string, number, number, number?][]): BtfType => ({
  kind: 'struct',
  name,
  size,
  kindFlag: members.some(([, , , bits]) => bits !== undefined),
  members: members.map(([member, type, bitOffset, bitSize = 0]) => ({ name: member, type, bitOffset, bitSize })),
});

/** Types 1 (int), 2 (long) and 3 (char), then those given, and the C of them all. */
const CASES: readonly [what: string, types: BtfType[], c: string][] = [
  [
    'a plain struct',
    [
      struct('s', 16, [
        ['a', 1, 0],
        ['b', 2, 64],
      ]),
    ],
    'struct s { int a; long b; };',
  ],
  [
    'a pointer to itself',
    [struct('node', 8, [['next', 5, 0]]), { kind: 'ptr', type: 4 }],
    'struct node { struct node *next; };',
  ],
  [
    'structs that point at each other',
    [struct('a', 8, [['b', 6, 0]]), struct('b', 8, [['a', 7, 0]]), { kind: 'ptr', type: 5 }, { kind: 'ptr', type: 4 }],
    'struct b; struct a { struct b *b; }; struct b { struct a *a; };',
  ],
  [
    'an embedded struct that comes later',
    [struct('outer', 4, [['in', 5, 0]]), struct('inner', 4, [['x', 1, 0]])],
    'struct inner { int x; }; struct outer { struct inner in; };',
  ],
  [
    'anonymous members',
    [
      struct('s', 8, [
        ['', 5, 0],
        ['named', 6, 32],
      ]),
      {
        kind: 'union',
        name: '',
        size: 4,
        kindFlag: false,
        members: [
          { name: 'a', type: 1, bitOffset: 0, bitSize: 0 },
          { name: 'b', type: 3, bitOffset: 0, bitSize: 0 },
        ],
      },
      struct('', 4, [['x', 1, 0]]),
    ],
    'struct s { union { int a; char b; }; struct { int x; } named; };',
  ],
  [
    'bitfields with a hole',
    [
      struct('bits', 8, [
        ['a', 1, 0, 3],
        ['b', 1, 8, 5],
        ['c', 1, 32, 1],
      ]),
    ],
    'struct bits { int a: 3; char: 5; int b: 5; int: 19; int c: 1; };',
  ],
  [
    'a packed struct',
    [
      struct('p', 9, [
        ['c', 3, 0],
        ['l', 2, 8],
      ]),
    ],
    'struct p { char c; long l; } __attribute__((packed));',
  ],
  ['a hole that needs a name', [struct('h', 16, [['c', 3, 0]])], 'struct h { char c; long: 64; };'],
  [
    'function pointers and arrays of them',
    [
      struct('ops', 32, [
        ['call', 5, 0],
        ['table', 7, 64],
      ]),
      { kind: 'ptr', type: 6 },
      {
        kind: 'func_proto',
        type: 1,
        params: [
          { name: 'a', type: 2 },
          { name: '', type: 8 },
          { name: '', type: 0 },
        ],
      },
      { kind: 'array', element: 5, index: 1, length: 3 },
      { kind: 'ptr', type: 9 },
      { kind: 'const', type: 3 },
    ],
    'struct ops { int (*call)(long a, const char *, ...); int (*table[3])(long a, const char *, ...); };',
  ],
  [
    'pointers to arrays, arrays of arrays, constant pointers',
    [
      struct('s', 40, [
        ['p', 5, 0],
        ['m', 7, 64],
        ['k', 9, 256],
      ]),
      { kind: 'ptr', type: 6 },
      { kind: 'array', element: 1, index: 1, length: 4 },
      { kind: 'array', element: 8, index: 1, length: 2 },
      { kind: 'array', element: 1, index: 1, length: 3 },
      { kind: 'const', type: 10 },
      { kind: 'ptr', type: 11 },
      { kind: 'volatile', type: 1 },
    ],
    'struct s { int (*p)[4]; int m[2][3]; volatile int * const k; };',
  ],
  [
    'enums',
    [
      {
        kind: 'enum',
        name: 'e',
        size: 4,
        signed: true,
        values: [
          { name: 'A', value: -1n },
          { name: 'B', value: 2n },
        ],
      },
      { kind: 'enum64', name: 'w', size: 8, signed: false, values: [{ name: 'W', value: 1n << 40n }] },
      { kind: 'enum', name: 'tiny', size: 1, signed: false, values: [{ name: 'T', value: 1n }] },
    ],
    'enum e { A = -1, B = 2, }; enum w { W = 1099511627776ULL, }; enum tiny { T = 1, } __attribute__((mode(byte)));',
  ],
  [
    'typedefs, in the order of their use',
    [
      { kind: 'typedef', name: 'outer_t', type: 5 },
      { kind: 'typedef', name: 'inner_t', type: 1 },
    ],
    'typedef int inner_t; typedef inner_t outer_t;',
  ],
  ['a declaration ahead', [{ kind: 'fwd', name: 'f', union: true }], 'union f;'],
  [
    'two types of one name',
    [struct('s', 4, [['a', 1, 0]]), struct('s', 1, [['b', 3, 0]])],
    'struct s { int a; }; struct s___2 { char b; };',
  ],
  [
    'a type tag',
    [
      { kind: 'typedef', name: 'user_t', type: 5 },
      { kind: 'ptr', type: 6 },
      { kind: 'type_tag', name: 'user', type: 1, attribute: false },
    ],
    'typedef int __attribute__((btf_type_tag("user"))) *user_t;',
  ],
];

const oneLine = (text: string): string => text.replaceAll(/\s+/g, ' ').trim();

const compile = (source: string): { status: number | null; stderr: string } =>
  spawnSync('clang', ['-target', 'bpf', '-fsyntax-only', '-x', 'c', '-Wno-everything', '-'], {
    input: source,
    encoding: 'utf8',
  });

const noClang = requireCapability('clang');
const withBtf = allObjects().flatMap((o) => {
  const section = sectionByName(readElf(o.bytes), '.BTF');
  return section === undefined ? [] : [{ ...o, btf: decodeBtf(section.data) }];
});

describe('formatC', () => {
  it.each(CASES)('writes %s', (_what, types, c) => {
    expect(oneLine(formatC(btfOf([INT, LONG, CHAR, ...types])))).toBe(c);
  });

  it.skipIf(noClang !== undefined)('writes layouts that the compiler agrees with', () => {
    for (const [what, types] of CASES) {
      const btf = btfOf([INT, LONG, CHAR, ...types]);
      const asserts = types.flatMap((t, i) => {
        if ((t.kind !== 'struct' && t.kind !== 'union') || t.name === '') return [];
        const seen = types.slice(0, i).filter((o) => 'name' in o && o.name === t.name).length;
        const tag = `${t.kind} ${t.name}${seen > 0 ? `___${seen + 1}` : ''}`;
        const offsets = t.members
          .filter((m) => m.name !== '' && m.bitSize === 0)
          .map((m) => `_Static_assert(__builtin_offsetof(${tag}, ${m.name}) == ${m.bitOffset / 8}, "${m.name}");`);
        return [`_Static_assert(sizeof(${tag}) == ${t.size}, "size");`, ...offsets];
      });
      expect(compile(`${formatC(btf)}\n${asserts.join('\n')}\n`), what).toMatchObject({ status: 0, stderr: '' });
    }
  });

  it('writes only what the chosen types need', () => {
    const btf = btfOf([
      INT,
      struct('a', 4, [['x', 1, 0]]),
      struct('b', 4, [['a', 2, 0]]),
      struct('c', 4, [['x', 1, 0]]),
    ]);
    expect(oneLine(formatC(btf, [3]))).toBe('struct a { int x; }; struct b { struct a a; };');
  });

  it.skipIf(noClang !== undefined)('compiles, for the examples and the objects with most types', () => {
    const largest = withBtf.toSorted((a, b) => b.btf.count - a.btf.count).slice(0, 12);
    for (const { btf, name } of [
      ...withBtf.filter((o) => exampleObjects().some((e) => e.path === o.path)),
      ...largest,
    ]) {
      expect(compile(formatC(btf)), name).toMatchObject({ status: 0, stderr: '' });
    }
  });

  it.each([
    ['a struct in itself', [struct('s', 4, [['s', 4, 0]])], 'btf/invalid'],
    [
      'typedefs in a circle',
      [
        { kind: 'typedef', name: 'a', type: 5 },
        { kind: 'typedef', name: 'b', type: 4 },
      ],
      'btf/too-deep',
    ],
    [
      'pointers in a circle',
      [
        { kind: 'ptr', type: 5 },
        { kind: 'const', type: 4 },
      ],
      'btf/too-deep',
    ],
    [
      'a thousand structs one in another',
      Array.from({ length: 1000 }, (_, i) => struct(`s${i}`, 4, [['s', i === 999 ? 1 : i + 5, 0]])),
      'btf/too-deep',
    ],
    [
      'anonymous structs that double at every level',
      Array.from({ length: 60 }, (_, i) =>
        struct('', 4, [
          ['a', i === 59 ? 1 : i + 5, 0],
          ['b', i === 59 ? 1 : i + 5, 0],
        ]),
      ).concat(struct('top', 4, [['a', 4, 0]])),
      'btf/too-deep',
    ],
  ] satisfies [string, BtfType[], string][])('refuses %s', (_what, types, code) => {
    const start = performance.now();
    expect(() => formatC(btfOf([INT, LONG, CHAR, ...types]))).toThrow(expect.objectContaining({ code }));
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

describe('paddingBetween', () => {
  it('leaves to the compiler what it does by itself', () => {
    expect(paddingBetween(8, 32, 4, false)).toEqual([]);
    expect(paddingBetween(8, 64, 8, false)).toEqual([]);
    expect(paddingBetween(8, 64, 4, false)).toEqual(['long: 0;']);
    expect(paddingBetween(3, 8, 4, true)).toEqual(['char: 5;']);
  });
});

/** Without blanks beside punctuation. libbpf 1.2 and later mark one-byte enums; older bpftool does not. */
const comparable = (text: string): string =>
  oneLine(text.replaceAll(/^#.*$/gm, '').replaceAll(' __attribute__((mode(byte)))', '')).replaceAll(
    / ?([(){}*;,]) ?/g,
    '$1',
  );

describe.skipIf(requireCapability('bpftool') !== undefined)('bpftool', () => {
  it.skipIf(withBtf.length === 0)('prints the same C for every object with BTF', () => {
    for (const { path: file, btf, name } of withBtf) {
      const peer = execFileSync('bpftool', ['btf', 'dump', 'file', file, 'format', 'c'], {
        encoding: 'utf8',
        maxBuffer: 1 << 28,
      });
      expect(comparable(formatC(btf)), name).toBe(comparable(peer));
    }
  });

  it.skipIf(requireCapability('vmlinux-btf') !== undefined)('prints the same C for the running kernel', () => {
    const file = '/sys/kernel/btf/vmlinux';
    const peer = execFileSync('bpftool', ['btf', 'dump', 'file', file, 'format', 'c'], {
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    });
    expect(comparable(formatC(decodeBtf(readFileSync(file)))) === comparable(peer)).toBe(true);
  });
});
