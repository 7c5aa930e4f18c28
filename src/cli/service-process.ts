// A service as a process that outlives the command which starts it, and what the two say to each other until it answers.
import { spawn } from 'node:child_process';
import { closeSync, fstatSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { type Diagnostic, fail } from '../base/diagnostic.ts';
import { cannotStart } from '../base/messages/service.ts';
import type { ServiceStatus } from '../service/protocol.ts';
import type { Io } from './io.ts';

/** What a service that was started beside the command says to it. */
type Announcement = { readonly started: ServiceStatus } | { readonly failed: Diagnostic };

/** In the environment of a process that the command waits for. */
const ANNOUNCE = 'ANYBPF_ANNOUNCE';
/** Milliseconds until it must have said something. */
const START_TIME = 30_000;
/** Characters at the end of the log that say why it did not start. */
const LAST_WORDS = 2_000;

/** Says it to the command that started this process; false where none waits for it. */
export function announce({ env }: Io, what: Announcement): boolean {
  if (env[ANNOUNCE] === undefined || process.send === undefined || !process.connected) return false;
  process.send(what, () => process.disconnect());
  return true;
}

/**
 * Starts the command as a process of its own and waits until it has announced itself.
 *
 * @param argv of the command, for a service in the foreground
 * @param folder where its log goes, `service.log`
 * @throws AnyBpfError what it failed with, or service/start
 */
export async function startBeside({ env }: Io, argv: readonly string[], folder: string): Promise<ServiceStatus> {
  const command = fileURLToPath(new URL('../../bin/anybpf.mjs', import.meta.url));
  const log = openLog(folder);
  try {
    const child = spawn(process.execPath, [command, ...argv], {
      detached: true,
      windowsHide: true,
      stdio: ['ignore', log.fd, log.fd, 'ipc'],
      env: { ...env, [ANNOUNCE]: '1' },
    });
    const said = await new Promise<Announcement>((resolve) => {
      const failed = (why: string): void => resolve({ failed: cannotStart({}, why) });
      const late = setTimeout(() => {
        child.kill('SIGKILL');
        failed(`it gave no sign within ${START_TIME / 1000} s`);
      }, START_TIME);
      child.once('message', (message: Announcement) => {
        clearTimeout(late);
        resolve(message);
      });
      child.once('error', (error) => {
        clearTimeout(late);
        failed(error.message);
      });
      child.once('exit', (code, signal) => {
        clearTimeout(late);
        failed(`it ended with ${signal ?? `exit code ${code}`}${log.lastWords()}`);
      });
    });
    child.removeAllListeners();
    if (child.connected) child.disconnect();
    child.unref();
    return 'started' in said ? said.started : fail(said.failed);
  } finally {
    closeSync(log.fd);
  }
}

interface Log {
  readonly fd: number;
  /** What was written since it was opened, the end of it. */
  lastWords(): string;
}

function openLog(folder: string): Log {
  const file = join(folder, 'service.log');
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const fd = openSync(file, 'a+', 0o600);
    const { size } = fstatSync(fd);
    return {
      fd,
      lastWords: () => {
        const text = readFileSync(file).subarray(size).toString('utf8').trim().slice(-LAST_WORDS);
        return text === '' ? '' : `: ${text}`;
      },
    };
  } catch (error) {
    return fail(cannotStart({ file }, (error as Error).message), error);
  }
}
