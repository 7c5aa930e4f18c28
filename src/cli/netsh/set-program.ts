// set program: attaches, takes off, pins and unpins a program that is loaded.
import { fail } from '../../base/diagnostic.ts';
import { notAValue } from '../../base/messages/netsh.ts';
import type { AttachTypeName } from '../../spec/program-types.ts';
import type { ProgramInfo } from '../../spec/session.ts';
import { attach, detach, linksOf, targetOf } from './attach.ts';
import { command, refuse } from './command.ts';
import { attempt, hasFailed, withObject } from './context.ts';
import { unpinProgram } from './delete-program.ts';
import { typeNamed } from './names.ts';

/** ERROR_NOT_FOUND of Windows, which netsh prints where nothing is attached. */
const ERROR_NOT_FOUND = 1168;

export const setProgram = command({
  group: 'set',
  noun: 'program',
  summary: 'Updates an eBPF program.',
  tags: { id: { required: true, number: true }, attached: {}, pinpath: {}, interface: {} },
  async run(shell, { id: number, attached, pinpath, interface: network }) {
    const id = Number(number);
    const session = await shell.session();
    const found = await withObject(session, 'prog', id, async (fd) => {
      const info = (await session.call('object.info', { fd })) as ProgramInfo;
      const wish = wishOf(attached ?? (network === undefined ? undefined : 'yes'), info.attachType);
      if (wish === 'off') {
        const [link] = await linksOf(session, id);
        if (link === undefined) return refuse(`error ${ERROR_NOT_FOUND}: could not detach program`);
        await detach(session, shell.objects, fd, link);
      } else if (wish !== undefined) {
        const target = await targetOf(info.type, network, undefined);
        const result = await attempt<object>(attach(session, fd, wish, target));
        if (hasFailed(result)) refuse(`error ${result.errno}: could not attach program`);
      }
      if (pinpath === undefined) return true;
      if (pinpath === '') await unpinProgram(shell, session, id);
      else {
        const result = await attempt<object>(session.call('object.pin', { fd, path: pinpath }));
        if (hasFailed(result)) refuse(`error ${result.errno}: could not pin program`);
      }
      return true;
    });
    if (found === undefined) refuse('Program not found.');
  },
});

/** An empty value takes the program off, as `no` does; `yes` attaches it as it was meant; all else names a hook by its section. */
function wishOf(attached: string | undefined, usual: AttachTypeName | undefined): AttachTypeName | 'off' | undefined {
  if (attached === undefined) return undefined;
  if (attached === '' || attached === 'no') return 'off';
  const found = attached === 'yes' ? usual : typeNamed(attached)?.attachType;
  return found ?? fail(notAValue({}, attached, 'attached', 'a section name, or nothing to detach'));
}
