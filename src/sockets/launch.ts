// Becomes a command whose socket calls a supervisor answers. Runs in a process of its own:
//   node launch.js CALL,CALL... COMMAND [ARGUMENT...]        with a socket to the supervisor as descriptor 3
// It installs the filter, tells the supervisor the number of its descriptor, waits until that has taken it, and executes the command.
import { readSync, writeSync } from 'node:fs';
import process from 'node:process';
import { openLibC } from './libc.ts';
import { filterOf, installFilter, type WatchedCall } from './seccomp.ts';

const CHANNEL = 3;
const F_SETFD = 2;
const FD_CLOEXEC = 1;
const SIGPIPE = 13;
/** As a shell says it: found but not executable, not found. */
const NOT_EXECUTABLE = 126;
const NOT_FOUND = 127;
const ENOENT = 2;

const [calls, command, ...args] = process.argv.slice(2);
const libc = openLibC();
const filter = filterOf(libc, calls.split(',') as WatchedCall[]);
const listener = installFilter(libc, filter);
writeSync(CHANNEL, `${listener}\n`);
// Whatever it says: the supervisor has the descriptor, or has gone.
readSync(CHANNEL, new Uint8Array(1));
libc.fcntl(CHANNEL, F_SETFD, FD_CLOEXEC);
// Node closes its own streams in what is executed.
for (const stream of [0, 1, 2]) libc.fcntl(stream, F_SETFD, 0);
// Node ignores it, and what is ignored stays so in what is executed.
libc.defaultSignal(SIGPIPE);
const environment = Object.entries(process.env).map(([name, value]) => `${name}=${value}`);
const status = libc.exec(command, [command, ...args], environment);
process.exitCode = -status === ENOENT ? NOT_FOUND : NOT_EXECUTABLE;
writeSync(
  2,
  `anybpf: ${command}: ${process.exitCode === NOT_FOUND ? 'there is no such command' : `errno ${-status}`}\n`,
);
