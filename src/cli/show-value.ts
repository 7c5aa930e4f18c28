// Values of maps and records as one line of text, through BTF where there is some.
import { toHex } from '../base/bytes.ts';
import { type Btf, MAX_DEPTH } from '../btf/btf.ts';
import type { BtfComposite } from '../btf/format.ts';
import { type BtfValue, decodeValue } from '../btf/value.ts';

/** Arrays of at least this many unsigned bytes are shown as digits: addresses, headers. */
const DIGITS_FROM = 5;

/** A value's bytes as data: through BTF, or else its bytes. */
export const valueData = (btf: Btf | undefined, id: number | undefined, bytes: Uint8Array): BtfValue | Uint8Array =>
  btf === undefined || id === undefined || bytes.length < btf.sizeOf(id) ? bytes : decodeValue(btf, id, bytes);

/** A value's bytes as text: `{ packets: 3, bytes: 180 }`, or digits where there is no type. */
export const valueText = (btf: Btf | undefined, id: number | undefined, bytes: Uint8Array): string => {
  const data = valueData(btf, id, bytes);
  if (data instanceof Uint8Array || btf === undefined || id === undefined) return toHex(bytes);
  return show(btf, id, data, 0);
};

function show(btf: Btf, id: number, value: BtfValue, depth: number): string {
  if (depth > MAX_DEPTH) return '...';
  const type = btf.resolved(id);
  if (type.kind === 'array' && Array.isArray(value)) {
    const element = btf.resolved(type.element);
    const bytes = element.kind === 'int' && element.size === 1 && value.length >= DIGITS_FROM;
    if (bytes && value.every((v) => typeof v === 'number' && v >= 0)) return toHex(Uint8Array.from(value as number[]));
    return `[${value.map((v) => show(btf, type.element, v, depth + 1)).join(', ')}]`;
  }
  if (isObject(value)) {
    const types = type.kind === 'struct' || type.kind === 'union' ? memberTypes(btf, type, depth) : new Map();
    const parts = Object.entries(value).map(([name, v]) => `${name}: ${show(btf, types.get(name) ?? 0, v, depth + 1)}`);
    return `{ ${parts.join(', ')} }`;
  }
  if (type.kind === 'ptr') return `0x${(value as bigint).toString(16)}`;
  return typeof value === 'string' && type.kind === 'array' ? JSON.stringify(value) : `${value}`;
}

const isObject = (value: BtfValue): value is { readonly [name: string]: BtfValue } =>
  typeof value === 'object' && !Array.isArray(value);

/** Types of the members by name, those of anonymous members with them, as decodeValue names them. */
function memberTypes(btf: Btf, type: BtfComposite, depth: number): Map<string, number> {
  const found = new Map<string, number>();
  for (const member of type.members) {
    const inner = btf.resolved(member.type);
    if (member.name !== '') found.set(member.name, member.type);
    else if ((inner.kind === 'struct' || inner.kind === 'union') && depth < MAX_DEPTH) {
      for (const [name, id] of memberTypes(btf, inner, depth + 1)) found.set(name, id);
    }
  }
  return found;
}
