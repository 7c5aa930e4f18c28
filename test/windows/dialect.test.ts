// What Windows' programs and maps do otherwise than Linux's.
import { describe, expect, test } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { createRuntime } from '../../src/context/create.ts';
import type { ContextSession } from '../../src/context/session.ts';
import { assemble } from '../../src/isa/assembler.ts';
import { errnoName } from '../../src/spec/errno.ts';
import type { MapTypeName } from '../../src/spec/map-types.ts';
import type { ProgramTypeName } from '../../src/spec/program-types.ts';
import { MAP_TYPES } from '../../src/spec/map-types.ts';

const u32 = (value: number): Uint8Array => Uint8Array.from([0, 8, 16, 24], (shift) => (value >>> shift) & 0xff);

/** The name of the errno of a refusal, the code where it has none; `ok`. */
async function outcome(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'ok';
  } catch (error) {
    if (!(error instanceof AnyBpfError)) throw error;
    const { errno } = error.diagnostic;
    return errno === undefined ? error.code : errnoName(-errno);
  }
}

const createMap = (session: ContextSession, type: MapTypeName, more: object = {}) =>
  session.call('map.create', { name: 'm', type, keySize: 4, valueSize: 4, maxEntries: 2, dialect: 'windows', ...more });

const loadText = (session: ContextSession, type: ProgramTypeName, text: string) =>
  session.call('prog.load', { name: 'p', type, code: assemble(text).code, license: '', dialect: 'windows' });

/** Runs a program that calls a helper of maps with a key, a value and flags; gives what the helper gives. */
async function mapHelper(session: ContextSession, fd: number, helper: number, key: number, flags: number) {
  const text = `*(u32 *)(r10 - 4) = ${key}
*(u32 *)(r10 - 8) = 9
r2 = r10
r2 += -4
r3 = r10
r3 += -8
r4 = ${flags}
r1 = map_by_fd(${fd}) ll
call ${helper}
exit`;
  const { fd: prog } = await loadText(session, 'bind', text);
  const { retval } = await session.call('prog.testRun', { fd: prog });
  return retval | 0;
}

describe('helpers of maps give -EBPF_*', () => {
  test.each([
    ['update, as it is', 2, 1, 0, 0],
    ['update of what is there, as new (KEY_ALREADY_EXISTS)', 2, 0, 1, -26],
    ['update of what is not there, as old (KEY_NOT_FOUND)', 2, 1, 2, -19],
    ['update with flags that are none (INVALID_ARGUMENT)', 2, 1, 77, -6],
    ['delete of what is there', 3, 0, 0, 0],
    ['delete of what is not there (KEY_NOT_FOUND)', 3, 5, 0, -19],
  ])('%s', async (_, helper, key, flags, expected) => {
    using context = createRuntime().context;
    const session = context.session();
    const { fd } = await createMap(session, 'hash');
    await session.call('map.update', { fd, key: u32(0), value: u32(1) });
    expect(await mapHelper(session, fd, helper, key, flags)).toBe(expected);
  });

  test('update of a map that is full (OUT_OF_SPACE)', async () => {
    using context = createRuntime().context;
    const session = context.session();
    const { fd } = await createMap(session, 'hash');
    for (const key of [0, 1]) await session.call('map.update', { fd, key: u32(key), value: u32(1) });
    expect(await mapHelper(session, fd, 2, 7, 0)).toBe(-29);
  });
});

describe('maps', () => {
  test('have no flags', async () => {
    using context = createRuntime().context;
    const session = context.session();
    expect(await outcome(createMap(session, 'hash', { flags: 1 }))).toBe('EINVAL');
    expect(await outcome(createMap(session, 'hash', { numaNode: 0 }))).toBe('EINVAL');
    expect(await outcome(createMap(session, 'hash', { flags: 1, dialect: 'linux' }))).toBe('ok');
  });

  test('of types that only Linux has are not made', async () => {
    using context = createRuntime().context;
    const session = context.session();
    for (const type of ['bloom_filter', 'devmap', 'sk_storage', 'stack_trace'] as const) {
      expect('windows' in MAP_TYPES[type]).toBe(false);
      expect(await outcome(createMap(session, type))).not.toBe('ok');
    }
  });

  test('lookups of applications leave an LRU map’s order alone', async () => {
    using context = createRuntime().context;
    const session = context.session();
    const { fd } = await createMap(session, 'lru_hash');
    for (const key of [0, 1]) await session.call('map.update', { fd, key: u32(key), value: u32(key) });
    for (let i = 0; i < 8; i++) await session.call('map.lookup', { fd, key: u32(0) });
    await session.call('map.update', { fd, key: u32(2), value: u32(2) });
    expect(await outcome(session.call('map.lookup', { fd, key: u32(0) }))).toBe('ENOENT');
  });

  test('programs of an array have the type of the program that uses it', async () => {
    using context = createRuntime().context;
    const session = context.session();
    const { fd: map } = await createMap(session, 'prog_array');
    const text = `r2 = map_by_fd(${map}) ll\nr3 = 0\ncall 5\nr0 = 0\nexit`;
    await loadText(session, 'bind', text);
    const same = await loadText(session, 'bind', 'r0 = 0\nexit');
    const other = await loadText(session, 'xdp', 'r0 = 1\nexit');
    expect(await outcome(session.call('map.update', { fd: map, key: u32(0), value: u32(same.fd) }))).toBe('ok');
    expect(await outcome(session.call('map.update', { fd: map, key: u32(1), value: u32(other.fd) }))).toBe('EINVAL');
  });
});

const redirect = (map: number): string => `r1 = map_by_fd(${map}) ll\nr2 = 0\nr3 = 0\ncall 35\nr0 = 0\nexit`;

describe('programs', () => {
  const COOKIE = 'call 26\nr0 = 0\nexit';

  test.each([
    ['cgroup_sock_addr', 'ok'],
    ['bind', 'EINVAL'],
    ['xdp', 'EINVAL'],
    ['sock_ops', 'EINVAL'],
  ] as const)('bpf_get_socket_cookie in %s: %s', async (type, expected) => {
    using context = createRuntime().context;
    expect(await outcome(loadText(context.session(), type, COOKIE))).toBe(expected);
  });

  test.each([
    ['xdp', 'ok'],
    ['bind', 'EINVAL'],
    ['cgroup_sock_addr', 'EINVAL'],
  ] as const)('bpf_redirect_map in %s: %s', async (type, expected) => {
    using context = createRuntime().context;
    const session = context.session();
    const { fd } = await createMap(session, 'xskmap');
    expect(await outcome(loadText(session, type, redirect(fd)))).toBe(expected);
  });

  test.each([
    ['an address is returned', 'r0 = r1\nexit', 'EINVAL'],
    [
      'an address is a number for a person',
      '*(u64 *)(r10 - 8) = 0\nr3 = r1\nr1 = r10\nr1 += -8\nr2 = 8\ncall 13\nr0 = 0\nexit',
      'EACCES',
    ],
    ['stack that was not stored to', 'r0 = *(u64 *)(r10 - 8)\nexit', 'EACCES'],
    ['any number is returned', 'r0 = 77\nexit', 'ok'],
    ['two fields of the context at once', 'r0 = *(u64 *)(r1 + 40)\nexit', 'ok'],
    ['a field that means nothing is stored to', '*(u32 *)(r1 + 52) = 5\nr0 = 0\nexit', 'ok'],
    ['a pointer of the context is stored to', 'r2 = 0\n*(u64 *)(r1 + 0) = r2\nr0 = 0\nexit', 'EACCES'],
    ['half of a pointer of the context', 'r0 = *(u32 *)(r1 + 4)\nexit', 'EACCES'],
    ['beyond the context', 'r0 = *(u64 *)(r1 + 56)\nexit', 'EACCES'],
  ])('%s: %s', async (_, text, expected) => {
    using context = createRuntime().context;
    expect(await outcome(loadText(context.session(), 'bind', text))).toBe(expected);
  });
});
