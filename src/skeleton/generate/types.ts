// BTF types as TypeScript: an interface and a codec for each struct, union and enum that is asked for, what they hold before them.
import { fail } from '../../base/diagnostic.ts';
import { cannotGenerate } from '../../base/messages/skeleton.ts';
import { bitfieldOf } from '../../btf/bits.ts';
import type { Btf } from '../../btf/btf.ts';
import { type BtfComposite, type BtfEnum, type BtfType, INT_BOOL, INT_SIGNED } from '../../btf/format.ts';
import { isCharacter } from '../../btf/value-walk.ts';
import { comment, type Names, pascal, property } from './names.ts';

/** A type as it is used: expression of its codec, types of what decoding gives and encoding takes. */
export interface TypeText {
  readonly codec: string;
  readonly out: string;
  readonly in: string;
}

/** Types inside types that are followed. */
const MAX_NESTING = 64;
/** Members of all types together: more is no C. */
const MAX_MEMBERS = 200_000;
const SIZELESS: ReadonlySet<BtfType['kind']> = new Set(['void', 'fwd', 'func', 'func_proto', 'decl_tag']);
const WHOLE_SIZES: ReadonlySet<number> = new Set([1, 2, 4, 8, 16]);

interface FieldText {
  readonly name: string;
  readonly offset: number;
  readonly bits: number;
  readonly code: string;
  readonly out: string;
  readonly in: string;
}

/** Integers of up to 32 bits as number, wider ones as bigint. */
const numberOf = (bits: number): string => (bits <= 32 ? 'number' : 'bigint');
const same = (codec: string, type: string): TypeText => ({ codec, out: type, in: type });

export class TypeWriter {
  readonly #btf: Btf;
  readonly #names: Names;
  readonly #known = new Map<number, TypeText>();
  readonly #open = new Set<number>();
  readonly #declarations: string[] = [];
  /** Names of `anybpf/skeleton/...` that the declarations use. */
  readonly used = new Set<string>();
  #members = 0;

  constructor(btf: Btf, names: Names) {
    this.#btf = btf;
    this.#names = names;
  }

  /** The declarations so far, in an order in which each uses only earlier ones. */
  get declarations(): readonly string[] {
    return this.#declarations;
  }

  #use(name: string): string {
    this.used.add(name);
    return name;
  }

  /** Bytes as they are. */
  bytes(size: number): TypeText {
    return same(`${this.#use('bytes')}(${size})`, 'Uint8Array');
  }

  /** @param name what to call it, where it has no name of its own */
  text(id: number, name: string, depth = 0): TypeText {
    if (depth > MAX_NESTING) fail(cannotGenerate({ typeId: id }, `types are nested more than ${MAX_NESTING} deep`));
    const known = this.#known.get(id);
    if (known !== undefined) return known;
    const made = this.#make(id, name, depth);
    this.#known.set(id, made);
    return made;
  }

  #make(id: number, name: string, depth: number): TypeText {
    const type = this.#btf.type(id);
    switch (type.kind) {
      case 'typedef':
        return this.text(type.type, this.#isAnonymous(type.type) ? pascal(type.name) : name, depth + 1);
      case 'const':
      case 'volatile':
      case 'restrict':
      case 'type_tag':
      case 'var':
        return this.text(type.type, name, depth + 1);
      case 'int':
        return this.#int(type);
      case 'ptr':
        return same(this.#use('pointer'), 'bigint');
      case 'float':
        if (type.size === 4) return same(this.#use('f32'), 'number');
        if (type.size === 8) return same(this.#use('f64'), 'number');
        return this.bytes(type.size);
      case 'enum':
      case 'enum64':
        return this.#enum(type, name);
      case 'array':
        return this.#array(type.element, type.length, name, depth);
      case 'struct':
      case 'union':
        return this.#composite(id, type, name, depth);
      case 'void':
      case 'fwd':
      case 'func':
      case 'func_proto':
      case 'datasec':
      case 'decl_tag':
        return this.bytes(0);
    }
  }

  #isAnonymous(id: number): boolean {
    const type = this.#btf.type(id);
    return 'name' in type && type.name === '';
  }

  #int(type: Extract<BtfType, { kind: 'int' }>): TypeText {
    if ((type.encoding & INT_BOOL) !== 0 && type.size === 1) return same(this.#use('bool'), 'boolean');
    if (!WHOLE_SIZES.has(type.size)) return this.bytes(type.size);
    return this.#whole(type.size, (type.encoding & INT_SIGNED) !== 0);
  }

  #whole(size: number, signed: boolean): TypeText {
    return same(this.#use(`${signed ? 's' : 'u'}${size * 8}`), numberOf(size * 8));
  }

  #array(element: number, length: number, name: string, depth: number): TypeText {
    const type = this.#btf.resolved(element);
    if (isCharacter(type))
      return { codec: `${this.#use('characters')}(${length})`, out: 'string', in: 'string | Uint8Array' };
    if (type.kind === 'int' && type.size === 1 && type.encoding === 0) return this.bytes(length);
    const each = this.text(element, name, depth + 1);
    return {
      codec: `${this.#use('array')}(${each.codec}, ${length})`,
      out: `${grouped(each.out)}[]`,
      in: `readonly ${grouped(each.in)}[]`,
    };
  }

  #enum(type: BtfEnum, hint: string): TypeText {
    const storage = this.#whole(type.size, type.signed);
    // Declared without its values.
    if (type.values.length === 0) return storage;
    const name = this.#names.unique(type.name === '' ? hint : pascal(type.name));
    this.#countMembers(type.values.length);
    const suffix = type.size === 8 ? 'n' : '';
    const rows = [...new Map(type.values.map((v) => [v.name, v.value]))].map(
      ([value, number]) => `  ${property(value)}: ${number}${suffix},\n`,
    );
    this.#use('Decoded');
    this.#declarations.push(
      `/** ${comment(`enum ${type.name}`)} */
export const ${name} = ${this.#use('enumeration')}(${storage.codec}, {
${rows.join('')}});
export type ${name} = Decoded<typeof ${name}>;
`,
    );
    return same(name, name);
  }

  #composite(id: number, type: BtfComposite, hint: string, depth: number): TypeText {
    if (this.#open.has(id)) fail(cannotGenerate({ typeId: id }, `the ${type.kind} contains itself`));
    this.#open.add(id);
    const name = this.#names.unique(type.name === '' ? hint : pascal(type.name));
    const fields = this.#fields(type, name, depth);
    this.#open.delete(id);
    const rows = fields.map((field) => ({ ...field, optional: fields.some((other) => overlap(field, other)) }));
    // What can be written is more where bytes are shared, or where that is so of a member.
    const differs = rows.some((field) => field.optional || field.in !== field.out);
    const input = differs ? this.#names.unique(`${name}Input`) : name;
    const types = differs ? `${name}, ${input}` : name;
    const lines = (write: (field: (typeof rows)[number]) => string): string =>
      rows.map((field) => `  ${property(field.name)}${write(field)};\n`).join('');
    this.#use('Codec');
    const tag = comment(`${type.kind} ${type.name}`);
    const inputs = differs
      ? `/** What encoding takes; of members that share bytes as few as one. */
export interface ${input} {
${lines((field) => `${field.optional ? '?' : ''}: ${field.in}`)}}
`
      : '';
    this.#declarations.push(
      `/** ${tag} */
export interface ${name} {
${lines((field) => `: ${field.out}`)}}
${inputs}export const ${name}: Codec<${types}> = ${this.#use('struct')}<${types}>(${type.size}, {
${rows.map((field) => `  ${property(field.name)}: ${field.code},\n`).join('')}});
`,
    );
    return { codec: name, out: name, in: input };
  }

  #countMembers(count: number): void {
    this.#members += count;
    if (this.#members > MAX_MEMBERS) fail(cannotGenerate({}, `its types have more than ${MAX_MEMBERS} members`));
  }

  /** Named members with those of unnamed structs and unions in it, by their place in the whole. */
  #fields(type: BtfComposite, owner: string, depth: number): FieldText[] {
    const found = new Map<string, FieldText>();
    const visit = (composite: BtfComposite, base: number, level: number): void => {
      if (level > MAX_NESTING) fail(cannotGenerate({}, `types are nested more than ${MAX_NESTING} deep`));
      this.#countMembers(composite.members.length);
      for (const member of composite.members) {
        const target = this.#btf.resolved(member.type);
        const bitfield = bitfieldOf(composite, member, target);
        const isInner = target.kind === 'struct' || target.kind === 'union';
        if (member.name === '') {
          if (isInner && bitfield === undefined) visit(target, base + member.bitOffset, level + 1);
          continue;
        }
        if (found.has(member.name)) continue;
        const hint = `${owner}${pascal(member.name)}`;
        const place = base + (bitfield?.offset ?? member.bitOffset);
        found.set(
          member.name,
          bitfield === undefined
            ? this.#member(member.name, member.type, place, hint, level)
            : this.#bitfield(member.name, member.type, target, { offset: place, bits: bitfield.bits }, hint),
        );
      }
    };
    visit(type, 0, depth);
    return [...found.values()];
  }

  #member(name: string, id: number, offset: number, hint: string, depth: number): FieldText {
    if (offset % 8 !== 0) fail(cannotGenerate({ typeId: id }, `the member ${name} begins inside a byte`));
    const text = this.text(id, hint, depth + 1);
    const size = SIZELESS.has(this.#btf.resolved(id).kind) ? 0 : this.#btf.sizeOf(id);
    const code = `${this.#use('at')}(${offset / 8}, ${text.codec})`;
    return { name, offset, bits: size * 8, code, out: text.out, in: text.in };
  }

  #bitfield(
    name: string,
    id: number,
    type: BtfType,
    { offset, bits }: { readonly offset: number; readonly bits: number },
    hint: string,
  ): FieldText {
    const field = (call: string, out: string): FieldText => ({ name, offset, bits, code: call, out, in: out });
    const place = `${offset}, ${bits}`;
    if (type.kind === 'enum' && type.values.length > 0 && bits <= 32) {
      const text = this.text(id, hint);
      const signed = type.signed ? ', true' : '';
      return field(`${this.#use('enumBits')}(${place}, ${text.codec}.values${signed})`, text.out);
    }
    if (type.kind !== 'int' && type.kind !== 'enum' && type.kind !== 'enum64')
      return fail(cannotGenerate({ typeId: id }, `the bitfield ${name} is a ${type.kind}`));
    if (type.kind === 'int' && (type.encoding & INT_BOOL) !== 0)
      return field(`${this.#use('boolBits')}(${place})`, 'boolean');
    const signed = type.kind === 'int' ? (type.encoding & INT_SIGNED) !== 0 : type.signed;
    const call = this.#use(bits <= 32 ? 'bits' : 'wideBits');
    return field(`${call}(${place}${signed ? ', true' : ''})`, numberOf(bits));
  }
}

const grouped = (type: string): string => (/[ |]/.test(type) ? `(${type})` : type);

const overlap = (a: FieldText, b: FieldText): boolean =>
  a !== b && a.offset < b.offset + b.bits && b.offset < a.offset + a.bits;
