// What somebody may send who wants no answer, and somebody else who must not notice.
import { expect } from 'vitest';
import type { ServiceSession } from '../../src/client/session.ts';
import { RawClient } from './raw.ts';

/** Another client at its work: it updates and looks up until it is stopped, and says how long the longest call took. */
export async function bystander(
  session: ServiceSession,
): Promise<{ stop(): Promise<{ calls: number; longest: number }> }> {
  const { fd } = await session.call('map.create', {
    name: 'by',
    type: 'hash',
    keySize: 4,
    valueSize: 8,
    maxEntries: 99,
  });
  const going = new AbortController();
  let calls = 0;
  let longest = 0;
  const work = (async () => {
    for (; !going.signal.aborted; calls++) {
      const key = Uint8Array.of(calls % 50, 0, 0, 0);
      const value = new Uint8Array(8).fill(calls);
      const begun = performance.now();
      await session.call('map.update', { fd, key, value });
      expect(await session.call('map.lookup', { fd, key })).toEqual({ value });
      longest = Math.max(longest, performance.now() - begun);
      await new Promise((done) => setImmediate(done));
    }
  })();
  return {
    stop: async () => {
      going.abort();
      await work;
      return { calls, longest };
    },
  };
}

/** Opens so many connections that say nothing, as fast as the system takes them. */
export async function crowd(socket: string, count: number): Promise<{ opened: number; close(): void }> {
  const all: RawClient[] = [];
  const one = async (): Promise<void> => {
    for (;;) {
      try {
        all.push(await RawClient.open(socket));
        return;
      } catch {
        // More wait than the system lets wait.
        await new Promise((done) => setTimeout(done, 5));
      }
    }
  };
  for (let i = 0; i < count; i += 100) await Promise.all(Array.from({ length: Math.min(100, count - i) }, one));
  return {
    opened: all.length,
    close: () => {
      for (const client of all) client.socket.destroy();
    },
  };
}
