// Faults of Linux 6.18's verifier that random programs (test/fuzz/random-program.ts) found: the kernel runs other code than
// it was given. The generator keeps away from them; test/kernel/faults.test.ts holds our side to the right answer.

export interface KernelFault {
  readonly title: string;
  /** XDP program, run on any packet with rx_queue_index 0 and ingress_ifindex 0 or 1. */
  readonly text: string;
  readonly right: number;
  readonly wrong: number;
}

export const KERNEL_FAULTS: readonly KernelFault[] = [
  {
    // RFC 9669 section 5.3: the 32-bit result is zero-extended. x86 leaves the upper half of r0 when the exchange succeeds, so
    // the verifier must insert a zero extension; it does not where it first walked a path on which r0 is overwritten, and
    // took the other one for seen.
    title: 'the upper half of r0 stays after a 32-bit cmpxchg',
    text: `
      r6 = *(u32 *)(r1 + 16)
      r7 = *(u32 *)(r1 + 12)
      r2 = 5
      *(u64 *)(r10 - 8) = r2
      r0 = 0xffffffff00000005 ll
      r2 = 7
      w0 = cmpxchg32_32(r10 - 8, w0, w2)
      if r6 == 0 goto end
      r0 = r7
    end:
      r0 >>= 32
      exit`,
    right: 0,
    wrong: 0xffff_ffff,
  },
  {
    // A branch on what was fetched needs the slot's value to be exact, which is not marked: a path on which the slot holds
    // something else counts as seen, and the branch that it would take is removed as dead.
    title: 'what an atomic operation fetches from the stack counts as known',
    text: `
      r6 = *(u32 *)(r1 + 16)
      r7 = *(u32 *)(r1 + 12)
      *(u64 *)(r10 - 8) = r7
      if r6 == 0 goto fetch
      r2 = 61
      *(u64 *)(r10 - 8) = r2
    fetch:
      r3 = 0
      r3 = xchg_64(r10 - 8, r3)
      if r3 == 61 goto known
      r0 = 1
      exit
    known:
      r0 = 2
      exit`,
    right: 1,
    wrong: 2,
  },
];
