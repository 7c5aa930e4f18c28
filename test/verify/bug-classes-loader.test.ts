// Two of the known bug classes that no single program shows (bug-classes.test.ts has the others): programs that call into those of
// another kind (16), and object files whose numbers do not fit together (27).
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { linkObject } from '../../src/link/link.ts';
import { loadObject } from '../../src/run/loader.ts';
import type { ProgramSpec } from '../../src/spec/object.ts';
import { PROJECT_ROOT } from '../support/shared.ts';
import { map, programOf, type ProgramOptions } from './support.ts';

const CALLS = map('programs', 'prog_array', 4, 4, { maxEntries: 1 });
const TAIL_CALL = 'r2 = map[programs]\n r3 = 0\n call bpf_tail_call\n r0 = 1\n exit';

type Kind = Pick<ProgramOptions, 'type' | 'attachType'>;
const KINDS: Readonly<Record<string, Kind>> = {
  xdp: { type: 'xdp' },
  tc: { type: 'sched_cls' },
  'socket filter': { type: 'socket_filter' },
  kprobe: { type: 'kprobe' },
  'egress of a cgroup': { type: 'cgroup_skb', attachType: 'cgroup_inet_egress' },
  connect4: { type: 'cgroup_sock_addr', attachType: 'cgroup_inet4_connect' },
  connect6: { type: 'cgroup_sock_addr', attachType: 'cgroup_inet6_connect' },
  bind4: { type: 'cgroup_sock_addr', attachType: 'cgroup_inet4_bind' },
};
const PAIRS = Object.keys(KINDS).flatMap((from) => Object.keys(KINDS).map((to) => [from, to] as const));

/** What is said where a program of one kind is to be called by one of another. */
function calledBy(from: Kind, to: Kind): string | undefined {
  const caller = programOf(TAIL_CALL, { ...from, maps: [CALLS] });
  const callee = programOf('r0 = 1\n exit', to);
  const named = ({ program }: typeof caller, name: string): ProgramSpec => ({ ...program, name });
  using loaded = loadObject(
    {
      ...caller.object,
      programs: [named(caller, 'caller'), named(callee, 'callee')],
      maps: [{ ...CALLS, slots: [{ index: 0, kind: 'program', target: 'callee' }] }],
    },
    { host: memoryHost() },
  );
  const errors = loaded.programs.flatMap((p) => (p.diagnostic === undefined ? [] : [p.diagnostic.message]));
  expect(errors).toEqual([]);
  return loaded.diagnostics[0]?.code;
}

describe('16: a tail call into a program of another attach point (CVE-2024-50063)', () => {
  it.each(PAIRS.filter(([from, to]) => from !== to))('%s does not go on as %s', (from, to) => {
    expect(calledBy(KINDS[from], KINDS[to])).toBe('run/slot');
  });
  it.each(PAIRS.filter(([from, to]) => from === to))('%s goes on as %s', (from, to) => {
    expect(calledBy(KINDS[from], KINDS[to])).toBeUndefined();
  });
});

const OBJECT = readFileSync(path.join(PROJECT_ROOT, 'examples/drop-port/drop_port.bpf.o'));
const HEADER = new DataView(OBJECT.buffer, OBJECT.byteOffset);
/** e_shoff and e_shnum (ELF-64). */
const SECTIONS = Number(HEADER.getBigUint64(40, true));
const COUNT = HEADER.getUint16(60, true);
const sectionsOfType = (type: number): number[] =>
  Array.from({ length: COUNT }, (_, i) => SECTIONS + 64 * i).filter((at) => HEADER.getUint32(at + 4, true) === type);
const [SYMBOLS] = sectionsOfType(2);
const RELOCATIONS = sectionsOfType(9);
const contentOf = (header: number): number => Number(HEADER.getBigUint64(header + 24, true));

interface Fault {
  readonly name: string;
  readonly at: number;
  readonly bytes: 2 | 4 | 8;
}
const field = (name: string, at: number, bytes: 2 | 4 | 8): Fault => ({ name, at, bytes });
const FAULTS: readonly Fault[] = [
  field('the section table begins', 40, 8),
  field('sections are counted', 60, 2),
  field('the names of sections lie in section', 62, 2),
  field('the symbol table begins', SYMBOLS + 24, 8),
  field('the symbol table ends', SYMBOLS + 32, 8),
  field('the names of symbols lie in section', SYMBOLS + 40, 4),
  field('the name of a symbol begins', contentOf(SYMBOLS) + 24, 4),
  field('relocations begin', RELOCATIONS[0] + 24, 8),
  field('relocations end', RELOCATIONS[0] + 32, 8),
  field('relocations apply to section', RELOCATIONS[0] + 44, 4),
  field('relocations name the symbols of section', RELOCATIONS[0] + 40, 4),
  field('a relocation applies at', contentOf(RELOCATIONS[0]), 8),
  field('a relocation names symbol', contentOf(RELOCATIONS[0]) + 12, 4),
];
const VALUES: readonly bigint[] = [
  0xffff_ffff_ffff_ffffn,
  0xffff_ffff_ffff_fff8n,
  0x7fff_ffff_ffff_ffffn,
  0x1_0000_0000n - 8n,
];

describe('27: numbers of object files that overflow (CVE-2021-46102; libbpf 390, 484, 737)', () => {
  it('reads the object as it is', () => {
    expect(linkObject(new Uint8Array(OBJECT), { name: 'object' }).programs).toHaveLength(1);
  });
  it.each(FAULTS.flatMap((fault) => VALUES.map((value) => [fault.name, value.toString(16), fault, value] as const)))(
    '%s %s',
    (_name, _value, { at, bytes }, value) => {
      const broken = new Uint8Array(OBJECT);
      const view = new DataView(broken.buffer);
      if (bytes === 8) view.setBigUint64(at, value, true);
      else if (bytes === 4) view.setUint32(at, Number(BigInt.asUintN(32, value)), true);
      else view.setUint16(at, Number(BigInt.asUintN(16, value)), true);
      expect(() => linkObject(broken, { name: 'object' })).toThrow(AnyBpfError);
    },
  );
});
