// Where a service has its socket and its state, unless it is told otherwise.
import { homedir, tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { ROLES, type Role } from '../spec/session.ts';

type Environment = Readonly<Record<string, string | undefined>>;

const NAME = 'anybpf';
const MAIN = 'service.sock';
const ROOT = 0;

const windows = process.platform === 'win32';
const uid = (): number | undefined => process.getuid?.();

/**
 * The socket that clients try and services open: `ANYBPF_SOCKET`; `/run/anybpf` of root; `XDG_RUNTIME_DIR`; else a folder of the user's
 * own in the temporary one. On Windows a pipe with the user's name.
 */
export function defaultSocket(env: Environment): string {
  if (env.ANYBPF_SOCKET !== undefined && env.ANYBPF_SOCKET !== '') return env.ANYBPF_SOCKET;
  if (windows) return `\\\\.\\pipe\\${NAME}-${userInfo().username}`;
  if (uid() === ROOT) return join('/run', NAME, MAIN);
  const runtime = env.XDG_RUNTIME_DIR;
  return runtime === undefined || runtime === '' ? join(tmpdir(), `${NAME}-${uid()}`, MAIN) : join(runtime, NAME, MAIN);
}

/** The folder of pinned objects: `ANYBPF_STATE`; `/var/lib/anybpf` of root; `XDG_STATE_HOME`; `LOCALAPPDATA` on Windows. */
export function defaultState(env: Environment): string {
  if (env.ANYBPF_STATE !== undefined && env.ANYBPF_STATE !== '') return env.ANYBPF_STATE;
  if (windows) return join(env.LOCALAPPDATA ?? homedir(), NAME);
  if (uid() === ROOT) return join('/var/lib', NAME);
  const state = env.XDG_STATE_HOME;
  return join(state === undefined || state === '' ? join(homedir(), '.local', 'state') : state, NAME);
}

/** A pipe's name on Windows, which is no file: it has no folder and no mode. */
export const isPipe = (socket: string): boolean => /^\\\\[.?]\\pipe\\/.test(socket);

/** The socket beside the main one whose connections have this role. */
export const roleSocket = (socket: string, role: Role): string =>
  isPipe(socket) ? `${socket}-${role}` : join(dirname(socket), `${role}.sock`);

/** There while a service has the socket, and after one that was killed. */
export const lockOf = (socket: string): string => `${socket}.lock`;

export const isRole = (text: string): text is Role => (ROLES as readonly string[]).includes(text);
