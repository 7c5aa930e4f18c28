// netsh against a service: what one command adds, another shows and deletes.
import { readFileSync } from 'node:fs';
import process from 'node:process';
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

  test('processes are shown as long as they have handles', async () => {
    const { socket, connect } = await served();
    const shown = async () => (await anybpf(['netsh', '--socket', socket, 'ebpf', 'show', 'processes'])).out;
    const line = new RegExp(`^ *${process.pid}  .+$`, 'm');
    expect(await shown()).not.toMatch(line);
    const session = await connect();
    const { fd } = await session.call('map.create', {
      name: 'm',
      type: 'array',
      keySize: 4,
      valueSize: 4,
      maxEntries: 1,
    });
    const other = await connect();
    const { id } = await session.call('object.info', { fd });
    const held = await other.call('object.open', { kind: 'map', id });
    expect(await session.call('object.info', { fd, holders: true })).toMatchObject({ holders: [process.pid] });
    expect(await shown()).toMatch(line);
    await session.close();
    expect(await other.call('object.info', { fd: held.fd, holders: true })).toMatchObject({ holders: [] });
    expect(await shown()).toMatch(line);
    await other.close();
    expect(await shown()).not.toMatch(line);
  });

  test('what programs print is shown until an interrupt', async () => {
    const { socket, connect } = await served();
    const session = await connect();
    const object = readFileSync(programFile('hello_world.o'));
    const { programs } = await session.call('object.load', { object, name: 'hello_world.o' });
    await session.call('link.create', { fd: programs[0].fd, attachType: 'bind', target: {} });
    const before = process.listenerCount('SIGINT');
    const shown = anybpf(['netsh', '--socket', socket, 'ebpf', 'show', 'trace']);
    await expect.poll(() => process.listenerCount('SIGINT')).toBeGreaterThan(before);
    await session.call('hook.fire', { attachType: 'bind', dialect: 'windows', data: new Uint8Array(2), pid: 0xabc });
    // The line has its own way through the service.
    await new Promise((resolve) => setTimeout(resolve, 50));
    process.emit('SIGINT');
    expect((await shown).out).toMatch(
      /^\[\d+\]0ABC\.0ABC::.* \[EbpfForWindowsProvider\]\{"Message":"Hello, world"\}\n$/,
    );
    await session.close();
  });

  test('without one, it says how one is started', async () => {
    const { code, err } = await anybpf(['netsh', '--socket', '/nonexistent/socket', 'ebpf', 'show', 'programs']);
    expect(code).not.toBe(0);
    expect(err).toMatch(/anybpf service start/);
  });
});
