// The service's log: a line of JSON for each thing that happens to it, with a code that stays the same from release to release.
import { type Diagnostic, formatDiagnostic } from '../base/diagnostic.ts';
import type { ServiceObserver } from './served.ts';

/** From the most to the least that a log says. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** What is logged: code, and from which level on. */
export const LOG_EVENTS = {
  started: { code: 'service/started', level: 'info' },
  stopping: { code: 'service/stopping', level: 'info' },
  connected: { code: 'connection/open', level: 'info' },
  disconnected: { code: 'connection/closed', level: 'info' },
  refused: { code: 'connection/refused', level: 'warn' },
  dropped: { code: 'connection/events-dropped', level: 'warn' },
  called: { code: 'request/done', level: 'debug' },
  callRefused: { code: 'request/refused', level: 'debug' },
  failed: { code: 'request/failed', level: 'error' },
  reported: { code: 'service/finding', level: 'warn' },
  trace: { code: 'program/trace', level: 'debug' },
  suppressed: { code: 'log/suppressed', level: 'warn' },
} as const satisfies Record<string, { readonly code: string; readonly level: LogLevel }>;
type LogEvent = keyof typeof LOG_EVENTS;

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** A line, before it is written. */
export interface LogRecord {
  /** ISO 8601, UTC. */
  readonly time: string;
  readonly level: LogLevel;
  readonly code: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

export interface LogOptions {
  /** Where lines go, ends of lines and all. */
  readonly write: (line: string) => void;
  /** The least that is written; `info` where absent. */
  readonly level?: LogLevel;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

/** Lines of one code in WINDOW milliseconds: a client that is refused again and again must not fill a disk. */
const MOST_ALIKE = 200;
const WINDOW = 10_000;
/** Characters of a text that somebody else chose. */
const LONGEST = 512;

const cut = (text: string): string => (text.length > LONGEST ? `${text.slice(0, LONGEST)}...` : text);

export class Log {
  readonly #options: LogOptions;
  readonly #least: number;
  readonly #seen = new Map<LogEvent, number>();
  #windowEnds = 0;

  constructor(options: LogOptions) {
    this.#options = options;
    this.#least = LOG_LEVELS.indexOf(options.level ?? 'info');
  }

  /** Whether a thing of this kind is written at all. */
  says(event: LogEvent): boolean {
    return LOG_LEVELS.indexOf(LOG_EVENTS[event].level) >= this.#least;
  }

  write(event: LogEvent, message: string, fields: LogFields = {}): void {
    if (!this.says(event)) return;
    const now = this.#options.now?.() ?? Date.now();
    if (now >= this.#windowEnds) this.#nextWindow(now);
    const alike = (this.#seen.get(event) ?? 0) + 1;
    this.#seen.set(event, alike);
    if (alike <= MOST_ALIKE) this.#put(event, now, message, fields);
  }

  /** Says what was left out of the last window, at its end or at the end of the log. */
  flush(): void {
    this.#nextWindow(this.#options.now?.() ?? Date.now());
  }

  #nextWindow(now: number): void {
    for (const [event, count] of this.#seen) {
      if (count <= MOST_ALIKE) continue;
      const left = count - MOST_ALIKE;
      this.#put('suppressed', now, `${left} more lines like it were left out`, { of: LOG_EVENTS[event].code, left });
    }
    this.#seen.clear();
    this.#windowEnds = now + WINDOW;
  }

  #put(event: LogEvent, now: number, message: string, fields: LogFields): void {
    const { code, level } = LOG_EVENTS[event];
    const record: LogRecord = { time: new Date(now).toISOString(), level, code, message: cut(message) };
    const own = Object.entries(fields).map(([name, value]) => [name, typeof value === 'string' ? cut(value) : value]);
    this.#options.write(`${JSON.stringify({ ...record, ...Object.fromEntries(own) })}\n`);
  }
}

const findingFields = ({ code, errno }: Diagnostic): LogFields => ({
  finding: code,
  ...(errno === undefined ? {} : { errno }),
});

/** Tells a log what happens to a service. */
export function logObserver(log: Log): ServiceObserver {
  return {
    connected: (connection, { role, uid, pid, client }) =>
      log.write('connected', `connection ${connection} has the role ${role}`, { connection, role, uid, pid, client }),
    disconnected: (connection, { why, requests }) =>
      log.write('disconnected', `connection ${connection} has ended: ${why}`, { connection, requests }),
    refused: ({ uid, pid }, finding) =>
      log.write('refused', formatDiagnostic(finding), { uid, pid, ...findingFields(finding) }),
    called: (connection, method, milliseconds, finding) => {
      const event = finding === undefined ? 'called' : 'callRefused';
      if (!log.says(event)) return;
      log.write(event, finding === undefined ? method : `${method}: ${formatDiagnostic(finding)}`, {
        connection,
        method,
        milliseconds: Number(milliseconds.toFixed(3)),
        ...(finding === undefined ? {} : findingFields(finding)),
      });
    },
    dropped: (connection, events) =>
      log.write('dropped', `connection ${connection} read too slowly`, { connection, events }),
    failed: (method, error) => {
      const { message, stack } = error instanceof Error ? error : new Error(String(error));
      log.write('failed', `${method}: ${message}`, { method, stack });
    },
    stopping: () => {
      log.write('stopping', 'no more requests are taken');
      log.flush();
    },
  };
}

/** Tells a log of a finding that is nobody's answer (what was not restored, not written). */
export const logFinding = (log: Log, finding: Diagnostic): void =>
  log.write('reported', formatDiagnostic(finding), findingFields(finding));
