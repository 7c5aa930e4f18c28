// What the outside objects lack, in objects compiled here: initial values, decl tags, externs, callbacks, static data.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { toHex, utf8 } from '../../src/base/bytes.ts';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import type { Btf } from '../../src/btf/btf.ts';
import { relocateObject, relocateProgram } from '../../src/link/core.ts';
import { linkObject } from '../../src/link/link.ts';
import { readSlot } from '../../src/link/slot.ts';
import { type GlobalValue, withGlobals } from '../../src/link/with-globals.ts';
import type { MapSpec, ObjectSpec, ProgramSpec } from '../../src/spec/object.ts';
import { requireCapability } from '../support/capability.ts';
import { PROJECT_ROOT } from '../support/shared.ts';
import { Compiler } from './clang.ts';
import { describeSpec } from './describe-spec.ts';

const missing = requireCapability('libbpf-dev');
const compiler = new Compiler();
afterAll(() => compiler.close());

const program = (spec: ObjectSpec, name: string): ProgramSpec => {
  const found = spec.programs.find((p) => p.name === name);
  if (found === undefined) throw new Error(`no program ${name}`);
  return found;
};
const map = (spec: ObjectSpec, name: string): MapSpec => {
  const found = spec.maps.find((m) => m.name === name);
  if (found === undefined) throw new Error(`no map ${name}`);
  return found;
};
/** The bytes of a data section's map with other values. */
const changed = (spec: ObjectSpec, name: string, values: Record<string, GlobalValue>): string =>
  toHex(map(withGlobals(spec, values), name).data ?? new Uint8Array(0));
const errorOf = (body: () => unknown): string => {
  try {
    body();
  } catch (error) {
    if (error instanceof AnyBpfError) return error.code;
    throw error;
  }
  return 'no error';
};

describe.skipIf(missing !== undefined)('an object with everything', () => {
  const spec =
    missing === undefined ? linkObject(compiler.compile('programs').bytes, { name: 'programs.bpf.o' }) : undefined;
  if (spec === undefined) return;

  it('has its programs, maps and externs', () => {
    expect(describeSpec(spec)).toEqual({
      programs: [
        'tail_a @xdp xdp/xdp 12 slots deepest+3',
        'tail_b @xdp xdp/xdp 5 slots',
        'calls_functions @xdp xdp/xdp 64 slots visit+35 deep+44 deepest+52 global_fn+61',
        'second_in_section @xdp xdp/xdp 32 slots',
        'tagged @xdp xdp/xdp 5 slots tags tail:calls/6',
        'frags @xdp.frags xdp/xdp fragments 8 slots',
        'not_loaded @?kprobe/do_nothing kprobe target do_nothing not loaded 8 slots',
        'ksyms @socket socket_filter 10 slots',
      ].map((line) =>
        expect.stringMatching(
          new RegExp(
            `^${line
              .replace(/[/?+.]/g, '\\$&')
              .replace(/\d+ slots/, '\\d+ slots')
              .replace(/\\\+\d+/g, '\\+\\d+')}$`,
          ),
        ),
      ),
      maps: [
        'first hash 16/8 x7',
        'second hash 16/8 x7',
        'outer hash_of_maps 4/4 x4 [1]=map:first [3]=map:second of (outer.inner hash 16/8 x7)',
        'jumps prog_array 4/4 x8 [2]=program:tail_a [5]=program:tail_b',
        'calls prog_array 4/4 x8 [6]=program:tagged',
        'bloom bloom_filter 0/4 x100 extra 3 tags a tag,another',
        'lru lru_percpu_hash 12/20 x64 NO_COMMON_LRU|NUMA_NODE node 1 pin 1',
        'programs.rodata array 4/16 x1 RDONLY_PROG|MMAPABLE rodata:.rodata frozen = 0a00000000000000ff00000000000000',
        expect.stringMatching(/^programs.data array 4\/32 x1 MMAPABLE data:.data = 05000000/),
        '.rodata.named array 4/2 x1 RDONLY_PROG|MMAPABLE rodata:.rodata.named frozen = feff',
        '.data.named array 4/4 x1 MMAPABLE data:.data.named = 03000000',
        'programs.bss array 4/8 x1 MMAPABLE bss:.bss',
        'program.kconfig array 4/5 x1 RDONLY_PROG|MMAPABLE kconfig:.kconfig frozen',
      ],
      externs: [
        'bpf_rcu_read_lock_missing kfunc weak',
        'bpf_stats_enabled_key_missing ksym weak',
        'schedule ksym typeless',
        // Largest alignment first: the 4 bytes of the version, then the 1 of the option.
        'LINUX_KERNEL_VERSION kconfig at 0+4',
        'CONFIG_BPF_SYSCALL kconfig weak at 4+1',
      ],
      diagnostics: ['link/data-relocation'],
    });
    expect(spec.license).toBe('GPL');
    expect(spec.version).toBe(0x060c07);
  });

  it('calls and passes each subprogram where it was put, once', () => {
    const { code, functions } = program(spec, 'calls_functions');
    const called: string[] = [];
    for (let slot = 0; 8 * slot < code.length; slot++) {
      const { opcode, src, imm } = readSlot(code, slot);
      const at = functions.find((f) => f.slot === slot + 1 + imm);
      if (opcode === 0x18 && src === 4) called.push(`&${at?.name}`);
      if (opcode === 0x85 && src === 1) called.push(`${at?.name}`);
    }
    expect(called[0]).toBe('&visit');
    expect(new Set(called)).toEqual(new Set(['&visit', 'deep', 'deepest', 'global_fn']));
    expect(new Set(functions.map((f) => f.name)).size).toBe(functions.length);
    expect(functions.filter((f) => f.global).map((f) => f.name)).toEqual(['calls_functions', 'global_fn']);
  });

  it('moves source lines with their functions', () => {
    const { lines, functions } = program(spec, 'calls_functions');
    const source = readFileSync(path.join(PROJECT_ROOT, 'test/link/cases/programs.bpf.c'), 'utf8').split('\n');
    for (const { name, slot, length } of functions) {
      const head = source.findIndex((text) => text.match(new RegExp(`^(\\w+ )+${name}\\(.*[^;]$`)));
      const last = source.indexOf('}', head);
      const own = lines.filter((line) => line.slot >= slot && line.slot < slot + length);
      expect(own[0]?.slot, name).toBe(slot);
      // Line 0 is what compilers say of code that no line made.
      for (const line of own.filter((l) => l.line > 0)) {
        expect(line.file).toMatch(/programs\.bpf\.c$/);
        expect(line.line - 1 >= head && line.line - 1 <= last, `${name} line ${line.line}`).toBe(true);
        expect(line.text).toBe(source[line.line - 1]);
      }
    }
  });

  it('is the same for the other byte order, but for the bytes of data', () => {
    const big = linkObject(compiler.compile('programs', 'bpfeb').bytes, { name: 'programs.bpf.o' });
    expect(big.programs).toEqual(spec.programs);
    expect(big.externs).toEqual(spec.externs);
    expect(describeSpec(big, false)).toEqual(describeSpec(spec, false));
    expect(map(big, '.rodata.named').data).toEqual(new Uint8Array([0xff, 0xfe]));
  });

  it('lays out the variables of each section in BTF', () => {
    const { btf } = spec;
    const layout = (name: string): string[] => {
      const section = btf?.type(btf.findByName(name, 'datasec') ?? 0);
      if (section?.kind !== 'datasec') return [];
      return [`size ${section.size}`, ...section.vars.map((v) => `${btf?.nameOf(v.type)} ${v.offset}+${v.size}`)];
    };
    expect(layout('.rodata')).toEqual(['size 16', 'limit 0+4', '__config_mask 8+8']);
    expect(layout('.data')).toEqual(['size 32', 'counter 0+4', 'pair 8+16', 'pointer 24+8']);
    expect(layout('.bss')).toEqual(['size 8', 'zero 0+4', 'hidden_zero 4+4']);
    expect(layout('.kconfig')).toEqual(['size 5', 'LINUX_KERNEL_VERSION 0+4', 'CONFIG_BPF_SYSCALL 4+1']);
    expect(layout('.maps')[1]).toBe('first 0+32');
  });

  it('takes other initial values of globals', () => {
    expect(changed(spec, 'programs.rodata', { limit: 0x01020304 })).toBe('0403020100000000ff00000000000000');
    expect(changed(spec, 'programs.rodata', { mask: -2n })).toBe('0a00000000000000feffffffffffffff');
    expect(changed(spec, '.rodata.named', { in_named: -300 })).toBe('d4fe');
    expect(changed(spec, 'programs.bss', { zero: 7 })).toBe('0700000000000000');
    expect(changed(spec, 'programs.data', { pair: new Uint8Array(16).fill(9) }).slice(16, 48)).toBe('09'.repeat(16));
    // The object itself keeps its own.
    expect(changed(spec, 'programs.rodata', {})).toBe('0a00000000000000ff00000000000000');
    const big = linkObject(compiler.compile('programs', 'bpfeb').bytes, { name: 'programs.bpf.o' });
    expect(changed(big, 'programs.rodata', { limit: 0x01020304 })).toBe('010203040000000000000000000000ff');
  });

  it.each([
    ['an unknown name', { nothing: 1 }, 'link/no-global'],
    ['a kconfig value', { LINUX_KERNEL_VERSION: 1 }, 'link/no-global'],
    ['too large a number', { limit: 2 ** 32 }, 'link/global-value'],
    ['too small a number', { in_named: -32769 }, 'link/global-value'],
    ['a fraction', { limit: 1.5 }, 'link/global-value'],
    ['not a number', { limit: Number.NaN }, 'link/global-value'],
    ['bytes of another length', { limit: utf8('abc') }, 'link/global-value'],
    ['a number for a struct', { pair: 1 }, 'link/global-value'],
  ])('refuses %s', (_, values, code) => {
    expect(errorOf(() => withGlobals(spec, values))).toBe(code);
  });
});

describe.skipIf(missing !== undefined)('an object with static maps', () => {
  it.each(['bpfel', 'bpfeb'] as const)('finds them by section and distance (%s)', (target) => {
    const spec = linkObject(compiler.compile('static-maps', target).bytes, { name: 's.o' });
    expect(describeSpec(spec, false).maps).toEqual([
      'first array 4/4 x1',
      'second hash 4/8 x2',
      '.data.named array 4/8 x1 data:.data.named',
      '.bss.named array 4/4 x1 bss:.bss.named',
    ]);
    const { code, unsupported } = program(spec, 'prog');
    expect(unsupported).toBeUndefined();
    const loads: string[] = [];
    for (let slot = 0; 8 * slot < code.length; slot++) {
      const { opcode, src, imm } = readSlot(code, slot);
      if (opcode === 0x18) loads.push(`${src === 6 ? '&' : ''}${spec.maps[imm].name}+${readSlot(code, slot + 1).imm}`);
    }
    expect(loads.sort()).toEqual(['&.bss.named+0', '&.data.named+0', '&.data.named+4', 'first+0', 'second+0']);
  });
});

describe.skipIf(missing !== undefined)('CO-RE of a program', () => {
  const spec = missing === undefined ? linkObject(compiler.compile('core').bytes, { name: 'core.bpf.o' }) : undefined;
  if (spec?.btf === undefined) return;
  const own: Btf = spec.btf;

  it('against its own types changes nothing, and leaves no relocation', () => {
    for (const name of ['types', 'missing']) {
      const same = relocateProgram(program(spec, name), own, [own]);
      expect(same.code).toEqual(program(spec, name).code);
      expect(same.core).toEqual([]);
      expect(same.poisoned).toBeUndefined();
    }
  });

  it('poisons what the target lacks, in subprograms too, and says which', () => {
    const without = linkObject(compiler.compile('programs').bytes).btf;
    if (without === undefined) throw new Error('no BTF');
    const { poisoned = [], code, core, unsupported } = relocateProgram(program(spec, 'fields'), own, [without]);
    expect(unsupported).toBeUndefined();
    expect(core).toEqual([]);
    expect(poisoned.length).toBeGreaterThan(5);
    for (const { place, message, severity } of poisoned) {
      expect(severity).toBe('warning');
      expect(message).toMatch(/field_(byte_offset|byte_size|lshift_u64|rshift_u64|signed) of struct task_struct/);
      expect(readSlot(code, place.insn ?? -1)).toEqual({ opcode: 0x85, dst: 0, src: 0, off: 0, imm: 0xbad2310 });
    }
    const subprogram = program(spec, 'fields').functions[1];
    expect(poisoned.some((d) => (d.place.insn ?? 0) >= subprogram.slot)).toBe(true);
  });

  it('leaves the object given as it was', () => {
    const before = program(spec, 'types').code.slice();
    const after = relocateObject(spec, [own]);
    expect(program(spec, 'types').code).toEqual(before);
    expect(after.programs.every((p) => p.core.length === 0)).toBe(true);
  });

  it('refuses only the program whose instruction does not fit', () => {
    const original = program(spec, 'fields');
    const code = original.code.slice();
    // A mov of another value than the object's own types give.
    const at = original.core.find((c) => readSlot(code, c.slot).opcode === 0xb7)?.slot ?? 0;
    code[8 * at + 5] ^= 0x40;
    const refused = relocateProgram({ ...original, code }, own, [own]);
    expect(refused.unsupported?.code).toBe('btf/core-relocation');
    expect(refused.unsupported?.place).toMatchObject({ program: 'fields', insn: at });
  });
});
