// C types in one line, for tables.
import { type Btf, MAX_DEPTH } from '../btf/btf.ts';

/** `struct tally`, `__u64`, `char[16]`, `void *`; an anonymous struct is `struct`. */
export function typeName(btf: Btf, id: number, depth = 0): string {
  const type = btf.type(id);
  if (depth > MAX_DEPTH) return '...';
  switch (type.kind) {
    case 'void':
      return 'void';
    case 'int':
    case 'float':
    case 'typedef':
    case 'func':
    case 'var':
    case 'datasec':
    case 'decl_tag':
      return type.name;
    case 'struct':
    case 'union':
    case 'enum':
      return `${type.kind} ${type.name}`.trim();
    case 'enum64':
      return `enum ${type.name}`.trim();
    case 'fwd':
      return `${type.union ? 'union' : 'struct'} ${type.name}`;
    case 'ptr':
      return `${typeName(btf, type.type, depth + 1)} *`;
    case 'const':
    case 'volatile':
    case 'restrict':
      return `${type.kind} ${typeName(btf, type.type, depth + 1)}`;
    case 'type_tag':
      return typeName(btf, type.type, depth + 1);
    case 'array':
      return `${typeName(btf, type.element, depth + 1)}[${type.length}]`;
    case 'func_proto':
      return `${typeName(btf, type.type, depth + 1)} (*)()`;
  }
}
