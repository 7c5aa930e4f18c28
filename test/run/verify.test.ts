// The verifier in the loader: what is verified when, what back ends then leave out, and what they must not.
import { describe, expect, test } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { decodeBtf } from '../../src/btf/decode.ts';
import { encodeBtf } from '../../src/btf/encode.ts';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { type LoadOptions, loadObject } from '../../src/run/loader.ts';
import { helper } from '../../src/spec/helper.ts';
import type { EngineName } from '../../src/spec/backend.ts';
import { DEFAULT_PROCESS, ipv4Frame, loadText, mapSpec, objectSpec } from './support.ts';

const PASS = 'r0 = 2\n exit';
/** Reads the first packet byte without asking how long the packet is. */
const REFUSED = 'r1 = *(u32 *)(r1 + 0)\n r0 = *(u8 *)(r1 + 0)\n exit';
/** The same, verified. */
const ACCEPTED = `r2 = *(u32 *)(r1 + 4)
  r1 = *(u32 *)(r1 + 0)
  r0 = 0
  r3 = r1
  r3 += 1
  if r3 > r2 goto end
  r0 = *(u8 *)(r1 + 0)
  end: exit`;
const ENDLESS = 'loop: r0 += 1\n goto loop';

const data = ipv4Frame();
const compiled = (options: Partial<LoadOptions> = {}): Partial<LoadOptions> => ({ engine: 'compile', ...options });

const codeOf = (run: () => unknown): string | undefined => {
  try {
    run();
    return undefined;
  } catch (error) {
    if (error instanceof AnyBpfError) return error.diagnostic.code;
    throw error;
  }
};

/** Whether runs come in without the host: only code without any checks has such an entry. */
const entersAlone = (object: ReturnType<typeof loadText>, name?: string): boolean =>
  object.program(name).prepare({ data }).enter.name !== 'enter' &&
  /^\d+$/.test(object.program(name).prepare({ data }).enter.name);

describe('verify', () => {
  test.each([
    ['off', ACCEPTED, undefined, false],
    ['prefer', ACCEPTED, 'accepted', true],
    ['require', ACCEPTED, 'accepted', true],
    ['off', REFUSED, undefined, false],
    ['prefer', REFUSED, 'refused', false],
    ['prefer', ENDLESS, 'refused', false],
  ] as const)('%s: %s', (verify, text, verdict, alone) => {
    using object = loadText('xdp', text, { options: compiled({ verify }) });
    const program = object.program();
    expect(program.diagnostic).toBeUndefined();
    expect(program.verdict?.verdict).toBe(verdict);
    expect(entersAlone(object)).toBe(alone);
    if (text !== ENDLESS) expect(program.run({ data }).retval).toBe(data[0]);
    else expect(codeOf(() => program.run({ data }))).toBe('run/budget');
  });

  test('require: what is refused is not loaded, and says why', () => {
    using object = loadText('xdp', REFUSED, { options: { verify: 'require' } });
    const program = object.program();
    expect(program.diagnostic).toMatchObject({ code: 'verify/packet-bounds', place: { program: 'main', insn: 1 } });
    expect(object.diagnostics.map(({ code }) => code)).toEqual(['verify/packet-bounds']);
    expect(codeOf(() => program.run({ data }))).toBe('verify/packet-bounds');
    expect(program.verdict?.verdict).toBe('refused');
  });

  test('require: what is refused does not get into a prog_array', () => {
    const maps = [mapSpec('jumps', 'prog_array', { slots: [{ index: 0, kind: 'program', target: 'bad' }] })];
    const programs = [
      { name: 'good', text: PASS },
      { name: 'bad', text: REFUSED },
    ];
    using object = loadObject(objectSpec(programs, maps), { host: memoryHost(), verify: 'require' });
    expect(object.map('jumps').get(0)).toBeUndefined();
    expect(object.diagnostics.map(({ code }) => code)).toEqual(['verify/packet-bounds', 'run/slot']);
  });

  test('prefer: nothing is verified before the compiler is chosen', () => {
    const engines: EngineName[] = ['reference', 'interpret'];
    for (const engine of engines) {
      using object = loadText('xdp', ACCEPTED, { options: { engine, verifyLimits: { visits: 0, time: 0 } } });
      expect(object.program().run({ data }).retval).toBe(data[0]);
      expect(object.program().verdict?.verdict).toBe('budget');
    }
  });

  test('prefer: what is not decided within the limits runs with checks', () => {
    using object = loadText('xdp', ACCEPTED, { options: compiled({ verifyLimits: { visits: 3, time: 1000 } }) });
    expect(object.program().verdict).toMatchObject({ verdict: 'budget', diagnostic: { code: 'verify/budget' } });
    expect(entersAlone(object)).toBe(false);
    expect(object.program().run({ data }).retval).toBe(data[0]);
  });

  test('an option that is none', () => {
    expect(codeOf(() => loadText('xdp', PASS, { options: { verify: 'maybe' as 'off' } }))).toBe('run/option');
  });
});

describe.each(['reference', 'interpret', 'compile'] as const)('accesses that no verdict covers: %s', (engine) => {
  /** In the linear memory, and in no region: what the allocator keeps for itself. */
  const inNoRegion = { ...DEFAULT_PROCESS, taskAddress: 16n };
  const task = 'call get_current_task_btf';
  const maps = [mapSpec('m', 'hash', { valueSize: 64 })];

  test.each([
    ['a load', `${task}\n r1 = *(u64 *)(r0 + 0)\n r0 = r1\n exit`, 1, 'run/bad-access'],
    ['a narrow load', `${task}\n r1 = *(u8 *)(r0 + 3)\n r0 = r1\n exit`, 1, 'run/bad-access'],
    [
      'loads that would become one',
      `${task}\n r1 = *(u8 *)(r0 + 0)\n r2 = *(u8 *)(r0 + 1)\n r2 <<= 8\n r1 |= r2\n r0 = r1\n exit`,
      1,
      'run/bad-access',
    ],
    ['a load far away', `${task}\n r0 += 0x1fff0000\n r0 = *(u64 *)(r0 + 0)\n exit`, 2, 'run/bad-access'],
    [
      'the argument of a helper that is code',
      `*(u32 *)(r10 - 4) = 1\n ${task}\n r1 = map_by_idx(0) ll\n r2 = r10\n r2 += -4\n r3 = r0\n r4 = 0\n call map_update_elem\n exit`,
      8,
      'run/helper-argument-memory',
    ],
    [
      'a key',
      `${task}\n r1 = map_by_idx(0) ll\n r2 = r0\n call map_lookup_elem\n r0 = 0\n exit`,
      4,
      'run/helper-argument-memory',
    ],
  ])('%s', (_name, text, insn, code) => {
    using object = loadText('kprobe', text, {
      maps,
      host: { process: inNoRegion },
      options: { engine, verify: 'require' },
    });
    const program = object.program();
    expect(program.verdict).toMatchObject({ verdict: 'accepted', checkedAt: expect.any(Set) });
    expect(program.verdict?.checkedAt).toContain(insn);
    for (let i = 0; i < 3; i++) {
      let place: unknown;
      expect(
        codeOf(() => {
          try {
            program.run();
          } catch (error) {
            place = (error as AnyBpfError).diagnostic.place;
            throw error;
          }
        }),
      ).toBe(code);
      expect(place).toMatchObject({ insn });
    }
  });
});

/** Goes on with the program of a slot. */
const jump = (index: number, r1 = 'r1 = r6'): string =>
  `r6 = r1\n ${r1}\n r2 = map_by_idx(0) ll\n r3 = ${index}\n call tail_call\n r0 = 77\n exit`;

describe.each(['reference', 'interpret', 'compile'] as const)('programs of different trust: %s', (engine) => {
  const jumps = mapSpec('jumps', 'prog_array', {
    slots: [
      { index: 0, kind: 'program', target: 'accepted' },
      { index: 1, kind: 'program', target: 'refused' },
    ],
  });
  const load = (programs: readonly (readonly [name: string, text: string])[], more = [jumps]) =>
    loadObject(
      objectSpec(
        [['accepted', ACCEPTED] as const, ['refused', REFUSED] as const, ...programs].map(([name, text]) => ({
          name,
          text,
        })),
        more,
      ),
      { host: memoryHost(), engine, verify: 'prefer' },
    );

  test('one that is verified goes on with one that is not, which keeps its checks', () => {
    using object = load([['entry', jump(1)]]);
    const entry = object.program('entry');
    expect(entry.verdict?.verdict).toBe('accepted');
    expect(object.program('refused').verdict?.verdict).toBe('refused');
    expect(entry.run({ data }).retval).toBe(data[0]);
    // Shorter packets, laid in the same place: what was allowed before is not any more.
    for (const length of [80, 34, 50]) {
      const frame = ipv4Frame(length);
      expect(entry.run({ data: frame }).retval).toBe(frame[0]);
    }
    const { enter, ctx } = entry.prepare({ data });
    expect(enter(ctx)).toBe(data[0]);
    expect(Array.from(entry.runBatch([data, ipv4Frame(40), data]))).toEqual([0, 0, 0]);
  });

  test('one that is not verified cannot hand a number over as the context', () => {
    // A program that would be refused for it, and one whose r1 comes from a subprogram.
    using object = load([
      ['number', jump(0, 'r1 = 4096')],
      ['moved', jump(0, 'r1 = r6\n r1 += 8')],
      ['wide', jump(0, 'r1 = r6\n r4 = 1\n r4 <<= 32\n r1 += r4')],
      ['below', `call f\n exit\n f: ${jump(0, 'r1 = 4096')}`],
    ]);
    for (const name of ['number', 'moved', 'wide', 'below']) {
      const program = object.program(name);
      expect(program.verdict?.verdict, name).toBe('refused');
      expect(
        codeOf(() => program.run({ data })),
        name,
      ).toBe('run/helper-argument-context');
    }
  });

  test('one that is not verified goes on with one that is', () => {
    using object = load([
      ['entry', `r0 = *(u32 *)(r1 + 0)\n r0 = *(u8 *)(r0 + 0)\n ${jump(0)}`],
      ['below', `call f\n exit\n f: r0 = *(u32 *)(r1 + 0)\n r0 = *(u8 *)(r0 + 0)\n ${jump(0)}`],
    ]);
    for (const name of ['entry', 'below']) {
      expect(object.program(name).verdict?.verdict).toBe('refused');
      expect(object.program(name).run({ data }).retval, name).toBe(data[0]);
    }
  });

  test('a record that one reserved and left, after one that is verified went on with it', () => {
    const ring = mapSpec('ring', 'ringbuf', { keySize: 0, valueSize: 0, maxEntries: 4096 });
    const reserve = `r1 = map_by_idx(1) ll\n r2 = 8\n r3 = 0\n call ringbuf_reserve\n r0 = 5\n exit`;
    const slots = [{ index: 0, kind: 'program' as const, target: 'leaves' }];
    using object = load(
      [
        ['entry', jump(0)],
        ['leaves', reserve],
      ],
      [{ ...jumps, slots }, ring],
    );
    expect(object.program('leaves').verdict?.diagnostic?.code).toBe('verify/reference-leak');
    const entry = object.program('entry');
    expect(entry.verdict?.verdict).toBe('accepted');
    // More than the ring holds, if any stayed reserved.
    for (let i = 0; i < 600; i++) expect(entry.run({ data }).retval).toBe(5);
    const packets = Array.from({ length: 600 }, () => data);
    expect(new Set(entry.runBatch(packets))).toEqual(new Set([5]));
  });
});

describe.each(['interpret', 'compile'] as const)('the verdict is on the maps as they are: %s', (engine) => {
  // An element of an array below its size is always there, so that nobody has to ask.
  const third = `*(u32 *)(r10 - 4) = 3
    r1 = map_by_idx(0) ll
    r2 = r10
    r2 += -4
    call map_lookup_elem
    r0 = *(u64 *)(r0 + 0)
    exit`;
  const array = mapSpec('a', 'array', { valueSize: 8 });

  test('of the size that an override gives', () => {
    const object = objectSpec([{ text: third }], [array]);
    const options: LoadOptions = { host: memoryHost(), engine, verify: 'prefer' };
    using whole = loadObject(object, options);
    expect(whole.program().verdict?.verdict).toBe('accepted');
    expect(whole.program().run({ data }).retval).toBe(0);
    using small = loadObject(object, { ...options, maps: { a: { maxEntries: 2 } } });
    expect(small.program().verdict?.diagnostic?.code).toBe('verify/null');
    expect(codeOf(() => small.program().run({ data }))).toBe('run/bad-access');
  });

  test('of another object', () => {
    const object = objectSpec([{ text: third }], [array]);
    using first = loadObject(object, { host: memoryHost(), engine, maps: { a: { maxEntries: 3 } } });
    using second = loadObject(object, {
      host: memoryHost(),
      runtime: first.runtime,
      maps: { a: { reuse: first.map('a') } },
    });
    expect(second.program().verdict?.diagnostic?.code).toBe('verify/null');
  });

  test('constants are those in memory', () => {
    const value = new Uint8Array([16, 0, 0, 0]);
    const section = mapSpec('.rodata', 'array', {
      maxEntries: 1,
      kind: 'rodata',
      section: '.rodata',
      frozen: true,
      flags: 1 << 7,
      data: value,
    });
    // How far to go is read from a constant.
    const text = `r2 = map_val(map_by_idx(0)) ll
      r2 = *(u32 *)(r2 + 0)
      r3 = r10
      r3 -= r2
      *(u64 *)(r3 + 0) = 1
      r0 = 0
      exit`;
    const object = objectSpec([{ text }], [section]);
    using first = loadObject(object, { host: memoryHost(), engine });
    expect(first.program().verdict?.verdict).toBe('accepted');
    const other = { ...section, data: new Uint8Array([0, 0, 0, 16]) };
    using far = loadObject(objectSpec([{ text }], [other]), { host: memoryHost(), engine });
    using reusing = loadObject(object, {
      host: memoryHost(),
      runtime: far.runtime,
      maps: { '.rodata': { reuse: far.map('.rodata') } },
    });
    expect(reusing.program().verdict?.diagnostic?.code).toBe('verify/stack-access');
    expect(codeOf(() => reusing.program().run({ data }))).toBe('run/bad-access');
  });
});

test.each(['reference', 'interpret', 'compile'] as const)(
  'no run sees what another left on the stack: %s',
  (engine) => {
    const write = 'r1 = r10\n r1 += -16\n *(u64 *)(r10 - 24) = r1\n *(u64 *)(r10 - 16) = 77';
    const left = [mapSpec('jumps', 'prog_array', { slots: [{ index: 0, kind: 'program', target: 'reads' }] })];
    const programs = [
      // Its address goes to memory, so that the frame is there, and no local in its place.
      { name: 'writes', text: `${write}\n r0 = 0\n exit` },
      // Accepted, as Linux does, with a warning.
      { name: 'reads', text: 'r0 = *(u64 *)(r10 - 16)\n exit' },
      { name: 'reads below', text: 'r1 = 0\n call f\n exit\n f: r0 = *(u64 *)(r10 - 16)\n exit' },
      { name: 'reads by address', text: 'r2 = r10\n r2 += -16\n r0 = *(u64 *)(r2 + 0)\n exit' },
      { name: 'writes below', text: `call f\n exit\n f: ${write}\n r0 = 0\n exit` },
      { name: 'goes on', text: 'r2 = map_by_idx(0) ll\n r3 = 0\n call tail_call\n r0 = 5\n exit' },
    ];
    using object = loadObject(objectSpec(programs, left), { host: memoryHost(), engine, verify: 'require' });
    expect(object.diagnostics).toEqual([]);
    for (const { name } of programs.filter(({ name }) => name.startsWith('reads') || name.startsWith('goes'))) {
      const { verdict } = object.program(name);
      if (name !== 'goes on')
        expect(verdict?.warnings?.map(({ code }) => code)).toEqual(['verify/uninitialised-stack']);
      for (const writer of ['writes', 'writes below']) {
        object.program(writer).run({ data });
        expect(object.program(name).run({ data }).retval, name).toBe(0);
        object.program(writer).runBatch([data]);
        expect([...object.program(name).runBatch([data, data])], name).toEqual([0, 0]);
      }
    }
  },
);

test('what functions of the caller give back is not proven', () => {
  const names = ['bpf_rcu_read_lock', 'bpf_rcu_read_unlock'];
  const btf = decodeBtf(
    encodeBtf([
      { kind: 'func_proto', type: 0, params: [] },
      ...names.map((name) => ({ kind: 'func', name, type: 1, linkage: 2 }) as const),
    ]),
  );
  const externs = names.map((name, i) => ({ name, kind: 'kfunc', weak: false, typeId: 2 + i }) as const);
  const object = objectSpec([{ text: 'call kfunc(0, 0)\n call kfunc(1, 0)\n r0 = 2\n exit' }], [], { btf, externs });
  const rows = names.map((name) =>
    helper({ name, numbers: {}, args: [], returns: 'void', doc: 'nothing', body: () => undefined }),
  );
  const kfuncs = Object.fromEntries(rows.map((row) => [row.name, row]));
  using given = loadObject(object, { host: memoryHost(), engine: 'compile', verify: 'require', kfuncs });
  expect(given.program().verdict?.verdict).toBe('accepted');
  expect(entersAlone(given)).toBe(false);
  expect(given.program().run({ data }).retval).toBe(2);
});
