// The service's log: lines of JSON with stable codes, levels, and an end to what one client can write.
import { expect, it } from 'vitest';
import { notPermitted, tooManyConnections } from '../../src/base/messages/service.ts';
import { Log, LOG_EVENTS, type LogLevel, logFinding, logObserver } from '../../src/service/log.ts';

interface Line {
  readonly time: string;
  readonly level: LogLevel;
  readonly code: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

function logged(level?: LogLevel): { log: Log; lines: () => Line[]; clock: { now: number } } {
  const written: string[] = [];
  const clock = { now: Date.UTC(2026, 0, 2, 3, 4, 5, 6) };
  const log = new Log({
    write: (line) => written.push(line),
    now: () => clock.now,
    ...(level === undefined ? {} : { level }),
  });
  return { log, clock, lines: () => written.map((line) => JSON.parse(line) as Line) };
}

it('has a line for each thing, with its fields', () => {
  const { log, lines } = logged();
  const observer = logObserver(log);
  observer.connected?.(3, { role: 'load', uid: 1000, pid: 77, client: 'a "client"\n' });
  observer.refused?.({ pid: 5 }, tooManyConnections({}, 'process 5', 256));
  observer.dropped?.(3, 12);
  observer.disconnected?.(3, { why: 'it was closed', requests: 9 });
  expect(lines()).toEqual([
    {
      time: '2026-01-02T03:04:05.006Z',
      level: 'info',
      code: 'connection/open',
      message: 'connection 3 has the role load',
      connection: 3,
      role: 'load',
      uid: 1000,
      pid: 77,
      client: 'a "client"\n',
    },
    expect.objectContaining({ level: 'warn', code: 'connection/refused', pid: 5, finding: 'service/full', errno: 11 }),
    expect.objectContaining({ code: 'connection/events-dropped', events: 12 }),
    expect.objectContaining({ code: 'connection/closed', requests: 9 }),
  ]);
});

it('says by its level: requests to debug, errors of its own always', () => {
  const quiet = logged('error');
  const all = logged('debug');
  for (const { log } of [quiet, all]) {
    const observer = logObserver(log);
    observer.called?.(1, 'map.lookup', 0.25);
    observer.called?.(1, 'prog.attach', 1, notPermitted({}, 'prog.attach', 'attach', 'read'));
    observer.failed?.('map.update', new TypeError('a bug'));
    log.write('trace', 'hello');
    logFinding(log, tooManyConnections({}, 'x', 1));
  }
  expect(quiet.lines().map(({ code }) => code)).toEqual(['request/failed']);
  expect(all.lines().map(({ code }) => code)).toEqual([
    'request/done',
    'request/refused',
    'request/failed',
    'program/trace',
    'service/finding',
  ]);
  expect(all.lines()[1]).toMatchObject({ method: 'prog.attach', finding: 'service/role', errno: 13, milliseconds: 1 });
  expect(all.lines()[2].stack).toMatch(/TypeError: a bug/);
});

it('is not filled by one kind of line, and says how many were left out', () => {
  const { log, lines, clock } = logged();
  const observer = logObserver(log);
  for (let i = 0; i < 10_000; i++) observer.refused?.({}, tooManyConnections({}, 'x'.repeat(5000), 1));
  expect(lines()).toHaveLength(200);
  expect(lines()[0].message.length).toBeLessThan(600);
  observer.dropped?.(1, 1);
  expect(lines()).toHaveLength(201);
  clock.now += 10_000;
  observer.dropped?.(1, 2);
  expect(lines().slice(201)).toEqual([
    expect.objectContaining({ code: 'log/suppressed', of: 'connection/refused', left: 9800 }),
    expect.objectContaining({ events: 2 }),
  ]);
});

it('has codes that are told apart', () => {
  const codes = Object.values(LOG_EVENTS).map(({ code }) => code);
  expect(new Set(codes).size).toBe(codes.length);
  for (const code of codes) expect(code).toMatch(/^[a-z]+\/[a-z-]+$/);
});
