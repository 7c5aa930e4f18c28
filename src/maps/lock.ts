// The lock of a map that threads share: a word of its descriptor.
import { fail } from '../base/diagnostic.ts';
import { lockStuck } from '../base/messages/map.ts';
import { acquire, PATIENCE_MS, release } from '../base/mutex.ts';
import { DESCRIPTOR } from '../spec/map-layout.ts';
import type { Address, Memory } from '../spec/memory.ts';

/** What one thread has of a map's lock. Nothing that is done under it calls programs or the application. */
export class MapLock {
  readonly #memory: Memory;
  readonly #at: number;
  readonly #name: string;
  /** Calls within calls of this thread. */
  #depth = 0;

  constructor(memory: Memory, handle: Address, name: string) {
    this.#memory = memory;
    this.#at = (handle + DESCRIPTOR.LOCK) >>> 2;
    this.#name = name;
  }

  /** @throws AnyBpfError map/lock where the lock does not become free */
  run<T>(change: () => T): T {
    if (this.#depth === 0 && !acquire(this.#memory.u32, this.#at)) fail(lockStuck({ map: this.#name }, PATIENCE_MS));
    this.#depth++;
    try {
      return change();
    } finally {
      if (--this.#depth === 0) release(this.#memory.u32, this.#at);
    }
  }
}
