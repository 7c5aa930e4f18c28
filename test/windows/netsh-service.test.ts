// netsh against a service: what one command adds, another shows and deletes.
import { describe, expect, test } from 'vitest';
import { anybpf } from '../cli/support.ts';
import { served } from '../service/support.ts';
import { programFile } from './support.ts';

describe('netsh over a service', () => {
  test('a program that is pinned stays attached when the command has ended', async () => {
    const { socket } = await served();
    const netsh = async (...words: readonly string[]) => {
      const { code, out, err } = await anybpf(['netsh', '--socket', socket, 'ebpf', ...words]);
      expect(err).toBe('');
      return { code, out };
    };
    expect(await netsh('add', 'program', programFile('droppacket.o'), 'pinpath=kept')).toEqual({
      code: 0,
      out: 'Loaded with ID 1\n',
    });
    expect((await netsh('show', 'programs')).out).toContain(
      '     1     1      1  JIT        xdp            DropPacket\n',
    );
    expect((await netsh('show', 'pins')).out).toContain('      1  Program  BPF:\\kept\n');
    expect((await netsh('show', 'links')).out).toMatch(/\n {6}\d+ {8}1 {2}xdp\n$/);
    expect((await netsh('delete', 'program', '1')).out).toBe('Unpinned 1 from BPF:\\kept\n');
    for (const noun of ['programs', 'links', 'maps', 'pins'])
      expect((await netsh('show', noun)).out.endsWith('==\n')).toBe(true);
  });

  test('without one, it says how one is started', async () => {
    const { code, err } = await anybpf(['netsh', '--socket', '/nonexistent/socket', 'ebpf', 'show', 'programs']);
    expect(code).not.toBe(0);
    expect(err).toMatch(/anybpf service start/);
  });
});
