// Clients that are killed at any point of their work, and what is left of them.
import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { Random } from '../support/random.ts';
import { served } from './support.ts';

const CLIENT = fileURLToPath(new URL('./doomed-client.mjs', import.meta.url));
/** Processes at a time. */
const TOGETHER = 3;
/** Milliseconds after the handshake that one lives at most. */
const LIFE = 100;

const ended = (child: ChildProcess): Promise<void> => new Promise((done) => child.once('close', () => done()));

export interface Killed {
  readonly killed: number;
  /** Of these, how many had greeted. */
  readonly greeted: number;
  readonly pins: number;
}

/**
 * Starts clients of a service and kills each at a random point, until so many were killed or the time is over. What is there then must be
 * what was pinned, and no more.
 */
export async function killClients({
  points,
  until,
  seed,
}: {
  readonly points: number;
  readonly until: number;
  readonly seed: number;
}): Promise<Killed> {
  const names = new Set<string>();
  const { socket, service, context } = await served({
    observers: [{ connected: (_, { client = '' }) => names.add(client) }],
  });
  const random = new Random(seed);
  let killed = 0;
  const one = async (): Promise<void> => {
    while (killed < points && performance.now() < until) {
      const name = `c${killed++}`;
      const child = spawn(process.execPath, [CLIENT, socket, name], { stdio: ['ignore', 'ignore', 'pipe'] });
      let complaint = '';
      child.stderr?.on('data', (text) => (complaint += text));
      const gone = ended(child);
      // Most are killed at their work, some before it has begun.
      if (random.below(20) > 0) while (!names.has(name) && child.exitCode === null) await pause(2);
      await pause(random.below(LIFE));
      child.kill('SIGKILL');
      await gone;
      expect(complaint).toBe('');
    }
  };
  await Promise.all(Array.from({ length: TOGETHER }, one));
  await expect.poll(() => service.status().connections, { timeout: 10_000 }).toBe(0);
  const { maps, programs, links, btfs, pins } = service.status().objects;
  // Only maps are pinned, each once.
  expect({ maps, programs, links, btfs, sessions: context.sessions.size }).toEqual({
    maps: pins,
    programs: 0,
    links: 0,
    btfs: 0,
    sessions: 0,
  });
  return { killed, greeted: names.size, pins };
}
