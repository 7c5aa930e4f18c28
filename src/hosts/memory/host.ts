// A host that lives in memory and depends on nothing: the same program on the same input gives the same result everywhere.
import { fail } from '../../base/diagnostic.ts';
import { badOption } from '../../base/messages/run.ts';
import type { Host, HostServices, ProcessIdentity } from '../../spec/host.ts';
import type { Network } from '../../spec/network.ts';
import type { Dialect } from '../../spec/object.ts';
import type { Platform } from '../../spec/platform.ts';
import { builtInPlatform } from '../platform.ts';
import { type ClockOptions, SteppedClock } from './clock.ts';
import { type NetworkDescription, SimulatedNetwork } from './network.ts';
import { seededRandom } from './random.ts';

export interface MemoryHostOptions {
  /** Possible CPUs, 1 where absent. */
  readonly cpus?: number;
  /** CPU that runs are on. */
  readonly cpu?: number;
  /** Start of bpf_get_prandom_u32's numbers. */
  readonly seed?: number;
  readonly clock?: ClockOptions;
  /** Jiffies a second. */
  readonly hz?: number;
  /** Fields of the task that programs run for; the rest as in {@link DEFAULT_PROCESS}. */
  readonly process?: Partial<ProcessIdentity>;
  /** Interfaces, routes, neighbours and sockets; a loopback interface where absent. */
  readonly network?: Network | NetworkDescription;
  /** Lines of bpf_trace_printk, in place of {@link MemoryHost.traceLines}. */
  readonly trace?: (line: string) => void;
  /** Memory outside the programs' (bpf_probe_read_*); nothing is readable where absent. */
  readonly readForeign?: HostServices['readForeign'];
  readonly writeForeign?: HostServices['writeForeign'];
  /** Return addresses that stack helpers see; none where absent. */
  readonly stack?: HostServices['stack'];
  readonly perfCounter?: HostServices['perfCounter'];
  /** Platforms in place of the built-in ones, e.g. extended by `with`. */
  readonly platforms?: { readonly [D in Dialect]?: Platform };
}

export const DEFAULT_PROCESS: ProcessIdentity = {
  pid: 1000,
  tgid: 1000,
  uid: 1000,
  gid: 1000,
  comm: 'anybpf',
  cgroupId: 1n,
  cgroupAncestors: [1n],
  processStartKey: 1n,
  threadCreateTime: 0n,
  isAdmin: false,
  logonId: 999n,
};

/** The least network that a host can have. */
export const LOOPBACK: NetworkDescription = {
  interfaces: [{ index: 1, name: 'lo', mtu: 65_536, addresses: ['127.0.0.1/8', '::1/128'], withoutNeighbours: true }],
};

const networkOf = (network: Network | NetworkDescription): Network =>
  'fibLookup' in network ? network : new SimulatedNetwork(network);

const MAX_CPUS = 4096;
/** Lines that are kept; older ones go. */
const MAX_TRACE_LINES = 10_000;

export interface MemoryHost extends Host {
  /** What programs printed, oldest first. */
  readonly traceLines: readonly string[];
  readonly clock: SteppedClock;
  /** Moves further runs to another CPU. */
  setCpu(cpu: number): void;
}

/**
 * A host in memory: fixed clocks that advance by a step at each reading, seeded random numbers, one process, a network that the
 * caller describes. Runs anywhere JavaScript does, and equal runs give equal results.
 *
 * @throws AnyBpfError run/option for numbers that make no sense
 */
export function memoryHost(options: MemoryHostOptions = {}): MemoryHost {
  const { cpus = 1, seed = 1, hz = 250 } = options;
  if (!Number.isInteger(cpus) || cpus < 1 || cpus > MAX_CPUS)
    fail(badOption({}, 'cpus', `must be 1 to ${MAX_CPUS}, not ${cpus}`));
  let current = 0;
  const setCpu = (cpu: number): void => {
    if (!Number.isInteger(cpu) || cpu < 0 || cpu >= cpus)
      fail(badOption({}, 'cpu', `must be 0 to ${cpus - 1}, not ${cpu}`));
    current = cpu;
  };
  setCpu(options.cpu ?? 0);
  const traceLines: string[] = [];
  const clock = new SteppedClock(options.clock);
  const process = { ...DEFAULT_PROCESS, ...options.process };
  const services: HostServices = {
    cpus,
    cpu: () => current,
    numaNode: 0,
    clock,
    hz,
    random32: seededRandom(seed),
    process: () => process,
    network: networkOf(options.network ?? LOOPBACK),
    trace:
      options.trace ??
      ((line) => {
        if (traceLines.length >= MAX_TRACE_LINES) traceLines.shift();
        traceLines.push(line);
      }),
    readForeign: options.readForeign ?? (() => undefined),
    writeForeign: options.writeForeign ?? (() => false),
    stack: options.stack ?? (() => []),
    perfCounter: options.perfCounter ?? (() => undefined),
  };
  return {
    name: 'memory',
    services,
    traceLines,
    clock,
    setCpu,
    platform: (dialect) => options.platforms?.[dialect] ?? builtInPlatform(dialect),
  };
}
