// Random C types with the layout that a compiler gives them, for tests of values and against the kernel.
import fc from 'fast-check';
import { type BtfMember, type BtfType, INT_BOOL, INT_CHAR, INT_SIGNED } from '../../src/btf/format.ts';
import { identifier } from './arbitrary.ts';

/** A C type before it has ids. */
export type Shape =
  | { readonly shape: 'int'; readonly size: number; readonly encoding: number }
  | { readonly shape: 'enum'; readonly signed: boolean; readonly values: readonly number[] }
  | { readonly shape: 'pointer' }
  | { readonly shape: 'array'; readonly of: Shape; readonly length: number }
  | {
      readonly shape: 'struct' | 'union';
      readonly members: readonly (readonly [name: string, type: Shape | { readonly bits: number }])[];
    };

const leaf: fc.Arbitrary<Shape> = fc.oneof(
  fc.record({
    shape: fc.constant('int' as const),
    size: fc.constantFrom(1, 2, 4, 8, 16),
    encoding: fc.constantFrom(0, INT_SIGNED),
  }),
  fc.constant<Shape>({ shape: 'int', size: 1, encoding: INT_BOOL }),
  fc.constant<Shape>({ shape: 'int', size: 1, encoding: INT_CHAR }),
  fc.record({
    shape: fc.constant('enum' as const),
    signed: fc.boolean(),
    values: fc.uniqueArray(fc.nat({ max: 3 }), { minLength: 1 }),
  }),
  fc.constant<Shape>({ shape: 'pointer' }),
);

const { shape } = fc.letrec<{ shape: Shape; composite: Shape }>((tie) => ({
  shape: fc.oneof(
    { maxDepth: 3 },
    { arbitrary: leaf, weight: 3 },
    {
      arbitrary: fc.record({ shape: fc.constant('array' as const), of: tie('shape'), length: fc.nat({ max: 4 }) }),
      weight: 1,
    },
    { arbitrary: tie('composite'), weight: 2 },
  ),
  composite: fc.record({
    shape: fc.constantFrom('struct' as const, 'union' as const),
    members: fc.uniqueArray(
      fc.tuple(
        identifier,
        fc.oneof(
          { arbitrary: tie('shape'), weight: 4 },
          { arbitrary: fc.record({ bits: fc.integer({ min: 1, max: 32 }) }), weight: 1 },
        ),
      ),
      { minLength: 1, maxLength: 5, selector: ([name]) => name },
    ),
  }),
}));

const UINT = 1;
const INT = 2;

/** Types as BTF: the shape's own id is `id`. */
export interface Laid {
  readonly types: readonly BtfType[];
  readonly id: number;
  readonly size: number;
}

/** Lays a shape out as C does on a 64-bit machine. */
export function layOut(root: Shape): Laid {
  const types: BtfType[] = [
    { kind: 'int', name: 'unsigned int', size: 4, encoding: 0, bits: 32, offset: 0 },
    { kind: 'int', name: 'int', size: 4, encoding: INT_SIGNED, bits: 32, offset: 0 },
  ];
  const add = (type: BtfType): number => types.push(type);
  const place = (s: Shape): { id: number; size: number; align: number } => {
    switch (s.shape) {
      case 'int': {
        const name = s.encoding === INT_CHAR ? 'char' : `int${s.size}_${s.encoding}`;
        const id = add({ kind: 'int', name, size: s.size, encoding: s.encoding, bits: s.size * 8, offset: 0 });
        return { id, size: s.size, align: s.size };
      }
      case 'enum': {
        const values = s.values.map((v) => ({ name: `E${types.length}_${v}`, value: BigInt(v) }));
        return { id: add({ kind: 'enum', name: '', size: 4, signed: s.signed, values }), size: 4, align: 4 };
      }
      case 'pointer':
        return { id: add({ kind: 'ptr', type: 0 }), size: 8, align: 8 };
      case 'array': {
        const of = place(s.of);
        const id = add({ kind: 'array', element: of.id, index: UINT, length: s.length });
        return { id, size: of.size * s.length, align: of.align };
      }
      case 'struct':
      case 'union':
        return composite(s);
    }
  };
  const composite = (s: Extract<Shape, { shape: 'struct' | 'union' }>): { id: number; size: number; align: number } => {
    let at = 0;
    let end = 0;
    let align = 1;
    const members: BtfMember[] = s.members.map(([name, type]) => {
      if (s.shape === 'union') at = 0;
      const isBitfield = 'bits' in type;
      const part = isBitfield ? { id: name.length % 2 === 0 ? UINT : INT, size: 4, align: 4 } : place(type);
      const bits = isBitfield ? type.bits : part.size * 8;
      // A bitfield stays inside one unit of its type; anything else is aligned.
      const unit = part.align * 8;
      const crosses = !isBitfield || Math.floor(at / 32) !== Math.floor((at + bits - 1) / 32);
      const bitOffset = crosses ? Math.ceil(at / unit) * unit : at;
      at = bitOffset + bits;
      end = Math.max(end, at);
      align = Math.max(align, part.align);
      return { name, type: part.id, bitOffset, bitSize: isBitfield ? bits : 0 };
    });
    const size = Math.ceil(end / 8 / align) * align;
    const kindFlag = members.some((m) => m.bitSize > 0);
    return { id: add({ kind: s.shape, name: `s${types.length}`, size, kindFlag, members }), size, align };
  };
  const { id, size } = place(root);
  return { types, id, size };
}

/** A struct or union whose value has some bytes. */
export const laidOut: fc.Arbitrary<Laid> = shape
  .map((s) => layOut({ shape: 'struct', members: [['root', s]] }))
  .filter((laid) => laid.size > 0 && laid.size < 4096);
