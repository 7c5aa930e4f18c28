// Where a program goes among those of an interface (kernel/bpf/mprog.c: bpf_mprog_attach, bpf_mprog_tuple_relative).
import type { Id } from '../../spec/session.ts';
import { refuse } from '../errors.ts';
import { ATTACH_FLAGS } from './limits.ts';

/** What a place is named by: a program, or a link with its program. */
interface Placed {
  readonly progId: Id;
  readonly linkId: Id;
}

/**
 * The index at which a new program goes: at the end; with BPF_F_BEFORE or BPF_F_AFTER before or after another, or all others.
 *
 * @throws AnyBpfError EINVAL for one to be relative to without either flag, ENOENT where it is not there, ERANGE where both flags ask
 *   for different places
 */
export function placeFor(
  placed: readonly Placed[],
  flags: number,
  relative: Placed | undefined,
  operation: string,
): number {
  const before = (flags & ATTACH_FLAGS.BEFORE) !== 0;
  const after = (flags & ATTACH_FLAGS.AFTER) !== 0;
  if ((flags & ~(ATTACH_FLAGS.BEFORE | ATTACH_FLAGS.AFTER | ATTACH_FLAGS.REPLACE)) !== 0)
    refuse(operation, 'EINVAL', 'unknown flags');
  if (!before && !after) {
    if (relative !== undefined)
      refuse(operation, 'EINVAL', 'a program to go before or after needs BPF_F_BEFORE or BPF_F_AFTER');
    return placed.length;
  }
  const at =
    relative === undefined
      ? undefined
      : placed.findIndex(
          ({ progId, linkId }) => progId === relative.progId && (relative.linkId === 0 || linkId === relative.linkId),
        );
  if (at === -1) refuse(operation, 'ENOENT', 'the program to go before or after is not attached');
  const places = [...(before ? [at ?? 0] : []), ...(after ? [at === undefined ? placed.length : at + 1] : [])];
  if (places.length === 2 && places[0] !== places[1])
    refuse(operation, 'ERANGE', 'no place is both before and after it');
  return places[0];
}
