// The fields of a program's own objects (bpf_obj_new) that belong to the kernel, and what roots and list heads hold.
import type { Btf } from '../btf/btf.ts';
import { declTags } from '../btf/tags.ts';
import { specialFields } from '../link/special-fields.ts';
import type { MapSpec } from '../spec/object.ts';

type Fields = NonNullable<MapSpec['special']>;

const KNOWN = new WeakMap<Btf, Map<number, Fields>>();

/** By struct; made once. */
export function fieldsOfObject(btf: Btf | undefined, struct: number): Fields {
  if (btf === undefined || struct === 0) return [];
  let known = KNOWN.get(btf);
  if (known === undefined) KNOWN.set(btf, (known = new Map()));
  let fields = known.get(struct);
  if (fields === undefined) known.set(struct, (fields = specialFields(btf, struct)));
  return fields;
}

/** What a list head or tree root holds: a struct, by the node in it at this offset. */
export interface Contains {
  readonly struct: number;
  readonly offset: number;
}

const ROOTS: ReadonlySet<string> = new Set(['bpf_list_head', 'bpf_rb_root']);
const MOST_DEPTH = 16;

/** What the root at an offset of a type holds, by its decl tag `contains:STRUCT:FIELD`. */
export function containedAt(btf: Btf, typeId: number, offset: number, depth = 0): Contains | undefined {
  const id = btf.resolve(typeId);
  const type = btf.type(id);
  if (depth > MOST_DEPTH) return undefined;
  if (type.kind === 'struct') {
    for (const [index, member] of type.members.entries()) {
      const at = member.bitOffset / 8;
      if (member.bitSize !== 0 || offset < at || offset >= at + btf.sizeOf(member.type)) continue;
      if (!ROOTS.has(btf.nameOf(btf.resolve(member.type))))
        return containedAt(btf, member.type, offset - at, depth + 1);
      return offset === at ? ofTags(btf, declTags(btf, id, index)) : undefined;
    }
  } else if (type.kind === 'datasec') {
    for (const { type: variable, offset: at, size } of type.vars) {
      if (offset < at || offset >= at + size) continue;
      const held = btf.type(variable);
      if (held.kind !== 'var') return undefined;
      if (!ROOTS.has(btf.nameOf(btf.resolve(held.type)))) return containedAt(btf, held.type, offset - at, depth + 1);
      return offset === at ? ofTags(btf, declTags(btf, variable)) : undefined;
    }
  }
  return undefined;
}

function ofTags(btf: Btf, tags: readonly string[]): Contains | undefined {
  for (const tag of tags) {
    const [kind, name, field] = tag.split(':');
    const struct = kind === 'contains' && name !== undefined ? btf.findByName(name, 'struct') : undefined;
    const type = struct === undefined ? undefined : btf.type(struct);
    if (struct === undefined || type?.kind !== 'struct') continue;
    const member = type.members.find((m) => m.name === field);
    if (member !== undefined) return { struct, offset: member.bitOffset / 8 };
  }
  return undefined;
}
