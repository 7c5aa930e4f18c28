// Packets per second of `anybpf run` on a capture, as a user starts it (whole process), beside tcpdump reading the same file with a
// filter that lets the same packets through, and the kernel's test-run of the same program. By turns. The capture is made anew, the
// same each time, in a temporary folder. Options: --packets N, --rounds N.
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { PACKETS } from './programs/inputs.mjs';
import { kernel } from './programs/peers.mjs';
import { race, timed } from './programs/race.mjs';
import { has, packet, project, ROOT, read, sayControl, table } from './support.mjs';

const { PcapWriter } = await project('src/capture/pcap.ts');
const { linkObject } = await project('src/link/link.ts');

const { values } = parseArgs({
  options: { packets: { type: 'string', default: '1000000' }, rounds: { type: 'string', default: '5' } },
});
const [count, rounds] = ['packets', 'rounds'].map((option) => {
  const number = Number(values[option]);
  if (Number.isInteger(number) && number > 0) return number;
  throw new Error(`--${option} ${values[option]}: not a number from 1`);
});

/** Engines to how often they are measured at most: those that take long are not far off the first time. */
const ENGINES = { reference: 1, interpret: 3, compile: rounds };
/** Of 64 to 568 bytes; each fourth goes to the port that the program drops. */
const sample = Array.from({ length: PACKETS }, (_, n) => packet(64 + n * 8, n));
const PCAP_HEADER = 24;
const PCAP_RECORD_HEADER = 16;

const folder = mkdtempSync(join(tmpdir(), 'anybpf-replay-'));
process.on('exit', () => rmSync(folder, { recursive: true }));
const capture = join(folder, 'replay.pcap');
const TOGETHER = 4096;

/** A packet each microsecond. */
function writeCapture() {
  const writer = new PcapWriter({ linkType: 1 });
  const file = openSync(capture, 'w');
  writeSync(file, writer.header());
  for (let from = 0; from < count; from += TOGETHER) {
    const records = Array.from({ length: Math.min(TOGETHER, count - from) }, (_, n) => {
      const data = sample[(from + n) % PACKETS];
      const timestamp = 1_700_000_000_000_000_000n + BigInt(from + n) * 1000n;
      return writer.packet({ timestamp, data, originalLength: data.length });
    });
    writeSync(file, Buffer.concat(records));
  }
  closeSync(file);
}

writeCapture();
const object = join(ROOT, 'examples/drop-port/drop_port.bpf.o');
const FILTER = 'not (udp dst port 53 or tcp dst port 53)';

/** Runs a program to its end and gives what it printed; raises where it fails. */
function finished(program, args) {
  const { status, stdout, stderr, error } = spawnSync(program, args, { maxBuffer: 2 ** 31 });
  if (status !== 0) throw new Error(`${program}: ${error?.message ?? stderr.toString().trim().split('\n').at(-1)}`);
  return stdout;
}

const anybpf = (engine) =>
  finished(process.execPath, [
    join(ROOT, 'bin/anybpf.mjs'),
    'run',
    object,
    '--pcap',
    capture,
    '--engine',
    engine,
    '--json',
  ]);

const tcpdumpTo = (output) => finished('tcpdump', ['-r', capture, '-w', output, FILTER]);

/** Why there is no tcpdump to compare with. Its filter lets through what the program counts as passed, or this raises. */
function withoutTcpdump() {
  if (!has('tcpdump')) return 'not installed';
  let found;
  try {
    found = tcpdumpTo('-').length;
  } catch (error) {
    return error.message;
  }
  const { entries } = JSON.parse(anybpf('compile').toString()).maps.find(({ name }) => name === 'totals');
  const passed = entries.find(({ key }) => key === 0).value;
  const expected = PCAP_HEADER + Number(passed.packets) * PCAP_RECORD_HEADER + Number(passed.bytes);
  if (found !== expected) throw new Error(`tcpdump lets ${found} bytes of capture through, the program ${expected}`);
  return undefined;
}

sayControl();
const contenders = Object.fromEntries(
  Object.keys(ENGINES).map((engine) => [`anybpf run --engine ${engine}`, () => anybpf(engine)]),
);
const most = Object.fromEntries(
  Object.entries(ENGINES).map(([engine, times]) => [`anybpf run --engine ${engine}`, times]),
);
const reason = withoutTcpdump();
if (reason === undefined) contenders['tcpdump -r, an equal filter'] = () => tcpdumpTo('/dev/null');
else console.log(`  no tcpdump: ${reason}`);

const input = { program: 'drop_port', packets: sample };
const peer = await kernel(linkObject(read(object)), input);
if (peer.reason === undefined) {
  contenders['kernel test-run, a call a packet'] = () => {
    for (let done = 0; done < count; done += PACKETS) peer.verdicts();
  };
} else console.log(`  no kernel: ${peer.reason}`);

const least = {};
for (let round = 0; round < rounds; round++) {
  for (const [name, run] of Object.entries(contenders))
    if (round < (most[name] ?? rounds)) least[name] = Math.min(least[name] ?? Number.POSITIVE_INFINITY, timed(run));
}
if (peer.reason === undefined) {
  least['kernel test-run, program alone'] = (await race(peer.candidates, rounds)).kernel * count;
  peer.dispose();
}
sayControl();
const tcpdump = least['tcpdump -r, an equal filter'];
table(
  `replay of ${count.toLocaleString('en')} packets, drop by port`,
  ['', 'packets/s', 'ms', 'ns a packet', 'of tcpdump'],
  Object.entries(least).map(([name, ns]) => [name, (count / ns) * 1e9, ns / 1e6, ns / count, tcpdump && ns / tcpdump]),
);
