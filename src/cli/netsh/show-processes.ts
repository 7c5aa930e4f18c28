// show processes: those whose programs are loaded. Windows looks for processes with handles of the context; that a context does not say.
import { readFile } from 'node:fs/promises';
import { command } from './command.ts';
import { objectsOf } from './context.ts';
import { PROCESSES, row } from './tables.ts';

export const showProcesses = command({
  group: 'show',
  noun: 'processes',
  summary: 'Shows processes whose eBPF programs are loaded.',
  tags: {},
  async run(shell) {
    const programs = await objectsOf(await shell.session(), 'prog');
    const pids = [...new Set(programs.flatMap(({ pid }) => (pid === undefined ? [] : [pid])))].sort((a, b) => a - b);
    const lines = await Promise.all(pids.map(async (pid) => row(PROCESSES, [pid, await nameOf(pid)])));
    shell.write(PROCESSES.head + lines.join(''));
  },
});

/** Only Linux has this file; a process that has ended has none either. */
const nameOf = async (pid: number): Promise<string> =>
  readFile(`/proc/${pid}/comm`, 'utf8').then(
    (text) => text.trimEnd(),
    () => '-',
  );
