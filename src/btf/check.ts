// What the kernel demands of BTF beyond being readable (kernel/bpf/btf.c: the *_check_meta, *_resolve and *_check_member
// functions), so that it can be said before the kernel is asked, and with a reason.
import { AnyBpfError, type Diagnostic } from '../base/diagnostic.ts';
import { invalidType } from '../base/messages/btf.ts';
import { bitfieldOf } from './bits.ts';
import type { Btf } from './btf.ts';
import { referencedIds } from './references.ts';
import {
  type BtfComposite,
  type BtfDatasec,
  type BtfEnum,
  type BtfInt,
  type BtfKind,
  type BtfMember,
  type BtfType,
} from './format.ts';

export interface CheckBtfOptions {
  /**
   * The BTF is as a compiler wrote it: what libbpf repairs before it loads an object (data sections without size and
   * offsets, extern variables, parameters without names) is no finding.
   */
  readonly unlinked?: boolean;
}

/** Why a type is refused; undefined where it is not. */
type Finding = string | undefined;

const IDENTIFIER = /^[A-Za-z_.][A-Za-z0-9_.]*$/;
/** KSYM_NAME_LEN of Linux, with the NUL. */
const MAX_NAME = 512;

const isIdentifier = (name: string): boolean => IDENTIFIER.test(name) && name.length < MAX_NAME;
/** Data sections are named after ELF sections, which may hold any printable character. */
const isSectionName = (name: string): boolean => /^[\x20-\x7e]+$/.test(name) && name.length < MAX_NAME;

const nameFinding = (name: string, what = 'the name'): Finding =>
  isIdentifier(name) ? undefined : `${what} '${name}' is not an identifier`;
const optionalName = (name: string, what?: string): Finding => (name === '' ? undefined : nameFinding(name, what));

/** Bytes that an enum may have. */
const ENUM_SIZES: ReadonlySet<number> = new Set([1, 2, 4, 8]);
const FLOAT_SIZES: ReadonlySet<number> = new Set([2, 4, 8, 12, 16]);
/** A union of BTF_INT_* is refused: at most one may be set. */
const INT_ENCODINGS: ReadonlySet<number> = new Set([0, 1, 2, 4]);
const MAX_INT_BITS = 128;
const KERNEL_ENUM_BYTES = 4;
const U32_MAX = 2 ** 32 - 1;

/** Kinds whose values have a size. */
const SIZED: ReadonlySet<BtfKind> = new Set(['int', 'ptr', 'array', 'struct', 'union', 'enum', 'enum64', 'float']);

/** Integers as C has them, of whole bytes and from their first bit on. Other types are no integers, so that is well. */
const isRegular = (type: BtfType): boolean => type.kind !== 'int' || (type.offset === 0 && REGULAR_BITS.has(type.bits));
const REGULAR_BITS: ReadonlySet<number> = new Set([8, 16, 32, 64, 128]);

class Checker {
  readonly #btf: Btf;
  readonly #unlinked: boolean;

  constructor(btf: Btf, unlinked: boolean) {
    this.#btf = btf;
    this.#unlinked = unlinked;
  }

  readonly checks: { readonly [K in BtfKind]: (type: Extract<BtfType, { kind: K }>) => Finding } = {
    void: () => undefined,
    int: (t) => this.#int(t),
    ptr: () => undefined,
    array: (t) => {
      const index = this.#btf.resolved(t.index);
      if (index.kind !== 'int') return `the index type ${t.index} is a ${index.kind}`;
      const element = this.#btf.resolved(t.element);
      if (!isRegular(index) || !isRegular(element)) return 'its element or index is an integer of an odd width';
      const size = this.#size(t.element);
      if (size === undefined) return `the element type ${t.element} has no size`;
      return size * t.length > U32_MAX ? `${t.length} elements of ${size} bytes are too large` : undefined;
    },
    struct: (t) => this.#composite(t),
    union: (t) => this.#composite(t),
    enum: (t) => this.#enum(t),
    enum64: (t) => this.#enum(t),
    fwd: (t) => nameFinding(t.name),
    typedef: (t) => nameFinding(t.name),
    volatile: () => undefined,
    const: () => undefined,
    restrict: () => undefined,
    type_tag: (t) => (t.name === '' ? 'it has no value' : undefined),
    func: (t) => {
      if (t.linkage > 2) return `linkage ${t.linkage} is not known`;
      const proto = this.#btf.type(t.type);
      if (proto.kind !== 'func_proto') return `type ${t.type} is a ${proto.kind}, not a func_proto`;
      const nameless = proto.params.findIndex((p) => p.name === '' && p.type !== 0);
      if (nameless >= 0 && !this.#unlinked) return `parameter ${nameless} has no name`;
      return nameFinding(t.name);
    },
    func_proto: (t) => this.#proto(t),
    var: (t) => {
      if (t.type === 0) return 'it has the type void';
      if (t.linkage > (this.#unlinked ? 2 : 1)) return `linkage ${t.linkage} is not allowed`;
      return isSectionName(t.name) ? undefined : `the name '${t.name}' is not valid`;
    },
    datasec: (t) => this.#datasec(t),
    float: (t) => (FLOAT_SIZES.has(t.size) ? optionalName(t.name) : `a float cannot have ${t.size} bytes`),
    decl_tag: (t) => this.#declTag(t),
  };

  /** Bytes of a value; undefined where the type has none. Cycles have been reported by then. */
  #size(id: number): number | undefined {
    if (!SIZED.has(this.#btf.kindOf(this.#btf.resolve(id)))) return undefined;
    try {
      return this.#btf.sizeOf(id);
    } catch (error) {
      if (error instanceof AnyBpfError) return undefined;
      throw error;
    }
  }

  #int(t: BtfInt): Finding {
    if (!INT_ENCODINGS.has(t.encoding)) return `encoding ${t.encoding} is not known`;
    const bits = t.bits + t.offset;
    if (bits > MAX_INT_BITS) return `${bits} bits are more than ${MAX_INT_BITS}`;
    return Math.ceil(bits / 8) > t.size ? `${bits} bits do not fit ${t.size} bytes` : undefined;
  }

  #enum(t: BtfEnum): Finding {
    if (!ENUM_SIZES.has(t.size)) return `an enum cannot have ${t.size} bytes`;
    for (const v of t.values)
      if (!isIdentifier(v.name)) return `the enumerator's name '${v.name}' is not an identifier`;
    return optionalName(t.name);
  }

  #composite(t: BtfComposite): Finding {
    let last = 0;
    for (const m of t.members) {
      const what = `member '${m.name}'`;
      if (m.type === 0) return `${what} has the type void`;
      if (t.kind === 'union' && m.bitOffset !== 0) return `${what} of a union is at bit ${m.bitOffset}`;
      if (m.bitOffset < last) return `${what} at bit ${m.bitOffset} is before the one ahead of it`;
      last = m.bitOffset;
      const finding = optionalName(m.name, "the member's name") ?? this.#member(t, m, what);
      if (finding !== undefined) return finding;
    }
    return optionalName(t.name);
  }

  #member(t: BtfComposite, m: BtfMember, what: string): Finding {
    const type = this.#btf.resolved(m.type);
    const size = this.#size(m.type);
    if (size === undefined) return `${what} is a ${type.kind}, which has no size`;
    if (t.kindFlag && !isRegular(type)) return `${what} is an integer of an odd width`;
    const isEnum = type.kind === 'enum' || type.kind === 'enum64';
    const field = bitfieldOf(t, m, type);
    if (field === undefined) {
      if (m.bitOffset % 8 !== 0) return `${what} is at bit ${m.bitOffset}, not at a whole byte`;
      // Beside bitfields the kernel takes every enum for one of 4 bytes.
      const bytes = isEnum && t.kindFlag ? KERNEL_ENUM_BYTES : size;
      return m.bitOffset / 8 + bytes > t.size ? `${what} ends after the ${t.size} bytes of the ${t.kind}` : undefined;
    }
    if (type.kind !== 'int' && !isEnum) return `${what} is a bitfield of the kind ${type.kind}`;
    const most = (isEnum ? KERNEL_ENUM_BYTES : size) * 8;
    if (field.bits > most) return `${what} has ${field.bits} bits of a type of ${most}`;
    if (field.bits + (field.offset % 8) > MAX_INT_BITS) return `${what} is spread over more than ${MAX_INT_BITS} bits`;
    return field.offset + field.bits > t.size * 8
      ? `${what} ends after the ${t.size} bytes of the ${t.kind}`
      : undefined;
  }

  #proto(t: Extract<BtfType, { kind: 'func_proto' }>): Finding {
    if (t.type !== 0 && this.#size(t.type) === undefined) return `the return type ${t.type} has no size`;
    for (const [i, p] of t.params.entries()) {
      const last = i === t.params.length - 1;
      if (p.type === 0 && last) return p.name === '' ? undefined : `the last parameter '${p.name}' has the type void`;
      if (p.type === 0) return `parameter ${i} has the type void`;
      if (this.#size(p.type) === undefined) return `parameter ${i} has no size`;
      const finding = optionalName(p.name, "the parameter's name");
      if (finding !== undefined) return finding;
    }
    return undefined;
  }

  #datasec(t: BtfDatasec): Finding {
    if (!isSectionName(t.name)) return `the name '${t.name}' is not valid`;
    if (t.size === 0 && !this.#unlinked) return 'it has no size';
    let end = 0;
    for (const v of t.vars) {
      const kind = this.#btf.kindOf(v.type);
      // Extern functions stand in data sections until libbpf takes them out.
      if (kind !== 'var' && !(this.#unlinked && kind === 'func')) return `type ${v.type} is a ${kind}, not a var`;
      if (this.#unlinked) continue;
      if (v.size === 0) return `the variable of type ${v.type} has no size`;
      if (v.offset < end) return `the variable of type ${v.type} overlaps the one ahead of it`;
      end = v.offset + v.size;
      if (end > t.size) return `the variable of type ${v.type} ends after the ${t.size} bytes of the section`;
      const size = this.#size(
        this.#btf.type(v.type).kind === 'var' ? (this.#btf.type(v.type) as { type: number }).type : v.type,
      );
      if (size === undefined) return `the variable of type ${v.type} is of a type without size`;
      if (v.size < size) return `the variable of type ${v.type} has ${v.size} bytes, its type ${size}`;
    }
    return undefined;
  }

  #declTag(t: Extract<BtfType, { kind: 'decl_tag' }>): Finding {
    if (t.name === '') return 'it has no value';
    if (t.component < -1) return `component ${t.component} is not valid`;
    const target = this.#btf.type(t.type);
    switch (target.kind) {
      case 'struct':
      case 'union':
        return t.component >= target.members.length ? `member ${t.component} does not exist` : undefined;
      case 'func': {
        const proto = this.#btf.type(target.type);
        const count = proto.kind === 'func_proto' ? proto.params.length : 0;
        return t.component >= count ? `parameter ${t.component} does not exist` : undefined;
      }
      case 'var':
      case 'typedef':
        return t.component === -1 ? undefined : `a ${target.kind} has no component ${t.component}`;
      case 'void':
      case 'int':
      case 'ptr':
      case 'array':
      case 'enum':
      case 'enum64':
      case 'fwd':
      case 'volatile':
      case 'const':
      case 'restrict':
      case 'func_proto':
      case 'datasec':
      case 'float':
      case 'decl_tag':
      case 'type_tag':
        return `a ${target.kind} cannot be tagged`;
    }
  }
}

/** Kinds that carry no name in the kernel's eyes. */
const NAMELESS: ReadonlySet<BtfKind> = new Set(['ptr', 'array', 'volatile', 'const', 'restrict', 'func_proto']);

/** Kinds through which a type refers to one other. */
const MODIFIERS: ReadonlySet<BtfKind> = new Set(['typedef', 'volatile', 'const', 'restrict', 'type_tag', 'var']);

/** What a type is made of by value. */
function valueEdges(type: BtfType): readonly number[] {
  const byValue = MODIFIERS.has(type.kind) || type.kind === 'array' || type.kind === 'struct' || type.kind === 'union';
  return byValue ? referencedIds(type) : [];
}

/** What a type refers to through modifiers and pointers alone. */
const pointerEdges = (type: BtfType): readonly number[] =>
  MODIFIERS.has(type.kind) || type.kind === 'ptr' ? referencedIds(type) : [];

/** Ids from which a walk along the edges comes back to where it was. Without recursion: chains may be long. */
function findCycles(btf: Btf, edges: (type: BtfType) => readonly number[]): Set<number> {
  const ACTIVE = 1;
  const DONE = 2;
  const state = new Uint8Array(btf.count);
  const found = new Set<number>();
  for (let root = 1; root < btf.count; root++) {
    if (state[root] !== 0) continue;
    const stack: { id: number; next: readonly number[]; at: number }[] = [];
    const push = (id: number): void => {
      state[id] = ACTIVE;
      stack.push({ id, next: edges(btf.type(id)), at: 0 });
    };
    push(root);
    while (stack.length > 0) {
      const top = stack[stack.length - 1];
      if (top.at === top.next.length) {
        state[top.id] = DONE;
        stack.pop();
        continue;
      }
      const id = top.next[top.at++];
      if (state[id] === 0) push(id);
      else if (state[id] === ACTIVE) found.add(id);
    }
  }
  return found;
}

/**
 * What the kernel would refuse this BTF for, one finding (btf/invalid) for each type at fault; empty where it would take
 * it. Not checked: reserved bits of the encoding, and the kernel's limit of 32 levels.
 */
export function checkBtf(btf: Btf, options: CheckBtfOptions = {}): Diagnostic[] {
  const findings: Diagnostic[] = [];
  const refuse = (typeId: number, why: string): void => {
    findings.push(invalidType({ ...btf.place, typeId }, `${btf.kindOf(typeId)} '${btf.nameOf(typeId)}': ${why}`));
  };
  const cycles = new Set([...findCycles(btf, valueEdges), ...findCycles(btf, pointerEdges)]);
  for (const id of cycles) refuse(id, 'it contains itself');
  // Everything else may follow references, which a cycle would make endless.
  if (cycles.size > 0) return findings;
  const checker = new Checker(btf, options.unlinked ?? false);
  for (const [id, type] of btf.types()) {
    try {
      // The mapped type ties each check to its kind; TypeScript cannot follow that through the index.
      const check = checker.checks[type.kind] as (type: BtfType) => Finding;
      const finding = NAMELESS.has(type.kind) && btf.nameOf(id) !== '' ? 'it must have no name' : check(type);
      if (finding !== undefined) refuse(id, finding);
    } catch (error) {
      if (!(error instanceof AnyBpfError)) throw error;
      findings.push(error.diagnostic);
    }
  }
  return findings;
}
