// btf_decl_tag: the strings that a program's source ties to a type, function, variable, member or parameter.
import type { Btf } from './btf.ts';

const indexes = new WeakMap<Btf, Map<number, number[]>>();

/** Ids of the decl_tags of this BTF by what they tag; made once, on the first question. */
function tagIndex(btf: Btf): Map<number, number[]> {
  let index = indexes.get(btf);
  if (index === undefined) {
    index = new Map();
    for (let id = btf.firstId; id < btf.count; id++) {
      if (btf.kindOf(id) !== 'decl_tag') continue;
      const tag = btf.type(id);
      if (tag.kind !== 'decl_tag') continue;
      const ids = index.get(tag.type);
      if (ids === undefined) index.set(tag.type, [id]);
      else ids.push(id);
    }
    indexes.set(btf, index);
  }
  return index;
}

/** The tags of a type (or of its member or parameter `component`; -1: of the whole), in the order of their ids. */
export function declTags(btf: Btf, id: number, component = -1): string[] {
  const own = (tagIndex(btf).get(id) ?? []).flatMap((tagId) => {
    const tag = btf.type(tagId);
    return tag.kind === 'decl_tag' && tag.component === component ? [tag.name] : [];
  });
  return btf.base === undefined || id >= btf.firstId ? own : [...declTags(btf.base, id, component), ...own];
}
