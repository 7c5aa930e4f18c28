// add program: loads an object, attaches its first program and pins what is to be pinned.
import { type AnyBpfError, fail, formatDiagnostic } from '../../base/diagnostic.ts';
import { notAValue } from '../../base/messages/netsh.ts';
import { linkObject } from '../../link/link.ts';
import type { ProgramInfo, Session } from '../../spec/session.ts';
import { readWhole } from '../files.ts';
import { attach, detach, linksOf, targetOf } from './attach.ts';
import { type AddedObject, command, refuse } from './command.ts';
import { attempt, errnoOf, hasFailed } from './context.ts';
import { closeObject } from './delete-program.ts';
import { typeNamed } from './names.ts';
import { isAbsent } from './objects.ts';

const ENOENT = 2;

export const addProgram = command({
  group: 'add',
  noun: 'program',
  summary: 'Loads an eBPF program.',
  tags: {
    filename: { required: true },
    type: {},
    pinpath: {},
    interface: {},
    pinned: { values: ['none', 'first', 'all'] },
    execution: { values: ['jit', 'interpret'] },
    compartment: {},
  },
  async run(shell, values) {
    const { filename, type, pinned = 'first', pinpath, execution } = values;
    const named = type === undefined ? undefined : (typeNamed(type) ?? fail(notAValue({}, type, 'type', 'a section')));
    const object = await readWhole(filename).catch((error: unknown) =>
      isAbsent(error) ? refuse(`error ${ENOENT}: could not open file`) : Promise.reject(error),
    );
    const first = linkObject(object, { name: filename }).programs.at(0);
    const session = await shell.session();
    const loaded = await session
      .call('object.load', {
        object,
        name: filename,
        ...(execution === undefined ? {} : { execution: execution as 'jit' | 'interpret' }),
        ...(named === undefined || first === undefined ? {} : { types: { [first.name]: named } }),
      })
      .catch(refuseLoad);
    const added: AddedObject = { loaded };
    try {
      const id = await place(session, added, { ...values, pinned, pinpath });
      shell.objects.add(added);
      shell.write(`Loaded with ID ${id}\n`);
    } catch (error) {
      await closeObject(session, added);
      throw error;
    }
  },
});

/** The verifier's words follow, as those of the log do on Windows. */
function refuseLoad(error: unknown): never {
  const errno = errnoOf(error);
  return refuse(`error ${errno}: could not load program\n${formatDiagnostic((error as AnyBpfError).diagnostic)}`);
}

interface Placing {
  readonly pinned: string;
  readonly pinpath: string | undefined;
  readonly interface: string | undefined;
  readonly compartment: string | undefined;
}

/** Attaches the first program and pins; undone where a part of it fails. @returns the id of the first program */
async function place(session: Session, added: AddedObject, placing: Placing): Promise<number> {
  const { loaded } = added;
  const [program] = loaded.programs;
  if (program === undefined) return refuse('error 22: could not load program');
  const info = (await session.call('object.info', { fd: program.fd })) as ProgramInfo;
  const target = await targetOf(info.type, placing.interface, placing.compartment);
  const { attachType } = info;
  if (attachType === undefined) return refuse('error 22: could not attach program');
  // What is not pinned is attached as long as it is loaded: by a link that goes with this process.
  const holds = placing.pinned === 'none';
  const link = await attempt<object>(
    holds
      ? session.call('link.create', { fd: program.fd, attachType, target })
      : attach(session, program.fd, attachType, target),
  );
  if (hasFailed(link)) return refuse(`error ${link.errno}: could not attach program`);
  if (holds) added.linkFd = (link as { fd: number }).fd;
  const pins = pathsOf(added, info.name, placing);
  const done: string[] = [];
  for (const [fd, path] of pins) {
    const result = await attempt<object>(session.call('object.pin', { fd, path }));
    if (!hasFailed(result)) {
      done.push(path);
      continue;
    }
    for (const earlier of done) await session.call('object.unpin', { path: earlier });
    for (const each of await linksOf(session, info.id)) await detach(session, new Set([added]), program.fd, each);
    return refuse(`error ${result.errno}: could not pin to ${path}`);
  }
  return info.id;
}

/** Handles and paths: the first program's name, or for all programs their sections' names in a folder. */
function pathsOf({ loaded }: AddedObject, name: string, { pinned, pinpath }: Placing): readonly [number, string][] {
  if (pinned === 'none') return [];
  if (pinned === 'first') return [[loaded.programs[0].fd, pinpath ?? name]];
  return loaded.programs.map(({ fd, section }) => [
    fd,
    `${pinpath === undefined ? '' : `${pinpath}/`}${section.replaceAll('/', '_')}`,
  ]);
}
