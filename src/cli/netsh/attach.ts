// Attaching and detaching as `add program` and `set program` do it, with netsh's checks of where to.
import { readFile } from 'node:fs/promises';
import type { AttachTypeName, ProgramTypeName } from '../../spec/program-types.ts';
import type { AttachTarget, Fd, LinkInfo, Session } from '../../spec/session.ts';
import { type AddedObject, refuse } from './command.ts';
import { objectsOf, withObject } from './context.ts';

/** Windows' names of the loopback interface: alias and name. */
const LOOPBACK: ReadonlySet<string> = new Set(['Loopback Pseudo-Interface 1', 'loopback_0']);
const LOOPBACK_INDEX = 1;

const WITH_INTERFACE: ReadonlySet<ProgramTypeName> = new Set(['xdp']);
const WITH_COMPARTMENT: ReadonlySet<ProgramTypeName> = new Set(['cgroup_sock_addr', 'sock_ops']);

/** Where a program of this type is attached. Both texts are netsh's. */
export async function targetOf(
  type: ProgramTypeName,
  network: string | undefined,
  compartment: string | undefined,
): Promise<AttachTarget> {
  if (network !== undefined) {
    if (!WITH_INTERFACE.has(type))
      refuse("Interface parameter is not allowed for program types that don't support interfaces.");
    return { ifindex: (await interfaceIndex(network)) ?? refuse('Interface parameter is invalid.') };
  }
  if (compartment === undefined) return {};
  if (!WITH_COMPARTMENT.has(type))
    refuse("Compartment parameter is not allowed for program types that don't support compartments.");
  // 0 stands for none.
  const id = /^\d{1,9}$/.test(compartment) ? Number(compartment) : 0;
  return id === 0 ? refuse('Compartment parameter is invalid.') : { compartment: id };
}

/** A number, or a name that this system has. */
async function interfaceIndex(text: string): Promise<number | undefined> {
  if (LOOPBACK.has(text)) return LOOPBACK_INDEX;
  if (/^\d{1,9}$/.test(text)) return Number(text) > 0 ? Number(text) : undefined;
  if (!/^[\w.-]{1,15}$/.test(text) || /^\.+$/.test(text)) return undefined;
  const index = await readFile(`/sys/class/net/${text}/ifindex`, 'utf8').catch(() => '');
  return index === '' ? undefined : Number(index);
}

export const linksOf = async (session: Session, progId: number): Promise<readonly LinkInfo[]> =>
  (await objectsOf(session, 'link')).filter((link) => link.progId === progId && !link.detached);

/** Takes a program off. A link that netsh made goes with it. */
export async function detach(
  session: Session,
  objects: ReadonlySet<AddedObject>,
  progFd: Fd,
  { id, legacy, attachType, target }: LinkInfo,
): Promise<void> {
  if (legacy) {
    await session.call('prog.detach', { fd: progFd, attachType, target });
    return;
  }
  for (const added of objects) {
    if (added.linkFd === undefined) continue;
    const info = await session.call('object.info', { fd: added.linkFd });
    if (info.id !== id) continue;
    await session.call('object.close', { fd: added.linkFd });
    added.linkFd = undefined;
    return;
  }
  await withObject(session, 'link', id, (fd) => session.call('link.detach', { fd }));
}

export const attach = (session: Session, fd: Fd, attachType: AttachTypeName, target: AttachTarget) =>
  session.call('prog.attach', { fd, attachType, target });
