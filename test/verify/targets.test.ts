// What other systems lack: rows of the tables, and programs that need them.
import { describe, expect, test } from 'vitest';
import { builtInPlatform } from '../../src/hosts/platform.ts';
import { ATTACH_TYPES, PROGRAM_TYPES } from '../../src/spec/program-types.ts';
import { MAP_TYPES } from '../../src/spec/map-types.ts';
import type { LinuxRow } from '../../src/verify/targets/linux.ts';
import {
  LINUX_ATTACH_TYPES,
  LINUX_HELPERS,
  LINUX_MAP_TYPES,
  LINUX_PROGRAM_TYPES,
} from '../../src/verify/targets/linux.ts';
import { lacksOf, parseTarget, type Target } from '../../src/verify/targets/predict.ts';
import { versionOrder } from '../../src/verify/targets/version.ts';
import { map, type ProgramOptions, programOf } from './support.ts';

/** Rows whose name or number differs. */
const same = (
  rows: Readonly<Record<string, { readonly linux?: number; readonly windows?: number }>>,
  table: readonly LinuxRow[],
): string[] =>
  Object.entries(rows).flatMap(([name, { linux }]) => {
    const found = linux === undefined ? undefined : table[linux];
    return found === undefined || found.name.replace(/^(trace|cgroup)_/, '') === name.replace(/^(trace|cgroup)_/, '')
      ? []
      : [`${name} ${linux} ${found.name}`];
  });

describe('the table of Linux', () => {
  test('names and numbers are those of the tables of spec and helpers', () => {
    expect(same(MAP_TYPES, LINUX_MAP_TYPES)).toEqual([]);
    expect(same(PROGRAM_TYPES, LINUX_PROGRAM_TYPES)).toEqual([]);
    expect(same(ATTACH_TYPES, LINUX_ATTACH_TYPES)).toEqual([]);
    for (const { helpers } of builtInPlatform('linux').families) {
      for (const { name, numbers } of helpers) {
        if (numbers.linux !== undefined)
          expect([numbers.linux, LINUX_HELPERS[numbers.linux]?.name]).toEqual([numbers.linux, name]);
      }
    }
  });

  test('what comes later has a higher number', () => {
    for (const table of [LINUX_HELPERS, LINUX_MAP_TYPES, LINUX_PROGRAM_TYPES, LINUX_ATTACH_TYPES]) {
      const order = table.map(({ since }) => versionOrder(since));
      expect(order).toEqual(order.toSorted((a, b) => a - b));
    }
  });

  test('6.10 is after 6.9', () => {
    expect(versionOrder('6.10')).toBeGreaterThan(versionOrder('6.9'));
  });
});

test.each([
  ['linux-5.15', { system: 'linux', version: '5.15' }],
  ['linux-6.18', { system: 'linux', version: '6.18' }],
  ['windows', { system: 'windows' }],
  ['anybpf', { system: 'anybpf' }],
  ['linux-5.14', undefined],
  ['linux', undefined],
  ['linux-6', undefined],
  ['linux-6.1.2', undefined],
  ['freebsd', undefined],
])('target %s', (text, target) => {
  const found = parseTarget(text);
  if (target === undefined) expect(found).toBeUndefined();
  else expect(found).toEqual({ ...target, name: text });
});

const lacks = (target: string, text: string, options: ProgramOptions = {}) => {
  const { object, program } = programOf(text, options);
  return lacksOf(parseTarget(target) as Target, object, program, builtInPlatform);
};
const LOOP = 'r1 = 1\n r2 = code_addr(f) ll\n r3 = 0\n r4 = 0\n call bpf_loop\n r0 = 0\n exit\n f: r0 = 0\n exit';
const loop = { kind: 'helper', name: 'bpf_loop', insn: 5 };
const LOOKUP = 'r1 = map_by_idx(0) ll\n r0 = 0\n exit';

describe('what a program needs', () => {
  test.each<[string, string, ProgramOptions, readonly object[]]>([
    ['linux-5.15', LOOP, {}, [{ ...loop, since: '5.17' }]],
    ['linux-6.1', LOOP, {}, []],
    ['anybpf', LOOP, {}, []],
    ['windows', LOOP, { type: 'xdp' }, [loop]],
    ['windows', 'r0 = 0\n exit', { type: 'sched_cls' }, [{ kind: 'program type', name: 'sched_cls' }]],
    [
      'linux-6.1',
      'r0 = 0\n exit',
      { type: 'netfilter', attachType: 'netfilter' },
      [
        { kind: 'program type', name: 'netfilter', since: '6.4' },
        { kind: 'attach type', name: 'netfilter', since: '6.4' },
      ],
    ],
    ['linux-6.6', 'r0 = 0\n exit', { type: 'netfilter', attachType: 'netfilter' }, []],
    ['linux-6.6', 'r0 = 0\n exit', { type: 'bind' }, [{ kind: 'program type', name: 'bind' }]],
    [
      'linux-6.6',
      LOOKUP,
      { maps: [map('m', 'arena', 0, 0)] },
      [{ kind: 'map type', name: 'arena', since: '6.9', insn: 0, map: 'm' }],
    ],
    ['anybpf', LOOKUP, { maps: [map('m', 'arena', 0, 0)] }, [{ kind: 'map type', name: 'arena', insn: 0, map: 'm' }]],
    [
      'windows',
      LOOKUP,
      { type: 'xdp', maps: [map('m', 'cpumap', 4, 4)] },
      [{ kind: 'map type', name: 'cpumap', insn: 0, map: 'm' }],
    ],
    [
      'linux-5.15',
      LOOKUP,
      { maps: [map('outer', 'array_of_maps', 4, 4, { inner: map('inner', 'bloom_filter', 0, 4) })] },
      [{ kind: 'map type', name: 'bloom_filter', since: '5.16', insn: 0, map: 'inner' }],
    ],
    // Once, however often.
    [
      'linux-6.1',
      'r1 = 1\n r0 = (s8)r1\n r0 = (s8)r1\n r0 s/= 3\n exit',
      {},
      [
        { kind: 'instruction', name: 'mov64_s8', since: '6.6', insn: 1 },
        { kind: 'instruction', name: 'sdiv64_imm', since: '6.6', insn: 3 },
      ],
    ],
    ['linux-6.6', 'r1 = 1\n r0 = (s8)r1\n exit', {}, []],
    [
      'linux-6.6',
      'r0 = 0\n may_goto +0\n exit',
      {},
      [{ kind: 'instruction', name: 'may_goto', since: '6.9', insn: 1 }],
    ],
    ['linux-6.12', 'r0 = 0\n may_goto +0\n exit', {}, []],
  ])('%s: %s %j', (target, text, options, expected) => {
    expect(lacks(target, text, options)).toEqual(expected);
  });

  test('a kernel function is not predicted for Linux, and lacking elsewhere', () => {
    const { object, program } = programOf('call kfunc(0, 0)\n r0 = 0\n exit');
    const withExtern = {
      ...object,
      externs: [{ name: 'bpf_rcu_read_lock', kind: 'kfunc', weak: false, typeId: 0 } as const],
    };
    const found = (target: string) => lacksOf(parseTarget(target) as Target, withExtern, program, builtInPlatform);
    expect(found('linux-5.15')).toEqual([]);
    expect(found('windows')).toContainEqual({ kind: 'kernel function', name: 'bpf_rcu_read_lock', insn: 0 });
  });
});
