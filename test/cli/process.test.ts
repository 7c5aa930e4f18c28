// The command as a process of its own, as it is built.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { builtCommand } from '../support/built.ts';
import { PROJECT_ROOT } from '../support/shared.ts';
import { CAPTURE, example } from './support.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'anybpf-'));
afterAll(() => rmSync(folder, { recursive: true }));

const run = (argv: readonly string[], input?: Uint8Array) =>
  spawnSync(process.execPath, [builtCommand(), ...argv], {
    cwd: PROJECT_ROOT,
    encoding: 'utf8',
    ...(input && { input }),
  });

describe('bin/anybpf.mjs', () => {
  test('what npm start runs', () => {
    const { scripts } = JSON.parse(readFileSync(path.join(PROJECT_ROOT, 'package.json'), 'utf8'));
    const [node, bin, ...argv] = scripts.start.split(' ') as string[];
    expect([node, bin]).toEqual(['node', 'bin/anybpf.mjs']);
    const { status, stdout, stderr } = run(argv);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/XDP_DROP +46 +7,389 +23\.0 %/);
    expect(stdout).not.toContain('\u001b');
  });

  test.each([
    [0, ['--version']],
    [1, ['run', example('drop-port'), '--pcap', CAPTURE, '--budget', '1']],
    [2, ['dump', 'absent.o']],
  ])('exit code %i', (code, argv) => {
    const { status, stdout, stderr } = run(argv);
    expect(status).toBe(code);
    expect(code === 0 ? stderr : stdout).toBe('');
  });

  test('the capture of the examples is what its script writes', (context) => {
    // The script is of the checkout, and uses what `npm install` has built there.
    if (!existsSync(path.join(PROJECT_ROOT, 'dist'))) context.skip('dist/ is not built: npm run build');
    const argv = [path.join(PROJECT_ROOT, 'scripts', 'make-capture.mjs'), '--check'];
    expect(spawnSync(process.execPath, argv, { encoding: 'utf8' })).toMatchObject({ status: 0 });
  });

  test('a capture through a pipe', () => {
    const { status, stdout } = run(['run', example('counters'), '--pcap', '-'], readFileSync(CAPTURE));
    expect(status).toBe(0);
    expect(stdout).toContain('TC_ACT_OK');
  });

  test('a reader that goes away is no error', async () => {
    const child = spawn(process.execPath, [builtCommand(), 'disasm', example('tail-parser')], { cwd: PROJECT_ROOT });
    let complaint = '';
    child.stderr.on('data', (text) => (complaint += text));
    child.stdout.destroy();
    const [code, signal] = await new Promise<[number | null, string | null]>((done) =>
      child.on('exit', (...end) => done(end)),
    );
    expect({ code, signal, complaint }).toEqual({ code: 0, signal: null, complaint: '' });
  });

  test('an interrupted run leaves no file behind', async () => {
    const out = path.join(folder, 'out.pcapng');
    const argv = [builtCommand(), 'run', example('counters'), '--pcap', '-', '--out', out];
    const child = spawn(process.execPath, argv, { cwd: PROJECT_ROOT, stdio: ['pipe', 'ignore', 'ignore'] });
    const ended = new Promise((done) => child.on('exit', (...end) => done(end)));
    // More never comes: the run waits for it.
    child.stdin.write(readFileSync(CAPTURE));
    while (readdirSync(folder).length === 0) await new Promise((later) => setTimeout(later, 20));
    expect(existsSync(out)).toBe(false);
    child.kill('SIGINT');
    expect(await ended).toEqual([null, 'SIGINT']);
    expect(readdirSync(folder)).toEqual([]);
  });
});
