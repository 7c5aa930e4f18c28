// Declarations of functions in bpftool's own spelling of C: `int drop(struct xdp_md * ctx)`.
import { type Btf, MAX_DEPTH } from '../../btf/btf.ts';

/** What a type's name is written like, with a space behind it. */
function typeText(btf: Btf, id: number, depth: number): string {
  if (depth > MAX_DEPTH) return '... ';
  const type = btf.type(id);
  switch (type.kind) {
    case 'void':
      return 'void ';
    case 'struct':
    case 'union':
    case 'enum':
      return `${type.kind} ${type.name} `;
    case 'enum64':
      return `enum ${type.name} `;
    case 'fwd':
      return `${type.union ? 'union' : 'struct'} ${type.name} `;
    case 'ptr':
      return `${typeText(btf, type.type, depth + 1)}* `;
    case 'array':
      return `${typeText(btf, type.element, depth + 1)}[${type.length}]`;
    case 'const':
    case 'volatile':
    case 'restrict':
      return `${type.kind} ${typeText(btf, type.type, depth + 1)}`;
    case 'type_tag':
      return typeText(btf, type.type, depth + 1);
    case 'func_proto':
      return `${typeText(btf, type.type, depth + 1)}${parameters(btf, type.params, depth)}`;
    case 'int':
    case 'float':
    case 'typedef':
    case 'func':
    case 'var':
    case 'datasec':
    case 'decl_tag':
      return `${type.name} `;
  }
}

function parameters(
  btf: Btf,
  params: readonly { readonly name: string; readonly type: number }[],
  depth: number,
): string {
  const parts = params.map(({ name, type }, i) =>
    type === 0 && name === '' && i + 1 === params.length ? '...' : `${typeText(btf, type, depth + 1)}${name}`.trimEnd(),
  );
  return `(${parts.join(', ')})`;
}

/** The declaration of the function of this name; undefined where the types know none. */
export function prototypeOf(btf: Btf, name: string): string | undefined {
  for (const [, type] of btf.types()) {
    if (type.kind !== 'func' || type.name !== name) continue;
    const proto = btf.type(type.type);
    if (proto.kind !== 'func_proto') return undefined;
    return `${typeText(btf, proto.type, 0)}${name}${parameters(btf, proto.params, 0)}`;
  }
  return undefined;
}
