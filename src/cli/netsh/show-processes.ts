// show processes: those that have handles of the context's objects, or whose programs are loaded.
import { readFile } from 'node:fs/promises';
import type { Session } from '../../spec/session.ts';
import { command } from './command.ts';
import { objectsOf } from './context.ts';
import { PROCESSES, row } from './tables.ts';

export const showProcesses = command({
  group: 'show',
  noun: 'processes',
  summary: 'Shows processes that use eBPF.',
  tags: {},
  async run(shell) {
    const pids = (await processesOf(await shell.session())).sort((a, b) => a - b);
    const lines = await Promise.all(pids.map(async (pid) => row(PROCESSES, [pid, await nameOf(pid)])));
    shell.write(PROCESSES.head + lines.join(''));
  },
});

async function processesOf(session: Session): Promise<number[]> {
  const pids = new Set<number>();
  for (const kind of ['prog', 'map', 'link'] as const) {
    for (const info of await objectsOf(session, kind, { holders: true })) {
      if (info.kind === 'prog' && info.pid !== undefined) pids.add(info.pid);
      for (const pid of info.holders ?? []) pids.add(pid);
    }
  }
  return [...pids];
}

/** Only Linux has this file; a process that has ended has none either. */
const nameOf = async (pid: number): Promise<string> =>
  readFile(`/proc/${pid}/comm`, 'utf8').then(
    (text) => text.trimEnd(),
    () => '-',
  );
