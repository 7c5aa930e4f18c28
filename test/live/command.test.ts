// anybpf net attach --host engine: the service takes an interface, and gives it back with the program.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LiveInterfaces } from '../../src/live/interfaces.ts';
import type { Service } from '../../src/service/server.ts';
import { startService } from '../../src/service/start.ts';
import { anybpf } from '../cli/support.ts';
import { Pair } from '../support/netns.ts';
import { missing, outputOf, peer, until, verdicts } from './support.ts';

describe.skipIf(missing() !== undefined)('the service and live interfaces', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'anybpf-live-'));
  const env = { ANYBPF_SOCKET: path.join(folder, 'run', 's.sock') };
  let service: Service;
  let pair: Pair;

  const run = async (...words: string[]): Promise<string> => {
    const { code, out, err } = await anybpf(words, { env });
    if (code !== 0) throw new Error(`${words.join(' ')}: ${code} ${out}${err}`);
    return out;
  };
  const refusal = async (...words: string[]) => {
    const { code, err } = await anybpf(words, { env });
    expect(code).not.toBe(0);
    return err;
  };

  beforeAll(async () => {
    service = await startService({
      socket: env.ANYBPF_SOCKET,
      version: 'test',
      loading: false,
      live: (context) => new LiveInterfaces(context),
    });
    writeFileSync(path.join(folder, 'v.o'), verdicts());
    await run('prog', 'loadall', path.join(folder, 'v.o'), '/sys/fs/bpf/v');
    pair = new Pair(140);
  });
  afterAll(async () => {
    await service.stop();
    pair[Symbol.dispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  it.each(['af_packet', 'af_xdp', undefined] as const)('attach, show, live, overwrite, detach: %s', async (driver) => {
    const { device, ifindex, address } = pair.near;
    const how = driver === undefined ? [] : ['--driver', driver];
    const attach = (name: string, ...more: string[]) =>
      run(
        'net',
        'attach',
        'xdp',
        'pinned',
        `/sys/fs/bpf/v/${name}`,
        'dev',
        device,
        ...more,
        '--host',
        'engine',
        ...how,
      );
    await attach('verdicts');
    const named = driver ?? 'af_packet';
    expect(await run('net', 'show')).toContain(`${device}(${ifindex}) engine ${named} id `);
    expect(JSON.parse(await run('-j', 'net', 'show', 'dev', device))).toMatchObject([
      { xdp: [{ devname: device, ifindex, mode: `engine ${named}`, enforces: true }] },
    ]);
    expect(await peer(pair, 'send', address, 9000, 50, 0)).toBe('50');
    const dropped = async (): Promise<number> => {
      const [found] = JSON.parse(await run('-j', 'net', 'live')) as [{ statistics: { dropped: number } }];
      return found.statistics.dropped;
    };
    await until(async () => (await dropped()) === 50);
    expect(await run('net', 'live')).toMatch(
      new RegExp(`^${device}\\(${ifindex}\\) ${named} \\(.*\\)\\n[^]*dropped +50\\n`),
    );
    expect(
      await refusal('net', 'attach', 'xdp', 'pinned', '/sys/fs/bpf/v/other', 'dev', device, '--host', 'engine'),
    ).toMatch(/busy/);
    await attach('other', 'overwrite');
    expect(await peer(pair, 'send', address, 9000, 30, 0)).toBe('30');
    await until(async () => (await dropped()) === 80);
    await run('net', 'detach', 'xdp', 'dev', device);
    await until(async () => (await run('net', 'live')) === '');
    const ping = pair.far.namespace?.start('ping', '-c', '2', '-i', '0.05', address);
    expect(await outputOf(ping as never)).toContain(' 2 received');
  });

  it('refuses what cannot be', async () => {
    const attach = ['net', 'attach', 'xdp', 'pinned', '/sys/fs/bpf/v/other', 'dev'];
    expect(await refusal(...attach, 'abpfnone0', '--host', 'engine')).toContain('abpfnone0');
    expect(await refusal(...attach, 'lo', '--host', 'engine', '--driver', 'af_xdp')).toContain('an MTU of');
    expect(await refusal('net', 'attach', 'tcx_ingress', ...attach.slice(3), 'lo', '--host', 'engine')).toContain(
      'not of tcx',
    );
    expect(await run('net', 'live')).toBe('');
  });
});
