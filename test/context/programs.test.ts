// prog.*: loaded from instructions, run, described.
import { describe, expect, it } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { assemble } from '../../src/isa/assembler.ts';
import type { ProgramLoad } from '../../src/spec/session.ts';
import { census, fresh, jumping, map, NOTHING, outcome, progInfo, program, reading, run, u32 } from './support.ts';

const { code: EXIT } = assemble('r0 = 0\nexit');
const LOAD: ProgramLoad = { name: 'p', type: 'xdp', license: 'GPL', code: EXIT };
const codeOf = (text: string): Uint8Array => assemble(text).code;

describe('prog.load', () => {
  it.each<[string, Partial<ProgramLoad>, string]>([
    ['a program', {}, 'ok'],
    ['no instructions', { code: new Uint8Array(0) }, 'EINVAL'],
    ['half an instruction', { code: EXIT.slice(0, 12) }, 'EINVAL'],
    ['more instructions than there may be', { code: new Uint8Array(8 * 1_000_001) }, 'E2BIG'],
    ['a name that is too long', { name: 'n'.repeat(64) }, 'EINVAL'],
    ['a type that is not known', { type: 'none' as 'xdp' }, 'EINVAL'],
    ['a type that Windows does not have', { type: 'tracepoint', dialect: 'windows' }, 'EINVAL'],
    ['an attach type that is not known', { attachType: 'none' as 'xdp' }, 'EINVAL'],
    ['flags that are not known', { flags: 1 << 20 }, 'EINVAL'],
    ['BTF that is not there', { btfFd: 9 }, 'EBADF'],
    ['a map that is not there', { code: codeOf(reading(9)) }, 'EBADF'],
    ['native execution', { execution: 'native' }, 'EINVAL'],
    ['an execution type that is not known', { execution: 'quick' as 'jit' }, 'EINVAL'],
    ['a register that was never set', { code: codeOf('r0 = r3\nexit') }, 'EACCES'],
    ['a store beyond the stack', { code: codeOf('r0 = 0\n*(u64 *)(r10 + 8) = r0\nexit') }, 'EACCES'],
    ['a loop without an end', { code: codeOf('l:\nr0 = 0\ngoto l\nexit') }, 'EINVAL'],
    ['an opcode that is none', { code: Uint8Array.of(0xff, 0, 0, 0, 0, 0, 0, 0, ...EXIT) }, 'EINVAL'],
    ['a helper that is none', { code: codeOf('call 99999\nexit') }, 'EINVAL'],
    [
      'a helper for GPL programs only',
      { code: codeOf('r1 = r10\nr1 += -8\nr2 = 0\ncall 6\nexit'), license: 'MIT' },
      'EINVAL',
    ],
    ['lines without BTF', { lines: new Uint8Array(16) }, 'EINVAL'],
    ['functions of no size', { functions: new Uint8Array(5) }, 'EINVAL'],
  ])('of %s', async (_what, parts, expected) => {
    const session = fresh();
    expect(await outcome(session, 'prog.load', { ...LOAD, ...parts })).toBe(expected);
    expect(census(session)).toEqual({ ...NOTHING, prog: expected === 'ok' ? 1 : 0 });
  });

  it('explains a refusal in the error', async () => {
    const session = fresh();
    const error = await program(session, 'r0 = r3\nexit').catch((e: unknown) => e);
    expect(error).toBeInstanceOf(AnyBpfError);
    expect((error as AnyBpfError).diagnostic).toMatchObject({
      code: 'verify/uninitialised-register',
      errno: 13,
      place: { program: 'p', insn: 0 },
    });
  });

  it('does not refuse where the embedding application wants no verification', async () => {
    const session = fresh({ verify: 'off' });
    expect(await outcome(session, 'prog.load', { ...LOAD, code: codeOf('r0 = r3\nexit') })).toBe('ok');
  });

  it('keeps the maps that the instructions name, each once, also when their handles are closed', async () => {
    const session = fresh();
    const fd = await map(session, { type: 'array', maxEntries: 1 });
    await session.call('map.update', { fd, key: u32(0), value: u32(11) });
    const prog = await program(session, reading(fd));
    await session.call('object.close', { fd });
    expect(await run(session, prog)).toBe(11);
    expect(await progInfo(session, prog)).toMatchObject({ mapIds: [1], bytesXlated: 80 });
    await session.call('object.close', { fd: prog });
    expect(census(session)).toEqual(NOTHING);
  });

  it('reads values at their addresses (BPF_PSEUDO_MAP_VALUE)', async () => {
    const session = fresh();
    const fd = await map(session, { type: 'array', valueSize: 8, maxEntries: 1 });
    await session.call('map.update', { fd, key: u32(0), value: u32(1, 2) });
    const prog = await program(session, `r1 = map_val(map_by_fd(${fd})) + 4 ll\nr0 = *(u32 *)(r1 + 0)\nexit`);
    expect(await run(session, prog)).toBe(2);
    const queue = await map(session, { type: 'queue', keySize: 0 });
    const refused = { ...LOAD, code: codeOf(`r1 = map_val(map_by_fd(${queue})) + 0 ll\nr0 = 0\nexit`) };
    expect(await outcome(session, 'prog.load', refused)).toBe('EINVAL');
  });

  it('tells maps of one name, and of none, apart', async () => {
    const session = fresh();
    const [a, b] = [await map(session, { name: '' }), await map(session, { name: '' })];
    const text = `r1 = map_by_fd(${a}) ll\nr2 = map_by_fd(${b}) ll\nr3 = map_by_fd(${a}) ll\nr0 = 0\nexit`;
    expect(await progInfo(session, await program(session, text))).toMatchObject({ mapIds: [1, 2] });
  });

  it('finds functions by the calls to them', async () => {
    const session = fresh();
    const prog = await program(session, 'call double\nr0 = r0\nexit\ndouble:\nr0 = 21\nr0 += r0\nexit');
    expect(await run(session, prog)).toBe(42);
    const { functions } = await session.call('prog.code', { fd: prog });
    expect(functions).toEqual([
      { slot: 0, name: 'p' },
      { slot: 3, name: 'subprog_3' },
    ]);
  });
});

describe('execution types', () => {
  it.each([
    ['jit', 'compile', 'jit'],
    ['interpret', 'interpret', 'interpret'],
    ['any', undefined, 'jit'],
  ] as const)('%s', async (execution, engine, said) => {
    const session = fresh();
    const fd = await program(session, 'r0 = 3\nexit', { execution });
    const info = await progInfo(session, fd);
    expect(info.execution).toBe(said);
    if (engine !== undefined) expect(info.engine).toBe(engine);
    expect(await run(session, fd)).toBe(3);
  });

  const ALL = ['any', 'jit', 'interpret'] as const;
  it.each(ALL.flatMap((from) => ALL.map((to) => [from, to] as const)))('%s goes on with %s', async (from, to) => {
    const session = fresh();
    const array = await map(session, { type: 'prog_array', maxEntries: 1 });
    const caller = await program(session, jumping(array), { execution: from });
    const target = await program(session, 'r0 = 9\nexit', { execution: to });
    await session.call('map.update', { fd: array, key: u32(0), value: u32(target) });
    for (let i = 0; i < 3; i++) expect(await run(session, caller)).toBe(9);
    expect(await run(session, target)).toBe(9);
    // What a caller has made of the target goes with it.
    await session.call('object.close', { fd: target });
    await session.call('map.delete', { fd: array, key: u32(0) });
    expect(await run(session, caller)).toBe(7);
  });
});

describe('prog.testRun', () => {
  it('gives packet and context back', async () => {
    const session = fresh();
    const text =
      'r2 = *(u32 *)(r1 + 0)\nr3 = *(u32 *)(r1 + 4)\nr4 = r2\nr4 += 1\nr0 = 2\nif r4 > r3 goto out\nr5 = 77\n*(u8 *)(r2 + 0) = r5\nout:\nexit';
    const fd = await program(session, text);
    const { retval, data, duration } = await session.call('prog.testRun', { fd, data: new Uint8Array(64), repeat: 10 });
    expect([retval, data?.[0], data?.length]).toEqual([2, 77, 64]);
    expect(duration).toBeGreaterThanOrEqual(0);
  });

  it.each([
    ['a packet that is too short', { data: new Uint8Array(3) }, 'EINVAL'],
    ['a negative number of runs', { data: new Uint8Array(64), repeat: -1 }, 'EINVAL'],
    ['arguments to a program without any', { args: [1n] }, 'EINVAL'],
  ])('refuses %s', async (_what, input, expected) => {
    const session = fresh();
    expect(await outcome(session, 'prog.testRun', { fd: await program(session), ...input })).toBe(expected);
  });

  it('is counted while somebody wants to know', async () => {
    const session = fresh();
    const fd = await program(session);
    await run(session, fd);
    const stats = await session.call('stats.enable', {});
    const other = session.context.session();
    const more = await other.call('stats.enable', {});
    await session.call('prog.testRun', { fd, data: new Uint8Array(64), repeat: 5 });
    await session.call('object.close', stats);
    await run(session, fd);
    await other.close();
    await run(session, fd);
    expect(more.fd).toBe(3);
    const info = await progInfo(session, fd);
    expect(info.runCount).toBe(6n);
    expect(info.runTimeNs).toBeGreaterThan(0n);
  });
});

describe('prog.code and prog.bindMap', () => {
  it('show ids of maps in place of handles', async () => {
    const session = fresh();
    await map(session);
    const fd = await map(session, { type: 'array', maxEntries: 1 });
    const text = `r1 = map_val(map_by_fd(${fd})) + 0 ll\nr2 = map_by_fd(${fd}) ll\nr0 = 0\nexit`;
    const { xlated, lines, jited } = await session.call('prog.code', {
      fd: await program(session, text, { execution: 'interpret' }),
    });
    expect(Buffer.from(xlated).toString('hex')).toBe(
      Buffer.from(codeOf(text.replaceAll(`(${fd})`, '(2)'))).toString('hex'),
    );
    expect([lines, jited]).toEqual([[], undefined]);
  });

  it('show the WebAssembly that was made', async () => {
    const session = fresh();
    const fd = await program(session, 'r0 = 3\nexit', { execution: 'jit' });
    const { jited = new Uint8Array(0) } = await session.call('prog.code', { fd });
    expect(WebAssembly.validate(jited as Uint8Array<ArrayBuffer>)).toBe(true);
    expect(await progInfo(session, fd)).toMatchObject({ bytesJited: jited.length, bytesXlated: 16 });
    // It has stayed what runs.
    expect(await run(session, fd)).toBe(3);
    const interpreted = await program(session, 'r0 = 3\nexit', { execution: 'interpret' });
    expect(await progInfo(session, interpreted)).toMatchObject({ bytesJited: 0 });
    const used = session.context.runtime.memory.used;
    await session.call('prog.code', { fd });
    expect(session.context.runtime.memory.used).toBe(used);
  });

  it('hold a map as long as the program lives', async () => {
    const session = fresh();
    const [prog, mapFd] = [await program(session), await map(session)];
    await session.call('prog.bindMap', { fd: prog, mapFd });
    await session.call('prog.bindMap', { fd: prog, mapFd });
    await session.call('object.close', { fd: mapFd });
    expect(await progInfo(session, prog)).toMatchObject({ mapIds: [1] });
    await session.call('object.close', { fd: prog });
    expect(census(session)).toEqual(NOTHING);
    expect(await outcome(session, 'prog.bindMap', { fd: prog, mapFd })).toBe('EBADF');
  });
});
