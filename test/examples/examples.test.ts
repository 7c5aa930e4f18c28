// Each example over the example capture: verdicts and maps against what another parser of the packets expects.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { linkObject } from '../../src/link/link.ts';
import { anybpf, CAPTURE, example, FOLDERS } from '../cli/support.ts';
import { PROJECT_ROOT } from '../support/shared.ts';
import { type Layers, PACKETS, RUN, tally } from './packets.ts';

interface Report {
  readonly packets: number;
  readonly verdicts: readonly { readonly name: string; readonly packets: number; readonly bytes: number }[];
  readonly notRun: readonly { readonly packets: number }[];
  readonly maps: readonly { readonly name: string; readonly entries: readonly Entry[] }[];
  readonly records: readonly { readonly count: number; readonly records: readonly { readonly value: Sample }[] }[];
}

interface Entry {
  readonly key: unknown;
  // oxlint-disable-next-line typescript/no-explicit-any -- any shape that a map's BTF gives
  readonly value: any;
  readonly values: readonly unknown[];
}

interface Sample {
  readonly time: string;
  readonly number: number;
  readonly length: number;
  readonly captured: number;
  readonly ethertype: number;
  readonly header: readonly number[];
}

async function report(folder: string, ...options: readonly string[]): Promise<Report> {
  const { code, out, err } = await anybpf(['run', example(folder), '--pcap', CAPTURE, '--json', ...options]);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return JSON.parse(out) as Report;
}

const entries = ({ maps }: Report, name: string): readonly Entry[] =>
  maps.find((m) => m.name === name)?.entries ?? expect.fail(`no map ${name}`);

const counts = ({ verdicts }: Report) =>
  Object.fromEntries(verdicts.map(({ name, packets, bytes }) => [name, { packets, bytes }]));

const kinds = (of: (p: Layers) => unknown): unknown[] => [...new Set(PACKETS.map(of))];

/** The destination port for programs that VLAN tags hide it from. */
const untaggedPort = (p: Layers): number | undefined => (p.vlans.length === 0 ? p.port : undefined);
const toPorts = (...ports: readonly number[]) => tally(RUN.filter((p) => ports.includes(untaggedPort(p) ?? 0)));

const isIp = (p: Layers): boolean => p.inner === 0x0800 || p.inner === 0x86dd;
const isPorted = (p: Layers): boolean => p.ip?.protocol === 6 || p.ip?.protocol === 17;
const isTag = (p: Layers): boolean => p.inner === 0x8100 || p.inner === 0x88a8;

/** An entry of a trie, without hits. */
const network = (prefix: number, ...address: readonly number[]) => ({ key: { prefix, address }, value: {} });

test('the capture holds every kind of packet that the examples tell apart', () => {
  expect(PACKETS).toHaveLength(200);
  expect(PACKETS.length - RUN.length).toBe(2);
  expect(kinds((p) => p.ip?.version)).toEqual(expect.arrayContaining([4, 6, undefined]));
  expect(kinds((p) => p.ip?.protocol)).toEqual(expect.arrayContaining([1, 6, 17, 58]));
  expect(kinds((p) => p.vlans.length)).toEqual(expect.arrayContaining([0, 1, 2]));
  expect(kinds((p) => p.etherType)).toContain(0x0806);
});

describe('drop-port', () => {
  test('drops the port that is compiled in', async () => {
    const found = await report('drop-port');
    const dropped = tally(RUN.filter((p) => untaggedPort(p) === 53));
    const passed = tally(RUN.filter((p) => untaggedPort(p) !== 53));
    expect(dropped.packets).toBeGreaterThan(20);
    expect(counts(found)).toEqual({ XDP_DROP: dropped, XDP_PASS: passed });
    expect(entries(found, 'totals').map((e) => e.value)).toEqual([passed, dropped]);
    expect(entries(found, 'blocked')).toEqual([]);
    expect(found.notRun).toMatchObject([{ packets: 2 }]);
  });

  test('drops other ports, given by global and by map', async () => {
    const found = await report('drop-port', '--set', 'port=9999', '--map', 'blocked={"80": {}, "443": {}, "1": {}}');
    expect(counts(found).XDP_DROP).toEqual(toPorts(80, 443, 9999));
    expect(entries(found, 'blocked')).toEqual([
      { key: 1, value: { packets: 0, bytes: 0 } },
      { key: 80, value: toPorts(80) },
      { key: 443, value: toPorts(443) },
    ]);
  });
});

test('counters counts by protocol, and the rest apart', async () => {
  const found = await report('counters');
  expect(counts(found)).toEqual({ TC_ACT_OK: tally(RUN) });
  const direct = RUN.filter((p) => p.vlans.length === 0 && p.ip !== undefined);
  const protocols = [...new Set(direct.map((p) => p.ip?.protocol))].sort((a, b) => (a ?? 0) - (b ?? 0));
  expect(protocols).toEqual([1, 6, 17, 58]);
  expect(entries(found, 'protocols')).toEqual(
    protocols.map((key) => ({ key, values: [tally(direct.filter((p) => p.ip?.protocol === key))] })),
  );
  expect(entries(found, 'counters.bss')[0].value).toEqual({ other_packets: RUN.length - direct.length });
});

test('sampler takes every tenth packet, with its time and first bytes', async () => {
  const found = await report('sampler');
  const sampled = RUN.filter((_, i) => i % 10 === 9);
  expect(found.records[0].count).toBe(sampled.length);
  for (const [i, { value }] of found.records[0].records.entries()) {
    const { data, etherType } = sampled[i];
    const header = Array.from({ length: 32 }, (_, at) => data[at] ?? 0);
    const captured = Math.min(32, data.length);
    expect(value).toMatchObject({ number: 10 * (i + 1), length: data.length, captured, ethertype: etherType, header });
    // The clock is the capture's: above 2^53, so text.
    expect(BigInt(value.time) / 1_000_000_000n).toBe(1_700_000_000n);
  }
  expect(entries(found, 'sampler.bss')[0].value).toMatchObject({ packets: RUN.length, lost: 0 });
  expect((await report('sampler', '--set', 'every=0')).records[0].count).toBe(0);
});

test('tail-parser finds every layer through its program array', async () => {
  const found = await report('tail-parser', '--program', 'parse_ethernet');
  const broken = RUN.filter(
    (p) => isTag(p) || (isIp(p) && p.ip === undefined) || (isPorted(p) && p.port === undefined),
  );
  const whole = RUN.filter((p) => !broken.includes(p));
  expect(broken.length).toBeGreaterThan(3);
  expect(counts(found)).toEqual({ XDP_DROP: tally(broken), XDP_PASS: tally(whole) });
  const flows = new Map<string, number>();
  for (const { vlans, ip, port = 0 } of whole) {
    const key = JSON.stringify([vlans.at(-1) ?? 0, ip?.version ?? 0, ip?.protocol ?? 0, port]);
    flows.set(key, (flows.get(key) ?? 0) + 1);
  }
  const seen = entries(found, 'flows').map(({ key, value }) => {
    const { vlan, ip_version, protocol, destination_port } = key as Record<string, number>;
    return [JSON.stringify([vlan, ip_version, protocol, destination_port]), value] as const;
  });
  expect(new Map(seen)).toEqual(flows);
  expect(entries(found, 'layers').map((e) => e.value)).toEqual([
    'program parse_vlan',
    'program parse_ip4',
    'program parse_ip6',
    'program parse_transport',
  ]);
});

test('lpm-block drops by source network, and the longest prefix counts', async () => {
  const v4 = [network(8, 198, 0, 0, 0), network(24, 198, 51, 100, 0), network(32, 192, 0, 2, 7)];
  const v6 = [network(48, 0x20, 0x01, 0x0d, 0xb8, 0, 1)];
  const presets = ['--map', `blocked4=${JSON.stringify(v4)}`, '--map', `blocked6=${JSON.stringify(v6)}`];
  const found = await report('lpm-block', ...presets);
  /** This program looks behind one tag of the kind 0x8100. */
  const visible = RUN.filter((p) => p.vlans.length === 0 || (p.vlans.length === 1 && p.etherType === 0x8100));
  const from = (...bytes: readonly number[]) =>
    tally(visible.filter((p) => p.ip !== undefined && bytes.every((b, i) => p.ip?.source[i] === b)));
  const inV4 = from(198, 51, 100);
  const host = from(192, 0, 2, 7);
  const inV6 = from(0x20, 0x01, 0x0d, 0xb8, 0, 1);
  expect(Math.min(inV4.packets, host.packets, inV6.packets)).toBeGreaterThan(0);
  expect(counts(found).XDP_DROP).toEqual({
    packets: inV4.packets + host.packets + inV6.packets,
    bytes: inV4.bytes + host.bytes + inV6.bytes,
  });
  const hits = entries(found, 'blocked4').map(({ key, value }) => [(key as { prefix: number }).prefix, value]);
  expect(Object.fromEntries(hits)).toEqual({ 8: { packets: 0, bytes: 0 }, 24: inV4, 32: host });
  expect(entries(found, 'blocked6').map((e) => e.value)).toEqual([inV6]);
});

test.each(FOLDERS)('%s: the object has the licence, no machine path and a README with its command', (folder) => {
  const file = path.join(PROJECT_ROOT, example(folder));
  const bytes = readFileSync(file);
  const { license, diagnostics, programs, maps } = linkObject(bytes);
  expect(license).toBe('Dual MIT/GPL');
  expect(diagnostics).toEqual([]);
  expect([...programs, ...maps].filter((part) => part.unsupported !== undefined)).toEqual([]);
  // oxlint-disable-next-line no-control-regex -- strings of a binary file
  expect(bytes.toString('latin1')).not.toMatch(/\x00\/[a-z]+\//);
  const readme = readFileSync(path.join(path.dirname(file), 'README.md'), 'utf8');
  expect(readme).toContain(`anybpf run ${example(folder)}`);
  expect(existsSync(file.replace(/\.o$/, '.c'))).toBe(true);
});
