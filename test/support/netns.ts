// Network namespaces for tests: a pair of interfaces, one end in a namespace of its own, the other here or in another. Everything goes
// with `dispose`, also what a test has left in it; names carry the process id, so that test files do not meet.
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import process from 'node:process';

let made = 0;

const ip = (...args: readonly string[]): string =>
  execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

export class Namespace implements Disposable {
  readonly name: string;

  constructor(name = `abpf${process.pid}n${made++}`) {
    this.name = name;
    ip('netns', 'add', name);
    ip('-n', name, 'link', 'set', 'lo', 'up');
  }

  /** The path that bpf(2) targets and setns take. */
  get path(): string {
    return `/var/run/netns/${this.name}`;
  }

  /** Arguments that run a command in it: `spawn('ip', ns.in('ping', ...))`. */
  in(...command: readonly string[]): string[] {
    return ['netns', 'exec', this.name, ...command];
  }

  /** Runs a command to its end; its exit code and what it printed. */
  run(command: string, ...args: readonly string[]): { readonly status: number; readonly output: string } {
    const done = spawnSync('ip', this.in(command, ...args), { encoding: 'utf8', timeout: 30_000 });
    return { status: done.status ?? 128, output: `${done.stdout}${done.stderr}` };
  }

  /** Starts a command that stays; kill it before the namespace goes. */
  start(command: string, ...args: readonly string[]): ChildProcess {
    return spawn('ip', this.in(command, ...args), { stdio: ['pipe', 'pipe', 'pipe'] });
  }

  ip(...args: readonly string[]): string {
    return ip('-n', this.name, ...args);
  }

  [Symbol.dispose](): void {
    // What still runs in it would keep it.
    for (const pid of ip('netns', 'pids', this.name).split('\n').filter(Boolean)) {
      try {
        process.kill(Number(pid), 'SIGKILL');
      } catch {
        // It has ended by itself.
      }
    }
    ip('netns', 'del', this.name);
  }
}

/** One end of a pair. */
export interface End {
  readonly device: string;
  readonly ifindex: number;
  readonly mac: string;
  readonly address: string;
  readonly namespace: Namespace | undefined;
}

/** Two interfaces that are connected: `near` here (or in a namespace), `far` in a namespace of its own. */
export class Pair implements Disposable {
  readonly near: End;
  readonly far: End;
  readonly #owned: readonly Namespace[];

  /**
   * @param subnet third number of 10.97.X.0/24: `near` has .1, `far` has .2
   * @param within where `near` is; this process's namespace where absent
   */
  constructor(subnet: number, within?: Namespace) {
    const namespace = new Namespace();
    this.#owned = [namespace];
    const name = `abpf${process.pid % 100_000}${made++}`;
    const [a, b] = [`${name}a`, `${name}b`];
    ip(...at(within), 'link', 'add', a, 'type', 'veth', 'peer', 'name', b);
    ip(...at(within), 'link', 'set', b, 'netns', namespace.name);
    const addresses = [`10.97.${subnet}.1`, `10.97.${subnet}.2`] as const;
    for (const [space, device, address] of [
      [within, a, addresses[0]],
      [namespace, b, addresses[1]],
    ] as const) {
      ip(...at(space), 'addr', 'add', `${address}/24`, 'dev', device);
      ip(...at(space), 'link', 'set', device, 'up');
    }
    this.near = endOf(a, addresses[0], within);
    this.far = endOf(b, addresses[1], namespace);
  }

  [Symbol.dispose](): void {
    // One end takes the other along.
    spawnSync('ip', [...at(this.near.namespace), 'link', 'del', this.near.device], { stdio: 'ignore' });
    for (const namespace of this.#owned) namespace[Symbol.dispose]();
  }
}

const at = (namespace: Namespace | undefined): string[] => (namespace === undefined ? [] : ['-n', namespace.name]);

function endOf(device: string, address: string, namespace: Namespace | undefined): End {
  const [{ ifindex, address: mac }] = JSON.parse(ip(...at(namespace), '-j', 'link', 'show', device)) as [
    { ifindex: number; address: string },
  ];
  return { device, ifindex, mac, address, namespace };
}
