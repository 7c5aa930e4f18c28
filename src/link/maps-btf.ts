// Maps declared as typed structs in the section `.maps`: all their attributes stand in BTF
// (__uint, __ulong, __type and __array of bpf_helpers.h).
import { type Diagnostic, fail, type Place } from '../base/diagnostic.ts';
import { badBtf, innerMap, mapDefinition, slotTarget, unknownMapType } from '../base/messages/link.ts';
import type { Btf } from '../btf/btf.ts';
import type { BtfComposite, BtfMember } from '../btf/format.ts';
import { type ElfSymbol, STT } from '../elf/format.ts';
import { sectionByName } from '../elf/lookup.ts';
import type { MapSpec } from '../spec/object.ts';
import {
  datasecOf,
  type LinkInput,
  mapAt,
  namedSymbols,
  type PlacedMap,
  placeMaps,
  relocationsOf,
  tagsOf,
} from './input.ts';
import { isMapInMap, mapTypeOf, refusedAttributes } from './map-type.ts';
import { specialOf } from './special-fields.ts';

const MAPS_SECTION = '.maps';

/** What the members of a definition say. */
interface Attributes {
  type?: number;
  maxEntries?: number;
  flags?: number;
  numaNode?: number;
  keySize?: number;
  valueSize?: number;
  keyTypeId?: number;
  valueTypeId?: number;
  pinning?: number;
  extra?: bigint;
  inner?: MapSpec;
  /** Byte offset of the member `values` in the variable: where its initial values begin. */
  valuesAt?: number;
}

class Definition {
  readonly #btf: Btf;
  readonly #input: LinkInput;
  readonly #place: Place;
  readonly #name: string;
  readonly #isInner: boolean;
  readonly attributes: Attributes = {};
  /** Why the inner map cannot be, and so this one neither. */
  #rejected: Diagnostic | undefined;

  constructor(input: LinkInput, btf: Btf, name: string, typeId: number, place: Place, isInner: boolean) {
    this.#input = input;
    this.#btf = btf;
    this.#name = name;
    this.#place = place;
    this.#isInner = isInner;
    const struct = btf.resolved(typeId);
    if (struct.kind !== 'struct') return this.#refuse(`is a ${struct.kind}, not a struct`);
    for (const member of struct.members) this.#read(member, struct);
  }

  #refuse(why: string): never {
    return fail(mapDefinition(this.#place, why));
  }

  /** __uint: pointer to an array of `value` elements; __ulong: an enum of one value. */
  #number(member: BtfMember): bigint {
    const type = this.#btf.resolved(member.type);
    if ((type.kind === 'enum' || type.kind === 'enum64') && type.values.length === 1) return type.values[0].value;
    const array = type.kind === 'ptr' ? this.#btf.resolved(type.type) : type;
    if (type.kind !== 'ptr' || array.kind !== 'array') {
      return this.#refuse(`has '${member.name}' that is neither __uint nor __ulong`);
    }
    return BigInt(array.length);
  }

  #word(member: BtfMember): number {
    const value = this.#number(member);
    if (value < 0n || value > 0xffff_ffffn) this.#refuse(`has ${member.name} ${value}, not a 32-bit number`);
    return Number(value);
  }

  /** __type: pointer to the type. */
  #type(member: BtfMember): { id: number; size: number } {
    const type = this.#btf.resolved(member.type);
    if (type.kind !== 'ptr') return this.#refuse(`has '${member.name}' that is not __type`);
    return { id: type.type, size: this.#btf.sizeOf(type.type) };
  }

  #size(what: 'key' | 'value', size: number): void {
    const field = `${what}Size` as const;
    const known = this.attributes[field];
    if (known !== undefined && known !== size) this.#refuse(`says ${known} and ${size} bytes for its ${what}`);
    this.attributes[field] = size;
  }

  #values(member: BtfMember, struct: BtfComposite): void {
    const array = this.#btf.resolved(member.type);
    const element = array.kind === 'array' ? this.#btf.resolved(array.element) : undefined;
    if (this.#isInner) this.#refuse('is an inner map and has values of its own');
    if (member !== struct.members.at(-1)) {
      this.#refuse(`has members after 'values'`);
    }
    if (element?.kind !== 'ptr') return this.#refuse(`has 'values' that is not __array of pointers`);
    this.attributes.valuesAt = member.bitOffset / 8;
    this.#size('value', 4);
    const pointee = this.#btf.resolved(element.type);
    if (pointee.kind === 'func_proto' || pointee.kind === 'func') return;
    if (pointee.kind !== 'struct') return this.#refuse(`has 'values' of a ${pointee.kind}, neither maps nor programs`);
    const place = { ...this.#place, typeId: element.type };
    const inner = new Definition(this.#input, this.#btf, `${this.#name}.inner`, element.type, place, true);
    const { spec, rejected } = inner.spec([]);
    this.attributes.inner = spec;
    this.#rejected = rejected;
  }

  #read(member: BtfMember, struct: BtfComposite): void {
    const a = this.attributes;
    switch (member.name) {
      case 'type':
        a.type = this.#word(member);
        break;
      case 'max_entries':
        a.maxEntries = this.#word(member);
        break;
      case 'map_flags':
        a.flags = this.#word(member);
        break;
      case 'numa_node':
        a.numaNode = this.#word(member);
        break;
      case 'pinning':
        a.pinning = this.#word(member);
        break;
      case 'map_extra':
        a.extra = BigInt.asUintN(64, this.#number(member));
        break;
      case 'key_size':
        this.#size('key', this.#word(member));
        break;
      case 'value_size':
        this.#size('value', this.#word(member));
        break;
      case 'key': {
        const { id, size } = this.#type(member);
        this.#size('key', size);
        a.keyTypeId = id;
        break;
      }
      case 'value': {
        const { id, size } = this.#type(member);
        this.#size('value', size);
        a.valueTypeId = id;
        break;
      }
      case 'values':
        this.#values(member, struct);
        break;
      default:
        this.#refuse(`has the unknown attribute '${member.name}'`);
    }
  }

  /** The map; `rejected` says why there can be none (where its type is not known, the spec's only stands in). */
  spec(tags: readonly string[]): { readonly spec: MapSpec; readonly rejected?: Diagnostic } {
    const a = this.attributes;
    if (a.type === undefined || a.type === 0) return this.#refuse('has no type');
    const type = mapTypeOf(a.type, this.#input.dialect);
    const spec: MapSpec = {
      name: this.#name,
      type: type ?? 'array',
      keySize: a.keySize ?? 0,
      valueSize: a.valueSize ?? 0,
      maxEntries: a.maxEntries ?? 0,
      flags: a.flags ?? 0,
      ...(a.numaNode === undefined ? {} : { numaNode: a.numaNode }),
      ...(a.extra === undefined ? {} : { extra: a.extra }),
      pinning: a.pinning ?? 0,
      ...(a.keyTypeId === undefined ? {} : { keyTypeId: a.keyTypeId }),
      ...(a.valueTypeId === undefined ? {} : { valueTypeId: a.valueTypeId }),
      ...specialOf(this.#btf, a.valueTypeId),
      ...(a.inner === undefined ? {} : { inner: a.inner }),
      kind: 'map',
      slots: [],
      frozen: false,
      tags,
    };
    if (type === undefined) return { spec, rejected: unknownMapType(this.#place, a.type, this.#input.dialect) };
    const rejected = refusedAttributes(a, this.#input.dialect, this.#place) ?? this.#rejected;
    if (a.valuesAt !== undefined && (a.inner === undefined) !== (type === 'prog_array')) {
      this.#refuse(`is of type ${type} and has 'values' of ${a.inner === undefined ? 'programs' : 'maps'}`);
    }
    if (a.inner !== undefined && !isMapInMap(type)) this.#refuse(`is of type ${type} and has inner maps`);
    if (a.inner !== undefined && isMapInMap(a.inner.type)) fail(innerMap(this.#place, 'is itself a map of maps'));
    return rejected === undefined ? { spec } : { spec, rejected };
  }
}

interface Declared {
  readonly placed: PlacedMap;
  readonly valuesAt?: number;
  readonly place: Place;
}

function declare(
  input: LinkInput,
  btf: Btf,
  section: number,
  varId: number,
  symbols: ReadonlyMap<string, ElfSymbol>,
): Declared {
  const variable = btf.type(varId);
  const place: Place = { ...input.place, section: MAPS_SECTION, typeId: varId };
  if (variable.kind !== 'var') return fail(badBtf(place, `a ${variable.kind} among the maps`));
  const here = { ...place, map: variable.name };
  const symbol = symbols.get(variable.name);
  if (symbol === undefined) return fail(badBtf(here, 'a map without a symbol'));
  const definition = new Definition(input, btf, variable.name, variable.type, here, false);
  const made = definition.spec(tagsOf(input, varId));
  const placed = {
    section,
    offset: symbol.value,
    size: symbol.size === 0 ? btf.sizeOf(variable.type) : symbol.size,
    id: 0,
    ...made,
  };
  const { valuesAt } = definition.attributes;
  return { placed, place: here, ...(valuesAt === undefined ? {} : { valuesAt }) };
}

type Slot = MapSpec['slots'][number];

/** The map that begins where a symbol is. */
function mapName(maps: ReadonlyMap<number, readonly PlacedMap[]>, { section, value }: ElfSymbol): string | undefined {
  const found = typeof section === 'number' ? mapAt(maps, section, value) : undefined;
  return found?.offset === value ? found.spec.name : undefined;
}

/** `.values = { ... }`: relocations inside the variable name what its slots hold at first. */
function initialSlots(input: LinkInput, section: number, declared: readonly Declared[]): Map<Declared, Slot[]> {
  const slots = new Map<Declared, Slot[]>();
  const maps = placeMaps(declared.map((d) => d.placed));
  const byMap = new Map(declared.map((d) => [d.placed, d]));
  for (const relocation of relocationsOf(input, section)) {
    const map = mapAt(maps, section, relocation.offset);
    const owner = map === undefined ? undefined : byMap.get(map);
    const place = { ...input.place, section: MAPS_SECTION, offset: relocation.offset };
    if (owner === undefined) return fail(slotTarget(place, 'belongs to no map'));
    const here = { ...owner.place, offset: relocation.offset };
    const at = relocation.offset - owner.placed.offset - (owner.valuesAt ?? Number.POSITIVE_INFINITY);
    if (!(at >= 0 && at % 8 === 0)) return fail(slotTarget(here, `stands outside 'values'`));
    const symbol = input.elf.symbols[relocation.symbol];
    const ofMaps = isMapInMap(owner.placed.spec.type);
    const target = ofMaps ? mapName(maps, symbol) : symbol.type === STT.FUNC ? symbol.name : undefined;
    if (target === undefined) {
      return fail(slotTarget(here, `refers to '${symbol.name}', which is no ${ofMaps ? 'map' : 'program'}`));
    }
    const list = slots.get(owner) ?? [];
    list.push({ index: at / 8, kind: ofMaps ? 'map' : 'program', target });
    slots.set(owner, list);
  }
  return slots;
}

/** The maps of `.maps`, in the order of its DATASEC. Errors: link/map-definition, link/inner-map, link/slot, link/btf. */
export function btfMaps(input: LinkInput): PlacedMap[] {
  const section = sectionByName(input.elf, MAPS_SECTION);
  if (section === undefined || section.size === 0) return [];
  const place = { ...input.place, section: MAPS_SECTION };
  const datasec = datasecOf(input, MAPS_SECTION);
  if (input.btf === undefined || datasec === undefined) return fail(badBtf(place, 'BTF without the maps'));
  const named = namedSymbols(input, section.index, (s) => s.type === STT.OBJECT || s.type === STT.NOTYPE);
  const symbols = new Map(named.map((s) => [s.name, s]));
  const { btf } = input;
  const declared = datasec.vars.map((v) => declare(input, btf, section.index, v.type, symbols));
  const slots = initialSlots(input, section.index, declared);
  return declared.map((d) => {
    const own = slots.get(d);
    return own === undefined ? d.placed : { ...d.placed, spec: { ...d.placed.spec, slots: own } };
  });
}
