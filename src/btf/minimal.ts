// The part of a kernel's BTF that some objects' CO-RE relocations need, as `bpftool gen min_core_btf` makes it: for systems whose kernel
// has no BTF of its own. Of structs only the members on the way to a field are kept, at their places.
import { fail } from '../base/diagnostic.ts';
import { notMinimal } from '../base/messages/btf.ts';
import { type Btf, isModifier } from './btf.ts';
import { type CoreResult, relocateCore } from './core.ts';
import { essentialName } from './core-compat.ts';
import { decodeBtf } from './decode.ts';
import { encodeBtf } from './encode.ts';
import type { CoreRelocation } from './ext.ts';
import type { BtfComposite, BtfType } from './format.ts';
import { mapTypeIds, referencedIds } from './references.ts';

/** The relocations of an object, and its types. */
export interface CoreNeeds {
  readonly btf: Btf;
  readonly relocations: readonly CoreRelocation[];
}

/** Members that are wanted of a type; other kinds of types have none. */
type Kept = Map<number, Set<number>>;

class Marker {
  readonly kept: Kept = new Map();
  readonly #btf: Btf;

  constructor(btf: Btf) {
    this.#btf = btf;
  }

  /** Keeps a type and what its size and kind need: not what pointers point to, not members. */
  keep(id: number): void {
    for (let at = id; at !== 0 && !this.kept.has(at); ) {
      this.kept.set(at, new Set());
      const type = this.#btf.type(at);
      if (type.kind === 'array') this.keep(type.index);
      const next = inside(type);
      if (next === undefined) return;
      at = next;
    }
  }

  /** Keeps all that a type leads to, pointers and members too. */
  keepAll(id: number): void {
    const waiting = [id];
    const seen = new Set<number>();
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      if (at === 0 || seen.has(at)) continue;
      seen.add(at);
      const type = this.#btf.type(at);
      this.kept.set(at, new Set(type.kind === 'struct' || type.kind === 'union' ? type.members.keys() : []));
      waiting.push(...referencedIds(type));
    }
  }

  /** Keeps the members of these names, each a member of the type of the one before, and gives whether they are there. */
  keepPath(id: number, names: readonly string[]): boolean {
    this.keep(id);
    const at = this.#composite(id);
    const [name, ...rest] = names;
    if (name === undefined) return true;
    return at !== undefined && this.#keepMember(at, name, rest);
  }

  /** The struct behind modifiers, typedefs and arrays. */
  #composite(id: number): number | undefined {
    for (let at: number | undefined = id; at !== undefined; ) {
      const type: BtfType = this.#btf.type(at);
      if (type.kind === 'struct' || type.kind === 'union') return at;
      at = inside(type);
    }
    return undefined;
  }

  #keepMember(id: number, name: string, rest: readonly string[]): boolean {
    const type = this.#btf.type(id) as BtfComposite;
    for (const [index, member] of type.members.entries()) {
      const inner = member.name === '' ? this.#composite(member.type) : undefined;
      const found =
        member.name === name
          ? this.keepPath(member.type, rest)
          : inner !== undefined && this.#keepMember(inner, name, rest);
      if (!found) continue;
      this.keep(id);
      this.keep(member.type);
      this.kept.get(id)?.add(index);
      return true;
    }
    return false;
  }
}

/** The type that a value of this type is made of. */
const inside = (type: BtfType): number | undefined => {
  if (type.kind === 'typedef' || isModifier(type)) return type.type;
  return type.kind === 'array' ? type.element : undefined;
};

/** Names of the members that an access goes through, by the object's own types. */
function namesOf(local: Btf, { typeId, access }: CoreRelocation): string[] {
  const names: string[] = [];
  let id = local.resolve(typeId);
  for (const index of access.split(':').slice(1).map(Number)) {
    const type = local.resolved(id);
    if (type.kind === 'array') id = type.element;
    else if (type.kind === 'struct' || type.kind === 'union') {
      const member = type.members[index];
      if (member.name !== '') names.push(essentialName(member.name));
      id = member.type;
    }
  }
  return names;
}

/** What must be the same with the part as with the whole. Ids of types are others. */
const outcome = ({ kind, poison, value, size, badSize }: CoreResult): string =>
  [kind, poison, kind === 'type_id_target' ? value !== 0n : value, size, badSize].join();

/** The part that is marked, as bytes. */
function encodeKept(btf: Btf, kept: Kept): Uint8Array<ArrayBuffer> {
  const ids = [...kept.keys()].sort((a, b) => a - b);
  const numbers = new Map(ids.map((id, i) => [id, i + 1]));
  const types = ids.map((id): BtfType => {
    const type = mapTypeIds(btf.type(id), (old) => numbers.get(old) ?? 0);
    if (type.kind !== 'struct' && type.kind !== 'union') return type;
    return { ...type, members: type.members.filter((_, index) => kept.get(id)?.has(index)) };
  });
  return encodeBtf(types, { endian: btf.endian });
}

/**
 * The types of a kernel that these relocations need. Every one of them has the same outcome with the part as with the whole: that is
 * checked before it is given. Raises btf/core-* as relocateCore.
 */
export function minimalBtf(target: Btf, objects: readonly CoreNeeds[]): Uint8Array<ArrayBuffer> {
  const marker = new Marker(target);
  const wanted = objects.flatMap(({ btf, relocations }) =>
    relocations
      .filter(({ kind }) => kind !== 'type_id_local')
      .map((relocation) => ({ btf, relocation, result: relocateCore(btf, relocation, [target]) })),
  );
  for (const { btf, relocation, result } of wanted) {
    if (result.target === undefined) continue;
    const { typeId } = result.target;
    if (relocation.kind === 'type_matches') marker.keepAll(typeId);
    else if (!marker.keepPath(typeId, relocation.kind.startsWith('field_') ? namesOf(btf, relocation) : []))
      marker.keepAll(typeId);
  }
  const bytes = encodeKept(target, marker.kept);
  const part = decodeBtf(bytes);
  for (const { btf, relocation, result } of wanted) {
    if (outcome(relocateCore(btf, relocation, [part])) !== outcome(result))
      fail(notMinimal({ typeId: relocation.typeId }, relocation.kind, btf.nameOf(relocation.typeId)));
  }
  return bytes;
}
