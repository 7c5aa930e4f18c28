// Who looks at a service from outside: the log and the metrics, put together for start.ts.
import process from 'node:process';
import type { Diagnostic } from '../base/diagnostic.ts';
import type { Session } from '../spec/session.ts';
import { Log, logFinding, logObserver, type LogOptions } from './log.ts';
import { ServiceCounts, serviceMetrics } from './metrics.ts';
import { type MetricsAddress, type MetricsServer, serveMetrics } from './metrics-server.ts';
import type { ServiceObserver } from './served.ts';

export interface WatchOptions {
  /** Where lines of the log go; nothing is logged where absent. */
  readonly log?: LogOptions;
  /** Serves the metrics over HTTP. */
  readonly metrics?: MetricsAddress;
}

export class Watch {
  readonly observers: readonly ServiceObserver[];
  readonly #log: Log | undefined;
  readonly #counts = new ServiceCounts();
  readonly #address: MetricsAddress | undefined;
  #server: MetricsServer | undefined;
  #session: Session | undefined;

  constructor({ log, metrics }: WatchOptions) {
    this.#log = log === undefined ? undefined : new Log(log);
    this.#address = metrics;
    this.observers = this.#log === undefined ? [this.#counts] : [this.#counts, logObserver(this.#log)];
  }

  /** A line of bpf_trace_printk. */
  readonly trace = (line: string): void => this.#log?.write('trace', line);

  /** A finding that is nobody's answer. */
  readonly report = (finding: Diagnostic): void => {
    if (this.#log !== undefined) logFinding(this.#log, finding);
  };

  /**
   * Begins to serve the metrics, where that is wished for.
   *
   * @param session with the role `read`; ended by `close`
   * @throws AnyBpfError service/metrics
   */
  async open(session: Session, fields: { readonly socket: string; readonly version: string }): Promise<void> {
    this.#session = session;
    if (this.#address !== undefined)
      this.#server = await serveMetrics(
        this.#address,
        () => this.metrics(),
        (error) => this.#failed(error),
      );
    const { url } = this.#server ?? {};
    this.#log?.write('started', `the service answers at ${fields.socket}`, {
      ...fields,
      pid: process.pid,
      ...(url === undefined ? {} : { metrics: url }),
    });
  }

  /** What there is and what it did, as Prometheus text. */
  metrics(): Promise<string> {
    if (this.#session === undefined) throw new Error('the watch is not open');
    return serviceMetrics(this.#session, this.#counts);
  }

  #failed(error: unknown): void {
    for (const observer of this.observers) observer.failed?.('service.metrics', error);
  }

  async close(): Promise<void> {
    await this.#server?.close();
    await this.#session?.close();
    this.#log?.flush();
  }
}
