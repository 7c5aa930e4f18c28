// A lock that is one word of memory that threads share: 0 free, 1 held, 2 held while others may sleep for it.
const FREE = 0;
const HELD = 1;
const AWAITED = 2;

/** What is done under such a lock mostly takes less than a microsecond. */
const SPINS = 200;
const NAP_MS = 1;
/** A lock that is held for so long will not be given back: its thread was stopped (Worker.terminate), or it waits for itself. */
export const PATIENCE_MS = 10_000;

/**
 * Takes the lock; false where it does not become free.
 * @param at index of the word
 */
export function acquire(words: Uint32Array, at: number): boolean {
  for (let spin = 0; spin < SPINS; spin++) {
    if (Atomics.compareExchange(words, at, FREE, HELD) === FREE) return true;
  }
  const start = performance.now();
  while (Atomics.exchange(words, at, AWAITED) !== FREE) {
    nap(words, at);
    if (performance.now() - start > PATIENCE_MS) return false;
  }
  return true;
}

export function release(words: Uint32Array, at: number): void {
  if (Atomics.exchange(words, at, FREE) === AWAITED) Atomics.notify(signed(words), at, 1);
}

/** Sleeps until the lock is given back, or a while; where a thread must not sleep (a page's), it spins. */
function nap(words: Uint32Array, at: number): void {
  try {
    Atomics.wait(signed(words), at, AWAITED, NAP_MS);
  } catch {
    for (let i = 0; i < SPINS; i++) if (Atomics.load(words, at) === FREE) return;
  }
}

/** Only such arrays can be waited on. */
const signed = ({ buffer, byteOffset, length }: Uint32Array): Int32Array => new Int32Array(buffer, byteOffset, length);
