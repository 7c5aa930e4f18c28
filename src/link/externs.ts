// What the object leaves to its host: .kconfig values, kernel symbols and kernel functions.
import { alignUp } from '../base/bytes.ts';
import { fail } from '../base/diagnostic.ts';
import { badExtern } from '../base/messages/link.ts';
import type { Btf } from '../btf/btf.ts';
import { type ElfSymbol, STB, STT } from '../elf/format.ts';
import type { ExternSpec } from '../spec/object.ts';
import { dataMap } from './globals.ts';
import { datasecOf, type LinkInput, type PlacedMap } from './input.ts';

export interface Externs {
  readonly externs: readonly ExternSpec[];
  /** Index into `externs` by symbol name. */
  readonly byName: ReadonlyMap<string, number>;
  /** The `.kconfig` map, in no ELF section (index -1). */
  readonly kconfig?: PlacedMap;
}

/** More than every option of a kernel together. */
const MAX_KCONFIG_BYTES = 1 << 20;

const isExtern = (s: ElfSymbol): boolean =>
  s.section === 'undef' && s.name !== '' && s.type === STT.NOTYPE && s.binding !== STB.LOCAL;

interface Declaration {
  readonly section: '.ksyms' | '.kconfig';
  readonly typeId: number;
}

/** What .ksyms and .kconfig of the BTF declare, by name. */
function declarations(input: LinkInput, btf: Btf): Map<string, Declaration> {
  const found = new Map<string, Declaration>();
  for (const section of ['.ksyms', '.kconfig'] as const) {
    for (const { type: typeId } of datasecOf(input, section)?.vars ?? [])
      found.set(btf.nameOf(typeId), { section, typeId });
  }
  return found;
}

interface KconfigVariable {
  readonly symbol: ElfSymbol;
  readonly typeId: number;
  readonly align: number;
  readonly size: number;
}

const compareText = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

/** Lays the variables out as libbpf does: largest alignment first, then smallest size, then by name. */
function layOut(variables: readonly KconfigVariable[]): { variable: KconfigVariable; offset: number }[] {
  const sorted = [...variables].sort(
    (a, b) => b.align - a.align || a.size - b.size || compareText(a.symbol.name, b.symbol.name),
  );
  let end = 0;
  return sorted.map((variable) => {
    const offset = alignUp(end, variable.align);
    end = offset + variable.size;
    return { variable, offset };
  });
}

/**
 * The undefined symbols that the BTF declares in .ksyms or .kconfig. Others are no externs: a reference to one makes the
 * program unsupported. Errors: link/extern, btf/no-size.
 */
export function findExterns(input: LinkInput): Externs {
  const { btf } = input;
  if (btf === undefined) return { externs: [], byName: new Map() };
  const declared = declarations(input, btf);
  const externs: ExternSpec[] = [];
  const variables: KconfigVariable[] = [];
  for (const symbol of input.elf.symbols.filter(isExtern)) {
    const declaration = declared.get(symbol.name);
    if (declaration === undefined) continue;
    const { typeId, section } = declaration;
    const place = { ...input.place, section, typeId };
    const type = btf.type(typeId);
    const weak = symbol.binding === STB.WEAK;
    if (type.kind === 'func') {
      if (section === '.kconfig') fail(badExtern(place, `'${symbol.name}' is a function in .kconfig`));
      externs.push({ name: symbol.name, kind: 'kfunc', weak, typeId });
    } else if (type.kind !== 'var') {
      fail(badExtern(place, `'${symbol.name}' is a ${type.kind}`));
    } else if (section === '.kconfig') {
      const size = btf.sizeOf(type.type);
      if (size > MAX_KCONFIG_BYTES) fail(badExtern(place, `'${symbol.name}' has ${size} bytes`));
      variables.push({ symbol, typeId, align: btf.alignOf(type.type), size });
    } else {
      // `extern const void name __ksym`: only its address is asked for.
      const typeless = btf.resolved(type.type).kind === 'void';
      externs.push({ name: symbol.name, kind: 'ksym', weak, typeId: typeless ? 0 : typeId });
    }
  }
  const laidOut = layOut(variables);
  for (const { variable, offset } of laidOut) {
    const { symbol, typeId, size } = variable;
    const weak = symbol.binding === STB.WEAK;
    externs.push({ name: symbol.name, kind: 'kconfig', weak, typeId, kconfig: { offset, size } });
  }
  const byName = new Map(externs.map((e, i) => [e.name, i]));
  const last = laidOut.at(-1);
  if (last === undefined) return { externs, byName };
  const size = last.offset + last.variable.size;
  const place = { ...input.place, section: '.kconfig' };
  if (size > MAX_KCONFIG_BYTES) fail(badExtern(place, `values have ${size} bytes, above ${MAX_KCONFIG_BYTES}`));
  const spec = dataMap(input, '.kconfig', 'kconfig', size, new Uint8Array(size));
  return { externs, byName, kconfig: { section: -1, offset: 0, size, spec, id: 0 } };
}
