// One row a name: each does what libbpf's function of that name does, as far as a session has it.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { WITHOUT_MEANING } from '../../src/compat/libbpf/absent.ts';
import { requireCapability } from '../support/capability.ts';
import { PROJECT_ROOT } from '../support/shared.ts';
import { Bench, type Rows } from './bench.ts';
import { CALL_ROWS } from './rows-calls.ts';
import { NAME_ROWS } from './rows-names.ts';
import { OBJECT_ROWS } from './rows-objects.ts';
import { RING_ROWS } from './rows-rings.ts';
import { SYSCALL_ROWS } from './rows-syscall.ts';
import { TYPE_ROWS } from './rows-types.ts';
import { WINDOWS_EXPORTS } from './windows-exports.ts';

const FAMILIES = {
  calls: CALL_ROWS,
  objects: OBJECT_ROWS,
  types: TYPE_ROWS,
  rings: RING_ROWS,
  names: NAME_ROWS,
  syscall: SYSCALL_ROWS,
};
const ROWS: Rows = Object.assign({}, ...Object.values(FAMILIES));

let bench: Bench;
afterEach(() => bench.close());

describe.each(Object.entries(FAMILIES))('%s', (_, rows) => {
  it.each(Object.entries(rows))('%s', async (_name, { run, expected }) => {
    bench = new Bench();
    expect(await run(bench)).toEqual(expected);
  });
});

describe('without meaning here', () => {
  it.each(Object.entries(WITHOUT_MEANING))('%s', (name, { gives, why }) => {
    bench = new Bench();
    const answers = { status: -95, pointer: null, void: undefined, result: 18 };
    const all = bench.l as unknown as Record<string, () => unknown>;
    expect(all[name]()).toBe(answers[gives]);
    expect(why).not.toBe('');
    if (gives === 'pointer') expect(bench.l.libbpf_get_error(null)).toBe(-95);
  });
});

/** Functions that installed headers declare. */
function declared(header: string): string[] {
  const text = readFileSync(`/usr/include/bpf/${header}`, 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
  return [...text.matchAll(/LIBBPF_API\b[^;{]*?\b(\w+)\s*\(/g)].map((match) => match[1]);
}

const covered = (name: string): boolean => Object.hasOwn(ROWS, name) !== Object.hasOwn(WITHOUT_MEANING, name);

describe('coverage', () => {
  it('has a row, or a reason, for each of the 168 exports of eBPF for Windows', () => {
    bench = new Bench();
    expect(WINDOWS_EXPORTS.length).toBe(168);
    expect(WINDOWS_EXPORTS.filter((name) => !covered(name))).toEqual([]);
    expect(WINDOWS_EXPORTS.filter((name) => !(name in bench.w))).toEqual([]);
  });

  it.skipIf(requireCapability('libbpf-dev') !== undefined)(
    "has a row, or a reason, for each function of libbpf's headers",
    () => {
      bench = new Bench();
      const names = ['libbpf.h', 'bpf.h', 'btf.h', 'libbpf_legacy.h'].flatMap(declared);
      expect(names.length).toBeGreaterThan(300);
      expect(names.filter((name) => !covered(name))).toEqual([]);
      expect(names.filter((name) => !(name in bench.l))).toEqual([]);
    },
  );

  it('names in docs/libbpf.md what has no meaning', () => {
    bench = new Bench();
    const text = readFileSync(path.join(PROJECT_ROOT, 'docs/libbpf.md'), 'utf8');
    expect(Object.keys(WITHOUT_MEANING).filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
  });

  it('has a row for everything else that there is', () => {
    bench = new Bench();
    const rest = Object.keys(bench.l).filter((name) => !covered(name));
    expect(rest).toEqual([]);
  });
});
