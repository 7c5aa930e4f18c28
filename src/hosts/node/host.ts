// The machine that Node runs on, as far as Node shows it: clocks, randomness, the process. Only this folder uses Node here.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { cpus as listCpus, networkInterfaces, uptime } from 'node:os';
import { basename } from 'node:path';
import process from 'node:process';
import { threadId } from 'node:worker_threads';
import { AnyBpfError } from '../../base/diagnostic.ts';
import type { Clock, Host, HostServices, ProcessIdentity } from '../../spec/host.ts';
import type { Network } from '../../spec/network.ts';
import type { Dialect } from '../../spec/object.ts';
import type { Platform } from '../../spec/platform.ts';
import { parsePrefix } from '../memory/addresses.ts';
import { TAI_OFFSET } from '../memory/clock.ts';
import { LOOPBACK } from '../memory/host.ts';
import { type InterfaceDescription, SimulatedNetwork } from '../memory/network.ts';
import { builtInPlatform } from '../platform.ts';

export interface NodeHostOptions {
  /** bpf_trace_printk's lines; standard error where absent. */
  readonly trace?: (line: string) => void;
  /** What network helpers see; where absent the machine's interfaces and the networks they are connected to. */
  readonly network?: Network;
  readonly readForeign?: HostServices['readForeign'];
  readonly writeForeign?: HostServices['writeForeign'];
  /** Platforms in place of the built-in ones, e.g. extended by `with`. */
  readonly platforms?: { readonly [D in Dialect]?: Platform };
}

const NS_PER_S = 1_000_000_000n;
/** Linux' USER_HZ, the unit of /proc/PID/stat's start time. */
const USER_HZ = 100n;
/** CONFIG_HZ of the usual distribution kernels; Node cannot ask. */
const HZ = 250;
const COMM_LENGTH = 15;

/** What a read of a system file gives, undefined where this system has no such file. */
function tryRead(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

/** CLOCK_BOOTTIME is ahead of CLOCK_MONOTONIC by the time the machine slept; Node gives uptime to 10 ms at best. */
function sleptNanoseconds(): bigint {
  const difference = BigInt(Math.round(uptime() * 1e9)) - process.hrtime.bigint();
  return difference > NS_PER_S ? difference : 0n;
}

/** To a microsecond; follows the clock as it was when the process began. */
const realtime = (): bigint => BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)) * 1000n;

function systemClock(): Clock {
  const slept = sleptNanoseconds();
  return {
    monotonic: () => process.hrtime.bigint(),
    boot: () => process.hrtime.bigint() + slept,
    realtime,
    tai: () => realtime() + TAI_OFFSET,
  };
}

/** Numbers from the system's generator, fetched a page at a time. */
function systemRandom(): () => number {
  const pool = new Uint32Array(1024);
  let next = pool.length;
  return () => {
    if (next === pool.length) {
      crypto.getRandomValues(pool);
      next = 0;
    }
    return pool[next++];
  };
}

/** Inode numbers of the process's cgroup (version 2) and its ancestors, root first: what bpf_get_current_cgroup_id gives. */
function cgroupIds(): bigint[] {
  const path = /^0::(\/.*)$/m.exec(tryRead('/proc/self/cgroup') ?? '')?.[1];
  if (path === undefined) return [];
  const mount = /^\S+ (\S+) cgroup2 /m.exec(tryRead('/proc/mounts') ?? '')?.[1];
  if (mount === undefined) return [];
  const parts = path.split('/').filter((part) => part !== '');
  const ids: bigint[] = [];
  for (let depth = 0; depth <= parts.length; depth++) {
    try {
      ids.push(statSync([mount, ...parts.slice(0, depth)].join('/'), { bigint: true }).ino);
    } catch {
      return ids;
    }
  }
  return ids;
}

/** Nanoseconds after boot at which the process began. */
function startTime(): bigint {
  const stat = tryRead('/proc/self/stat');
  // The name may hold spaces and brackets; the fields after its last bracket begin with the third.
  const ticks = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[22 - 3];
  if (ticks !== undefined && /^\d+$/.test(ticks)) return (BigInt(ticks) * NS_PER_S) / USER_HZ;
  return process.hrtime.bigint() - BigInt(Math.round(process.uptime() * 1e9));
}

function identity(): ProcessIdentity {
  const comm = tryRead('/proc/self/comm')?.trimEnd() ?? basename(process.execPath);
  const cgroups = cgroupIds();
  const uid = process.getuid?.() ?? 0;
  const started = startTime();
  return {
    pid: process.pid,
    tgid: process.pid,
    uid,
    gid: process.getgid?.() ?? 0,
    comm: comm.slice(0, COMM_LENGTH),
    cgroupId: cgroups.at(-1) ?? 0n,
    cgroupAncestors: cgroups,
    processStartKey: started,
    threadCreateTime: started,
    isAdmin: process.getuid !== undefined && uid === 0,
    logonId: 0n,
  };
}

const SYS_NET = '/sys/class/net';

/** The machine's interfaces with their addresses. Other systems than Linux do not show indexes: a loopback interface then. */
function interfaces(): readonly InterfaceDescription[] {
  const addresses = networkInterfaces();
  const found = namesIn(SYS_NET).flatMap((name): InterfaceDescription[] => {
    const number = (file: string) => Number(tryRead(`${SYS_NET}/${name}/${file}`));
    const [index, mtu] = [number('ifindex'), number('mtu')];
    if (!Number.isInteger(index) || index < 1 || !Number.isInteger(mtu) || mtu < 1) return [];
    const mac = tryRead(`${SYS_NET}/${name}/address`)?.trim() ?? '';
    return [
      {
        index,
        name,
        mtu,
        ...(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac) ? { mac } : {}),
        addresses: (addresses[name] ?? []).flatMap(({ cidr }) => (cidr !== null && isPrefix(cidr) ? [cidr] : [])),
        withoutNeighbours: name === 'lo',
      },
    ];
  });
  return found.length > 0 ? found : (LOOPBACK.interfaces ?? []);
}

/** Systems write addresses in ways of their own (with a scope, say); what is not understood is left out. */
function isPrefix(text: string): boolean {
  try {
    parsePrefix(text);
    return true;
  } catch (error) {
    if (!(error instanceof AnyBpfError)) throw error;
    return false;
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/**
 * The Node process as host. A JavaScript thread counts as one CPU, because nothing else runs on it between a program's first
 * and last instruction: the main thread is CPU 0, worker N is CPU N modulo the number of CPUs.
 *
 * Not shown by Node, and so absent: kernel memory (bpf_probe_read_* fails with -EFAULT unless `readForeign` is given),
 * kernel stacks, performance counters, routes beyond the connected networks, sockets, other threads' ids.
 */
export function nodeHost(options: NodeHostOptions = {}): Host {
  const cpus = Math.max(1, listCpus().length);
  const self = identity();
  const services: HostServices = {
    cpus,
    cpu: () => threadId % cpus,
    numaNode: 0,
    clock: systemClock(),
    hz: HZ,
    random32: systemRandom(),
    process: () => self,
    network: options.network ?? new SimulatedNetwork({ interfaces: interfaces() }),
    trace: options.trace ?? ((line) => process.stderr.write(`${line}\n`)),
    readForeign: options.readForeign ?? (() => undefined),
    writeForeign: options.writeForeign ?? (() => false),
    stack: () => [],
    perfCounter: () => undefined,
  };
  return {
    name: 'node',
    services,
    platform: (dialect) => options.platforms?.[dialect] ?? builtInPlatform(dialect),
  };
}
