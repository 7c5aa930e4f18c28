// The verb `anybpf netsh`: its grammar, scripts, exit codes, and modules with a hash.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { main } from '../../src/cli/main.ts';
import { matching, parseTags } from '../../src/cli/netsh/grammar.ts';
import { wordsOf } from '../../src/cli/netsh/netsh.ts';
import { createRuntime } from '../../src/context/create.ts';
import { anybpf } from '../cli/support.ts';
import { programFile } from './support.ts';

/** Runs the command over a context of its own, with these lines on standard input. */
async function netsh(argv: readonly string[], script = '') {
  const runtime = createRuntime();
  let out = '';
  let err = '';
  try {
    const code = await main(['netsh', ...argv], {
      stdout: { write: (text) => (out += String(text)) },
      stderr: { write: (text) => (err += String(text)) },
      stdin: (async function* () {
        yield new TextEncoder().encode(script);
      })(),
      env: {},
      now: () => 0,
      session: async () => runtime.context.session(),
    });
    return { code, out, err };
  } finally {
    runtime.context[Symbol.dispose]();
  }
}

describe('words', () => {
  test.each([
    [['ebpf', 'show', 'sections', programFile('bpf.o')], 0],
    [['EBPF', 'sh', 'sec', `file=${programFile('bpf.o')}`], 0],
    [['e', 'sh', 'sec', programFile('bpf.o'), 'l=v'], 0],
    [['ebpf', 'show', 'sections', 'nosuchfile.o'], 1],
    [['ebpf', 'show'], 0],
    [['ebpf', 'show', 'sections', '?'], 0],
    [[], 0],
  ])('%j ends with %i', async (argv, code) => {
    expect(await netsh(argv)).toMatchObject({ code });
  });

  test.each([
    [['wlan', 'show'], /command was not found: wlan show/],
    [['ebpf', 'frob'], /command was not found: ebpf frob/],
    [['ebpf', 's', 'sections'], /s is short for more than one: set, show/],
    [['ebpf', 'show', 'p'], /p is short for more than one: pins, processes, programs/],
    [['ebpf', 'show', 'sections'], /essential parameters were not entered \(filename\)/],
    [['ebpf', 'show', 'sections', 'a', 'b', 'verbose', 'c'], /c is not a valid argument/],
    [['ebpf', 'show', 'sections', 'a', 'colour=red'], /colour=red is not a valid argument/],
    [['ebpf', 'show', 'sections', 'a', 'level=loud'], /loud is not an acceptable value for level/],
    [['ebpf', 'show', 'sections', 'a', 'filename=b'], /filename is given twice/],
    [['ebpf', 'delete', 'program', 'x'], /x is not an acceptable value for id: a number/],
    [['ebpf', 'add', 'program', 'a.o', 'type=nonsense'], /nonsense is not an acceptable value for type/],
  ])('%j', async (argv, message) => {
    const { code, out, err } = await netsh(argv);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(message);
  });

  test('quotes hold words together', () => {
    expect(wordsOf('add program x.o interface="Loopback Pseudo-Interface 1" ""')).toEqual([
      'add',
      'program',
      'x.o',
      'interface=Loopback Pseudo-Interface 1',
      '',
    ]);
  });

  test('any values are taken by the tags or refused in words', () => {
    const tags = {
      filename: { required: true },
      level: { values: ['normal', 'verbose'] },
      id: { number: true },
    } as const;
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 12 }), { maxLength: 5 }), (words) => {
        try {
          const { filename, level, id } = parseTags(tags, words);
          expect(typeof filename).toBe('string');
          expect([undefined, 'normal', 'verbose']).toContain(level);
          expect(id === undefined || Number.isInteger(Number(id))).toBe(true);
        } catch (error) {
          if (!(error instanceof AnyBpfError)) throw error;
          expect(error.code).toBe('cli/netsh-syntax');
        }
      }),
      { numRuns: 100 },
    );
  });

  test('what is the same counts before what begins so', () => {
    expect(matching(['pin', 'pinned', 'pinpath'], 'pin')).toEqual(['pin']);
    expect(matching(['pinned', 'pinpath'], 'PIN')).toEqual(['pinned', 'pinpath']);
  });
});

describe('scripts', () => {
  const droppacket = programFile('droppacket.o');

  test('run line by line in one session; the exit code tells of any that failed', async () => {
    const script = [
      '# a comment',
      `ebpf add program ${droppacket} pinned=none`,
      'ebpf show programs',
      'ebpf delete program 99',
      'ebpf delete program 1',
      '',
    ];
    const { code, out, err } = await netsh(['-f', '-'], script.join('\n'));
    expect([code, err]).toEqual([1, 'Program not found\n']);
    expect(out).toMatch(/^Loaded with ID 1\n\n.*\n=.*\n {5}1 {5}0 {6}1 {2}JIT {8}xdp {12}DropPacket\n$/s);
  });

  test('a line that is no command is told with its number', async () => {
    const { code, err } = await netsh(['-f', '-'], 'ebpf show maps\nebpf nonsense\n');
    expect(code).toBe(2);
    expect(err).toContain('-:2');
  });

  test('what was not pinned goes with the command', async () => {
    const { out } = await netsh(
      ['-f', '-'],
      `ebpf add program ${droppacket} pinpath=kept\nebpf add program ${droppacket} pinned=none interface=5\n`,
    );
    expect(out).toBe('Loaded with ID 1\nLoaded with ID 2\n');
  });

  test('an object that is not loaded leaves nothing behind', async () => {
    const script = `ebpf add program ${droppacket} pinpath=p\nebpf add program ${droppacket} pinpath=p interface=7\nebpf show programs\nebpf show links\n`;
    const { code, out, err } = await netsh(['-f', '-'], script);
    expect([code, err]).toEqual([1, 'error 17: could not pin to p\n']);
    expect(out.match(/DropPacket/g)).toHaveLength(1);
    expect(out.match(/^ {6}\d+ {8}\d+ {2}xdp$/gm)).toHaveLength(1);
  });
});

test('a module that was compiled ahead of time has a hash', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'anybpf-hash-'));
  try {
    const module = path.join(folder, 'm.wasm');
    const compiled = await anybpf(['compile', programFile('droppacket.o'), '-o', module, '--json']);
    expect(compiled.err).toBe('');
    const { digest } = JSON.parse(compiled.out) as { digest: string };
    const { out } = await netsh(['ebpf', 'show', 'hash', module]);
    const bytes = digest.match(/../g) ?? [];
    expect(out).toBe(
      `Hash for ${module}:\nSize: 32 bytes\nData: ${bytes.slice(0, 16).join(' ')} \n      ${bytes.slice(16).join(' ')}\n`,
    );
    expect((await netsh(['ebpf', 'show', 'hash', module, 'hashonly'])).out).toBe(`${digest.toUpperCase()}\n`);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
