// What a program can learn from the machine, as services that a host gives and a test can pin.
import type { Network } from './network.ts';
import type { Dialect } from './object.ts';
import type { Platform } from './platform.ts';

/** Clocks in nanoseconds (bpf_ktime_get_*). */
export interface Clock {
  /** CLOCK_MONOTONIC. */
  monotonic(): bigint;
  /** CLOCK_BOOTTIME. */
  boot(): bigint;
  /** CLOCK_TAI. */
  tai(): bigint;
  /** CLOCK_REALTIME. */
  realtime(): bigint;
}

/** The task that a program runs for. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly tgid: number;
  readonly uid: number;
  readonly gid: number;
  /** At most 15 bytes. */
  readonly comm: string;
  readonly cgroupId: bigint;
  /** Cgroup ids of the ancestors, root first. */
  readonly cgroupAncestors: readonly bigint[];
  /** Class of the net_cls controller; absent, as without that controller: 0. */
  readonly netClassId?: number;
  /** Start time of the process and of the thread, 100 ns since 1601 (Windows) or ns since boot (Linux). */
  readonly processStartKey: bigint;
  readonly threadCreateTime: bigint;
  readonly isAdmin: boolean;
  readonly logonId: bigint;
  /** Address of the host's task structure for readForeign (bpf_get_current_task); absent where the host has none. */
  readonly taskAddress?: bigint;
  /** The pid namespace of the task, by device and inode, and its ids there (bpf_get_ns_current_pid_tgid). */
  readonly pidNamespace?: {
    readonly device: bigint;
    readonly inode: bigint;
    readonly pid: number;
    readonly tgid: number;
  };
}

export interface HostServices {
  /** Possible CPUs. */
  readonly cpus: number;
  /** CPU of the caller. */
  cpu(): number;
  readonly numaNode: number;
  readonly clock: Clock;
  /** Jiffies a second (CONFIG_HZ). */
  readonly hz: number;
  random32(): number;
  process(): ProcessIdentity;
  readonly network: Network;
  /** bpf_trace_printk: one line, without its newline. */
  trace(line: string): void;
  /** Windows: bytes that a program leaves for whoever gets the connection that it redirects. */
  redirectContext?(bytes: Uint8Array): void;
  /** bpf_probe_read_*: bytes at an address outside the linear memory, or undefined (-EFAULT). */
  readForeign(address: bigint, size: number, space: 'kernel' | 'user'): Uint8Array | undefined;
  /** bpf_probe_write_user. */
  writeForeign(address: bigint, bytes: Uint8Array): boolean;
  /** Return addresses, innermost first (bpf_get_stackid, bpf_get_stack). */
  stack(space: 'kernel' | 'user'): readonly bigint[];
  /** bpf_perf_event_read(_value): hardware or software counter of a perf_event_array slot. */
  perfCounter(
    map: { readonly id: number },
    index: number,
  ): { value: bigint; enabled: bigint; running: bigint } | undefined;
  /** The counter that a perf_event program runs for (bpf_perf_prog_read_value). */
  programCounter?(): { value: bigint; enabled: bigint; running: bigint } | undefined;
}

/** Where programs run: services, and the platforms (one a dialect) put together from helpers, maps and program types. */
export interface Host {
  readonly name: string;
  readonly services: HostServices;
  platform(dialect: Dialect): Platform;
}
