// Helpers that the module leaves to who loads it.
import { checksumDifference } from '../../helpers/internet-checksum.ts';

/**
 * A helper as the caller gives it: arguments as numbers (addresses, sizes, 32-bit values) or bigints (64-bit values), a result
 * of r0: negative ones are error numbers.
 */
export type HelperFunction = (run: RunView, ...args: (number | bigint)[]) => number | bigint | void;

/** What a helper sees of the run. */
export interface RunView {
  readonly memory: WebAssembly.Memory;
  readonly program: string;
  /** Address of the context. */
  readonly context: number;
}

/** Nanoseconds of a clock that only goes forward. */
const monotonic = (): bigint => BigInt(Math.round(performance.now() * 1e6));

/** Helpers that need nothing but the language. What the caller gives goes before them. */
export const PLAIN_HELPERS: Readonly<Record<string, HelperFunction>> = {
  ktime_get_ns: monotonic,
  ktime_get_boot_ns: monotonic,
  ktime_get_coarse_ns: monotonic,
  get_prandom_u32: () => (Math.random() * 2 ** 32) >>> 0,
  get_smp_processor_id: () => 0,
  get_numa_node_id: () => 0,
  csum_diff: ({ memory }, from, fromSize, to, toSize, seed) => {
    const bytes = (at: number | bigint, size: number | bigint) =>
      new Uint8Array(memory.buffer, Number(at), Number(size));
    return checksumDifference(bytes(from, fromSize), bytes(to, toSize), Number(seed));
  },
};
