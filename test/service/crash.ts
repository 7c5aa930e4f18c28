// Kills a service at random points while clients work on it, starts it again, and compares what is there with what was acknowledged.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { connect } from '../../src/client/connect.ts';
import type { Session } from '../../src/spec/session.ts';
import { builtFolder } from '../support/built.ts';
import { Random } from '../support/random.ts';

export interface Figures {
  points: number;
  /** Milliseconds from the start of the process to its first answer: most, and all together. */
  slowest: number;
  starting: number;
  /** Milliseconds of a processor that the processes took until they were ready: most, whatever else the machine does. */
  processor: number;
  acknowledged: number;
  lost: number;
  torn: number;
  /** Ends within a write that was cut off. */
  cut: number;
  /** Pins that are there but were not asked for, or are not there but were acknowledged. */
  wrongPins: number;
}

const KEYS = 64;
const WORDS = 16;
const MOST_PINS = 12;

/** A value of one number only: another one in it is torn. */
function valueOf(n: number): Uint8Array {
  return new Uint8Array(Uint32Array.from({ length: WORDS }, () => n).buffer);
}

const keyOf = (n: number): Uint8Array => new Uint8Array(Uint32Array.of(n).buffer);

/** Numbers that were asked to be put, and the last one that was acknowledged, by map and key. */
class Expected {
  readonly issued = new Map<string, number>();
  readonly acknowledged = new Map<string, number>();
}

const MAPS = [
  ['hash', 'hash'],
  ['array', 'array'],
  ['lru', 'lru_hash'],
] as const;

export class Campaign {
  readonly figures: Figures = {
    points: 0,
    slowest: 0,
    starting: 0,
    processor: 0,
    acknowledged: 0,
    lost: 0,
    torn: 0,
    cut: 0,
    wrongPins: 0,
  };
  readonly #folder = mkdtempSync(join(tmpdir(), 'anybpf-crash-'));
  readonly #dist = join(builtFolder(), 'dist');
  readonly #options: object;
  readonly #random: Random;
  readonly #expected = new Expected();
  /** Paths by what is known of them: whether they are pinned, or undefined where an answer was not there in time. */
  readonly #pins = new Map<string, boolean | undefined>();
  #next = 1;
  #round = 0;

  constructor(seed: number, options: object) {
    this.#random = new Random(seed);
    this.#options = options;
    mkdirSync(join(this.#folder, 'run'), { mode: 0o700 });
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** One life of the service: it is looked at, worked with, and killed. */
  async round(): Promise<void> {
    this.#round++;
    const begun = performance.now();
    const service = await this.#start();
    const session = await connect({ socket: join(this.#folder, 'run/service.sock') });
    try {
      const milliseconds = performance.now() - begun;
      this.figures.slowest = Math.max(this.figures.slowest, milliseconds);
      this.figures.starting += milliseconds;
      const fds = this.#round === 1 ? await this.#prepare(session) : await this.#compare(session);
      const end = new AbortController();
      const work = [
        ...fds.map((fd, i) => this.#write(session, fd, MAPS[i][0], end.signal)),
        this.#pin(session, end.signal),
      ];
      await new Promise((resolve) => {
        setTimeout(resolve, this.#random.below(30));
      });
      service.kill('SIGKILL');
      end.abort();
      await Promise.all(work);
      if (service.exitCode === null && service.signalCode === null) await once(service, 'exit');
      this.figures.points++;
    } finally {
      service.kill('SIGKILL');
      await session.close();
    }
  }

  async #start(): Promise<ChildProcess> {
    const args = [join(import.meta.dirname, 'crash-service.mjs'), this.#dist];
    const places = [join(this.#folder, 'run/service.sock'), join(this.#folder, 'state')];
    const service = spawn(process.execPath, [...args, ...places, JSON.stringify(this.#options)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(service.stdout as NonNullable<typeof service.stdout>, 'data')) as [Uint8Array];
    const { ready, why, reports, cpu } = JSON.parse(String(line)) as {
      ready: boolean;
      why?: string;
      reports: readonly { readonly code: string }[];
      cpu: number;
    };
    if (!ready) throw new Error(`round ${this.#round}: ${why}`);
    this.figures.processor = Math.max(this.figures.processor, cpu);
    for (const { code } of reports) {
      if (code !== 'state/cut') throw new Error(`round ${this.#round}: ${code}`);
      this.figures.cut++;
    }
    return service;
  }

  async #prepare(session: Session): Promise<number[]> {
    const fds: number[] = [];
    for (const [name, type] of MAPS) {
      const { fd } = await session.call('map.create', {
        name,
        type,
        keySize: 4,
        valueSize: 4 * WORDS,
        maxEntries: 4 * KEYS,
      });
      await session.call('object.pin', { fd, path: name });
      fds.push(fd);
    }
    return fds;
  }

  /** Counts what is not as it was acknowledged. Where no answer came in time, both are right, and what is there is what counts now. */
  async #compare(session: Session): Promise<number[]> {
    const { issued, acknowledged } = this.#expected;
    const fds: number[] = [];
    for (const [name] of MAPS) {
      const { fd } = await session.call('object.get', { path: name });
      fds.push(fd);
      for (let key = 0; key < KEYS; key++) {
        const at = `${name} ${key}`;
        const last = acknowledged.get(at) ?? 0;
        const found = await session.call('map.lookup', { fd, key: keyOf(key) }).then(
          ({ value }) => [...new Uint32Array(value.slice().buffer)],
          () => [0],
        );
        if (found.some((word) => word !== found[0])) this.figures.torn++;
        else if (found[0] < last || found[0] > (issued.get(at) ?? 0)) this.figures.lost++;
        else acknowledged.set(at, found[0]);
      }
    }
    const { pins } = await session.call('object.pins', { below: '/sys/fs/bpf/p' });
    const there = new Set(pins.map(({ path }) => path));
    for (const [path, pinned] of this.#pins) {
      const found = there.delete(path);
      if (pinned !== undefined && pinned !== found) this.figures.wrongPins++;
      this.#pins.set(path, found);
    }
    this.figures.wrongPins += there.size;
    return fds;
  }

  /** One after the other, single elements and batches. */
  async #write(session: Session, fd: number, name: string, signal: AbortSignal): Promise<void> {
    const { issued, acknowledged } = this.#expected;
    while (!signal.aborted) {
      const count = this.#random.chance(0.3) ? 1 + this.#random.below(16) : 1;
      const first = this.#random.below(KEYS - count);
      const numbers = Array.from({ length: count }, () => this.#next++);
      numbers.forEach((n, i) => issued.set(`${name} ${first + i}`, n));
      const keys = Buffer.concat(numbers.map((_, i) => keyOf(first + i)));
      const values = Buffer.concat(numbers.map((n) => valueOf(n)));
      try {
        if (count === 1) await session.call('map.update', { fd, key: keys, value: values });
        else await session.call('map.updateBatch', { fd, keys, values, count });
      } catch {
        return;
      }
      numbers.forEach((n, i) => acknowledged.set(`${name} ${first + i}`, n));
      this.figures.acknowledged += count;
    }
  }

  /** Pins new maps and takes old ones away. */
  async #pin(session: Session, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const old = [...this.#pins].filter(([, pinned]) => pinned === true);
      const path = old.length < MOST_PINS ? `/sys/fs/bpf/p/${this.#next++}` : old[0][0];
      const pinned = old.length < MOST_PINS;
      this.#pins.set(path, undefined);
      try {
        if (pinned) {
          const map = { name: 'p', type: 'hash', keySize: 4, valueSize: 4, maxEntries: 4 } as const;
          const { fd } = await session.call('map.create', map);
          await session.call('object.pin', { fd, path });
          await session.call('object.close', { fd });
        } else await session.call('object.unpin', { path });
      } catch {
        return;
      }
      this.#pins.set(path, pinned);
    }
  }
}
