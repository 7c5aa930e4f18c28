import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { concatBytes } from '../../src/base/bytes.ts';
import type { CapturePacket } from '../../src/capture/packet.ts';
import { PcapWriter } from '../../src/capture/pcap.ts';
import { readCapture } from '../../src/capture/read.ts';
import { ENGINES } from '../../src/run/engines.ts';
import { anybpf, CAPTURE, example, expectGolden } from './support.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'anybpf-'));
afterAll(() => rmSync(folder, { recursive: true }));
const inFolder = (name: string): string => path.join(folder, name);

const NETWORKS = '[{"key": {"prefix": 24, "address": [198, 51, 100, 0]}, "value": {}}]';

/** What `auto` has chosen in the end depends on what the process ran before. */
const REFERENCE = ['--engine', 'reference'];

describe.each<[string, readonly string[]]>([
  ['drop-port', [example('drop-port')]],
  ['drop-port-set', [example('drop-port'), '--set', 'port=0', '--map', 'blocked={"443": {}, "80": {"packets": 1000}}']],
  ['counters', [example('counters')]],
  ['sampler', [example('sampler'), '--set', 'every=25', '--rows', '3']],
  ['tail-parser', [example('tail-parser'), '--program', 'parse_ethernet']],
  ['lpm-block', [example('lpm-block'), '--map', `blocked4=${NETWORKS}`]],
])('run of %s', (name, argv) => {
  test('text', async () => {
    const { code, out, err } = await anybpf(['run', ...argv, '--pcap', CAPTURE, ...REFERENCE]);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expectGolden(`run-${name}.txt`, out);
  });

  test('JSON', async () => {
    const { code, out, err } = await anybpf(['run', ...argv, '--pcap', CAPTURE, '--json', ...REFERENCE]);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expectGolden(`run-${name}-json.txt`, out);
    const { packets, verdicts, notRun } = JSON.parse(out);
    const sum = [...verdicts, ...notRun].reduce((all: number, row: { packets: number }) => all + row.packets, 0);
    expect(sum).toBe(packets);
  });
});

const engineOf = async (...argv: readonly string[]): Promise<string> => {
  const { out } = await anybpf(['run', example('drop-port'), '--pcap', CAPTURE, '--json', ...argv]);
  return JSON.parse(out).engine;
};

test('the engine that was chosen is named, and compiled code for a repeat', async () => {
  expect(Object.keys(ENGINES)).toContain(await engineOf());
  expect(await engineOf('--repeat', '100000', '--limit', '1')).toBe('compile');
  expect(await engineOf('--engine', 'interpret')).toBe('interpret');
});

test('the capture that is written holds every packet with its verdict', async () => {
  const out = inFolder('out.pcapng');
  const { code } = await anybpf(['run', example('drop-port'), '--pcap', CAPTURE, '--out', out]);
  expect(code).toBe(0);
  const before = [...readCapture(readFileSync(CAPTURE))];
  const after = [...readCapture(readFileSync(out))];
  expect(after.map((p) => [p.timestamp, Buffer.from(p.data).toString('hex'), p.originalLength, p.packetId])).toEqual(
    before.map((p, i) => [p.timestamp, Buffer.from(p.data).toString('hex'), p.originalLength, BigInt(i + 1)]),
  );
  expect(new Set(after.map((p) => p.interface.name))).toEqual(new Set(['capture0:drop_port()@fexit']));
  const count = (value: bigint | undefined) => after.filter((p) => p.verdicts?.[0].value === value).length;
  expect([count(1n), count(2n), count(undefined)]).toEqual([46, 152, 2]);
  expect(after.filter((p) => p.verdicts === undefined).map((p) => p.comments)).toEqual([['not run'], ['not run']]);
  expect(after.every((p) => p.verdicts === undefined || p.verdicts[0].hook === 'xdp')).toBe(true);
});

test.each([
  ['tc', 'r0 = -1', 'TC_ACT_UNSPEC', -1, { verdicts: [{ hook: 'tc', value: 0xffff_ffff_ffff_ffffn }] }],
  ['tc', 'r0 = 2', 'TC_ACT_SHOT', 2, { verdicts: [{ hook: 'tc', value: 2n }] }],
  ['xdp', 'r0 = 99', 'XDP_ABORTED', undefined, { verdicts: [{ hook: 'xdp', value: 99n }] }],
  ['socket', 'r0 = 0', 'DROP', 0, { comments: ['verdict DROP (0)'] }],
  ['socket', 'r0 = 60', 'KEEP', undefined, { comments: ['verdict KEEP (60)'] }],
])('section %s, %s is %s', async (section, source, name, value, written) => {
  const object = inFolder('verdict.o');
  const out = inFolder('verdict.pcapng');
  const stdin = new TextEncoder().encode(`${source}\nexit\n`);
  expect((await anybpf(['asm', '-', '-o', object, '--section', section], { stdin })).code).toBe(0);
  const found = await anybpf(['run', object, '--pcap', CAPTURE, '--limit', '3', '--out', out, '--json']);
  expect(JSON.parse(found.out).verdicts).toEqual([
    { name, packets: 3, bytes: expect.any(Number), ...(value === undefined ? {} : { value }) },
  ]);
  const [packet] = readCapture(readFileSync(out));
  expect(packet).toMatchObject(written);
});

test('packets that no device hands over are not run, but counted and written', async () => {
  const writer = new PcapWriter({ linkType: 1 });
  const sizes = [13, 14, 60, 9000, 65_535, 200_000];
  const packets = sizes.map((size) =>
    writer.packet({ timestamp: 0n, data: new Uint8Array(size), originalLength: size }),
  );
  const stdin = concatBytes([writer.header(), ...packets]);
  const out = inFolder('sizes.pcapng');
  for (const object of [example('drop-port'), example('counters')]) {
    const found = await anybpf(['run', object, '--pcap', '-', '--json', '--out', out], { stdin });
    expect(found.code).toBe(0);
    const { verdicts, notRun } = JSON.parse(found.out);
    expect(verdicts).toMatchObject([{ packets: 4 }]);
    expect(notRun).toEqual([
      { reason: 'shorter than 14 bytes', packets: 1, bytes: 13 },
      { reason: 'longer than a device hands over', packets: 1, bytes: 200_000 },
    ]);
    expect([...readCapture(readFileSync(out))].map((p) => p.data.length)).toEqual(sizes);
  }
});

test('standard input, --limit and --repeat', async () => {
  const run = ['run', example('counters'), '--pcap', '-', '--json', '--limit', '20', '--repeat', '3'];
  const { out } = await anybpf(run, { stdin: readFileSync(CAPTURE) });
  const { packets, runs, maps, verdicts } = JSON.parse(out);
  expect({ packets, runs }).toEqual({ packets: 20, runs: 60 });
  expect(verdicts).toMatchObject([{ name: 'TC_ACT_OK', packets: 20 }]);
  const counted = maps[0].entries.reduce(
    (sum: number, { values }: { values: { packets: number }[] }) => sum + values[0].packets,
    0,
  );
  expect(counted + maps[1].entries[0].value.other_packets).toBe(60);
});

test('presets from a file', async () => {
  writeFileSync(inFolder('ports.json'), '{"443": {"packets": 7}}');
  const preset = `blocked=@${inFolder('ports.json')}`;
  const { out } = await anybpf([
    'run',
    example('drop-port'),
    '--pcap',
    CAPTURE,
    '--map',
    preset,
    '--limit',
    '1',
    '--json',
  ]);
  expect(JSON.parse(out).maps[0].entries).toEqual([{ key: 443, value: { packets: 8, bytes: 178 } }]);
});

test('records of a struct that the user names, or of one that does not fit', async () => {
  const run = ['run', example('sampler'), '--pcap', CAPTURE, '--limit', '10', '--json'];
  const named = JSON.parse((await anybpf([...run, '--type', 'events=xdp_md'])).out);
  expect(Object.keys(named.records[0].records[0].value)).toContain('rx_queue_index');
  const wrong = await anybpf([...run.slice(0, -1), '--type', 'events=nothing']);
  expect(wrong).toMatchObject({ code: 2, err: expect.stringMatching(/no struct nothing/) });
});

test('a run that takes too long is aborted, with packet and place', async () => {
  const { code, err } = await anybpf(['run', example('drop-port'), '--pcap', CAPTURE, '--budget', '5']);
  expect(code).toBe(1);
  expect(err).toMatch(
    /^anybpf: program drop_port, instruction \d+, .*drop_port\.bpf\.c:\d+: packet 1: .*\[run\/budget\]\n$/,
  );
});

/** The whole packets of the capture, as another link type: without their first bytes, with others before. */
function relabelled(linkType: number, cut: number, prefix: readonly number[] = []): Uint8Array {
  const writer = new PcapWriter({ linkType });
  const packets = [...readCapture(readFileSync(CAPTURE))].filter(
    (p) => p.data.length > 60 && [8, 0x86].includes(p.data[12]),
  );
  const changed = packets
    .filter((p) => !(p.data[12] === 8 && p.data[13] === 6))
    .map((p): CapturePacket => ({ ...p, data: concatBytes([Uint8Array.from(prefix), p.data.subarray(cut)]) }));
  return concatBytes([writer.header(), ...changed.map((p) => writer.packet(p))]);
}

test('raw IP gets an Ethernet header: the same verdicts, and a note', async () => {
  const run = ['run', example('counters'), '--pcap', '-', '--json'];
  const whole = JSON.parse((await anybpf(run, { stdin: relabelled(1, 0) })).out);
  const raw = JSON.parse((await anybpf(run, { stdin: relabelled(101, 14) })).out);
  expect(whole.packets).toBeGreaterThan(100);
  expect(raw.maps).toEqual(whole.maps);
  expect(raw.notices.map((n: { code: string }) => n.code)).toEqual(['cli/raw-ip']);
  const text = await anybpf(run.slice(0, -1), { stdin: relabelled(101, 14) });
  expect(text.err).toMatch(/^anybpf: note: the capture holds raw IP packets[^\n]*\n$/);
});

test('other link layers are refused by name', async () => {
  const stdin = relabelled(113, 14, [0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 1, 0, 0, 8, 0]);
  const { code, err } = await anybpf(['run', example('drop-port'), '--pcap', '-'], { stdin });
  expect(code).toBe(1);
  expect(err).toMatch(/packet 1 is Linux cooked v1 \(link type 113\), but programs see Ethernet frames/);
});

test('lines fit a terminal, and are whole elsewhere', async () => {
  const run = ['run', example('tail-parser'), '--program', 'parse_ethernet', '--pcap', CAPTURE];
  for (const columns of [80, 120]) {
    const { out } = await anybpf(run, { columns, env: { NO_COLOR: '1' } });
    expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(columns);
  }
  const coloured = await anybpf(run, { columns: 80 });
  expect(coloured.out).toContain('\u001b[1m');
  expect((await anybpf(run)).out).not.toContain('\u001b');
});

test('progress is shown on a terminal where a run takes longer than a second', async () => {
  const writer = new PcapWriter({ linkType: 1 });
  const packet = writer.packet({ timestamp: 0n, data: new Uint8Array(60), originalLength: 60 });
  const stdin = concatBytes([writer.header(), ...Array.from({ length: 1024 }, () => packet)]);
  const run = ['run', example('counters'), '--pcap', '-'];
  const long = await anybpf(run, { stdin, columns: 80, times: [0, 0, 500, 2000, 3000] });
  expect(long.err).toContain('packets');
  const quick = await anybpf(run, { stdin, columns: 80, times: [0, 0, 500, 500, 500] });
  expect(quick.err).toBe('');
  const piped = await anybpf(run, { stdin, times: [0, 0, 500, 2000, 3000] });
  expect(piped.err).toBe('');
});

/** What a tool prints, or undefined where it is not installed. */
function output(tool: string, argv: readonly string[]): string | undefined {
  try {
    return execFileSync(tool, argv, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

test('tcpdump reads what was written', (context) => {
  const text = output('tcpdump', ['-nr', inFolder('out.pcapng')]);
  if (text === undefined) return context.skip('tcpdump is not installed');
  expect(text.split('\n').filter((line) => /^\d\d:/.test(line))).toHaveLength(200);
});

test('Wireshark reads the verdicts', (context) => {
  const text = output('tshark', ['-r', inFolder('out.pcapng'), '-T', 'fields', '-e', 'frame.verdict.ebpf_xdp']);
  if (text === undefined) return context.skip('tshark is not installed');
  const lines = text.split('\n').slice(0, -1);
  expect(['1', '2', ''].map((verdict) => lines.filter((line) => line === verdict).length)).toEqual([46, 152, 2]);
});
