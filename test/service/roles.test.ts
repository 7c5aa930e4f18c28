// Every method with every role; where a connection's role comes from.
import { chmodSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { connect } from '../../src/client/connect.ts';
import type { ServiceSession } from '../../src/client/session.ts';
import { SERVICE_ROLES, type ServiceMethodName, type ServiceMethods } from '../../src/service/protocol.ts';
import { METHOD_ROLES, type MethodName, type Role, ROLES } from '../../src/spec/session.ts';
import { readTokens } from '../../src/service/tokens.ts';
import { served, temporaryFolder } from './support.ts';

/** Code of the error that a call ends with; undefined where it ends well. */
const codeOf = async (call: Promise<unknown>): Promise<string | undefined> => {
  try {
    await call;
    return undefined;
  } catch (error) {
    if (!(error instanceof AnyBpfError)) throw error;
    return error.code;
  }
};

const mode = (file: string): string => (statSync(file).mode & 0o777).toString(8);

const METHODS = Object.keys(METHOD_ROLES) as MethodName[];
const rank = (role: Role): number => ROLES.indexOf(role);

/** What methods need beside the role, and what is said then of a service that has no live interfaces. */
const GIVEN: { readonly [M in ServiceMethodName]?: ServiceMethods[M]['params'] } = {
  'live.open': { device: 'none', driver: 'af_packet' },
  'live.close': { device: 'none' },
};
const LATER: { readonly [M in ServiceMethodName]?: string } = {
  'live.open': 'service/not-here',
  'live.close': 'service/not-here',
};

describe.each(ROLES)('role %s', (role) => {
  test.each(METHODS)('%s', async (method) => {
    const { connect: open } = await served();
    const session = await open({ role });
    expect(session.role).toBe(role);
    const code = await codeOf(session.call(method, {} as never));
    const allowed = rank(role) >= rank(METHOD_ROLES[method]);
    if (allowed) expect(code).not.toBe('service/role');
    else expect(code).toBe('service/role');
  });

  test.each(Object.entries(SERVICE_ROLES) as [ServiceMethodName, Role][])('%s', async (method, needed) => {
    const { connect: open } = await served();
    const code = await codeOf((await open({ role })).ask(method, GIVEN[method] ?? {}));
    expect(code).toBe(rank(role) >= rank(needed) ? LATER[method] : 'service/role');
  });

  test('map.lookupBatch that takes out', async () => {
    const { connect: open } = await served();
    const owner = await open();
    const { fd } = await owner.call('map.create', { name: 'm', type: 'hash', keySize: 4, valueSize: 4, maxEntries: 4 });
    const { id } = await owner.call('object.info', { fd });
    const session = await open({ role });
    const mine = await session.call('object.open', { kind: 'map', id });
    expect(await codeOf(session.call('map.lookupBatch', { fd: mine.fd, count: 4 }))).toBeUndefined();
    const taking = await codeOf(session.call('map.lookupBatch', { fd: mine.fd, count: 4, remove: true }));
    expect(taking).toBe(role === 'read' ? 'service/role' : undefined);
  });
});

describe('where a role comes from', () => {
  const own = process.getgid?.();

  test('the socket of a group gives its role, and a wish gives no more', async (context) => {
    if (own === undefined) context.skip('this system has no groups');
    const folder = path.join(temporaryFolder(), 'run');
    const socket = path.join(folder, 'service.sock');
    await served({ socket, group: { name: String(own), role: 'load' } });
    const second = path.join(folder, 'load.sock');
    expect((await connect({ socket: second })).role).toBe('load');
    expect((await connect({ socket: second, role: 'admin' })).role).toBe('load');
    expect((await connect({ socket: second, role: 'read' })).role).toBe('read');
    expect((await connect({ socket })).role).toBe('admin');
    expect([folder, socket, second].map(mode)).toEqual(['710', '600', '660']);
    expect(statSync(second).gid).toBe(own);
  });

  test('the folder is for its owner only', async () => {
    const folder = path.join(temporaryFolder(), 'made', 'here');
    await served({ socket: path.join(folder, 's') });
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(statSync(path.join(folder, 's')).mode & 0o777).toBe(0o600);
  });

  describe('tokens', () => {
    const READ = 'r'.repeat(20);
    const ADMIN = 'a'.repeat(20);
    const tokens = (): ((token: string) => Role | undefined) => {
      const file = path.join(temporaryFolder(), 'tokens');
      writeFileSync(file, `# who may what\n\nread ${READ}\nadmin ${ADMIN}\n`, { mode: 0o600 });
      return readTokens(file);
    };

    test.each<[string | undefined, Role | undefined, Role | string]>([
      [undefined, undefined, 'service/token'],
      ['b'.repeat(20), undefined, 'service/token'],
      [READ, undefined, 'read'],
      [READ, 'admin', 'read'],
      [ADMIN, undefined, 'admin'],
      [ADMIN, 'load', 'load'],
    ])('token %s, wish %s: %s', async (token, role, expected) => {
      const { socket } = await served({ tokenRole: tokens() });
      const wishes = { ...(token === undefined ? {} : { token }), ...(role === undefined ? {} : { role }) };
      let session: ServiceSession | undefined;
      const code = await codeOf(connect({ socket, ...wishes }).then((opened) => (session = opened)));
      expect(session?.role ?? code).toBe(expected);
    });

    test.each([
      ['a role that is none', 'root aaaaaaaaaaaaaaaaaaaa\n', 0o600],
      ['a short token', 'read a\n', 0o600],
      ['three words', `read ${READ} x\n`, 0o600],
      ['a file for all', `read ${READ}\n`, 0o644],
    ])('%s', (_what, text, mode) => {
      const file = path.join(temporaryFolder(), 'tokens');
      writeFileSync(file, text);
      chmodSync(file, mode);
      expect(() => readTokens(file)).toThrow(expect.objectContaining({ code: 'service/start' }));
    });
  });
});
