import type { ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import { AnyBpfError } from '../base/diagnostic.ts';
import { commandFailed } from '../base/messages/sockets.ts';

/**
 * How a command ends, as a shell says it: its exit code, or 128 and the signal's number.
 *
 * @throws AnyBpfError sockets/command where it could not be started
 */
export const exitCodeOf = (child: ChildProcess, command: string): Promise<number> =>
  new Promise((resolve, reject) => {
    child.once('error', ({ message }) => reject(new AnyBpfError(commandFailed({}, command, message))));
    child.once('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal ?? 'SIGKILL']));
  });
