import { expect, test } from 'vitest';
import type { Decision, SocketEvent } from '../../src/sockets/events.ts';
import type { SocketPolicy } from '../../src/sockets/policy.ts';
import { supervise } from '../../src/sockets/supervise.ts';

const ALLOW: Decision = { allowed: true, errno: 0 };

/** Runs a command under a function; what it printed, its exit code, and what was decided. */
async function run(command: string, args: readonly string[], decide: (event: SocketEvent) => Decision) {
  const events: SocketEvent[] = [];
  const policy: SocketPolicy = { asks: () => true, decide: async (event) => decide(event) };
  const { child, ended } = await supervise({
    policy,
    command,
    args,
    stdio: 'pipe',
    execArgv: ['--import', new URL('../support/typescript.mjs', import.meta.url).href],
    decided: (event) => events.push(event),
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data) => (output += String(data)));
  return { code: await ended, output, events };
}

test('a bind is refused with the errno of the decision', async () => {
  const program = 'import socket\ns=socket.socket()\ns.bind(("127.0.0.1",0))\nprint("bound")';
  const { output, code, events } = await run('python3', ['-c', program], ({ operation }) =>
    operation === 'bind' ? { allowed: false, errno: 13 } : ALLOW,
  );
  expect(output).toContain('PermissionError');
  expect(code).toBe(1);
  expect(events).toMatchObject([{ operation: 'bind', family: 4, type: 'stream', local: { port: 0 } }]);
});
