// Where types refer to others.
import type { BtfType } from './format.ts';

/** Every type id inside a type. */
export function referencedIds(type: BtfType): readonly number[] {
  switch (type.kind) {
    case 'ptr':
    case 'volatile':
    case 'const':
    case 'restrict':
    case 'typedef':
    case 'type_tag':
    case 'func':
    case 'var':
    case 'decl_tag':
      return [type.type];
    case 'array':
      return [type.element, type.index];
    case 'struct':
    case 'union':
      return type.members.map((m) => m.type);
    case 'func_proto':
      return [type.type, ...type.params.map((p) => p.type)];
    case 'datasec':
      return type.vars.map((v) => v.type);
    case 'void':
    case 'int':
    case 'enum':
    case 'enum64':
    case 'fwd':
    case 'float':
      return [];
  }
}

/** The type with every id in it replaced. */
export function mapTypeIds(type: BtfType, id: (old: number) => number): BtfType {
  switch (type.kind) {
    case 'ptr':
    case 'volatile':
    case 'const':
    case 'restrict':
    case 'typedef':
    case 'type_tag':
    case 'func':
    case 'var':
    case 'decl_tag':
      return { ...type, type: id(type.type) };
    case 'array':
      return { ...type, element: id(type.element), index: id(type.index) };
    case 'struct':
    case 'union':
      return { ...type, members: type.members.map((m) => ({ ...m, type: id(m.type) })) };
    case 'func_proto':
      return { ...type, type: id(type.type), params: type.params.map((p) => ({ ...p, type: id(p.type) })) };
    case 'datasec':
      return { ...type, vars: type.vars.map((v) => ({ ...v, type: id(v.type) })) };
    case 'void':
    case 'int':
    case 'enum':
    case 'enum64':
    case 'fwd':
    case 'float':
      return type;
  }
}
