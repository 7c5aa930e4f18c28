// How elements of maps are shown: bytes in hexadecimal, and through BTF where the map has some.
import type { Btf } from '../../btf/btf.ts';
import { formatValue } from '../../btf/format-value.ts';
import { AnyBpfError } from '../../base/diagnostic.ts';
import { alignUp } from '../../base/bytes.ts';
import type { MapTypeName } from '../../spec/map-types.ts';
import type { MapInfo } from '../../spec/session.ts';
import { hexJson, hexText, type Json, RawJson } from './output.ts';
import { btfOf } from './btf-objects.ts';
import type { Tool } from './tool.ts';

const PER_CPU: ReadonlySet<MapTypeName> = new Set([
  'percpu_hash',
  'percpu_array',
  'lru_percpu_hash',
  'percpu_cgroup_storage',
]);

export const isPerCpu = (type: MapTypeName): boolean => PER_CPU.has(type);

/** Bytes of one CPU's value in those of all. */
const stride = (info: MapInfo): number => alignUp(info.valueSize, 8);

/** The value of each CPU, out of what map.lookup gives. */
function valuesOf(info: MapInfo, value: Uint8Array): Uint8Array[] {
  const each = stride(info);
  return Array.from({ length: Math.floor(value.length / each) }, (_, cpu) =>
    value.subarray(cpu * each, cpu * each + info.valueSize),
  );
}

/** One value for all CPUs, as map.update takes it. */
export function forAllCpus(info: MapInfo, value: Uint8Array): Uint8Array {
  const out = new Uint8Array(info.userValueSize);
  for (let at = 0; at + value.length <= out.length; at += stride(info)) out.set(value, at);
  return out;
}

/** The types of a map's keys and values; undefined where it has none. */
export const typesOf = (tool: Tool, info: MapInfo): Promise<Btf | undefined> =>
  btfOf(tool, info.valueTypeId === 0 ? 0 : info.btfId);

/** An element through BTF: `{"key":1,"value":{...}}`; undefined where its bytes are not of its types. */
function formatted(
  info: MapInfo,
  btf: Btf,
  key: Uint8Array,
  value: Uint8Array,
  plain: boolean,
): { readonly [name: string]: Json } | undefined {
  const show = (type: number, bytes: Uint8Array): Json => new RawJson(formatValue(btf, type, bytes, { plain }));
  try {
    return {
      // Maps of data sections have no key type: there is one key.
      ...(info.keyTypeId === 0 ? {} : { key: show(info.keyTypeId, key) }),
      ...(isPerCpu(info.type)
        ? { values: valuesOf(info, value).map((one, cpu) => ({ cpu, value: show(info.valueTypeId, one) })) }
        : { value: show(info.valueTypeId, value) }),
    };
  } catch (error) {
    if (error instanceof AnyBpfError) return undefined;
    throw error;
  }
}

export function elementJson(info: MapInfo, btf: Btf | undefined, key: Uint8Array, value: Uint8Array): Json {
  return {
    key: hexJson(key),
    ...(isPerCpu(info.type)
      ? { values: valuesOf(info, value).map((one, cpu) => ({ cpu, value: hexJson(one) })) }
      : { value: hexJson(value) }),
    formatted: btf === undefined ? undefined : formatted(info, btf, key, value, false),
  };
}

/** As the text form shows it where there is BTF: JSON of other rules (pointers and bitfields without quotes). */
export const plainElement = (info: MapInfo, btf: Btf, key: Uint8Array, value: Uint8Array): Json =>
  formatted(info, btf, key, value, true) ?? elementJson(info, undefined, key, value);

/** Bytes of a key or value; longer ones go on lines of their own. */
export const LONG = 16;
/** Bytes of both that one line holds. */
export const ONE_LINE = 24;

export function elementText(info: MapInfo, key: Uint8Array, value: Uint8Array): string {
  if (isPerCpu(info.type)) {
    const gap = info.valueSize > LONG ? '\n' : ' ';
    const values = valuesOf(info, value).map(
      (one, cpu) => `value (CPU ${String(cpu).padStart(2, '0')}):${gap}${hexText(one)}\n`,
    );
    return `key:\n${hexText(key)}\n${values.join('')}`;
  }
  const long = key.length > LONG || value.length > LONG;
  const gap = long ? '\n' : ' ';
  const between = !long && key.length + value.length <= ONE_LINE ? '  ' : '\n';
  const keyText = key.length === 0 ? '' : `key:${gap}${hexText(key)}${between}`;
  return value.length === 0 ? `${keyText}\n` : `${keyText}value:${gap}${hexText(value)}\n`;
}
