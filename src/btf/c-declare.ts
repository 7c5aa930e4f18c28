// The C text of one declaration or definition. Anonymous structs, unions and enums are written out where they are used.
import { fail } from '../base/diagnostic.ts';
import { tooLarge } from '../base/messages/input.ts';
import type { Btf } from './btf.ts';
import type { WalkGuard } from './c-order.ts';
import { type BtfComposite, type BtfEnum, type BtfType, POINTER_BYTES } from './format.ts';

const indent = (level: number): string => '\t'.repeat(level);

/** Names in one C name space; a second type of the same name becomes `name___2`. */
class NameSpace {
  readonly #seen = new Map<string, number>();

  unique(name: string): string {
    const count = (this.#seen.get(name) ?? 0) + 1;
    this.#seen.set(name, count);
    return count > 1 ? `${name}___${count}` : name;
  }
}

/** Types that fill a hole in a struct, widest first. */
const PADDING = [
  { name: 'long', bits: POINTER_BYTES * 8 },
  { name: 'int', bits: 32 },
  { name: 'short', bits: 16 },
  { name: 'char', bits: 8 },
];

/** Lines of padding in one output, all structs together. The kernel's types need some ten thousand. */
const MAX_PADDING_LINES = 1_000_000;

const roundUp = (value: number, unit: number): number => Math.ceil(value / unit) * unit;

/**
 * Unnamed bitfields that move the next member from bit `from` to bit `to`. `align` is the next member's own alignment in
 * bytes: where the compiler would go there by itself, nothing is written.
 */
export function paddingBetween(from: number, to: number, align: number, afterBitfield: boolean): string[] {
  const out: string[] = [];
  if (from >= to) return out;
  const unit = PADDING.find((p) => roundUp(from, p.bits) <= to) ?? PADDING[PADDING.length - 1];
  let at = from;
  const boundary = roundUp(from, unit.bits);
  if (boundary > from && boundary <= to) {
    const notByItself = boundary === to && roundUp(from, align * 8) !== boundary;
    const swallowed = boundary !== to && to - boundary <= boundary - from;
    if (afterBitfield || notByItself || swallowed) out.push(`${unit.name}: ${afterBitfield ? boundary - from : 0};`);
    at = boundary;
  }
  for (; to - at >= unit.bits; at += unit.bits) out.push(`${unit.name}: ${unit.bits};`);
  if (at < to) {
    const rest = to - at;
    const smallest = PADDING.findLast((p) => p.bits >= rest) ?? unit;
    out.push(`${smallest.name}: ${rest};`);
  }
  return out;
}

export class CDeclarations {
  readonly #btf: Btf;
  readonly #guard: WalkGuard;
  /** struct, union and enum tags. */
  readonly #tags = new NameSpace();
  /** typedefs and enumerators. */
  readonly #identifiers = new NameSpace();
  readonly #resolved = new Map<number, string>();
  #paddingLeft = MAX_PADDING_LINES;

  constructor(btf: Btf, guard: WalkGuard) {
    this.#btf = btf;
    this.#guard = guard;
  }

  /** The type's own name, made unique the first time it is written. Declarations ahead do not count. */
  #nameOf(id: number, type: BtfType, space: NameSpace): string {
    const name = 'name' in type ? type.name : '';
    if (name === '' || type.kind === 'fwd' || (type.kind === 'enum' && type.values.length === 0)) return name;
    let unique = this.#resolved.get(id);
    if (unique === undefined) this.#resolved.set(id, (unique = space.unique(name)));
    return unique;
  }

  /** `struct name`, `union name`, `enum name`. */
  tag(id: number, type: BtfType): string {
    const word = type.kind === 'fwd' ? (type.union ? 'union' : 'struct') : type.kind === 'enum64' ? 'enum' : type.kind;
    const name = this.#nameOf(id, type, this.#tags);
    return name === '' ? word : `${word} ${name}`;
  }

  typedef(id: number, type: Extract<BtfType, { kind: 'typedef' }>): string {
    const name = this.#nameOf(id, type, this.#identifiers);
    // Old GCC describes this built-in as void, which no compiler takes back.
    if (type.type === 0 && name === '__gnuc_va_list') return 'typedef __builtin_va_list __gnuc_va_list';
    return `typedef ${this.declare(type.type, name, 0, 0)}`;
  }

  struct(id: number, type: BtfComposite, level: number, depth: number): string {
    this.#guard.enter(id, depth);
    const isStruct = type.kind === 'struct';
    const packed = isStruct && this.#isPacked(type);
    const lines: string[] = [];
    let at = 0;
    let afterBitfield = false;
    const tag = this.tag(id, type);
    for (const member of type.members) {
      const bits = member.bitSize;
      const align = packed ? 1 : this.#alignOf(member.type);
      this.#pad(lines, id, at, member.bitOffset, align, afterBitfield && bits > 0);
      const text = this.declare(member.type, member.name, level + 1, depth + 1);
      lines.push(bits > 0 ? `${text}: ${bits};` : `${text};`);
      at = member.bitOffset + (bits > 0 ? bits : this.#sizeOf(member.type) * 8);
      afterBitfield = bits > 0;
    }
    if (isStruct) this.#pad(lines, id, at, type.size * 8, this.#alignOf(id), false);
    const attribute = packed ? ' __attribute__((packed))' : '';
    if (lines.length === 0 && type.size === 0) return `${tag} {}${attribute}`;
    const body = lines.map((line) => `\n${indent(level + 1)}${line}`).join('');
    return `${tag} {${body}\n${indent(level)}}${attribute}`;
  }

  /** As {@link paddingBetween}, onto `lines`; holes of broken BTF can be gigabytes wide. */
  #pad(lines: string[], id: number, from: number, to: number, align: number, afterBitfield: boolean): void {
    const words = (to - from) / (POINTER_BYTES * 8);
    if (words > this.#paddingLeft) {
      fail(tooLarge({ typeId: id }, 'the padding of structs', (to - from) / 8, MAX_PADDING_LINES * POINTER_BYTES));
    }
    this.#paddingLeft -= Math.max(0, words);
    for (const line of paddingBetween(from, to, align, afterBitfield)) lines.push(line);
  }

  enum(id: number, type: BtfEnum, level: number): string {
    const tag = this.tag(id, type);
    if (type.values.length === 0) return tag;
    const suffix = type.kind === 'enum' ? '' : type.signed ? 'LL' : 'ULL';
    const values = type.values.map((v) => {
      this.#guard.enter(id, 0);
      return `\n${indent(level + 1)}${this.#identifiers.unique(v.name)} = ${v.value}${suffix},`;
    });
    // A compiler chooses 8 bytes by itself only for a value that needs them.
    const wide = type.kind === 'enum64' && type.values.some((v) => BigInt.asUintN(64, v.value) > 0xffff_ffffn);
    const mode = type.size === 1 ? 'byte' : type.size === 8 && !wide ? 'word' : undefined;
    return `${tag} {${values.join('')}\n${indent(level)}}${mode === undefined ? '' : ` __attribute__((mode(${mode})))`}`;
  }

  /**
   * `name` declared with this type. C writes declarations from the name outwards (pointers before it, arrays and
   * parameters after it), and the chain of types goes the same way: the declarator grows until a type with a name of
   * its own is reached.
   */
  declare(id: number, name: string, level: number, depth: number): string {
    let declarator = name;
    /** Qualifiers seen since the last pointer, array or function: they belong to what comes next. */
    let qualifiers: string[] = [];
    let attributes = '';
    let at = id;
    for (let steps = depth; ; steps++) {
      this.#guard.enter(at, steps);
      const type = this.#btf.type(at);
      switch (type.kind) {
        case 'volatile':
        case 'const':
        case 'restrict':
          qualifiers.push(type.kind);
          at = type.type;
          continue;
        case 'type_tag':
          attributes = ` __attribute__((${type.attribute ? type.name : `btf_type_tag("${type.name}")`}))${attributes}`;
          at = type.type;
          continue;
        case 'ptr': {
          const own = qualifiers.length > 0 ? ` ${qualifiers.reverse().join(' ')}` : '';
          const gap = own === '' || declarator === '' ? '' : ' ';
          declarator = `*${own}${attributes}${attributes !== '' && gap === '' && declarator !== '' ? ' ' : gap}${declarator}`;
          qualifiers = [];
          attributes = '';
          at = type.type;
          continue;
        }
        // Qualifiers of an array or a function mean nothing in C; GCC writes them all the same.
        case 'array':
          declarator = `${grouped(declarator)}[${type.length}]`;
          qualifiers = [];
          at = type.element;
          continue;
        case 'func_proto':
          declarator = `${grouped(declarator)}(${this.#parameters(type, level, steps)})`;
          qualifiers = [];
          at = type.type;
          continue;
        case 'void':
        case 'int':
        case 'float':
        case 'struct':
        case 'union':
        case 'enum':
        case 'enum64':
        case 'fwd':
        case 'typedef':
        case 'func':
        case 'var':
        case 'datasec':
        case 'decl_tag': {
          const prefix = qualifiers
            .reverse()
            .map((q) => `${q} `)
            .join('');
          const gap = declarator === '' || declarator.startsWith('[') ? '' : ' ';
          return `${prefix}${this.#specifier(at, type, level, steps)}${attributes}${gap}${declarator}`;
        }
      }
    }
  }

  #specifier(id: number, type: BtfType, level: number, depth: number): string {
    switch (type.kind) {
      case 'int':
      case 'float':
        return type.name;
      case 'typedef':
        return this.#nameOf(id, type, this.#identifiers);
      case 'struct':
      case 'union':
        return type.name === '' ? this.struct(id, type, level, depth + 1) : this.tag(id, type);
      case 'enum':
      case 'enum64':
        return type.name === '' ? this.enum(id, type, level) : this.tag(id, type);
      case 'fwd':
        return this.tag(id, type);
      case 'void':
      case 'ptr':
      case 'array':
      case 'volatile':
      case 'const':
      case 'restrict':
      case 'type_tag':
      case 'func':
      case 'func_proto':
      case 'var':
      case 'datasec':
      case 'decl_tag':
        return 'void';
    }
  }

  #parameters(proto: Extract<BtfType, { kind: 'func_proto' }>, level: number, depth: number): string {
    const { params } = proto;
    // Clang describes `f(void)` as one parameter of type void; a later one stands for `...`.
    if (params.length === 0 || (params.length === 1 && params[0].type === 0)) return 'void';
    return params
      .map((p, i) => (i === params.length - 1 && p.type === 0 ? '...' : this.declare(p.type, p.name, level, depth + 1)))
      .join(', ');
  }

  /** Whether the layout is one that only `packed` gives. */
  #isPacked(type: BtfComposite): boolean {
    let largest = 1;
    for (const m of type.members) {
      const align = this.#alignOf(m.type);
      if (m.bitSize === 0 && m.bitOffset % (8 * align) !== 0) return true;
      largest = Math.max(largest, align);
    }
    return type.size % largest !== 0;
  }

  /** Types without a size can still be named as members in broken BTF; they are given none here. */
  #alignOf(id: number): number {
    return this.#hasSize(id) ? this.#btf.alignOf(id) : 1;
  }

  #sizeOf(id: number): number {
    return this.#hasSize(id) ? this.#btf.sizeOf(id) : 0;
  }

  #hasSize(id: number): boolean {
    let at = id;
    for (let depth = 0; ; depth++) {
      this.#guard.enter(at, depth);
      const type = this.#btf.type(this.#btf.resolve(at));
      if (type.kind !== 'array') return !SIZELESS.has(type.kind);
      at = type.element;
    }
  }
}

const SIZELESS: ReadonlySet<BtfType['kind']> = new Set(['void', 'fwd', 'func', 'func_proto', 'datasec', 'decl_tag']);

/** A pointer's declarator in parentheses, so that what follows applies to what it points at. */
const grouped = (declarator: string): string => (declarator.startsWith('*') ? `(${declarator})` : declarator);
