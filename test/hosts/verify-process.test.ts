// The verifier in a process of its own, as it is built: what it answers, how it ends, and what it cannot do.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { createVerifierProcess, type VerifierProcessOptions } from '../../src/hosts/node/verify-process.ts';
import type { VerifierMessage } from '../../src/hosts/verifier/protocol.ts';
import { serve } from '../../src/hosts/verifier/serve.ts';
import type { VerifyRecord } from '../../src/verify/report/record.ts';
import { built } from '../support/built.ts';
import { BAD, GOOD, objectOf, paths } from './verifier-objects.ts';

const root = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'anybpf-verifier-'));

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const verifierOf = (options: VerifierProcessOptions = {}) =>
  createVerifierProcess({ entry: built('hosts/node/verify-child.js'), ...options });

/** A process that runs this in place of the verifier; `send(message)` and `finish()` answer the request that came in. */
function impostor(name: string, onRequest: string): URL {
  const entry = built(`hosts/node/${name}.js`);
  writeFileSync(
    entry,
    `import { writeSync } from 'node:fs';
import { encodeMessage } from './frames.js';
const send = (message) => writeSync(1, encodeMessage(message));
process.stdin.on('data', async (piece) => { ${onRequest} });`,
  );
  return entry;
}

/** Answers as the verifier does, but for `hostile`, where it does this. */
const verifying = (name: string, deed: string): URL =>
  impostor(
    name,
    `const { serve } = await import('../verifier/serve.js');
    const { decodeRequest } = await import('./frames.js');
    let names = [];
    serve(decodeRequest(piece.subarray(4)), (message) => {
      send(message);
      if (message.kind === 'programs') names = message.programs;
      if (message.kind === 'begin' && names[message.program].name === 'hostile') { ${deed} }
    });`,
  );

const verdicts = (records: readonly VerifyRecord[]) => records.map(({ program, verdict }) => [program, verdict]);

const codeOf = async (answer: Promise<unknown>): Promise<string | undefined> => {
  try {
    await answer;
    return undefined;
  } catch (error) {
    if (error instanceof AnyBpfError) return error.diagnostic.code;
    throw error;
  }
};

const withoutTime = (records: readonly VerifyRecord[]) => records.map((record) => ({ ...record, microseconds: 0 }));

/** More than any machine can do in a test's time. */
const endless = { visits: 1e12, time: 1e9 };

describe('answers', () => {
  test.each(['drop-port', 'tail-parser'])('are those of the verifier itself: %s', async (example) => {
    const object = readFileSync(join(root, 'examples', example, `${example.replace('-', '_')}.bpf.o`));
    const messages: VerifierMessage[] = [];
    serve({ object, name: 'x.o' }, (message) => messages.push(message));
    const own = messages.flatMap((message) => (message.kind === 'verdict' ? [message.record] : []));
    expect(own.length).toBeGreaterThan(0);
    using verifier = verifierOf();
    expect(withoutTime(await verifier.verify({ object, name: 'x.o' }))).toEqual(withoutTime(own));
  });

  test('of one process, one after the other, and only of programs that are asked for', async () => {
    using verifier = verifierOf();
    const object = objectOf({ good: GOOD, bad: BAD });
    const [all, one] = await Promise.all([
      verifier.verify({ object }),
      verifier.verify({ object, programs: ['socket/bad'], limits: { visits: 100, time: 100 } }),
    ]);
    expect(all.map(({ program, verdict }) => [program, verdict])).toEqual([
      ['good', 'accepted'],
      ['bad', 'refused'],
    ]);
    expect(one).toMatchObject([{ program: 'bad', verdict: 'refused', instruction: { slot: 0 } }]);
    const { pid } = verifier;
    expect(await codeOf(verifier.verify({ object, programs: ['none'] }))).toBe('cli/program');
    expect(await codeOf(verifier.verify({ object: object.subarray(0, 100) }))).toMatch(/^elf\//);
    expect(await codeOf(verifier.verify({ object, kernelTypes: new Uint8Array(3) }))).toMatch(/^btf\//);
    expect(await verifier.verify({ object, programs: ['good'] })).toMatchObject([{ verdict: 'accepted' }]);
    expect(verifier.pid).toBe(pid);
  });
});

describe('limits', () => {
  const object = objectOf({ first: GOOD, hostile: paths(30), last: GOOD });
  const expected = [
    ['first', 'accepted'],
    ['hostile', 'budget'],
    ['last', 'accepted'],
  ];
  test('a program that takes all the time', async () => {
    using verifier = verifierOf({ entry: verifying('hangs', 'for (;;);'), time: 500 });
    const start = performance.now();
    const records = await verifier.verify({ object });
    expect(verdicts(records)).toEqual(expected);
    expect(records[1]).toMatchObject({ code: 'verify/budget', message: expect.stringContaining('500 milliseconds') });
    // Two processes and their start, on a machine that has other things to do.
    expect(performance.now() - start).toBeLessThan(10_000);
  });

  test.each([
    ['objects', 'const all = []; for (;;) all.push({ all: [1, 2, 3] });'],
    ['buffers', 'const all = []; for (;;) { all.push(new Uint8Array(2 ** 22).fill(1)); }'],
  ])('a program that takes all the memory, as %s', async (what, deed) => {
    if (what === 'buffers' && process.platform !== 'linux') return;
    using verifier = verifierOf({ entry: verifying(what, deed), memory: 32, time: 25_000 });
    const records = await verifier.verify({ object });
    expect(verdicts(records)).toEqual(expected);
    expect(records[1].message).toContain('bytes of memory');
  });

  test('a program that costs much', async () => {
    using verifier = verifierOf({ time: 300 });
    const [first, hostile, last] = await verifier.verify({ object, limits: endless });
    expect([first.verdict, last.verdict]).toEqual(['accepted', 'accepted']);
    expect(hostile.verdict).not.toBe('refused');
  });

  test('within its own limits it is not killed', async () => {
    using verifier = verifierOf();
    expect(verdicts(await verifier.verify({ object, limits: { visits: 1000, time: 5000 } }))).toEqual(expected);
    const { pid } = verifier;
    await verifier.verify({ object, programs: ['first'] });
    expect(verifier.pid).toBe(pid);
  });

  test('an input that is too large', async () => {
    using verifier = verifierOf({ input: 100 });
    expect(await codeOf(verifier.verify({ object }))).toBe('verify/process-input');
  });
});

describe('ends', () => {
  const object = objectOf({ good: GOOD });

  test('one that is killed says so, and the next request has another', async () => {
    using verifier = verifierOf({ entry: verifying('hangs-again', 'for (;;);') });
    await verifier.verify({ object });
    const first = verifier.pid as number;
    const code = codeOf(verifier.verify({ object: objectOf({ hostile: GOOD }) }));
    setTimeout(() => process.kill(first, 'SIGKILL'), 200);
    expect(await code).toBe('verify/process');
    expect(verifier.pid).toBeUndefined();
    expect(await verifier.verify({ object })).toMatchObject([{ verdict: 'accepted' }]);
    expect(verifier.pid).not.toBe(first);
  });

  test('one that is killed while it is idle', async () => {
    using verifier = verifierOf();
    await verifier.verify({ object });
    process.kill(verifier.pid as number, 'SIGKILL');
    while (verifier.pid !== undefined) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(await verifier.verify({ object })).toMatchObject([{ verdict: 'accepted' }]);
  });

  test('disposed of in the middle of a request', async () => {
    const verifier = verifierOf({ entry: verifying('hangs-too', 'for (;;);') });
    const code = codeOf(verifier.verify({ object: objectOf({ hostile: GOOD }) }));
    setTimeout(() => verifier[Symbol.dispose](), 300);
    expect(await code).toBe('verify/process');
    expect(await codeOf(verifier.verify({ object }))).toBe('verify/process');
  });

  test.each([
    ['an exit', 'process.exit(3)', 'verify/process'],
    ['no JSON', 'writeSync(1, new Uint8Array([2, 0, 0, 0, 1, 2]))', 'verify/process-answer'],
    ['a length beyond all', 'writeSync(1, new Uint8Array([255, 255, 255, 255]))', 'verify/process-answer'],
    ['a form that is none', `send({ kind: 'verdict', program: 0, record: {} })`, 'verify/process-answer'],
    ['a verdict that nobody asked for', `send({ kind: 'begin', program: 5 })`, 'verify/process-answer'],
    [
      'an end without verdicts',
      `send({ kind: 'programs', programs: [{ name: 'a', section: '', type: '' }] }); send({ kind: 'done' })`,
      'verify/process-answer',
    ],
  ])('%s', async (name, onRequest, code) => {
    using verifier = verifierOf({ entry: impostor(name.replaceAll(' ', '-'), onRequest) });
    expect(await codeOf(verifier.verify({ object }))).toBe(code);
  });

  test('does not keep the application alive', () => {
    const script = `
      import { createVerifierProcess } from ${JSON.stringify(built('hosts/node/verify-process.js').href)};
      const object = Uint8Array.from(${JSON.stringify([...object])});
      console.log((await createVerifierProcess().verify({ object }))[0].verdict);`;
    const out = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
      timeout: 20_000,
    });
    expect(out).toBe('accepted\n');
  });
});

/** The command, as it is built. */
const run = (...argv: readonly string[]) => {
  const script = `import { main } from ${JSON.stringify(built('cli/main.js').href)};
    process.exitCode = await main(${JSON.stringify(argv)});`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    cwd: folder,
    encoding: 'utf8',
    timeout: 30_000,
  });
  return { status, stdout: stdout.replace(/[\d.]+ ms/g, 'TIME'), stderr };
};

describe('anybpf verify', () => {
  beforeAll(() => {
    writeFileSync(join(folder, 'both.o'), objectOf({ good: GOOD, bad: BAD }));
    writeFileSync(join(folder, 'none.o'), 'not an object');
  });

  test.each([
    [['both.o'], 1],
    [['both.o', '--program', 'good'], 0],
    [['both.o', '--program', 'none'], 2],
    [['none.o'], 2],
    [['both.o', '--target', 'windows'], 1],
  ] as const)('says the same from its process and in this one: %j', (argv, status) => {
    const beside = run('verify', ...argv);
    expect(beside).toEqual(run('verify', ...argv, '--in-process'));
    expect(beside.status).toBe(status);
  });
});

test('it can do nothing else', async () => {
  const server = createServer((socket) => socket.end('reached')).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { readonly port: number };
  const onRequest = `
    const attempt = async (what) => { try { return await what(); } catch (error) { return error.code ?? error.name; } };
    const { readFileSync, writeFileSync, readdirSync, readlinkSync } = await import('node:fs');
    const net = await import('node:net');
    const tried = {
      read: await attempt(() => readFileSync('/etc/passwd', 'latin1').length),
      list: await attempt(() => readdirSync('/').length),
      write: await attempt(() => writeFileSync('/tmp/anybpf-escaped', '')),
      spawn: await attempt(async () => (await import('node:child_process')).execFileSync('/bin/true').length),
      worker: await attempt(async () => new (await import('node:worker_threads')).Worker('', { eval: true }) && 'started'),
      addon: await attempt(() => process.dlopen({ exports: {} }, '/none.node')),
      network: await attempt(() => new Promise((resolve, reject) => {
        net.connect(${port}, '127.0.0.1').on('connect', () => resolve('connected')).on('error', reject);
      })),
      environment: Object.keys(process.env),
    };
    send({ kind: 'bug', stack: JSON.stringify(tried) });`;
  try {
    using verifier = verifierOf({ entry: impostor('probe', onRequest) });
    const error = await verifier.verify({ object: objectOf({ good: GOOD }) }).catch((reason: unknown) => reason);
    const tried = JSON.parse((error as Error).message.split('\n')[1]) as Record<string, unknown>;
    const { permissions, network } = verifier.confinement;
    expect(tried.environment).toEqual([]);
    if (permissions) {
      const names = ['read', 'list', 'write', 'spawn', 'worker', 'addon'];
      expect(Object.fromEntries(names.map((name) => [name, tried[name]]))).toEqual(
        Object.fromEntries(names.map((name) => [name, name === 'addon' ? 'ERR_DLOPEN_DISABLED' : 'ERR_ACCESS_DENIED'])),
      );
    } else console.warn('this Node has no permission model: files and processes are not taken away');
    if (network) expect(tried.network).toMatch(/ENETUNREACH|ECONNREFUSED/);
    else console.warn('this system gives no network namespace: the network is not taken away');
  } finally {
    server.close();
  }
});
