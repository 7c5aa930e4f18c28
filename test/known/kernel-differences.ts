// Where a comparison with the running kernel may come out different, and why. Everything else is a failure.

export interface Incomparable {
  readonly reason: string;
  /** What it spoils: only what programs keep in maps and records, or also what they decide. */
  readonly spoils: 'maps' | 'all';
}

/** Helpers whose results cannot be the same on both sides. What they spoil in a program that may call one is not judged. */
export const INCOMPARABLE_HELPERS: Readonly<Record<string, Incomparable>> = {
  ktime_get_ns: { reason: 'the clock', spoils: 'maps' },
  ktime_get_boot_ns: { reason: 'the clock', spoils: 'maps' },
  ktime_get_coarse_ns: { reason: 'the clock', spoils: 'maps' },
  ktime_get_tai_ns: { reason: 'the clock', spoils: 'maps' },
  jiffies64: { reason: 'the clock', spoils: 'maps' },
  get_prandom_u32: { reason: 'random numbers', spoils: 'all' },
  get_hash_recalc: { reason: "the kernel's flow hash is seeded at boot", spoils: 'maps' },
  get_current_pid_tgid: { reason: 'the task', spoils: 'maps' },
  get_current_uid_gid: { reason: 'the task', spoils: 'maps' },
  get_current_comm: { reason: 'the task', spoils: 'maps' },
  get_current_task: { reason: 'an address of the kernel', spoils: 'all' },
  get_stackid: { reason: 'addresses of the kernel', spoils: 'maps' },
  probe_read: { reason: 'memory of the kernel', spoils: 'all' },
  probe_read_kernel: { reason: 'memory of the kernel', spoils: 'all' },
  get_socket_cookie: { reason: 'numbers that the kernel gives out', spoils: 'maps' },
  get_netns_cookie: { reason: 'numbers that the kernel gives out', spoils: 'maps' },
};

/** Linux keeps free elements of an LRU map by the CPU and evicts in batches; ours evicts one when the map is full. */
export const EVICTION: Incomparable = { reason: 'which element an LRU map evicts', spoils: 'all' };
