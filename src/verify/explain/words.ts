// Values in words: `a pointer to the packet, 14 bytes behind its start`.
import { W32 } from '../number/range.ts';
import { describeBounds, type Scalar } from '../number/scalar.ts';
import { describeRegion, type Pointer, type Slot } from '../value.ts';
import { signedText } from '../walk.ts';

/** How far a pointer is from where its region begins; empty at its start. */
export function distance(p: Pointer): string {
  if (p.region === 'stack') return ` at r10${signedText(p.offset)}${varying(p)}`;
  if (p.variable === undefined) return p.offset === 0 ? '' : `, offset ${p.offset}`;
  return `, offset ${p.offset}${varying(p)}`;
}

const varying = (p: Pointer): string => (p.variable === undefined ? '' : ` plus ${describeBounds(p.variable)}`);

/** What is known of the lower half as an int, where the whole does not tell it. */
function asInt({ r64, r32 }: Scalar): string {
  const known = r32.smin > W32.smin || r32.smax < W32.smax;
  const told = r64.smin >= r32.smin && r64.smax <= r32.smax;
  return known && !told ? ` (as an int ${r32.smin} to ${r32.smax})` : '';
}

/** A value as the end of a sentence that begins with its register: `is ...`. */
export function inWords(value: Slot): string {
  if (value === undefined) return 'holds nothing';
  switch (value.kind) {
    case 'scalar':
      return `is ${describeBounds(value)}${asInt(value)}`;
    case 'pointer':
      if (value.region === 'packet' && value.variable === undefined && value.offset === 0)
        return 'points to the start of the packet';
      return `points to ${describeRegion(value)}${value.nullable ? ' or NULL' : ''}${distance(value)}`;
    case 'bytes':
      return 'has been stored to in part';
    case 'special':
      return `is a ${value.name}`;
  }
}

/** How much of the packet is proven. */
export const provenText = (p: Pointer): string =>
  p.variable === undefined
    ? `the packet is at least ${p.range} bytes long`
    : `at least ${p.range} bytes of the packet lie behind the point that ${describeBounds(p.variable)} leads to`;
