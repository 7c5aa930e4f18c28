// A pair of interfaces with nothing on it but what a test sends: the near end here, with servers that echo; the far end in a namespace,
// where a client sends traffic, and where everything that it sends is captured.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as wait } from 'node:timers/promises';
import { readCapture } from '../../src/capture/read.ts';
import { Pair } from '../support/netns.ts';

/** What the client does: `count` pings, datagrams or connections, one after the other, from one of the far end's two addresses. */
export interface Step {
  readonly kind: 'ping' | 'udp' | 'tcp';
  readonly source: string;
  readonly count: number;
  readonly port?: number;
}

/** Traffic that goes on. */
export interface Steady {
  end(): Promise<{ readonly sent: number; readonly missing: readonly (readonly number[])[] }>;
}

/** Ports that the near end echoes on. */
export const ECHO_PORTS = [9000, 9001] as const;
/** The last number of the far end's second address. */
const SECOND = 200;

const IDLE_MS = 150;

export class Wire implements AsyncDisposable {
  readonly pair: Pair;
  readonly device: string;
  readonly ifindex: number;
  /** Of the near end. */
  readonly address: string;
  /** Of the far end. */
  readonly sources: readonly [string, string];
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'anybpf-matrix-'));
  readonly #servers: (Server | Socket)[] = [];

  private constructor(subnet: number) {
    this.pair = new Pair(subnet);
    const { near, far } = this.pair;
    this.device = near.device;
    this.ifindex = near.ifindex;
    this.address = near.address;
    this.sources = [far.address, `10.97.${subnet}.${SECOND}`];
  }

  static async open(subnet: number): Promise<Wire> {
    const wire = new Wire(subnet);
    try {
      wire.#silence();
      await wire.#serve();
    } catch (error) {
      await wire[Symbol.asyncDispose]();
      throw error;
    }
    return wire;
  }

  /** No IPv6, no ARP, and frames as they are on a wire: whole checksums, no segments to be cut. */
  #silence(): void {
    const { near, far } = this.pair;
    writeFileSync(`/proc/sys/net/ipv6/conf/${near.device}/disable_ipv6`, '1');
    const inside = (...command: readonly string[]) => execFileSync('ip', far.namespace?.in(...command) ?? []);
    inside('sh', '-c', `echo 1 > /proc/sys/net/ipv6/conf/${far.device}/disable_ipv6`);
    inside('ip', 'addr', 'add', `${this.sources[1]}/24`, 'dev', far.device);
    inside('ip', 'neigh', 'replace', near.address, 'lladdr', near.mac, 'dev', far.device, 'nud', 'permanent');
    inside('ethtool', '-K', far.device, 'tx', 'off', 'tso', 'off', 'gso', 'off');
    execFileSync('ethtool', ['-K', near.device, 'tx', 'off', 'tso', 'off', 'gso', 'off', 'gro', 'off']);
    for (const address of this.sources)
      execFileSync('ip', ['neigh', 'replace', address, 'lladdr', far.mac, 'dev', near.device, 'nud', 'permanent']);
  }

  async #serve(): Promise<void> {
    for (const port of ECHO_PORTS) {
      const udp = createSocket('udp4');
      udp.on('message', (data, { port: to, address }) => udp.send(data, to, address));
      // Resets are the clients' matter.
      const tcp = createServer((socket) => socket.on('error', () => socket.destroy()).pipe(socket));
      this.#servers.push(udp, tcp);
      await new Promise<void>((resolve) => udp.bind(port, this.address, resolve));
      await new Promise<void>((resolve) => tcp.listen(port, this.address, resolve));
    }
  }

  /** Sends the traffic; how many answers each step got. */
  async send(steps: readonly Step[]): Promise<number[]> {
    const client = this.pair.far.namespace?.start('python3', path.join(import.meta.dirname, 'client.py'));
    const output = collect(client as ChildProcess);
    client?.stdin?.end(JSON.stringify({ target: this.address, steps }));
    return JSON.parse(await output) as number[];
  }

  /** Sends datagrams to each port every few seconds until `end`, which says which of them had no answer, port by port. */
  async steady(ports: readonly number[], interval: number): Promise<Steady> {
    const script = path.join(import.meta.dirname, 'steady.py');
    const words = [script, this.address, interval, ...ports].map(String);
    const client = this.pair.far.namespace?.start('python3', ...words) as ChildProcess;
    const output = collect(client);
    await new Promise((resolve) => client.stdout?.once('data', resolve));
    return {
      end: async () => {
        client.stdin?.end();
        return JSON.parse((await output).replace('begun', '')) as Awaited<ReturnType<Steady['end']>>;
      },
    };
  }

  /** Captures what the far end sends while the body runs: frames as they leave, before anything can drop them. */
  async capture<T>(body: () => Promise<T>): Promise<{ readonly result: T; readonly frames: Uint8Array[] }> {
    const { device, namespace } = this.pair.far;
    const file = path.join(this.#folder, 'frames.pcap');
    const args = ['tcpdump', '-i', device, '-Q', 'out', '-Z', 'root', '--immediate-mode', '-s', '0', '-U', '-w', file];
    const tcpdump = spawn('ip', namespace?.in(...args) ?? [], { stdio: ['ignore', 'ignore', 'pipe'] });
    const ended = new Promise((resolve) => tcpdump.once('close', resolve));
    try {
      await heard(tcpdump, /listening on/);
      const result = await body();
      await wait(IDLE_MS);
      tcpdump.kill('SIGINT');
      await ended;
      const frames = [...readCapture(new Uint8Array(readFileSync(file)))].map(({ data }) => data.slice());
      return { result, frames };
    } finally {
      tcpdump.kill('SIGKILL');
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) server.close();
    this.pair[Symbol.dispose]();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** What a process prints, when it has ended. */
function collect(child: ChildProcess): Promise<string> {
  let [output, errors] = ['', ''];
  child.stdout?.on('data', (data) => (output += String(data)));
  child.stderr?.on('data', (data) => (errors += String(data)));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => (code === 0 ? resolve(output) : reject(new Error(`ended with ${code}: ${errors}`))));
  });
}

/** Waits until a process says it on standard error. */
function heard(child: ChildProcess, what: RegExp): Promise<void> {
  let said = '';
  return new Promise((resolve, reject) => {
    child.stderr?.on('data', (data) => {
      said += String(data);
      if (what.test(said)) resolve();
    });
    child.once('close', () => reject(new Error(`ended: ${said}`)));
  });
}

/** Of the files of this run none has the subnet of another. */
export const subnetOf = (file: number): number => 40 + ((process.pid * 5 + file) % 200);
