// Fields of a map's value that belong to the kernel: locks, timers, list heads and pointers to its objects.
// Source: kernel/bpf/btf.c (btf_parse_fields, btf_get_field_type, btf_find_kptr).
import type { Btf } from '../btf/btf.ts';
import type { MapSpec } from '../spec/object.ts';

type SpecialField = NonNullable<MapSpec['special']>[number];

/** struct `bpf_` + these. */
const STRUCTS: ReadonlySet<string> = new Set(
  'spin_lock res_spin_lock timer wq task_work list_head list_node rb_root rb_node refcount'.split(' '),
);
const POINTER_TAGS: ReadonlySet<string> = new Set(['kptr', 'kptr_untrusted', 'percpu_kptr', 'uptr']);
/** The kernel takes 11 fields a value; more only tell that the object is none for it. */
const MOST_FIELDS = 64;
const MOST_DEPTH = 16;

/**
 * The fields of a value type (a struct, or the DATASEC of global variables), sorted by offset; empty where there are none.
 * Errors: btf/* for types without an end.
 */
export function specialFields(btf: Btf, typeId: number): SpecialField[] {
  const found: SpecialField[] = [];
  /** Types that have none, so that each is walked once. */
  const barren = new Set<number>();
  const visit = (id: number, offset: number, depth: number): void => {
    if (depth > MOST_DEPTH || found.length >= MOST_FIELDS || barren.has(id)) return;
    const before = found.length;
    walk(id, offset, depth);
    if (found.length === before) barren.add(id);
  };
  const walk = (id: number, offset: number, depth: number): void => {
    const type = btf.resolved(id);
    switch (type.kind) {
      case 'struct': {
        const kind = type.name.startsWith('bpf_') ? type.name.slice(4) : '';
        if (STRUCTS.has(kind)) found.push({ kind, offset, size: type.size });
        else for (const m of type.members) if (m.bitSize === 0) visit(m.type, offset + m.bitOffset / 8, depth + 1);
        return;
      }
      case 'datasec':
        for (const v of type.vars) visit(v.type, offset + v.offset, depth + 1);
        return;
      case 'var':
        visit(type.type, offset, depth + 1);
        return;
      case 'array': {
        const size = btf.sizeOf(type.element);
        for (let i = 0; i < type.length && !barren.has(type.element) && found.length < MOST_FIELDS; i++) {
          visit(type.element, offset + i * size, depth + 1);
        }
        return;
      }
      case 'ptr': {
        const target = btf.type(type.type);
        if (target.kind === 'type_tag' && POINTER_TAGS.has(target.name))
          found.push({ kind: target.name, offset, size: 8 });
        return;
      }
      default:
    }
  };
  visit(typeId, 0, 0);
  return found.sort((a, b) => a.offset - b.offset);
}

/** The property of MapSpec that says so; nothing where the value has no such field. */
export function specialOf(btf: Btf | undefined, typeId: number | undefined): Pick<MapSpec, 'special'> {
  const special = btf === undefined || typeId === undefined ? [] : specialFields(btf, typeId);
  return special.length === 0 ? {} : { special };
}
