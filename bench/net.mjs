// What a packet of a real interface costs under our own engine: processor time of its process, packets a second, what was lost; for each
// driver, beside the kernel's XDP with the same program and tcpdump, on a pair of interfaces of its own. Then what stands between two
// systems: round trips and a TCP stream through it, beside none. Needs root, iproute2, gcc, clang; tcpdump, ping and iperf3 where there.
// Options: --packets N, --bursts N, --seconds N.
import { execFileSync, fork, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { compile, has, project, read, sayControl, table } from './support.mjs';

const { values } = parseArgs({
  options: {
    packets: { type: 'string', default: '600000' },
    bursts: { type: 'string', default: '60' },
    seconds: { type: 'string', default: '3' },
  },
});
const number = (name) => {
  const value = Number(values[name]);
  if (!(Number.isInteger(value) && value > 0)) throw new Error(`--${name} ${values[name]}: not a number from 1`);
  return value;
};
const packets = number('packets');
const bursts = number('bursts');
const seconds = number('seconds');

/** Frames that lie in the ring when a process that was stopped goes on. */
const BURST = 2000;
const WARM = 10;
const LENGTH = 64;
const DROP = 9000;
const SEND_BACK = 9001;
/** Nanoseconds of processor time a packet in a stream of bursts, and bits a second of a stream: the goals. */
const GOALS = { nanoseconds: 250, bits: 1.5e9 };

const ip = (...args) => execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
const space = `abpfb${process.pid}`;
const [near, far] = [`${space}a`, `${space}b`];
const HERE = '10.96.1.1';
const THERE = '10.96.1.2';
const inside = (...command) => ['netns', 'exec', space, ...command];

const programs = join(import.meta.dirname, 'programs');
const blast = compile(join(programs, 'blast.c'), 'blast', ['-O2'], 'gcc');
const object = compile(join(programs, 'net.bpf.c'), 'net.bpf.o', [
  '-target',
  'bpf',
  '-O2',
  '-g',
  '-c',
  `-I/usr/include/${process.arch === 'x64' ? 'x86_64' : 'aarch64'}-linux-gnu`,
]);
if (blast === undefined || object === undefined || !has('ip')) {
  console.log('net: needs gcc, clang and iproute2');
  process.exit(0);
}

function setUp() {
  ip('netns', 'add', space);
  ip('link', 'add', near, 'type', 'veth', 'peer', 'name', far);
  ip('link', 'set', far, 'netns', space);
  ip('addr', 'add', `${HERE}/24`, 'dev', near);
  ip('link', 'set', near, 'up');
  ip('-n', space, 'addr', 'add', `${THERE}/24`, 'dev', far);
  ip('-n', space, 'link', 'set', far, 'up');
}

function tearDown() {
  spawnSync('ip', ['link', 'del', near]);
  spawnSync('ip', ['netns', 'del', space]);
}

const macOf = (device, ...where) => JSON.parse(ip(...where, '-j', 'link', 'show', device))[0].address;

/** Sends frames from the far end; how many, and in how many seconds. */
async function send(count, port, { device = far, within = true } = {}) {
  const to = within ? macOf(near) : '02:00:00:00:00:02';
  const from = within ? macOf(far, '-n', space) : '02:00:00:00:00:01';
  const command = [blast, device, to, from, THERE, HERE, count, LENGTH, port].map(String);
  const child = within ? spawn('ip', inside(...command)) : spawn(command[0], command.slice(1));
  let out = '';
  child.stdout.on('data', (data) => {
    out += data;
  });
  child.stderr.pipe(process.stderr);
  await once(child, 'close');
  const [sent, , took] = out.split(' ').map(Number);
  return { sent, took };
}

/** A process with a live interface. */
async function liveProcess(driver, device, wait = 'poll') {
  const child = fork(join(programs, 'net-driver.mjs'), [driver, device, object, wait]);
  const [ready] = await Promise.race([once(child, 'message'), once(child, 'exit')]);
  if (ready !== 'ready') throw new Error(`the process of ${driver} ended with ${ready}`);
  const ask = async (what) => {
    child.send(what);
    const [{ cpu, statistics }] = await once(child, 'message');
    return { cpu, received: statistics.received, lost: statistics.lost };
  };
  return {
    pid: child.pid,
    ask: () => ask('tell'),
    end: async () => {
      const exit = once(child, 'exit');
      await ask('end');
      await exit;
    },
  };
}

/** tcpdump with a filter, whose processor time and count the system tells. */
async function tcpdumpProcess() {
  const child = spawn('tcpdump', ['-i', near, '-n', '-B', '65536', '-w', '/dev/null', 'udp port 9000'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  await once(child.stderr, 'data');
  await pause(300);
  const packetsOf = async () => {
    let text = '';
    const hear = (data) => {
      text += data;
    };
    child.stderr.on('data', hear);
    child.kill('SIGUSR1');
    while (!/dropped by kernel/.test(text)) await pause(5);
    child.stderr.off('data', hear);
    const [captured, , dropped] = text.match(/\d+(?= packets?)/g).map(Number);
    return { captured, dropped };
  };
  return {
    pid: child.pid,
    ask: async () => {
      const { captured, dropped } = await packetsOf();
      return { cpu: ticks(child.pid), received: captured, lost: dropped };
    },
    end: async () => {
      child.kill('SIGINT');
      await once(child, 'exit');
    },
  };
}

/** Processor time of a process, in nanoseconds; the system counts it in hundredths of a second. */
function ticks(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const [user, system] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
    .map(Number);
  return (user + system) * 1e7;
}

/** What came of frames that were sent while it listened, and of frames that it found in its ring. */
async function measure(process_, port, where) {
  await send(packets / 6, port, where);
  await pause(100);
  const before = await process_.ask();
  const { sent, took } = await send(packets, port, where);
  await pause(100);
  const after = await process_.ask();
  const received = after.received - before.received;
  const load = {
    sent: sent / took,
    received: received / took,
    lost: Math.max(0, 1 - received / sent),
    nanoseconds: (after.cpu - before.cpu) / received,
  };
  let begin;
  for (let burst = -WARM; burst < bursts; burst++) {
    if (burst === 0) begin = await process_.ask();
    process.kill(process_.pid, 'SIGSTOP');
    await send(where === undefined ? BURST : 400, port, where);
    process.kill(process_.pid, 'SIGCONT');
    await pause(10);
  }
  await pause(50);
  const end = await process_.ask();
  return { ...load, burst: (end.cpu - begin.cpu) / (end.received - begin.received) };
}

const said = (held) => (held ? 'holds' : 'does not hold');

const rows = [];
const row = (name, { sent, received, lost, nanoseconds, burst }) => {
  rows.push([
    name,
    sent === undefined ? '-' : (sent / 1e3).toFixed(0),
    received === undefined ? '-' : (received / 1e3).toFixed(0),
    lost === undefined ? '-' : `${(lost * 100).toFixed(1)} %`,
    nanoseconds,
    burst,
  ]);
};

async function drivers() {
  for (const [driver, port, what] of [
    ['af_packet', DROP, 'drop'],
    ['af_packet', SEND_BACK, 'send back'],
    ['af_xdp', DROP, 'drop'],
    ['af_xdp', SEND_BACK, 'send back'],
    ['pcap', DROP, 'count (it does not enforce)'],
  ]) {
    const live = await liveProcess(driver, near);
    try {
      row(`${driver}: ${what}`, await measure(live, port));
    } finally {
      await live.end();
    }
    await pause(100);
  }
  const busy = await liveProcess('af_xdp', near, 'busy');
  row('af_xdp, busy: drop', await measure(busy, DROP));
  await busy.end();
  const device = `${space}t`;
  const tap = await liveProcess('tap', device);
  row('tap: drop', await measure(tap, DROP, { device, within: false }));
  await tap.end();
}

/** The same program in the kernel: what a run takes by the kernel's own account. The sender does the receiving end's work. */
async function kernel(body) {
  const { linkObject } = await project('src/link/link.ts');
  const { KernelObject } = await project('test/support/kernel-object.ts');
  const { bpf, close } = await project('src/hosts/linux/bpf.ts');
  const loaded = new KernelObject(linkObject(read(object)));
  try {
    const { fd } = loaded.load(loaded.spec.programs[0]);
    if (fd < 0) throw new Error(`the kernel refuses the program: errno ${-fd}`);
    const link = bpf('LINK_CREATE', 40, (attr) => {
      attr.setUint32(0, fd, true);
      attr.setUint32(4, JSON.parse(ip('-j', 'link', 'show', near))[0].ifindex, true);
      attr.setUint32(8, 37, true);
    });
    if (link < 0) throw new Error(`the kernel refuses the link: errno ${-link}`);
    try {
      return await body(fd);
    } finally {
      close(link);
    }
  } finally {
    loaded.dispose();
  }
}

async function kernelRow() {
  await kernel(async () => {
    await send(packets / 6, DROP);
    const { sent, took } = await send(packets, DROP);
    row('kernel XDP: drop (in the sender, with what sending takes)', {
      sent: sent / took,
      received: sent / took,
      lost: 0,
      nanoseconds: (took * 1e9) / sent,
    });
  });
  const none = await (async () => {
    ip('link', 'set', near, 'down');
    ip('link', 'set', near, 'up');
    const { sent, took } = await send(packets, DROP);
    return { sent: sent / took, nanoseconds: (took * 1e9) / sent };
  })();
  row('the system, nothing attached (in the sender)', none);
}

const roundTrip = () => {
  const { stdout } = spawnSync('ip', inside('ping', '-q', '-c', '200', '-i', '0.002', HERE), { encoding: 'utf8' });
  return /= ([\d.]+)\/([\d.]+)/.exec(stdout)?.slice(1, 3).map(Number) ?? [Number.NaN, Number.NaN];
};

async function stream() {
  const server = spawn('iperf3', ['-s', '-1', '-B', HERE], { stdio: 'ignore' });
  await pause(300);
  const client = spawn('ip', inside('iperf3', '-c', HERE, '-t', String(seconds), '-J'));
  let text = '';
  client.stdout.on('data', (data) => {
    text += data;
  });
  await once(client, 'close');
  server.kill();
  return JSON.parse(text).end?.sum_received?.bits_per_second ?? Number.NaN;
}

async function inline() {
  const lines = [];
  const line = async (name) => {
    roundTrip();
    const [least, average] = roundTrip();
    const bits = has('iperf3') ? await stream() : Number.NaN;
    lines.push([name, least.toFixed(3), average.toFixed(3), (bits / 1e9).toFixed(2)]);
    return bits;
  };
  await line('none');
  await kernel(() => line('kernel XDP'));
  const streams = [];
  for (const driver of ['af_packet', 'af_xdp']) {
    const live = await liveProcess(driver, near);
    streams.push(await line(driver));
    await live.end();
    await pause(100);
  }
  table('between two systems', ['engine', 'round trip ms, least', 'mean', 'TCP Gbit/s'], lines);
  return streams;
}

setUp();
try {
  await drivers();
  if (has('tcpdump')) {
    const tcpdump = await tcpdumpProcess();
    row('tcpdump: count', await measure(tcpdump, DROP));
    await tcpdump.end();
  }
  await kernelRow();
  table(
    `${LENGTH}-byte frames`,
    ['driver', 'sent kpps', 'received kpps', 'lost', 'CPU ns a packet', `when ${BURST} waited`],
    rows,
  );
  const streams = await inline();
  const best = Math.min(...rows.filter(([name]) => /^af_.*: drop/.test(name)).map((cells) => cells[4]));
  console.log(
    `  goal: at most ${GOALS.nanoseconds} ns a packet in a stream of bursts: ${said(best <= GOALS.nanoseconds)} (${best.toFixed(0)})`,
  );
  console.log(`  goal: TCP of ${GOALS.bits / 1e9} Gbit/s: ${said(Math.min(...streams) >= GOALS.bits)}`);
  sayControl();
} finally {
  tearDown();
}
