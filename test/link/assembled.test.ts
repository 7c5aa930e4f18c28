// What no compiler of today writes: broken objects (refused as a whole, with code and place), objects that are right but
// cannot be supported (said per program or map), and old or foreign forms that must link.
import { describe, expect, it } from 'vitest';
import { utf8 } from '../../src/base/bytes.ts';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import type { BtfType } from '../../src/btf/format.ts';
import { buildElf, type NewSection, type NewSymbol } from '../../src/elf/build.ts';
import { SHT, STB, STT } from '../../src/elf/format.ts';
import { linkObject } from '../../src/link/link.ts';
import { readSlot } from '../../src/link/slot.ts';
import type { ObjectSpec } from '../../src/spec/object.ts';
import {
  build,
  call,
  code,
  data,
  EXIT,
  func,
  lddw,
  type Member,
  MOV,
  mapBtf,
  object,
  relocate,
  slots,
  words,
} from './assemble-object.ts';
import { describeSpec } from './describe-spec.ts';

const XDP = code('xdp', [MOV, EXIT]);
const PROG = func('prog', 'xdp', 0, 2);
const local = (symbol: NewSymbol): NewSymbol => ({ ...symbol, binding: STB.LOCAL });
const undef = (name: string): NewSymbol => ({ name, section: { special: 'undef' }, binding: STB.GLOBAL });
const sectionSymbol = (section: string): NewSymbol => ({ name: '', section, type: STT.SECTION });

const maps = (bytes: Uint8Array): NewSection[] => [XDP, data('maps', bytes)];
const oneMap = (bytes: Uint8Array): Uint8Array => build(maps(bytes), [PROG, object('m', 'maps', 0, bytes.length)]);

const btfMap = (
  members: readonly Member[],
  relocations?: NewSection['relocations'],
  more: NewSymbol[] = [],
): Uint8Array => {
  const { btf, size } = mapBtf(members);
  const section = data('.maps', new Uint8Array(size), relocations);
  return build([XDP, section, { name: '.BTF', data: btf }], [PROG, object('m', '.maps', 0, size), ...more]);
};
/** Sections of one map in BTF, and the size of its variable. */
const inBtf = (members: readonly Member[]): readonly [NewSection[], number] => {
  const { btf, size } = mapBtf(members);
  return [[data('.maps', new Uint8Array(size)), { name: '.BTF', data: btf }], size];
};
const INT: BtfType = { kind: 'int', name: 'u64', size: 8, encoding: 0, bits: 64, offset: 0 };
const FUNCTION: BtfType = { kind: 'func_proto', type: 0, params: [] };
const EMPTY: BtfType = { kind: 'struct', name: 'inner', size: 0, kindFlag: false, members: [] };

const BROKEN: readonly (readonly [string, Uint8Array, string, object])[] = [
  ['another machine', buildElf({ machine: 62, sections: [XDP], symbols: [PROG] }), 'link/not-bpf', {}],
  ['half an instruction', build([{ ...XDP, data: new Uint8Array(12) }], []), 'link/section-size', { section: 'xdp' }],
  ['a function after its section', build([XDP], [func('f', 'xdp', 1, 2)]), 'link/function', { program: 'f' }],
  [
    'functions that overlap',
    build([XDP], [func('f', 'xdp', 0, 2), func('g', 'xdp', 1, 1)]),
    'link/function',
    { program: 'f' },
  ],
  ['a function between slots', build([XDP], [{ ...PROG, value: 4, size: 8 }]), 'link/function', { offset: 4 }],
  ['a map of 12 bytes', oneMap(words(1, 4, 4)), 'link/map-definition', { map: 'm' }],
  ['a map with an unknown tail', oneMap(words(1, 4, 4, 1, 0, 0, 0, 9)), 'link/map-tail', { map: 'm' }],
  [
    'a map after its section',
    build(maps(words(1, 4, 4, 1, 0)), [object('m', 'maps', 4, 20)]),
    'link/map-definition',
    { offset: 4 },
  ],
  ['an inner map that is not there', oneMap(words(12, 4, 4, 1, 0, 5, 0)), 'link/inner-map', { map: 'm' }],
  ['an inner id that is not there', oneMap(words(12, 4, 4, 1, 0, 1, 0, 77, 0)), 'link/inner-map', { map: 'm' }],
  [
    'an inner map that is a map of maps',
    build(maps(words(12, 4, 4, 1, 0, 1, 0, 12, 4, 4, 1, 0, 0, 0)), [
      object('m', 'maps', 0, 28),
      object('n', 'maps', 28, 28),
    ]),
    'link/inner-map',
    { map: 'm' },
  ],
  ['.maps without BTF', build([XDP, data('.maps', new Uint8Array(8))], [PROG]), 'link/btf', { section: '.maps' }],
  ['a map without a type', btfMap([['max_entries', 1]]), 'link/map-definition', { map: 'm' }],
  [
    'an unknown map attribute',
    btfMap([
      ['type', 1],
      ['colour', 3],
    ]),
    'link/map-definition',
    { map: 'm' },
  ],
  [
    'two key sizes',
    btfMap([
      ['type', 1],
      ['key', INT],
      ['key_size', 4],
    ]),
    'link/map-definition',
    { map: 'm' },
  ],
  [
    'values that are not last',
    btfMap([
      ['type', 3],
      ['values', [FUNCTION]],
      ['key_size', 4],
    ]),
    'link/map-definition',
    { map: 'm' },
  ],
  [
    'values of numbers',
    btfMap([
      ['type', 3],
      ['values', [INT]],
    ]),
    'link/map-definition',
    { map: 'm' },
  ],
  [
    'programs in a map of maps',
    btfMap([
      ['type', 12],
      ['values', [FUNCTION]],
    ]),
    'link/map-definition',
    { map: 'm' },
  ],
  [
    'an inner map without a type',
    btfMap([
      ['type', 12],
      ['values', [EMPTY]],
    ]),
    'link/map-definition',
    { map: 'm' },
  ],
  [
    'a slot outside values',
    btfMap(
      [
        ['type', 3],
        ['values', [FUNCTION]],
      ],
      [relocate(0, 0)],
    ),
    'link/slot',
    { map: 'm' },
  ],
  [
    'a slot that is no program',
    btfMap(
      [
        ['type', 3],
        ['values', [FUNCTION]],
      ],
      [relocate(1, 1)],
    ),
    'link/slot',
    { map: 'm' },
  ],
  [
    'a relocated mov',
    build([code('xdp', [MOV, EXIT], [relocate(0, 0)])], [PROG]),
    'link/relocation',
    { program: 'prog', insn: 0 },
  ],
  [
    'a relocated helper call',
    build([code('xdp', [call(1, 0), EXIT], [relocate(0, 0, 10)])], [PROG]),
    'link/relocation',
    { insn: 0 },
  ],
  [
    'a relocation between slots',
    build([code('xdp', [MOV, EXIT], [{ offset: 4, type: 1, symbol: 0 }])], [PROG]),
    'link/relocation',
    { offset: 4 },
  ],
  [
    'a cut 64-bit load',
    build([code('xdp', [MOV, lddw()[0]], [relocate(1, 0)])], [PROG]),
    'link/relocation',
    { insn: 1 },
  ],
];

describe('a broken object', () => {
  it.each(BROKEN)('%s', (_, bytes, expected, place) => {
    const error = ((): unknown => {
      try {
        return linkObject(bytes, { name: 'broken.o' });
      } catch (caught) {
        return caught;
      }
    })();
    expect(error).toBeInstanceOf(AnyBpfError);
    const { diagnostic } = error as AnyBpfError;
    expect(diagnostic.code).toBe(expected);
    expect(diagnostic.place).toMatchObject({ file: 'broken.o', ...place });
  });
});

/** A program whose first instruction refers to symbol 1. */
const refers = (
  insns: Parameters<typeof code>[1],
  symbol: NewSymbol,
  more: NewSection[] = [],
  type: 1 | 10 = 1,
): Uint8Array =>
  build(
    [code('xdp', [...insns, EXIT], [relocate(0, 1, type)]), code('socket', [MOV, EXIT]), ...more],
    [func('prog', 'xdp', 0, insns.length + 1), symbol, func('other', 'socket', 0, 2)],
  );

const UNSUPPORTED: readonly (readonly [string, Uint8Array, string])[] = [
  ['an undefined variable', refers(lddw(), undef('nowhere')), 'link/undefined-symbol'],
  ['an undefined function', refers([call()], undef('nowhere'), [], 10), 'link/undefined-symbol'],
  [
    'an absolute symbol',
    refers(lddw(), { name: 'a', section: { special: 'abs' }, binding: STB.GLOBAL }),
    'link/relocation-target',
  ],
  [
    'a common symbol',
    refers(lddw(), { name: 'a', section: { special: 'common' }, binding: STB.GLOBAL }),
    'link/relocation-target',
  ],
  [
    'a section without meaning',
    refers(lddw(), object('x', '.note', 0, 4), [data('.note', words(1))]),
    'link/relocation-target',
  ],
  [
    'the inside of a map',
    refers(lddw(4), local(object('m', 'maps', 0, 20)), [data('maps', words(1, 4, 4, 1, 0))]),
    'link/relocation-target',
  ],
  ['the inside of a function', refers(lddw(8), func('other', 'socket', 0, 2)), 'link/relocation-target'],
  ['a call to the inside of a function', refers([call(0)], sectionSymbol('socket'), [], 10), 'link/relocation-target'],
  [
    'a call of data',
    refers([call()], object('d', '.data', 0, 4), [data('.data', words(1))], 10),
    'link/relocation-target',
  ],
  [
    'a map of an unknown type',
    refers(lddw(), object('m', 'maps', 0, 20), [data('maps', words(99, 4, 4, 1, 0))]),
    'link/map-type',
  ],
  [
    'a global of an arena',
    refers(lddw(), object('g', '.addr_space.1', 0, 4), [data('.addr_space.1', words(1))]),
    'link/arena-data',
  ],
];

describe('an object with one program that cannot be linked', () => {
  it.each(UNSUPPORTED)('%s', (_, bytes, expected) => {
    const spec = linkObject(bytes);
    const prog = spec.programs.find((p) => p.name === 'prog');
    expect(prog?.unsupported?.code).toBe(expected);
    // The rest of the object is whole.
    expect(spec.programs.find((p) => p.name === 'other')).toMatchObject({
      type: 'socket_filter',
      code: slots([MOV, EXIT]),
    });
    expect(spec.programs.find((p) => p.name === 'other')?.unsupported).toBeUndefined();
  });

  it('reports maps of unknown type and struct_ops, and keeps the others', () => {
    const bytes = words(99, 4, 4, 1, 0, 1, 8, 8, 2, 0);
    const spec = linkObject(
      build(
        [...maps(bytes), data('.struct_ops', words(0))],
        [PROG, object('odd', 'maps', 0, 20), object('good', 'maps', 20, 20)],
      ),
    );
    expect(describeSpec(spec)).toMatchObject({
      maps: ['good hash 8/8 x2'],
      diagnostics: ['link/struct-ops', 'link/map-type'],
    });
  });

  it.each([
    [
      'before BTF',
      build(maps(words(12, 4, 4, 1, 0, 1, 0, 99, 4, 4, 1, 0, 0, 0)), [
        object('m', 'maps', 0, 28),
        object('n', 'maps', 28, 28),
      ]),
    ],
    [
      'in BTF',
      btfMap([
        ['type', 12],
        ['key_size', 4],
        ['values', { inner: [['type', 99]] }],
      ]),
    ],
  ])('leaves out maps of maps of unknown type, %s', (_, bytes) => {
    const spec = linkObject(bytes);
    expect(spec.maps).toEqual([]);
    expect(spec.diagnostics.every((d) => d.code === 'link/map-type')).toBe(true);
  });

  it('calls a section of no meaning skipped', () => {
    const spec = linkObject(build([XDP, data('.note', words(1))], [PROG]));
    expect(spec.diagnostics.map((d) => [d.code, d.severity, d.place.section])).toEqual([
      ['link/section-skipped', 'note', '.note'],
    ]);
  });
});

const only = (spec: ObjectSpec): ObjectSpec['programs'][number] => {
  expect(spec.programs.length).toBe(1);
  return spec.programs[0];
};

const untyped = (name: string, slot: number): NewSymbol => ({
  name,
  section: 'kprobe/x',
  value: 8 * slot,
  binding: STB.GLOBAL,
});

/** The names of the object and its maps. */
const named = (name: string): string[] => {
  const spec = linkObject(build([XDP, data('.data', words(1)), data('.data.x', words(1))], [PROG]), { name });
  return [spec.name, ...spec.maps.map((m) => m.name)];
};

/** As inline assembler leaves them. */
const label = (name: string, slot: number): NewSymbol => ({ ...untyped(name, slot), section: 'xdp' });

describe('an old or foreign form', () => {
  it('takes function symbols without type and size, but no labels', () => {
    const spec = linkObject(
      build(
        [code('kprobe/x', [MOV, EXIT, MOV, MOV, EXIT])],
        [untyped('a', 0), local(untyped('LBB0_1', 1)), untyped('b', 2)],
      ),
    );
    expect(describeSpec(spec).programs).toEqual([
      'a @kprobe/x kprobe target x 2 slots',
      'b @kprobe/x kprobe target x 3 slots',
    ]);
  });

  it('takes labels of inline assembler for labels where functions have a type', () => {
    const spec = linkObject(
      build(
        [code('xdp', [MOV, MOV, EXIT, MOV, EXIT])],
        [func('a', 'xdp', 0, 3), local(label('l0_0', 1)), func('b', 'xdp', 3, 2), local(label('l1_0', 4))],
      ),
    );
    expect(describeSpec(spec).programs).toEqual(['a @xdp xdp/xdp 3 slots', 'b @xdp xdp/xdp 2 slots']);
  });

  it('takes a section without symbols as one program', () => {
    expect(describeSpec(linkObject(build([XDP], []))).programs).toEqual(['xdp @xdp xdp/xdp 2 slots']);
  });

  it('follows calls that the assembler resolved, and calls by section', () => {
    const insns = [call(2), call(1), EXIT, MOV, EXIT];
    const spec = linkObject(
      build(
        [code('xdp', insns, [relocate(1, 2, 10)])],
        [func('prog', 'xdp', 0, 3), local(func('sub', 'xdp', 3, 2)), sectionSymbol('xdp')],
      ),
    );
    const p = only({ ...spec, programs: spec.programs.filter((x) => x.name === 'prog') });
    // Slot 1 is `section + 8 * (1 + 1)`: not where `sub` begins.
    expect(p.unsupported?.code).toBe('link/relocation-target');
    const fixed = linkObject(
      build(
        [code('xdp', [call(2), call(2), EXIT, MOV, EXIT], [relocate(1, 2, 10)])],
        [func('prog', 'xdp', 0, 3), local(func('sub', 'xdp', 3, 2)), sectionSymbol('xdp')],
      ),
    );
    expect(describeSpec(fixed).programs).toEqual(['prog @xdp xdp/xdp 5 slots sub+3']);
    expect([0, 1].map((slot) => readSlot(fixed.programs[0].code, slot).imm)).toEqual([2, 1]);
  });

  it('takes static programs where nothing calls them', () => {
    const spec = linkObject(
      build(
        [code('tc/tail', [MOV, EXIT, call(-3), EXIT])],
        [local(func('sub', 'tc/tail', 0, 2)), local(func('tail', 'tc/tail', 2, 2))],
      ),
    );
    expect(describeSpec(spec).programs).toEqual(['tail @tc/tail sched_cls 4 slots sub+2']);
  });

  it('takes functions of .text as programs only where nothing else is', () => {
    const text = code('.text', [MOV, EXIT, MOV, EXIT]);
    const two = [func('a', '.text', 0, 2), func('b', '.text', 2, 2)];
    expect(linkObject(build([text, XDP], [...two, PROG])).programs.map((p) => p.name)).toEqual(['prog']);
    expect(linkObject(build([text], two)).programs.map((p) => [p.name, p.unsupported?.code])).toEqual([
      ['a', 'link/program-type'],
      ['b', 'link/program-type'],
    ]);
    const typed = linkObject(build([text], two), { programType: { a: 'xdp', '.text': 'kprobe' } });
    expect(typed.programs.map((p) => [p.type, p.unsupported])).toEqual([
      ['xdp', undefined],
      ['kprobe', undefined],
    ]);
  });

  it('allows recursion, of itself and in pairs', () => {
    const spec = linkObject(
      build(
        [code('xdp', [call(1), EXIT]), code('.text', [call(-1), call(1), EXIT, call(-4), EXIT])],
        [PROG, func('a', '.text', 0, 3), func('b', '.text', 3, 2)],
      ),
    );
    // The call of prog leads out of its section: refused. The others are tested from a program that reaches them.
    expect(spec.programs[0].unsupported?.code).toBe('link/call-target');
    const reached = linkObject(
      build(
        [code('xdp', [call(), EXIT], [relocate(0, 1, 10)]), code('.text', [call(-1), call(1), EXIT, call(-4), EXIT])],
        [PROG, func('a', '.text', 0, 3), func('b', '.text', 3, 2)],
      ),
    );
    expect(describeSpec(reached).programs).toEqual(['prog @xdp xdp/xdp 7 slots a+2 b+5']);
    expect([0, 2, 3, 5].map((slot) => readSlot(reached.programs[0].code, slot).imm)).toEqual([1, -1, 1, -4]);
  });

  it('follows a chain of 30,000 functions', () => {
    const depth = 30_000;
    const insns = Array.from({ length: depth }, (_, i) => (i + 1 < depth ? [call(1), EXIT] : [MOV, EXIT])).flat();
    const chain = Array.from({ length: depth }, (_, i) => func(`f${i}`, '.text', 2 * i, 2));
    const spec = linkObject(
      build([code('xdp', [call(), EXIT], [relocate(0, 1, 10)]), code('.text', insns)], [PROG, ...chain]),
    );
    expect(spec.programs[0].functions.length).toBe(depth + 1);
  });

  it('puts ID/SLOT sections into the program array of that id', () => {
    const calls = words(3, 4, 4, 8, 0, 2, 2, 0, 0xffff_ffff);
    const spec = linkObject(
      build(
        [
          data('maps', calls),
          code('2/7', [MOV, EXIT]),
          code('2/0x3', [MOV, EXIT]),
          code('from-x', [call(44, 0), EXIT]),
        ],
        [
          object('calls', 'maps', 0, 36),
          func('seven', '2/7', 0, 2),
          func('three', '2/0x3', 0, 2),
          func('entry', 'from-x', 0, 2),
        ],
      ),
    );
    expect(describeSpec(spec)).toMatchObject({
      maps: ['calls prog_array 4/4 x8 pin 2 [7]=program:seven [3]=program:three'],
      // The helper is XDP's: so is the entry, and with it its tail calls.
      programs: ['seven @2/7 xdp 2 slots', 'three @2/0x3 xdp 2 slots', 'entry @from-x xdp 2 slots'],
      diagnostics: ['link/type-inferred'],
    });
  });

  it('tells the two forms of 28-byte maps apart', () => {
    const samples = words(12, 4, 4, 1, 0, 1, 0, 1, 4, 4, 9, 4, 0, 1);
    const symbols = [PROG, object('a', 'maps', 0, 28), object('b', 'maps', 28, 28)];
    expect(describeSpec(linkObject(build(maps(samples), symbols))).maps).toEqual([
      'a array_of_maps 4/4 x1 of (b hash 4/4 x9 NUMA_NODE node 1)',
      'b hash 4/4 x9 NUMA_NODE node 1',
    ]);
    const iproute2 = words(1, 4, 4, 1, 0, 5, 2, 1, 4, 4, 9, 0, 0, 2);
    expect(describeSpec(linkObject(build(maps(iproute2), symbols))).maps).toEqual([
      'a hash 4/4 x1 pin 2',
      'b hash 4/4 x9 pin 2',
    ]);
  });

  it("links iproute2's maps of maps by id, with the slots that inner maps name", () => {
    const outer = [12, 4, 4, 8, 0, 0, 2, 42, 0xffff_ffff];
    const inner = [2, 4, 16, 1, 0, 42, 0, 0, 3];
    const symbols = [PROG, object('outer', 'maps', 0, 36), object('inner', 'maps', 36, 36)];
    expect(describeSpec(linkObject(build(maps(words(...outer, ...inner)), symbols))).maps[0]).toBe(
      'outer array_of_maps 4/4 x8 pin 2 [3]=map:inner of (inner array 4/16 x1)',
    );
  });

  it("links Windows' objects: their sections, their type numbers, their maps", () => {
    const spec = linkObject(
      build(
        [
          data('.ebpf_for_windows', new Uint8Array(1)),
          code('bind', [MOV, EXIT]),
          code('cgroup/recv_accept4', [MOV, EXIT]),
          // type, key, value, entries, inner index, pinning, id, inner id: 7 is an array of maps there, 4 a per-CPU hash.
          data('maps', words(7, 4, 4, 5, 0, 0, 0, 9, 4, 4, 8, 5, 0, 2, 9, 0)),
        ],
        [
          func('b', 'bind', 0, 2),
          func('r', 'cgroup/recv_accept4', 0, 2),
          object('o', 'maps', 0, 32),
          object('i', 'maps', 32, 32),
        ],
      ),
    );
    expect(spec.dialect).toBe('windows');
    expect(describeSpec(spec)).toMatchObject({
      programs: [
        'b @bind bind/bind 2 slots',
        'r @cgroup/recv_accept4 cgroup_sock_addr/cgroup_inet4_recv_accept 2 slots',
      ],
      maps: ['o array_of_maps 4/4 x5 of (i percpu_hash 4/8 x5 pin 2)', 'i percpu_hash 4/8 x5 pin 2'],
    });
  });

  const MARK = data('.ebpf_for_windows', new Uint8Array(1));
  // Of no length that Windows has: type, key, value, entries, flags.
  const WITH_FLAGS = data('maps', words(1, 4, 4, 1, 1));
  const INNER: readonly Member[] = [
    ['type', 2],
    ['key_size', 4],
    ['value_size', 4],
    ['max_entries', 1],
    ['map_flags', 4],
  ];

  it.each<[string, readonly [NewSection[], number], string]>([
    ['flags', [[WITH_FLAGS], 20], 'the flags 0x1'],
    ['flags in BTF', inBtf(INNER), 'the flags 0x4'],
    ['a node in BTF', inBtf([...INNER.slice(0, 4), ['numa_node', 1]]), 'the node 1'],
    [
      'an inner map with flags',
      inBtf([
        ['type', 7],
        ['key_size', 4],
        ['max_entries', 1],
        ['values', { inner: INNER }],
      ]),
      'the flags 0x4',
    ],
  ])("refuses maps of Windows' objects with %s", (_, [sections, size], what) => {
    const symbols = [PROG, object('m', sections[0].name, 0, size)];
    const refused = linkObject(build([XDP, MARK, ...sections], symbols));
    expect(refused.maps).toEqual([]);
    expect(refused.diagnostics.map((d) => [d.code, d.message])).toContainEqual([
      'link/map-flags',
      `maps of Windows have no flags and no NUMA node, and this one has ${what}`,
    ]);
  });

  it("takes the same flags of Linux'", () => {
    expect(linkObject(build([XDP, WITH_FLAGS], [PROG, object('m', 'maps', 0, 20)])).maps).toMatchObject([{ flags: 1 }]);
  });

  it('keeps a zero .bss of any size without its bytes', () => {
    const spec = linkObject(
      build([XDP, { ...data('.bss', new Uint8Array(0)), type: SHT.NOBITS, size: 2 ** 30 }], [PROG]),
    );
    expect(spec.maps[0]).toMatchObject({ kind: 'bss', valueSize: 2 ** 30 });
    expect(spec.maps[0].data).toBeUndefined();
  });

  it('reads addresses beside a variable as its section + distance', () => {
    const spec = linkObject(
      build(
        [code('xdp', [...lddw(-4), EXIT], [relocate(0, 1)]), data('.data', words(1, 2))],
        [func('prog', 'xdp', 0, 3), object('v', '.data', 4, 4)],
      ),
    );
    expect(readSlot(spec.programs[0].code, 0)).toMatchObject({ src: 6, imm: 0 });
    expect(readSlot(spec.programs[0].code, 1).imm).toBe(0);
  });

  it('names maps and objects as libbpf does', () => {
    expect(named('/tmp/a/my-long-object.bpf.o')).toEqual(['my-long-object', 'my_long_.data', '.data.x']);
    expect(named('x.o')).toEqual(['x', 'x.data', '.data.x']);
    expect(named('.o')).toEqual(['', '.data', '.data.x']);
  });

  it('has no licence and no version where the object has none', () => {
    const spec = linkObject(buildElf({ sections: [XDP, data('version', utf8('abc'))], symbols: [PROG] }));
    expect([spec.license, spec.version]).toEqual(['', undefined]);
  });
});
