// Where replayed programs run: a host in memory whose clocks show the time of the packet.
import { memoryHost } from '../hosts/memory/host.ts';
import { TAI_OFFSET } from '../hosts/memory/clock.ts';
import type { Clock, Host } from '../spec/host.ts';
import { plural } from './style.ts';

/** Lines of bpf_trace_printk that are kept; all are counted. */
const MAX_LINES = 10_000;

export class TraceLog {
  readonly lines: string[] = [];
  #count = 0;

  add(line: string): void {
    this.#count++;
    if (this.lines.length < MAX_LINES) this.lines.push(line);
  }

  /** A head and at most `rows` lines; nothing where nothing was printed. */
  textLines(rows: number): string[] {
    if (this.#count === 0) return [];
    const shown = this.lines.slice(0, rows);
    const rest = this.#count - shown.length;
    return [
      `Printed by bpf_trace_printk: ${plural(this.#count, 'line')}`,
      ...shown.map((line) => `  ${line}`),
      ...(rest === 0 ? [] : [`  (${plural(rest, 'more line')})`]),
    ];
  }
}

export class ReplayHost {
  readonly trace = new TraceLog();
  readonly host: Host;
  /** Nanoseconds since 1970. */
  #time = 0n;

  constructor() {
    const memory = memoryHost({ trace: (line) => this.trace.add(line) });
    const now = (): bigint => this.#time;
    // The machine that took the capture may have been up for any time: all clocks but TAI are one.
    const clock: Clock = { monotonic: now, boot: now, realtime: now, tai: () => now() + TAI_OFFSET };
    this.host = { ...memory, name: 'replay', services: { ...memory.services, clock } };
  }

  setTime(time: bigint): void {
    this.#time = time;
  }
}
