// In which order C wants its definitions: a type that is embedded must come first, one that is only pointed at need not.
import { fail } from '../base/diagnostic.ts';
import { invalidType, tooDeep } from '../base/messages/btf.ts';
import type { Btf } from './btf.ts';
import { referencedIds } from './references.ts';

/** Levels of types inside types. Deeper nesting is no C; it would exhaust the stack. */
const MAX_NESTING = 256;
/**
 * Types that formatting may look at in all, for graphs whose expansion is exponential: so many, and so many more for
 * each type. (A kernel takes 7 for each.)
 */
const MAX_STEPS = { base: 50_000, each: 20 } as const;

/** Guards every walk of the formatter: depth of recursion, and steps in all. */
export class WalkGuard {
  readonly #btf: Btf;
  readonly #limit: number;
  #steps = 0;

  constructor(btf: Btf) {
    this.#btf = btf;
    this.#limit = MAX_STEPS.base + MAX_STEPS.each * btf.count;
  }

  enter(id: number, depth: number): void {
    if (depth > MAX_NESTING || ++this.#steps > this.#limit) {
      fail(tooDeep({ ...this.#btf.place, typeId: id }, 'the type', MAX_NESTING));
    }
  }
}

const NEW = 0;
const ACTIVE = 1;
const DONE = 2;

/** Hands out definitions so that each comes after those it embeds. */
export class DefinitionOrder {
  readonly #btf: Btf;
  readonly #guard: WalkGuard;
  readonly #state: Uint8Array;
  /** Types that some other type mentions: anonymous enums among them are written where they are used. */
  readonly #referenced: Uint8Array;
  #queue: number[] = [];

  constructor(btf: Btf, guard: WalkGuard) {
    this.#btf = btf;
    this.#guard = guard;
    this.#state = new Uint8Array(btf.count);
    this.#referenced = new Uint8Array(btf.count);
    for (let id = 1; id < btf.count; id++) {
      for (const other of referencedIds(btf.type(id))) this.#referenced[other] = 1;
    }
  }

  /** The definitions still missing for this type, its own last. */
  before(id: number): number[] {
    this.#queue = [];
    this.#visit(id, false, 0);
    return this.#queue;
  }

  /** True where the type must be complete at this point, false where a declaration ahead of it is enough. */
  #visit(id: number, throughPointer: boolean, depth: number): boolean {
    this.#guard.enter(id, depth);
    if (this.#state[id] === DONE) return true;
    const type = this.#btf.type(id);
    if (this.#state[id] === ACTIVE) {
      const named = (type.kind === 'struct' || type.kind === 'union') && type.name !== '';
      if (named && throughPointer) return false;
      return fail(
        invalidType({ ...this.#btf.place, typeId: id }, `the ${type.kind} contains itself without a pointer`),
      );
    }
    switch (type.kind) {
      case 'ptr': {
        const strong = this.#visit(type.type, true, depth + 1);
        this.#state[id] = DONE;
        return strong;
      }
      case 'array':
        return this.#visit(type.element, false, depth + 1);
      case 'volatile':
      case 'const':
      case 'restrict':
      case 'type_tag':
        return this.#visit(type.type, throughPointer, depth + 1);
      case 'struct':
      case 'union':
        if (throughPointer && type.name !== '') return false;
        this.#state[id] = ACTIVE;
        for (const member of type.members) this.#visit(member.type, false, depth + 1);
        if (type.name !== '') this.#queue.push(id);
        this.#state[id] = DONE;
        return true;
      case 'enum':
      case 'enum64':
      case 'fwd':
        if (type.name !== '' || this.#referenced[id] === 0) this.#queue.push(id);
        this.#state[id] = DONE;
        return true;
      case 'typedef': {
        const strong = this.#visit(type.type, throughPointer, depth + 1);
        if (throughPointer && !strong) return false;
        this.#queue.push(id);
        this.#state[id] = DONE;
        return true;
      }
      case 'func_proto': {
        let strong = this.#visit(type.type, throughPointer, depth + 1);
        for (const param of type.params) strong = this.#visit(param.type, throughPointer, depth + 1) || strong;
        return strong;
      }
      case 'void':
      case 'int':
      case 'float':
      case 'func':
      case 'var':
      case 'datasec':
      case 'decl_tag':
        this.#state[id] = this.#state[id] === NEW ? DONE : this.#state[id];
        return false;
    }
  }
}
