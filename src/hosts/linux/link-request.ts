// BPF_LINK_CREATE, and what all ways of making a link have in common.
import { ATTACH_TYPES, type ProgramTypeName } from '../../spec/program-types.ts';
import type { Fd, Params } from '../../spec/session.ts';
import { bpf, linuxNumber } from './bpf.ts';
import { refuse } from './errors.ts';
import type { LinuxSession } from './session.ts';

export interface LinkRequest extends Omit<Params<'link.create'>, 'fd'> {
  /** The program. */
  readonly fd: Fd;
  readonly flags: number;
  readonly operation: string;
  readonly programType: ProgramTypeName;
}

/** What BPF_LINK_CREATE takes beside program, target, attach type and flags. */
export type Extra = (attr: DataView) => void;

/** Offsets in union bpf_attr. */
export const LINK_ATTR = { program: 0, target: 4, attachType: 8, flags: 12, more: 16, size: 64 } as const;

/** A descriptor of the link, or the negated errno. */
export const linkCreate = (
  { fd, attachType, flags }: Pick<LinkRequest, 'fd' | 'attachType' | 'flags'>,
  target: number,
  more?: Extra,
): number =>
  bpf('LINK_CREATE', LINK_ATTR.size, (attr) => {
    attr.setUint32(LINK_ATTR.program, fd, true);
    attr.setUint32(LINK_ATTR.target, target, true);
    attr.setUint32(LINK_ATTR.attachType, linuxNumber(ATTACH_TYPES[attachType]), true);
    attr.setUint32(LINK_ATTR.flags, flags, true);
    more?.(attr);
  });

/** BPF_F_LINK: what another goes before or after is named by its link. */
const F_LINK = 1 << 13;

/** Before or after which other: its descriptor, and the flag that says what it is of. */
export function relative(
  session: LinuxSession,
  { relativeFd, flags, operation }: Pick<LinkRequest, 'relativeFd' | 'flags' | 'operation'>,
) {
  if (relativeFd === undefined) return { fd: 0, flags };
  const kind = session.kindOf(relativeFd, operation);
  if (kind !== 'link' && kind !== 'prog') refuse(operation, 'EINVAL', `handle ${relativeFd} is of a ${kind}`);
  return { fd: relativeFd, flags: kind === 'link' ? flags | F_LINK : flags };
}

export function ifindexOf({ target, operation }: Pick<LinkRequest, 'target' | 'operation'>): number {
  const { ifindex } = target;
  return ifindex !== undefined && Number.isInteger(ifindex) && ifindex > 0
    ? ifindex
    : refuse(operation, 'EINVAL', 'the target is an interface: ifindex');
}
