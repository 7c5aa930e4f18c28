// Which types CO-RE takes for the same: the three relations that libbpf defines, each over two type graphs.
// Source: the comments of libbpf's src/relo_core.c.
import { fail } from '../base/diagnostic.ts';
import { tooDeep } from '../base/messages/btf.ts';
import { type Btf, MAX_DEPTH } from './btf.ts';
import type { BtfComposite, BtfEnum, BtfKind, BtfMember } from './format.ts';

/** Members and types that one question may look at: a type graph can make the walk exponential otherwise. */
const MAX_STEPS = 1_000_000;

/** Counts the steps of one question. */
export class StepBudget {
  #left = MAX_STEPS;
  readonly #btf: Btf;
  readonly #typeId: number;

  constructor(btf: Btf, typeId: number) {
    this.#btf = btf;
    this.#typeId = typeId;
  }

  spend(): void {
    if (--this.#left < 0) this.tooDeep();
  }

  tooDeep(): never {
    return fail(tooDeep({ ...this.#btf.place, typeId: this.#typeId }, 'the type', MAX_DEPTH));
  }
}

/** The name without its flavour: `sk_buff___old` is a `sk_buff`. */
export function essentialName(name: string): string {
  for (let i = name.length - 5; i >= 0; i--) {
    if (name[i] !== '_' && name.startsWith('___', i + 1) && name[i + 4] !== '_') return name.slice(0, i + 1);
  }
  return name;
}

const isEnum = (kind: BtfKind): boolean => kind === 'enum' || kind === 'enum64';

/** Equal kinds; enum and enum64 count as one. */
export const kindsMatch = (a: BtfKind, b: BtfKind): boolean => a === b || (isEnum(a) && isEnum(b));

/** Whether a field of the local type may be read as the target's: for field relocations. */
export function fieldsAreCompatible(local: Btf, localId: number, target: Btf, targetId: number): boolean {
  let a = localId;
  let b = targetId;
  for (let depth = 0; depth <= MAX_DEPTH; depth++) {
    const x = local.resolved(a);
    const y = target.resolved(b);
    if ((x.kind === 'struct' || x.kind === 'union') && (y.kind === 'struct' || y.kind === 'union')) return true;
    if (!kindsMatch(x.kind, y.kind)) return false;
    if (x.kind === 'ptr' || x.kind === 'float') return true;
    if (x.kind === 'int' && y.kind === 'int') return x.offset === 0 && y.offset === 0;
    if (x.kind === 'array' && y.kind === 'array') {
      a = x.element;
      b = y.element;
      continue;
    }
    if ((x.kind === 'fwd' && y.kind === 'fwd') || (isEnum(x.kind) && isEnum(y.kind))) {
      const [p, q] = [essentialName(local.nameOf(local.resolve(a))), essentialName(target.nameOf(target.resolve(b)))];
      return p === '' || q === '' || p === q;
    }
    return false;
  }
  return fail(tooDeep({ ...local.place, typeId: localId }, 'the type', MAX_DEPTH));
}

/** Whether two root types of one name are of the same sort: for type_exists, type_size and type_id_target. */
export function typesAreCompatible(local: Btf, localId: number, target: Btf, targetId: number): boolean {
  if (!kindsMatch(local.kindOf(localId), target.kindOf(targetId))) return false;
  const budget = new StepBudget(local, localId);
  const compatible = (p: number, q: number, level: number): boolean => {
    let a = p;
    let b = q;
    for (let depth = 0; depth < MAX_DEPTH; depth++) {
      budget.spend();
      const x = local.resolved(a);
      const y = target.resolved(b);
      if (!kindsMatch(x.kind, y.kind)) return false;
      if (x.kind === 'int' && y.kind === 'int') return x.offset === 0 && y.offset === 0;
      if (x.kind === 'ptr' && y.kind === 'ptr') {
        a = x.type;
        b = y.type;
      } else if (x.kind === 'array' && y.kind === 'array') {
        a = x.element;
        b = y.element;
      } else if (x.kind === 'func_proto' && y.kind === 'func_proto') {
        if (x.params.length !== y.params.length) return false;
        if (x.params.length > 0 && level <= 0) budget.tooDeep();
        if (!x.params.every((param, i) => compatible(param.type, y.params[i].type, level - 1))) return false;
        a = x.type;
        b = y.type;
      } else {
        return ALIKE_BY_KIND.has(x.kind);
      }
    }
    return budget.tooDeep();
  };
  return compatible(localId, targetId, MAX_DEPTH);
}

/** Kinds of which any two are compatible. */
const ALIKE_BY_KIND: ReadonlySet<BtfKind> = new Set(['void', 'struct', 'union', 'enum', 'enum64', 'fwd']);

/** Whether everything that the local type says holds of the target type too: for type_matches. */
export function typesMatch(local: Btf, localId: number, target: Btf, targetId: number): boolean {
  return new TypeMatcher(local, localId, target).match(localId, targetId, false, MAX_DEPTH);
}

class TypeMatcher {
  readonly #local: Btf;
  readonly #target: Btf;
  readonly #budget: StepBudget;
  /** Answers already found, by both ids and whether a pointer was passed. */
  readonly #known = new Map<string, boolean>();

  constructor(local: Btf, localId: number, target: Btf) {
    this.#local = local;
    this.#target = target;
    this.#budget = new StepBudget(local, localId);
  }

  match(localId: number, targetId: number, behindPointer: boolean, level: number): boolean {
    if (level <= 0) this.#budget.tooDeep();
    const key = `${localId}:${targetId}:${behindPointer}`;
    let answer = this.#known.get(key);
    if (answer === undefined) {
      answer = this.#match(localId, targetId, behindPointer, level);
      this.#known.set(key, answer);
    }
    return answer;
  }

  #match(localId: number, targetId: number, passedPointer: boolean, level: number): boolean {
    let behindPointer = passedPointer;
    let a = localId;
    let b = targetId;
    for (let depth = 0; depth < MAX_DEPTH; depth++) {
      this.#budget.spend();
      a = this.#local.resolve(a);
      b = this.#target.resolve(b);
      if (!sameName(this.#local.nameOf(a), this.#target.nameOf(b))) return false;
      const x = this.#local.type(a);
      const y = this.#target.type(b);
      switch (x.kind) {
        case 'void':
          return y.kind === 'void';
        case 'fwd':
          if (y.kind === 'fwd') return x.union === y.union;
          return behindPointer && y.kind === (x.union ? 'union' : 'struct');
        case 'enum':
        case 'enum64':
          return (y.kind === 'enum' || y.kind === 'enum64') && this.#enumsMatch(x, y);
        case 'struct':
        case 'union':
          if (behindPointer) return x.kind === y.kind || (y.kind === 'fwd' && y.union === (x.kind === 'union'));
          return x.kind === y.kind && this.#compositesMatch(x, y as BtfComposite, level);
        case 'int':
          return y.kind === 'int' && x.size === y.size && (x.encoding & 1) === (y.encoding & 1);
        case 'ptr':
          if (y.kind !== 'ptr') return false;
          behindPointer = true;
          a = x.type;
          b = y.type;
          break;
        case 'array':
          if (y.kind !== 'array' || x.length !== y.length) return false;
          a = x.element;
          b = y.element;
          break;
        case 'func_proto': {
          if (y.kind !== 'func_proto' || x.params.length !== y.params.length) return false;
          const passed = behindPointer;
          if (!x.params.every((p, i) => this.match(p.type, y.params[i].type, passed, level - 1))) return false;
          a = x.type;
          b = y.type;
          break;
        }
        case 'float':
        case 'typedef':
        case 'volatile':
        case 'const':
        case 'restrict':
        case 'type_tag':
        case 'func':
        case 'var':
        case 'datasec':
        case 'decl_tag':
          return false;
      }
    }
    return this.#budget.tooDeep();
  }

  #enumsMatch(x: BtfEnum, y: BtfEnum): boolean {
    if (x.size !== y.size || x.values.length > y.values.length) return false;
    const names = new Set(y.values.map((v) => essentialName(v.name)));
    return x.values.every((v) => names.has(essentialName(v.name)));
  }

  #compositesMatch(x: BtfComposite, y: BtfComposite, level: number): boolean {
    if (x.members.length > y.members.length) return false;
    const byName = new Map<string, BtfMember[]>();
    for (const member of y.members) {
      const name = essentialName(member.name);
      const same = byName.get(name);
      if (same === undefined) byName.set(name, [member]);
      else same.push(member);
    }
    return x.members.every((member) =>
      (byName.get(essentialName(member.name)) ?? []).some((other) => {
        this.#budget.spend();
        return this.match(member.type, other.type, false, level - 1);
      }),
    );
  }
}

/** Equal but for flavours; an anonymous type matches only an anonymous one. */
const sameName = (local: string, target: string): boolean => essentialName(local) === essentialName(target);
