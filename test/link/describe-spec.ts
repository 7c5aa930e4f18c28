// An ObjectSpec as short lines, so that expectations can be read and compared.
import { toHex } from '../../src/base/bytes.ts';
import { MAP_FLAGS } from '../../src/spec/map-types.ts';
import type { MapSpec, ObjectSpec, ProgramSpec } from '../../src/spec/object.ts';

const flagNames = (flags: number): string =>
  Object.entries(MAP_FLAGS)
    .filter(([, bit]) => (flags & bit) !== 0)
    .map(([name]) => name)
    .join('|');

/** `name type key/value x entries [attributes]`. Data are named by their length only where `data` is false. */
export function mapLine(m: MapSpec, data: boolean): string {
  const parts = [`${m.name} ${m.type} ${m.keySize}/${m.valueSize} x${m.maxEntries}`];
  if (m.flags !== 0) parts.push(flagNames(m.flags));
  if (m.kind !== 'map') parts.push(`${m.kind}:${m.section}`);
  if (m.frozen) parts.push('frozen');
  if (m.numaNode !== undefined) parts.push(`node ${m.numaNode}`);
  if (m.extra !== undefined) parts.push(`extra ${m.extra}`);
  if (m.pinning !== 0) parts.push(`pin ${m.pinning}`);
  for (const s of m.slots) parts.push(`[${s.index}]=${s.kind}:${s.target}`);
  if (m.tags.length > 0) parts.push(`tags ${m.tags.join(',')}`);
  if (m.inner !== undefined) parts.push(`of (${mapLine(m.inner, data)})`);
  if (data && m.data !== undefined && m.data.some((b) => b !== 0)) parts.push(`= ${toHex(m.data.subarray(0, 32))}`);
  if (m.unsupported !== undefined) parts.push(`! ${m.unsupported.code}`);
  return parts.join(' ');
}

/** `name @section type/attach target slots: functions at their slots`. */
export function programLine(p: ProgramSpec): string {
  const attach = p.attachType === undefined ? '' : `/${p.attachType}`;
  const parts = [`${p.name} @${p.section} ${p.type}${attach}`];
  if (p.attachTarget !== undefined) parts.push(`target ${p.attachTarget}`);
  if (p.sleepable) parts.push('sleepable');
  if (p.fragments) parts.push('fragments');
  if (!p.autoload) parts.push('not loaded');
  parts.push(`${p.code.length / 8} slots`);
  if (p.functions.length > 1)
    parts.push(
      p.functions
        .slice(1)
        .map((f) => `${f.name}+${f.slot}`)
        .join(' '),
    );
  if (p.core.length > 0) parts.push(`core ${p.core.length}`);
  if (p.tags.length > 0) parts.push(`tags ${p.tags.join(',')}`);
  if (p.unsupported !== undefined) parts.push(`! ${p.unsupported.code}`);
  return parts.join(' ');
}

export interface Described {
  readonly programs: readonly string[];
  readonly maps: readonly string[];
  readonly externs: readonly string[];
  readonly diagnostics: readonly string[];
}

export function describeSpec(spec: ObjectSpec, data = true): Described {
  return {
    programs: spec.programs.map(programLine),
    maps: spec.maps.map((m) => mapLine(m, data)),
    externs: spec.externs.map((e) => {
      const place = e.kconfig === undefined ? '' : ` at ${e.kconfig.offset}+${e.kconfig.size}`;
      return `${e.name} ${e.kind}${e.weak ? ' weak' : ''}${e.typeId === 0 ? ' typeless' : ''}${place}`;
    }),
    diagnostics: spec.diagnostics.map((d) => d.code),
  };
}
