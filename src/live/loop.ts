// Runs what is attached to an interface on each packet that comes to it, and does what the verdicts say.
import { AnyBpfError, type Diagnostic } from '../base/diagnostic.ts';
import { deviceDown, deviceGone } from '../base/messages/live.ts';
import { REDIRECT, type RedirectTarget } from '../helpers/redirect.ts';
import type { ExecutionContext } from '../context/context.ts';
import type { BurstOptions, HookBatch } from '../context/hooks/batch.ts';
import type { PreparedHook } from '../context/hooks/hooks.ts';
import type { Dialect } from '../spec/object.ts';
import { type Driver, type DriverStatistics, MOST, noFrames, type Outgoing } from './driver.ts';
import { libc } from './libc.ts';
import type { Watch } from '../hosts/node/koffi.ts';
import { redirectTargets } from './redirect.ts';

/** How the loop waits: woken by the kernel, or looking all the time (one core is then always busy). */
export const WAITS = ['poll', 'busy'] as const;
export type Wait = (typeof WAITS)[number];

/** What can become of a packet. */
export const OUTCOMES = ['dropped', 'passed', 'transmitted', 'redirected', 'aborted', 'undeliverable'] as const;
export type Outcome = (typeof OUTCOMES)[number];

export type LiveStatistics = DriverStatistics & { readonly [O in Outcome]: number } & {
  readonly received: number;
  readonly bytes: number;
  /** Bursts that they came in. */
  readonly bursts: number;
};

export interface LiveEvents {
  /** A run that was aborted, or a change of the interface. */
  report?(finding: Diagnostic): void;
  /** The interface is gone: the loop has ended. */
  ended?(finding: Diagnostic): void;
}

export interface LoopOptions extends LiveEvents {
  readonly context: ExecutionContext;
  readonly driver: Driver;
  readonly dialect?: Dialect;
  readonly wait?: Wait;
  /** Sends to another interface; false where there is none that can. */
  readonly sendTo: (ifindex: number, frame: Outgoing) => boolean;
  /** Flushes what `sendTo` gathered. */
  readonly flushOthers: () => void;
  /** Takes what was redirected to a socket of an xskmap; false where nobody does. */
  readonly queue?: (handle: number, frame: Uint8Array) => boolean;
}

/** Bursts of one turn of the event loop: others get their time in between. */
const TURN = 16;
/** As a network card moderates its interrupts: where wake-ups follow each other within so many milliseconds, the next one waits. */
const CLOSE = 0.1;
const NAP_MICROSECONDS = 100;
/** Milliseconds after which an interface is asked whether it is there: AF_XDP sockets do not say so by themselves. */
const LOOK = 200;
/** Milliseconds in which packets that the kernel still holds arrive after `retire`. */
const REST = 5;

export class Loop {
  readonly driver: Driver;
  readonly #options: LoopOptions;
  readonly #hook: PreparedHook;
  /** By receive queue: contexts say which it is. */
  readonly #batches: { readonly batch: HookBatch; readonly options: BurstOptions }[] = [];
  readonly #frames = noFrames();
  readonly #frame: Outgoing = {
    bytes: this.#frames.memory,
    from: 0,
    length: 0,
    offloadBytes: this.#frames.memory,
    offload: -1,
    grown: 0,
  };
  readonly #counts: { [O in Outcome]: number } = {
    dropped: 0,
    passed: 0,
    transmitted: 0,
    redirected: 0,
    aborted: 0,
    undeliverable: 0,
  };
  readonly #verdicts: { readonly [V in 'DROP' | 'PASS' | 'TX' | 'REDIRECT' | 'ABORTED']: number };
  #received = 0;
  #bytes = 0;
  #bursts = 0;
  #lastTurn = 0;
  #watches: Watch[] = [];
  readonly #looks: NodeJS.Timeout;
  #immediate: NodeJS.Immediate | undefined;
  #state: 'running' | 'retiring' | 'closed' = 'running';
  #down = false;
  #last: LiveStatistics | undefined;

  constructor(options: LoopOptions) {
    const { context, driver, dialect = 'linux' } = options;
    this.#options = options;
    this.driver = driver;
    this.#hook = context.hooks.prepare({ attachType: 'xdp', target: { ifindex: driver.ifindex }, dialect });
    const verdicts = context.platform(dialect).programType('xdp')?.verdicts[dialect] ?? {};
    const value = (name: string): number => Number(verdicts[`XDP_${name}`] ?? -1n);
    this.#verdicts = {
      DROP: value('DROP'),
      PASS: value('PASS'),
      TX: value('TX'),
      REDIRECT: value('REDIRECT'),
      ABORTED: value('ABORTED'),
    };
    for (const fd of driver.fds) this.#watches.push(libc().watch(fd, () => this.#woken()));
    this.#looks = setInterval(() => this.#look(), LOOK).unref();
    if (options.wait === 'busy') this.#again();
  }

  /** Whether a program is attached. */
  get attached(): boolean {
    return this.#hook.chain.attachments.length > 0;
  }

  get closed(): boolean {
    return this.#state === 'closed';
  }

  statistics(): LiveStatistics {
    return (
      this.#last ?? {
        received: this.#received,
        bytes: this.#bytes,
        bursts: this.#bursts,
        ...this.#counts,
        ...this.driver.statistics(),
      }
    );
  }

  #again(): void {
    this.#immediate ??= setImmediate(() => {
      this.#immediate = undefined;
      this.#turn();
      if (this.#options.wait === 'busy' && this.#state !== 'closed') this.#again();
    });
  }

  #woken(): void {
    if (this.#state === 'closed') return;
    if (this.driver.wakes === 'frame' && performance.now() - this.#lastTurn < CLOSE) libc().nap(NAP_MICROSECONDS);
    const count = this.#turn();
    this.#lastTurn = performance.now();
    if (count === 0) this.#look();
  }

  #look(): void {
    if (this.#state === 'closed') return;
    const condition = this.driver.condition();
    const { device } = this.driver;
    if (condition === 'gone') {
      const finding = deviceGone({}, device, 'the interface was taken away');
      this.#end();
      this.#options.ended?.(finding);
    } else if (condition === 'down' && !this.#down) {
      this.#down = true;
      this.#options.report?.(deviceDown({}, device));
    } else if (condition === 'up') this.#down = false;
    // A watch that was told of an error has ended.
    if (condition === 'down') this.#rewatch();
  }

  #rewatch(): void {
    for (const watch of this.#watches) watch.close();
    this.#watches = this.driver.fds.map((fd) => libc().watch(fd, () => this.#woken()));
  }

  /** Takes what there is, and no more than TURN bursts of it; the number of frames. */
  #turn(): number {
    if (this.#state === 'closed') return 0;
    let sum = 0;
    for (let burst = 0; burst < TURN; burst++) {
      const count = this.driver.receive(this.#frames);
      if (count === 0) return sum;
      sum += count;
      this.#burst();
      this.driver.release();
      if (this.#state === ('closed' as string)) return sum;
    }
    this.#again();
    return sum;
  }

  #burst(): void {
    const frames = this.#frames;
    const { count, length } = frames;
    this.#received += count;
    this.#bursts++;
    for (let i = 0; i < count; i++) this.#bytes += length[i];
    const { batch, options } = this.#batchOf(frames.queue);
    const verdicts = batch.burst(frames, options);
    if (verdicts === undefined) this.#passAll();
    else this.#carryOut(batch, verdicts);
    this.driver.flush();
    this.#options.flushOthers();
  }

  #batchOf(queue: number) {
    this.#batches[queue] ??= {
      batch: this.#hook.batch(MOST),
      options: {
        ctx: { ingress_ifindex: this.driver.ifindex, ...(queue === 0 ? {} : { rx_queue_index: queue }) },
        aborted: -1,
        keep: REDIRECT,
        report: (_, error) => {
          if (!(error instanceof AnyBpfError)) throw error;
          this.#options.report?.(error.diagnostic);
        },
      },
    };
    return this.#batches[queue];
  }

  /** Nothing is attached: as they came. */
  #passAll(): void {
    const { memory, at, length, offload, count } = this.#frames;
    const frame = this.#frame;
    frame.bytes = frame.offloadBytes = memory;
    frame.grown = 0;
    for (let i = 0; i < count; i++) {
      frame.from = at[i];
      frame.length = length[i];
      frame.offload = offload[i];
      this.driver.pass(frame);
    }
    this.#counts.passed += count;
  }

  #carryOut(batch: HookBatch, verdicts: Uint32Array): void {
    const { DROP, PASS, TX, REDIRECT: SENT } = this.#verdicts;
    const counts = this.#counts;
    const { driver } = this;
    for (let i = 0; i < verdicts.length; i++) {
      const verdict = verdicts[i];
      if (verdict === DROP) counts.dropped++;
      else if (verdict === PASS) {
        counts.passed++;
        if (driver.enforces) driver.pass(this.#outgoing(batch, i));
      } else if (verdict === TX) {
        counts.transmitted++;
        if (driver.enforces) driver.transmit(this.#outgoing(batch, i));
      } else if (verdict === SENT) this.#redirect(batch, i);
      else counts.aborted++;
    }
  }

  /** A packet as its program left it. */
  #outgoing(batch: HookBatch, index: number): Outgoing {
    const frames = this.#frames;
    const frame = this.#frame;
    const { memory } = batch;
    const packet = batch.laid(index)?.packet;
    if (packet === undefined || memory === undefined) throw new Error('a packet that was not laid');
    const { data, end, link } = packet;
    frame.bytes = memory.u8;
    frame.from = data;
    frame.length = end - data;
    frame.offloadBytes = frames.memory;
    frame.offload = frames.offload[index];
    // Where it began as it came.
    frame.grown = link - data;
    return frame;
  }

  #redirect(batch: HookBatch, index: number): void {
    const target = batch.leftOf<{ readonly target: RedirectTarget | undefined }>(index)?.target;
    const counts = this.#counts;
    const { driver } = this;
    const { sendTo, queue } = this.#options;
    const { memory } = batch;
    const targets = memory === undefined ? [] : redirectTargets(memory, target, driver.ifindex);
    if (!driver.enforces) {
      counts.redirected++;
      return;
    }
    let sent = false;
    for (const to of targets) {
      const frame = this.#outgoing(batch, index);
      if (to.kind === 'host') {
        driver.pass(frame);
        sent = true;
      } else if (to.kind === 'queue') {
        const { bytes, from, length } = frame;
        sent = (queue?.(to.handle, bytes.slice(from, from + length)) ?? false) || sent;
      } else if (to.ifindex === driver.ifindex) {
        driver.transmit(frame);
        sent = true;
      } else sent = sendTo(to.ifindex, frame) || sent;
    }
    counts[sent ? 'redirected' : 'undeliverable']++;
  }

  /** Ends it: the system gets what comes from here on, and what had come before goes its way first. */
  async close(): Promise<void> {
    if (this.#state !== 'running') return;
    this.#state = 'retiring';
    this.driver.retire();
    const until = performance.now() + REST;
    while (performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      this.#turn();
    }
    this.#end();
  }

  #end(): void {
    if (this.closed) return;
    this.#last = this.statistics();
    this.#state = 'closed';
    if (this.#immediate !== undefined) clearImmediate(this.#immediate);
    clearInterval(this.#looks);
    for (const watch of this.#watches) watch.close();
    this.#watches = [];
    for (const { batch } of Object.values(this.#batches)) batch[Symbol.dispose]();
    this.driver.close();
  }
}
