// BTF as C, like `bpftool btf dump file X format c`: definitions in an order that compiles.
import type { Btf } from './btf.ts';
import { CDeclarations } from './c-declare.ts';
import { DefinitionOrder, WalkGuard } from './c-order.ts';
import type { BtfType } from './format.ts';

const NEW = 0;
const ACTIVE = 1;
const DONE = 2;

/** GCC describes Arm's vector types by names that only it knows. */
const MISSING_BASE_TYPES: Readonly<Record<string, string>> = {
  __Poly8_t: 'unsigned char',
  __Poly16_t: 'unsigned short',
  __Poly64_t: 'unsigned long long',
  __Poly128_t: 'unsigned __int128',
};

/** Definitions in the order in which they are asked for, each with what it needs before it; nothing twice. */
export class CFormatter {
  readonly #btf: Btf;
  readonly #guard: WalkGuard;
  readonly #order: DefinitionOrder;
  readonly #declarations: CDeclarations;
  readonly #state: Uint8Array;
  /** A declaration ahead (or, for a typedef, the typedef itself) has been written. */
  readonly #announced: Uint8Array;
  readonly #out: string[] = [];

  constructor(btf: Btf) {
    this.#btf = btf;
    this.#guard = new WalkGuard(btf);
    this.#order = new DefinitionOrder(btf, this.#guard);
    this.#declarations = new CDeclarations(btf, this.#guard);
    this.#state = new Uint8Array(btf.count);
    this.#announced = new Uint8Array(btf.count);
  }

  add(id: number): void {
    for (const wanted of this.#order.before(id)) this.#emit(wanted, 0, 0);
  }

  text(): string {
    return this.#out.join('');
  }

  #write(statement: string): void {
    this.#out.push(statement, ';\n\n');
  }

  #announce(id: number, type: BtfType): void {
    if (type.kind === 'typedef') {
      // A compiler built-in; defining it again is an error.
      if (type.name !== '__builtin_va_list') this.#write(this.#declarations.typedef(id, type));
    } else {
      this.#write(this.#declarations.tag(id, type));
    }
    this.#announced[id] = 1;
  }

  /** Writes what `container` (0: the top level) needs of this type before it can be written itself. */
  #emit(id: number, container: number, depth: number): void {
    this.#guard.enter(id, depth);
    if (this.#state[id] === DONE) return;
    const type = this.#btf.type(id);
    if (this.#state[id] === ACTIVE) {
      const named = 'name' in type && type.name !== '';
      if (this.#announced[id] === 0 && id !== container && named) this.#announce(id, type);
      return;
    }
    switch (type.kind) {
      case 'int':
        this.#aliasMissing(type.name);
        this.#state[id] = DONE;
        return;
      case 'enum':
      case 'enum64':
        if (container === 0) this.#write(this.#declarations.enum(id, type, 0));
        this.#state[id] = DONE;
        return;
      case 'fwd':
        this.#write(this.#declarations.tag(id, type));
        this.#state[id] = DONE;
        return;
      case 'ptr':
      case 'volatile':
      case 'const':
      case 'restrict':
      case 'type_tag':
        this.#emit(type.type, container, depth + 1);
        return;
      case 'array':
        this.#emit(type.element, container, depth + 1);
        return;
      case 'typedef':
        this.#state[id] = ACTIVE;
        this.#emit(type.type, id, depth + 1);
        if (this.#announced[id] === 0) this.#announce(id, type);
        this.#state[id] = DONE;
        return;
      case 'struct':
      case 'union':
        this.#emitComposite(id, type, container, depth);
        return;
      case 'func_proto':
        this.#emit(type.type, container, depth + 1);
        for (const param of type.params) this.#emit(param.type, container, depth + 1);
        return;
      case 'void':
      case 'float':
      case 'func':
      case 'var':
      case 'datasec':
      case 'decl_tag':
        return;
    }
  }

  #emitComposite(
    id: number,
    type: Extract<BtfType, { kind: 'struct' | 'union' }>,
    container: number,
    depth: number,
  ): void {
    this.#state[id] = ACTIVE;
    const top = container === 0;
    if (top || type.name === '') {
      const inside = type.name === '' ? container : id;
      for (const member of type.members) this.#emit(member.type, inside, depth + 1);
    } else if (this.#announced[id] === 0 && id !== container) {
      this.#announce(id, type);
    }
    if (top) this.#write(this.#declarations.struct(id, type, 0, 0));
    this.#state[id] = top ? DONE : NEW;
  }

  #aliasMissing(name: string): void {
    const base = Object.hasOwn(MISSING_BASE_TYPES, name) ? MISSING_BASE_TYPES[name] : undefined;
    if (base !== undefined) this.#write(`typedef ${base} ${name}`);
  }
}

/**
 * C definitions of the types `ids` (all own types where not given) and of everything they need, in an order that
 * compiles: what is embedded first, what is only pointed at declared ahead. Holes become unnamed bitfields and layouts
 * that only `packed` gives get the attribute. Errors: btf/invalid for types that contain themselves, btf/too-deep.
 */
export function formatC(btf: Btf, ids?: Iterable<number>): string {
  const formatter = new CFormatter(btf);
  if (ids !== undefined) for (const id of ids) formatter.add(id);
  else for (let id = btf.firstId; id < btf.count; id++) formatter.add(id);
  return formatter.text();
}
