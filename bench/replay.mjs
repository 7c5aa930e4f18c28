// Packets per second of `anybpf run` on a capture of 100,000 packets, as a user starts it (whole process), beside the kernel's
// test-run of the same program and tcpdump reading the same file with an equal filter.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { has, kernelPeer, least, packet, project, ROOT, read, table, write } from './support.mjs';

const { PcapWriter } = await project('src/capture/pcap.ts');
const { linkObject } = await project('src/link/link.ts');

const COUNT = 100_000;
const writer = new PcapWriter({ linkType: 1 });
const parts = [writer.header()];
for (let n = 0; n < COUNT; n++) {
  const data = packet(64 + (n % 64) * 8, n);
  parts.push(
    writer.packet({ timestamp: 1_700_000_000_000_000_000n + BigInt(n) * 1000n, data, originalLength: data.length }),
  );
}
const capture = write('replay.pcap', Buffer.concat(parts));
const command = join(ROOT, 'bin/anybpf.mjs');
const object = join(ROOT, 'examples/drop-port/drop_port.bpf.o');

const wall = (program, args) =>
  least(3, () => {
    const before = performance.now();
    const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`${program}: ${stderr}`);
    return performance.now() - before;
  });

const rows = [];
const perSecond = (ms) => (COUNT / ms) * 1000;
for (const engine of ['reference', 'interpret', 'compile']) {
  const ms = wall(process.execPath, [command, 'run', object, '--pcap', capture, '--engine', engine, '--json']);
  rows.push([`anybpf run --engine ${engine}`, perSecond(ms), ms]);
}
if (has('tcpdump')) {
  const ms = wall('tcpdump', ['-r', capture, '-w', '/dev/null', 'not (udp port 53 or tcp port 53)']);
  rows.push(['tcpdump -r, an equal filter', perSecond(ms), ms]);
} else console.log('  no tcpdump');
const peer = await kernelPeer(linkObject(read(object)), 'drop_port');
if (peer.ns === undefined) console.log(`  no kernel: ${peer.reason}`);
else {
  const sample = Array.from({ length: 64 }, (_, n) => packet(64 + n * 8, n));
  const before = performance.now();
  for (let n = 0; n < COUNT; n++) peer.run(sample[n % 64], 1);
  const ms = performance.now() - before;
  rows.push(['kernel test-run, a call a packet', perSecond(ms), ms]);
  const ns = sample.reduce((sum, data) => sum + peer.ns(data, 10_000), 0) / sample.length;
  rows.push(['kernel test-run, program alone', 1e9 / ns, (ns * COUNT) / 1e6]);
  peer.dispose();
}
table('replay of 100,000 packets, drop by port', ['', 'packets/s', 'ms'], rows);
