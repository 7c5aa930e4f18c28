// Dynptrs: bytes behind an object on the stack that only helpers and kernel functions may touch.
import { helperArgument, readOnly } from '../base/messages/verify.ts';
import { PACKET_READERS } from '../spec/program-types.ts';
import { describeValue } from './access.ts';
import type { KfuncCall } from './kfunc-call.ts';
import { isConstant, newId, valueOf } from './number/scalar.ts';
import { putSpecial } from './stack.ts';
import { markPrecise, type State, slotIndex } from './state.ts';
import { pointer, type Pointer, type Special, type Value } from './value.ts';
import { anyNumber, placeAt, refuse } from './walk.ts';

/** Its bytes are the packet's: pointers to them go when the packet moves. */
export const OF_PACKET = 'packet';

/** The dynptr that a checked argument points to. */
export function dynptrAt(state: State, p: Value): Special | undefined {
  if (p?.kind !== 'pointer' || p.region !== 'stack') return undefined;
  const slot = state.frames[p.target].stack[slotIndex(p.offset)];
  return slot?.kind === 'special' && slot.name === 'dynptr' ? slot : undefined;
}

/** bpf_dynptr_from_skb, _from_xdp. */
export function dynptrOfPacket({ walk, state, args }: KfuncCall): Value {
  putSpecial(walk, state, args[2] as Pointer, 'dynptr', newId(), 2, 3, OF_PACKET);
  return anyNumber(state);
}

/** bpf_dynptr_slice(p, offset, buffer, size): memory of the dynptr, or the buffer, or NULL. */
export function dynptrSlice({ walk, state, name, args }: KfuncCall): Value {
  const [p, , , size] = args;
  const dynptr = dynptrAt(state, p);
  if (size?.kind !== 'scalar' || !isConstant(size) || dynptr === undefined) {
    const wanted = 'a constant number of bytes';
    return refuse(walk, helperArgument(placeAt(walk, state.slot), name, 4, wanted, describeValue(size)), 4, size);
  }
  markPrecise(size);
  const writable = name === 'bpf_dynptr_slice_rdwr';
  if (writable && dynptr.type === OF_PACKET && PACKET_READERS.has(walk.spec.type))
    refuse(walk, readOnly(placeAt(walk, state.slot), 1, 'the packet'), 1, p);
  return pointer('memory', state.slot, {
    id: newId(),
    nullable: true,
    size: valueOf(size),
    writable,
    reference: dynptr.id,
    target: dynptr.type === OF_PACKET ? 1 : 0,
  });
}

/** bpf_dynptr_clone(p, clone). */
export function cloneDynptr({ walk, state, name, args }: KfuncCall): Value {
  const dynptr = dynptrAt(state, args[0]);
  // A clone of a record would have to go with it.
  if (dynptr === undefined || state.references.some(({ id }) => id === dynptr.id)) {
    const wanted = 'a dynptr that need not be given back';
    const place = placeAt(walk, state.slot);
    return refuse(walk, helperArgument(place, name, 1, wanted, describeValue(args[0])), 1, args[0]);
  }
  putSpecial(walk, state, args[1] as Pointer, 'dynptr', newId(), 2, 2, dynptr.type);
  return anyNumber(state);
}
