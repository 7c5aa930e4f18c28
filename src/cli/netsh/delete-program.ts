// delete program: takes its pins away, takes it off its hooks, and lets go of the object that it came with.
import type { Session } from '../../spec/session.ts';
import { detach, linksOf } from './attach.ts';
import { type AddedObject, command, refuse, type Shell } from './command.ts';
import { attempt, hasFailed, pinsOf, windowsPath, withObject } from './context.ts';

export const deleteProgram = command({
  group: 'delete',
  noun: 'program',
  summary: 'Deletes an eBPF program.',
  tags: { id: { required: true, number: true } },
  async run(shell, values) {
    const id = Number(values.id);
    const session = await shell.session();
    const found = await withObject(session, 'prog', id, async (fd) => {
      await unpinProgram(shell, session, id);
      for (const link of await linksOf(session, id)) await detach(session, shell.objects, fd, link);
      return true;
    });
    if (found === undefined) refuse('Program not found');
    const added = [...shell.objects].find(({ loaded }) => loaded.programs.some((program) => program.id === id));
    if (added === undefined) return;
    shell.objects.delete(added);
    await closeObject(session, added);
  },
});

/** Takes all pins of a program away, and says so. */
export async function unpinProgram(shell: Shell, session: Session, id: number): Promise<void> {
  let failed = false;
  for (const path of await pinsOf(session, 'prog', id)) {
    const result = await attempt<object>(session.call('object.unpin', { path }));
    if (hasFailed(result)) shell.write(`Error ${result.errno} unpinning ${id} from ${windowsPath(path)}\n`);
    else shell.write(`Unpinned ${id} from ${windowsPath(path)}\n`);
    failed ||= hasFailed(result);
  }
  if (failed) refuse('Some pins are left');
}

/** Gives all handles of an object back. */
export async function closeObject(session: Session, { loaded, linkFd }: AddedObject): Promise<void> {
  const { programs, maps, btfFd } = loaded;
  const fds = [linkFd, ...programs.map(({ fd }) => fd), ...maps.map(({ fd }) => fd), btfFd];
  for (const fd of fds) if (fd !== undefined) await session.call('object.close', { fd });
}
