// pin and unpin, of programs and of maps: without a path, at the object's name.
import type { MapInfo, ObjectKind, ProgramInfo } from '../../spec/session.ts';
import { command, type NetshCommand, refuse } from './command.ts';
import { attempt, hasFailed, pinsOf, windowsPath, withObject } from './context.ts';

type Noun = 'map' | 'program';
const KINDS: { readonly [N in Noun]: ObjectKind & ('map' | 'prog') } = { map: 'map', program: 'prog' };
const TITLES: { readonly [N in Noun]: string } = { map: 'Map', program: 'Program' };

const row = (group: 'pin' | 'unpin', noun: Noun): NetshCommand =>
  command({
    group,
    noun,
    summary: group === 'pin' ? `Pins an eBPF ${noun}.` : `Unpins an eBPF ${noun}.`,
    tags: { id: { required: true, number: true }, pinpath: {} },
    async run(shell, { id: number, pinpath }) {
      const id = Number(number);
      const kind = KINDS[noun];
      const session = await shell.session();
      const found = await withObject(session, kind, id, async (fd) => {
        const info = (await session.call('object.info', { fd })) as MapInfo | ProgramInfo;
        const path = pinpath ?? info.name;
        const pinned = group === 'unpin' ? await pinsOf(session, kind, id) : [];
        // A pin of another object is left alone.
        if (group === 'unpin' && !pinned.some((pin) => windowsPath(pin) === windowsPath(path)))
          return refuse(`error 2: could not unpin ${noun}`);
        const result = await attempt<object>(
          group === 'pin' ? session.call('object.pin', { fd, path }) : session.call('object.unpin', { path }),
        );
        if (hasFailed(result)) refuse(`error ${result.errno}: could not ${group} ${noun}`);
        return true;
      });
      if (found === undefined) refuse(`${TITLES[noun]} not found`);
    },
  });

export const pinCommands: readonly NetshCommand[] = (['pin', 'unpin'] as const).flatMap((group) =>
  (['map', 'program'] as const).map((noun) => row(group, noun)),
);
