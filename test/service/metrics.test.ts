// Metrics: what there is in a context and what a service did, over the protocol and over HTTP.
import { readFileSync, statSync } from 'node:fs';
import { request } from 'node:http';
import path from 'node:path';
import { onTestFinished, expect, it } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { connect } from '../../src/client/connect.ts';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { metricsAddress } from '../../src/service/metrics-server.ts';
import { startService } from '../../src/service/start.ts';
import type { WatchOptions } from '../../src/service/watch.ts';
import { PROJECT_ROOT } from '../support/shared.ts';
import { temporaryFolder } from './support.ts';

async function watched(watch: WatchOptions) {
  const socket = path.join(temporaryFolder(), 'service.sock');
  const service = await startService({ socket, version: '1.2.3', host: memoryHost(), watch, loading: false });
  onTestFinished(() => service.stop());
  const session = await connect({ socket });
  return { service, session };
}

/** `name{a="b",c="d"} 5` by name and labels in order. */
function samples(text: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const at = line.lastIndexOf(' ');
    found.set(line.slice(0, at), Number(line.slice(at + 1)));
  }
  return found;
}

const sampler = new Uint8Array(readFileSync(path.join(PROJECT_ROOT, 'examples/sampler/sampler.bpf.o')));

it('are of programs, maps, links and of the service itself', async () => {
  const { session } = await watched({});
  const { programs, maps } = await session.call('object.load', { object: sampler, name: 'sampler.bpf.o' });
  const [{ fd, id }] = programs;
  const link = await session.call('link.create', { fd, attachType: 'xdp', target: { ifindex: 3 } });
  await session.call('stats.enable', {});
  for (let i = 0; i < 5; i++)
    await session.call('hook.fire', { attachType: 'xdp', target: { ifindex: 3 }, data: new Uint8Array(64) });
  await expect(session.call('object.close', { fd: 999 })).rejects.toThrow(AnyBpfError);
  const { text } = await session.ask('service.metrics', {});
  const found = samples(text);
  const key = `id="${id}",name="sample",type="xdp"`;
  expect(found.get(`bpf_program_run_count_total{${key}}`)).toBe(5);
  expect(found.get(`bpf_program_run_time_seconds_total{${key}}`)).toBeGreaterThan(0);
  expect(found.get(`bpf_program_size_translated_bytes{${key}}`)).toBeGreaterThan(100);
  const info = [...found.keys()].find((name) => name.startsWith('bpf_program_info'));
  expect(info).toMatch(
    new RegExp(`\\{${key},tag="[0-9a-f]{16}",gpl_compatible="true",map_ids="\\[[\\d, ]+\\]",load_time="[\\d :-]+"\\}$`),
  );
  const events = maps.find(({ name }) => name === 'events');
  expect(found.get(`bpf_map_max_entries{id="${events?.id}",name="events",type="ringbuf"}`)).toBe(65_536);
  expect([...found.keys()].filter((name) => name.startsWith('bpf_map_info'))).toHaveLength(maps.length);
  expect([...found.keys()].filter((name) => name.startsWith('bpf_link_info'))).toEqual([
    `bpf_link_info{id="1",prog_id="${id}",type="xdp",attach_type="xdp"}`,
  ]);
  expect(found.get('anybpf_objects{kind="prog"}')).toBe(1);
  expect(found.get('anybpf_connections{role="admin"}')).toBe(1);
  expect(found.get('anybpf_requests_total{method="hook.fire",outcome="done"}')).toBe(5);
  expect(found.get('anybpf_requests_total{method="object.close",outcome="refused"}')).toBe(1);
  expect(found.get('process_resident_memory_bytes')).toBeGreaterThan(1e6);
  // Looking leaves nothing behind.
  await session.call('object.close', link);
  await session.close();
});

/** Status, type and body of a request. */
const get = (where: { host: string; port: number } | { socketPath: string }, url: string, method = 'GET') =>
  new Promise<{ status: number; type: string | undefined; body: string }>((resolve, reject) => {
    const asked = request({ ...where, path: url, method, agent: false }, (answer) => {
      let body = '';
      answer.setEncoding('utf8');
      answer.on('data', (part: string) => (body += part));
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, type: answer.headers['content-type'], body }));
    });
    asked.on('error', reject);
    asked.end();
  });

it('are served over HTTP at a port of this machine', async () => {
  const lines: string[] = [];
  const { session } = await watched({
    metrics: { host: '127.0.0.1', port: 0 },
    log: { write: (line) => lines.push(line) },
  });
  const { metrics } = JSON.parse(lines[0]) as { readonly metrics: string };
  const { hostname, port } = new URL(metrics);
  const where = { host: hostname, port: Number(port) };
  const all = await Promise.all(Array.from({ length: 8 }, () => get(where, '/metrics?x=1')));
  for (const { status, type, body } of all) {
    expect(status).toBe(200);
    expect(type).toMatch(/^text\/plain; version=0\.0\.4/);
    expect(body).toContain('# TYPE bpf_program_info gauge');
  }
  expect(await get(where, '/metrics', 'HEAD')).toMatchObject({ status: 200, body: '' });
  expect((await get(where, '/')).status).toBe(404);
  expect((await get(where, '/metrics', 'POST')).status).toBe(405);
  await session.close();
});

it('are served at a unix socket, for the owner alone; a socket that was left is taken, a file is not', async () => {
  const place = path.join(temporaryFolder(), 'metrics.sock');
  const metrics = metricsAddress(`unix:${place}`);
  const first = await watched({ metrics });
  expect(statSync(place).mode & 0o777).toBe(0o600);
  expect((await get({ socketPath: place }, '/metrics')).status).toBe(200);
  await expect(watched({ metrics })).rejects.toThrow('metrics cannot be served');
  expect((await get({ socketPath: place }, '/metrics')).status).toBe(200);
  await first.service.stop();
  await expect(watched({ metrics: { path: import.meta.filename } })).rejects.toThrow('metrics cannot be served');
});

it.each([
  ['127.0.0.1:9090', { host: '127.0.0.1', port: 9090 }],
  ['[::1]:0', { host: '::1', port: 0 }],
  ['unix:/run/x.sock', { path: '/run/x.sock' }],
])('%s is an address', (text, address) => expect(metricsAddress(text)).toEqual(address));

it.each(['9090', 'localhost', '1.2.3.4:99999', 'unix:', '::1:80', ''])('%s is none', (text) =>
  expect(() => metricsAddress(text)).toThrow('no address for metrics'),
);
