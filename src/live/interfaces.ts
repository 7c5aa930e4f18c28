// The live interfaces of a context: what is attached to their XDP hooks runs on what comes to them. They come by `open`, and go when the
// last program is taken off, with `close`, or with the interface.
import type { Diagnostic } from '../base/diagnostic.ts';
import { fail } from '../base/diagnostic.ts';
import { alreadyLive, noDevice, notLive } from '../base/messages/live.ts';
import type { ExecutionContext } from '../context/context.ts';
import type { Dialect } from '../spec/object.ts';
import type { ContextObserver } from '../spec/session.ts';
import type { DriverName, Outgoing } from './driver.ts';
import { libc } from './libc.ts';
import { type LiveStatistics, Loop, type LoopOptions, type Wait } from './loop.ts';
import { type DriverOptions, openDriver } from './open.ts';
import { Sender } from './sender.ts';

export interface LiveOptions extends DriverOptions {
  readonly driver: DriverName;
  readonly dialect?: Dialect;
  readonly wait?: Wait;
  /** Takes what programs redirect to sockets of xskmaps. */
  readonly queue?: LoopOptions['queue'];
}

/** What an interface is and did. */
export interface LiveInfo {
  readonly device: string;
  readonly ifindex: number;
  readonly driver: DriverName;
  readonly mode: string;
  readonly enforces: boolean;
  readonly layer: 'ethernet' | 'ip';
  readonly dialect: Dialect;
  readonly statistics: LiveStatistics;
}

export interface LiveReports {
  /** What happened at an interface: an aborted run, its end. */
  report?(device: string, finding: Diagnostic): void;
  /** An interface is not live any more. */
  ended?(info: LiveInfo, why: Diagnostic | undefined): void;
}

interface Entry {
  readonly loop: Loop;
  readonly dialect: Dialect;
  /** Something was attached: from then on it goes with the last program. */
  used: boolean;
  closing?: Promise<void>;
}

export class LiveInterfaces {
  readonly #context: ExecutionContext;
  readonly #reports: LiveReports;
  readonly #entries = new Map<number, Entry>();
  /** Senders to interfaces that are not live, by index; undefined where there is none to be had. */
  readonly #senders = new Map<number, Sender | undefined>();
  readonly #observer: ContextObserver;

  constructor(context: ExecutionContext, reports: LiveReports = {}) {
    this.#context = context;
    this.#reports = reports;
    // The hook follows what observers are told.
    const look = (): void => queueMicrotask(() => this.#look());
    this.#observer = { created: look, destroyed: look, linkDetached: look, attachmentsChanged: look };
    context.observers.add(this.#observer);
  }

  /**
   * Makes an interface live. Until a program is attached, all passes.
   *
   * @throws AnyBpfError live/busy where it is live already; as openDriver
   */
  open(device: string, options: LiveOptions): LiveInfo {
    const { driver: name, dialect = 'linux', wait, queue, ...rest } = options;
    const index = libc().indexOf(device);
    const before = this.#entries.get(index);
    if (before !== undefined) fail(alreadyLive({}, device, before.loop.driver.name));
    const driver = openDriver(name, device, rest);
    const { ifindex } = driver;
    // Its own driver sends from now on.
    this.#senders.get(ifindex)?.close();
    this.#senders.delete(ifindex);
    const loop = new Loop({
      context: this.#context,
      driver,
      dialect,
      ...(wait === undefined ? {} : { wait }),
      ...(queue === undefined ? {} : { queue }),
      sendTo: (to, frame) => this.#send(to, frame),
      flushOthers: () => this.#flush(),
      report: (finding) => this.#reports.report?.(device, finding),
      ended: (finding) => {
        const info = this.#info(ifindex);
        this.#entries.delete(ifindex);
        this.#reports.report?.(device, finding);
        this.#reports.ended?.(info, finding);
      },
    });
    this.#entries.set(ifindex, { loop, dialect, used: loop.attached });
    return this.#info(ifindex);
  }

  /** By name or index. @throws AnyBpfError live/no-device, live/not-live */
  find(device: string | number): LiveInfo {
    const index = typeof device === 'number' ? device : libc().indexOf(device);
    if (index === 0) fail(noDevice({}, String(device)));
    if (!this.#entries.has(index)) fail(notLive({}, String(device)));
    return this.#info(index);
  }

  list(): readonly LiveInfo[] {
    return [...this.#entries.keys()].map((index) => this.#info(index));
  }

  /** Makes it an interface as others: nothing that comes in meanwhile is lost. @throws AnyBpfError as find */
  async close(device: string | number): Promise<void> {
    await this.#close(this.find(device).ifindex);
  }

  async closeAll(): Promise<void> {
    this.#context.observers.delete(this.#observer);
    await Promise.all([...this.#entries.keys()].map((index) => this.#close(index)));
    for (const sender of this.#senders.values()) sender?.close();
    this.#senders.clear();
  }

  async #close(index: number): Promise<void> {
    const entry = this.#entries.get(index);
    if (entry === undefined) return;
    entry.closing ??= (async () => {
      await entry.loop.close();
      if (!this.#entries.has(index)) return;
      const info = this.#info(index);
      this.#entries.delete(index);
      this.#reports.ended?.(info, undefined);
    })();
    await entry.closing;
  }

  /** Something was attached, or taken off. */
  #look(): void {
    for (const [index, entry] of this.#entries) {
      if (entry.loop.attached) entry.used = true;
      else if (entry.used) void this.#close(index);
    }
  }

  #info(index: number): LiveInfo {
    const { loop, dialect } = this.#entries.get(index) as Entry;
    const { device, ifindex, name, mode, enforces, layer } = loop.driver;
    return { device, ifindex, driver: name, mode, enforces, layer, dialect, statistics: loop.statistics() };
  }

  #send(ifindex: number, frame: Outgoing): boolean {
    const live = this.#entries.get(ifindex)?.loop;
    if (live !== undefined && !live.closed && live.driver.enforces) {
      live.driver.transmit(frame);
      return true;
    }
    const sender = this.#senderTo(ifindex);
    sender?.put(frame);
    return sender !== undefined;
  }

  #senderTo(ifindex: number): Sender | undefined {
    if (this.#senders.has(ifindex)) return this.#senders.get(ifindex);
    const device = libc().nameOf(ifindex);
    // An index that is free now may be taken later: that there is none is not kept.
    if (device === undefined) return undefined;
    const sender = new Sender(ifindex, { driver: 'redirect', device });
    this.#senders.set(ifindex, sender);
    return sender;
  }

  #flush(): void {
    for (const [index, sender] of this.#senders) {
      if (sender === undefined) continue;
      const before = sender.unsent;
      sender.flush();
      // The interface may be gone, and its index another's one day.
      if (sender.unsent === before || libc().nameOf(index) !== undefined) continue;
      sender.close();
      this.#senders.delete(index);
    }
    for (const { loop } of this.#entries.values()) if (!loop.closed) loop.driver.flush();
  }
}
