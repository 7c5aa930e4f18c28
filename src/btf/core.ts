// CO-RE: what a relocation of an object amounts to on a target (a kernel, or any other BTF). Follows libbpf's rules
// (src/relo_core.c), so that a program means the same here as where libbpf loads it.
import { fail, type Place } from '../base/diagnostic.ts';
import { ambiguous, badAccess, cannotRelocate } from '../base/messages/btf.ts';
import { u64 } from '../base/u64.ts';
import type { Btf } from './btf.ts';
import {
  essentialName,
  fieldsAreCompatible,
  kindsMatch,
  StepBudget,
  typesAreCompatible,
  typesMatch,
} from './core-compat.ts';
import type { CoreKind, CoreRelocation } from './ext.ts';
import { type BtfArray, INT_SIGNED } from './format.ts';

/** What a relocation asks about. */
type Subject = 'field' | 'type' | 'enumerator';

const SUBJECTS: { readonly [K in CoreKind]: Subject } = {
  field_byte_offset: 'field',
  field_byte_size: 'field',
  field_exists: 'field',
  field_signed: 'field',
  field_lshift_u64: 'field',
  field_rshift_u64: 'field',
  type_id_local: 'type',
  type_id_target: 'type',
  type_exists: 'type',
  type_size: 'type',
  enumval_exists: 'enumerator',
  enumval_value: 'enumerator',
  type_matches: 'type',
};

/** The outcome of one relocation: what {@link applyCore} writes into the instruction. */
export interface CoreResult {
  readonly kind: CoreKind;
  /** Nothing in the target matches: the instruction must become one that no verifier passes. */
  readonly poison: boolean;
  /** Whether the instruction must hold `original` now. Bitfields and type ids may differ by compiler. */
  readonly validate: boolean;
  /** The value by the object's own types, as 64 unsigned bits. */
  readonly original: bigint;
  /** The value by the target's types, as 64 unsigned bits. */
  readonly value: bigint;
  /** Bytes of the field by the object's types and by the target's; 0 where a load needs no adjusting. */
  readonly originalSize: number;
  readonly size: number;
  /** The sizes differ in a way that a load or store cannot follow (signed or mixed kinds). */
  readonly badSize: boolean;
  /** The target's type that matched. */
  readonly target?: { readonly btf: Btf; readonly typeId: number };
}

/** A type of a target that may be meant. */
export interface CoreCandidate {
  readonly btf: Btf;
  readonly typeId: number;
}

/**
 * Candidates by local type id. Give the same map to all relocations of one object: as with libbpf, a candidate that
 * failed to match where another did is not looked at again.
 */
export type CoreCache = Map<number, readonly CoreCandidate[]>;

/** The most levels of an access string, as in libbpf. */
const MAX_ACCESS = 64;

/** One step of an access that has a meaning of its own: a named member, or an index. */
interface Accessor {
  /** For members the struct or union; for indices the element type. */
  readonly typeId: number;
  readonly index: number;
  /** Name of the member or enumerator; undefined for indices. */
  readonly name?: string;
}

/** A place in a type: the root (pruned to what carries meaning) and the offset reached. */
interface Access {
  readonly btf: Btf;
  readonly rootId: number;
  readonly steps: Accessor[];
  bitOffset: number;
}

const indexes = new WeakMap<Btf, Map<string, number[]>>();

/** Own ids of a BTF by the name without flavour; made once, on the first question. */
function candidateIndex(btf: Btf): Map<string, number[]> {
  let index = indexes.get(btf);
  if (index === undefined) {
    index = new Map();
    for (let id = btf.firstId; id < btf.count; id++) {
      const name = btf.nameOf(id);
      if (name === '') continue;
      const essential = essentialName(name);
      const ids = index.get(essential);
      if (ids === undefined) index.set(essential, [id]);
      else ids.push(id);
    }
    indexes.set(btf, index);
  }
  return index;
}

/** Types of the same kind and essential name in the first target; only where it has none, in all the others. */
function findCandidates(local: Btf, typeId: number, targets: readonly Btf[]): CoreCandidate[] {
  const kind = local.kindOf(typeId);
  const name = essentialName(local.nameOf(typeId));
  const inside = (btf: Btf): CoreCandidate[] =>
    (candidateIndex(btf).get(name) ?? [])
      .filter((id) => kindsMatch(btf.kindOf(id), kind))
      .map((id) => ({ btf, typeId: id }));
  const [main, ...modules] = targets;
  if (main === undefined) return [];
  const found = inside(main);
  return found.length > 0 ? found : modules.flatMap(inside);
}

/** An array without length that ends a struct may be indexed at will. */
function isFlexible(btf: Btf, before: Accessor, array: BtfArray): boolean {
  if (before.name === undefined || array.length > 0) return false;
  const owner = btf.type(before.typeId);
  return (owner.kind === 'struct' || owner.kind === 'union') && before.index === owner.members.length - 1;
}

const placeOf = (btf: Btf, typeId: number): Place => ({ ...btf.place, typeId });

/** Reads the access string by the object's own types. */
function parseAccess(local: Btf, relocation: CoreRelocation): Access {
  const { typeId, access: text } = relocation;
  const refuse = (why: string): never => fail(badAccess(placeOf(local, typeId), text, why));
  const access: Access = { btf: local, rootId: typeId, steps: [], bitOffset: 0 };
  const subject = SUBJECTS[relocation.kind];
  if (subject === 'type') return text === '0' ? access : refuse('must be "0" for a type');
  if (!/^\d{1,9}(:\d{1,9})*$/.test(text)) refuse('is not a list of numbers');
  const indices = text.split(':').map(Number);
  if (indices.length > MAX_ACCESS) refuse(`has more than ${MAX_ACCESS} levels`);

  let id = local.resolve(typeId);
  const [first, ...rest] = indices;
  if (subject === 'enumerator') {
    const type = local.type(id);
    if (type.kind !== 'enum' && type.kind !== 'enum64') return refuse(`is into a ${type.kind}, not an enum`);
    const value = type.values[first];
    if (rest.length > 0 || value === undefined) return refuse('names no enumerator');
    access.steps.push({ typeId: id, index: first, name: value.name });
    return access;
  }
  access.steps.push({ typeId: id, index: first });
  access.bitOffset = first * local.sizeOf(id) * 8;
  for (const index of rest) {
    id = local.resolve(id);
    const type = local.type(id);
    if (type.kind === 'struct' || type.kind === 'union') {
      const member = type.members[index];
      if (member === undefined) return refuse(`names member ${index} of ${type.members.length}`);
      access.bitOffset += member.bitOffset;
      if (member.name !== '') access.steps.push({ typeId: id, index, name: member.name });
      id = member.type;
    } else if (type.kind === 'array') {
      const before = access.steps[access.steps.length - 1];
      if (index >= type.length && !isFlexible(local, before, type)) refuse(`names element ${index} of ${type.length}`);
      id = local.resolve(type.element);
      access.steps.push({ typeId: id, index });
      access.bitOffset += index * local.sizeOf(id) * 8;
    } else {
      refuse(`goes into a ${type.kind}`);
    }
  }
  return access;
}

/** The same access in a candidate, where it has one. */
function matchAccess(wanted: Access, kind: CoreKind, candidate: CoreCandidate): Access | undefined {
  const { btf, typeId } = candidate;
  const access: Access = { btf, rootId: typeId, steps: [], bitOffset: 0 };
  const subject = SUBJECTS[kind];
  if (subject === 'type') {
    const same = kind === 'type_matches' ? typesMatch : typesAreCompatible;
    return same(wanted.btf, wanted.rootId, btf, typeId) ? access : undefined;
  }
  let id = btf.resolve(typeId);
  if (subject === 'enumerator') {
    const type = btf.type(id);
    if (type.kind !== 'enum' && type.kind !== 'enum64') return undefined;
    const name = essentialName(wanted.steps[0].name ?? '');
    const index = type.values.findIndex((v) => essentialName(v.name) === name);
    if (index < 0) return undefined;
    access.steps.push({ typeId: id, index, name: type.values[index].name });
    return access;
  }
  const budget = new StepBudget(btf, typeId);
  for (const [i, step] of wanted.steps.entries()) {
    id = btf.resolve(id);
    if (step.name !== undefined) {
      const next = matchMember(wanted.btf, step, access, id, budget, MAX_ACCESS);
      if (next === undefined) return undefined;
      id = next;
      continue;
    }
    if (i > 0) {
      const type = btf.type(id);
      if (type.kind !== 'array') return undefined;
      if (step.index >= type.length && !isFlexible(btf, access.steps[access.steps.length - 1], type)) return undefined;
      id = btf.resolve(type.element);
    }
    access.steps.push({ typeId: id, index: step.index });
    access.bitOffset += step.index * btf.sizeOf(id) * 8;
  }
  return access;
}

/** Finds the member by name, in anonymous members too; extends the access and returns the member's type. */
function matchMember(
  local: Btf,
  step: Accessor,
  access: Access,
  targetId: number,
  budget: StepBudget,
  levels: number,
): number | undefined {
  const { btf } = access;
  const owner = local.type(step.typeId);
  const id = btf.resolve(targetId);
  const type = btf.type(id);
  if (type.kind !== 'struct' && type.kind !== 'union') return undefined;
  if (owner.kind !== 'struct' && owner.kind !== 'union') return undefined;
  if (levels <= 0) budget.tooDeep();
  for (const [index, member] of type.members.entries()) {
    budget.spend();
    if (member.name === step.name) {
      if (!fieldsAreCompatible(local, owner.members[step.index].type, btf, member.type)) return undefined;
      access.steps.push({ typeId: id, index, name: member.name });
      access.bitOffset += member.bitOffset;
      return member.type;
    }
    if (member.name !== '') continue;
    access.bitOffset += member.bitOffset;
    const found = matchMember(local, step, access, member.type, budget, levels - 1);
    if (found !== undefined) return found;
    access.bitOffset -= member.bitOffset;
  }
  return undefined;
}

/** What one side's types make of the relocation. */
interface Side {
  readonly value: bigint;
  readonly validate: boolean;
  /** Bytes and type of the field, for the width of the load. */
  readonly size: number;
  readonly typeId: number;
}

const side = (value: bigint | number, validate = true, size = 0, typeId = 0): Side => ({
  value: u64(BigInt(value)),
  validate,
  size,
  typeId,
});

/** Undefined: nothing there, poison the instruction. */
function calculate(kind: CoreKind, access: Access | undefined, place: Place): Side | undefined {
  switch (kind) {
    case 'field_exists':
    case 'enumval_exists':
    case 'type_exists':
    case 'type_matches':
      return side(access === undefined ? 0 : 1);
    case 'type_size':
      return side(access === undefined ? 0 : access.btf.sizeOf(access.rootId));
    case 'type_id_target':
    case 'type_id_local':
      // Linking renumbers types, so the id in the instruction is not to be trusted.
      return access === undefined ? side(0) : side(access.rootId, false);
    case 'enumval_value':
      return access === undefined ? undefined : side(enumerator(access));
    case 'field_byte_offset':
    case 'field_byte_size':
    case 'field_signed':
    case 'field_lshift_u64':
    case 'field_rshift_u64':
      return access === undefined ? undefined : calculateField(kind, access, place);
  }
}

/** 32-bit enumerators are sign-extended whatever the enum's sign, as in libbpf. */
function enumerator(access: Access): bigint {
  const [{ typeId, index }] = access.steps;
  const type = access.btf.type(typeId);
  if (type.kind !== 'enum' && type.kind !== 'enum64') return 0n;
  const { value } = type.values[index];
  return type.kind === 'enum' ? BigInt.asIntN(32, value) : value;
}

type FieldKind = 'field_byte_offset' | 'field_byte_size' | 'field_signed' | 'field_lshift_u64' | 'field_rshift_u64';

function calculateField(kind: FieldKind, access: Access, place: Place): Side {
  const { btf, steps, bitOffset } = access;
  const last = steps[steps.length - 1];
  if (last.name === undefined) {
    const size = btf.sizeOf(last.typeId);
    if (kind === 'field_byte_offset') return side(Math.floor(bitOffset / 8), true, size, last.typeId);
    if (kind === 'field_byte_size') return side(size);
    return fail(cannotRelocate(place, `${kind} of an array element`));
  }
  const owner = btf.type(last.typeId);
  if (owner.kind !== 'struct' && owner.kind !== 'union') {
    return fail(cannotRelocate(place, `a field of a ${owner.kind}`));
  }
  const member = owner.members[last.index];
  const typeId = btf.resolve(member.type);
  const isBitfield = member.bitSize > 0;
  let bytes = btf.sizeOf(typeId);
  let byteOffset = Math.floor(bitOffset / 8);
  if (isBitfield) {
    // The smallest aligned load that holds the whole bitfield.
    if (bytes === 0) fail(cannotRelocate(place, `the bitfield '${member.name}' has a type of size 0`));
    byteOffset -= byteOffset % bytes;
    while (bitOffset + member.bitSize - byteOffset * 8 > bytes * 8) {
      if (bytes >= 8) fail(cannotRelocate(place, `the bitfield '${member.name}' is in no aligned 64 bits`));
      bytes *= 2;
      byteOffset = Math.floor(bitOffset / 8);
      byteOffset -= byteOffset % bytes;
    }
  }
  const bits = isBitfield ? member.bitSize : bytes * 8;
  switch (kind) {
    case 'field_byte_offset':
      return isBitfield ? side(byteOffset, false) : side(byteOffset, true, bytes, typeId);
    case 'field_byte_size':
      return side(bytes, !isBitfield);
    case 'field_signed': {
      const type = btf.type(typeId);
      const signedInt = type.kind === 'int' && (type.encoding & INT_SIGNED) !== 0;
      const signedEnum = (type.kind === 'enum' || type.kind === 'enum64') && type.signed;
      return side(signedInt || signedEnum ? 1 : 0);
    }
    case 'field_lshift_u64': {
      const bitInLoad = bitOffset - byteOffset * 8;
      return side(btf.endian === 'little' ? 64 - (bitInLoad + bits) : (8 - bytes) * 8 + bitInLoad, !isBitfield);
    }
    case 'field_rshift_u64':
      return side(64 - bits);
  }
}

/** A load may follow a change of size only where the upper bits are zero either way: pointers and unsigned integers. */
function sizeMayChange(local: Btf, localId: number, target: Btf, targetId: number): boolean {
  const x = local.type(localId);
  const y = target.type(targetId);
  if (x.kind === 'ptr' && y.kind === 'ptr') return true;
  return x.kind === 'int' && y.kind === 'int' && x.encoding !== INT_SIGNED && y.encoding !== INT_SIGNED;
}

function resultOf(relocation: CoreRelocation, local: Access, target: Access | undefined, place: Place): CoreResult {
  const { kind } = relocation;
  const before = calculate(kind, local, place);
  const after = calculate(kind, target, place);
  const found = target === undefined ? {} : { target: { btf: target.btf, typeId: target.rootId } };
  if (before === undefined || after === undefined) {
    const original = before?.value ?? 0n;
    return {
      kind,
      poison: true,
      validate: false,
      original,
      value: 0n,
      originalSize: 0,
      size: 0,
      badSize: false,
      ...found,
    };
  }
  const resized = before.size !== after.size && target !== undefined;
  return {
    kind,
    poison: false,
    validate: before.validate,
    original: before.value,
    value: after.value,
    originalSize: before.size,
    size: after.size,
    badSize: resized && !sizeMayChange(local.btf, before.typeId, target.btf, after.typeId),
    ...found,
  };
}

/**
 * Works out one CO-RE relocation of an object with the types `local`. `targets` are the kernel's BTF and, after it, those
 * of its modules, which are searched only for names the kernel's lacks. Raises `btf/core-*` where the relocation makes
 * no sense or several candidates disagree; that nothing matches is not an error but a poisoned result.
 */
export function relocateCore(
  local: Btf,
  relocation: CoreRelocation,
  targets: readonly Btf[],
  cache: CoreCache = new Map(),
): CoreResult {
  const { typeId, kind } = relocation;
  const place = placeOf(local, typeId);
  const wanted = parseAccess(local, relocation);
  if (kind === 'type_id_local') {
    const value = BigInt(typeId);
    const sizes = { originalSize: 0, size: 0, badSize: false };
    return { kind, poison: false, validate: false, original: value, value, ...sizes, target: { btf: local, typeId } };
  }
  const name = local.nameOf(typeId);
  if (name === '') fail(cannotRelocate(place, `an anonymous ${local.kindOf(typeId)} cannot be looked up by name`));

  let candidates = cache.get(typeId);
  if (candidates === undefined) cache.set(typeId, (candidates = findCandidates(local, typeId, targets)));
  const matching: CoreCandidate[] = [];
  let best: { readonly result: CoreResult; readonly bitOffset: number } | undefined;
  for (const candidate of candidates) {
    const access = matchAccess(wanted, kind, candidate);
    if (access === undefined) continue;
    const result = resultOf(relocation, wanted, access, place);
    if (best === undefined) {
      best = { result, bitOffset: access.bitOffset };
    } else if (best.bitOffset !== access.bitOffset) {
      fail(ambiguous(place, name, `the field is at bit ${best.bitOffset} or at bit ${access.bitOffset}`));
    } else if (best.result.poison !== result.poison || best.result.value !== result.value) {
      fail(ambiguous(place, name, `${kind} is ${best.result.value} or ${result.value}`));
    }
    matching.push(candidate);
  }
  if (best === undefined) return resultOf(relocation, wanted, undefined, place);
  cache.set(typeId, matching);
  return best.result;
}
