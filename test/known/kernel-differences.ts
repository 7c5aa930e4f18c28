// Where a comparison with the running kernel may come out different, and why. Everything else is a failure.

/** Helpers whose results cannot be the same on both sides; a program that calls one is run and counted, not judged. */
export const INCOMPARABLE_HELPERS: Readonly<Record<string, string>> = {
  ktime_get_ns: 'the clock',
  ktime_get_boot_ns: 'the clock',
  ktime_get_coarse_ns: 'the clock',
  ktime_get_tai_ns: 'the clock',
  jiffies64: 'the clock',
  get_prandom_u32: 'random numbers',
  get_hash_recalc: "the kernel's flow hash is seeded at boot",
  get_current_pid_tgid: 'the task',
  get_current_uid_gid: 'the task',
  get_current_comm: 'the task',
  get_current_task: 'an address of the kernel',
  get_stackid: 'addresses of the kernel',
  probe_read: 'memory of the kernel',
  probe_read_kernel: 'memory of the kernel',
  fib_lookup: "the machine's routes",
  get_socket_cookie: 'numbers that the kernel gives out',
  get_netns_cookie: 'numbers that the kernel gives out',
};

/**
 * Faults of Linux 6.18's verifier that the random programs of test/fuzz/random-program.ts found; the generator keeps away
 * from them, because there the kernel runs other code than it was given:
 * - the upper half of r0 after a 32-bit cmpxchg that succeeds stays as it was, where the verifier saw r0 overwritten on the
 *   path that it walked first: it does not insert the zero extension that x86 needs (RFC 9669 section 5.3: zero-extended);
 * - what an atomic operation fetched from a stack slot counts as known although the slot was not marked as read precisely: a
 *   path on which the slot holds another value is taken for already seen, and branches are removed that it would take.
 */
export const VERIFIER_FAULTS = 'avoided by the generator' as const;
