// Random type graphs for property tests.
import fc from 'fast-check';
import { type Btf } from '../../src/btf/btf.ts';
import { decodeBtf } from '../../src/btf/decode.ts';
import { encodeBtf } from '../../src/btf/encode.ts';
import { type BtfType } from '../../src/btf/format.ts';
import type { Endian } from '../../src/base/bytes.ts';

/** A Btf of hand-written types: the first has id 1. */
export const btfOf = (types: readonly BtfType[], endian: Endian = 'little', base?: Btf): Btf =>
  decodeBtf(encodeBtf(types, { endian, ...(base === undefined ? {} : { base }) }), base === undefined ? {} : { base });

export const endian = fc.constantFrom<Endian>('little', 'big');
export const identifier = fc.stringMatching(/^[a-z_][a-z0-9_]{0,6}$/);
const optionalName = fc.oneof(fc.constant(''), identifier);

/** A type of any kind whose references are ids below `count`; fields as wide as the format allows, sense or not. */
export function anyType(count: number): fc.Arbitrary<BtfType> {
  const id = fc.nat({ max: count - 1 });
  const u32 = fc.nat({ max: 2 ** 32 - 1 });
  const byte = fc.nat({ max: 255 });
  const flag = fc.boolean();
  const composite = fc.constantFrom('struct' as const, 'union' as const).chain((kind) =>
    flag.chain((kindFlag) =>
      fc.record({
        kind: fc.constant(kind),
        name: optionalName,
        size: u32,
        kindFlag: fc.constant(kindFlag),
        members: fc.array(
          fc.record({
            name: optionalName,
            type: id,
            bitOffset: kindFlag ? fc.nat({ max: 2 ** 24 - 1 }) : u32,
            bitSize: kindFlag ? byte : fc.constant(0),
          }),
          { maxLength: 4 },
        ),
      }),
    ),
  );
  const enumeration = fc.constantFrom(32 as const, 64 as const).chain((bits) =>
    flag.chain((signed) =>
      fc.record({
        kind: fc.constant(bits === 32 ? ('enum' as const) : ('enum64' as const)),
        name: optionalName,
        size: u32,
        signed: fc.constant(signed),
        values: fc.array(
          fc.record({
            name: identifier,
            value: signed
              ? fc.bigInt({ min: -(1n << BigInt(bits - 1)), max: (1n << BigInt(bits - 1)) - 1n })
              : fc.bigInt({ min: 0n, max: (1n << BigInt(bits)) - 1n }),
          }),
          { maxLength: 4 },
        ),
      }),
    ),
  );
  return fc.oneof(
    fc.record({
      kind: fc.constant('int' as const),
      name: optionalName,
      size: u32,
      encoding: fc.nat({ max: 15 }),
      bits: byte,
      offset: byte,
    }),
    fc.record({
      kind: fc.constantFrom('ptr' as const, 'volatile' as const, 'const' as const, 'restrict' as const),
      type: id,
    }),
    fc.record({ kind: fc.constant('typedef' as const), name: identifier, type: id }),
    fc.record({ kind: fc.constant('type_tag' as const), name: identifier, type: id, attribute: flag }),
    fc.record({ kind: fc.constant('array' as const), element: id, index: id, length: u32 }),
    composite,
    enumeration,
    fc.record({ kind: fc.constant('fwd' as const), name: identifier, union: flag }),
    fc.record({ kind: fc.constant('func' as const), name: identifier, type: id, linkage: fc.nat({ max: 0xffff }) }),
    fc.record({
      kind: fc.constant('func_proto' as const),
      type: id,
      params: fc.array(fc.record({ name: optionalName, type: id }), { maxLength: 3 }),
    }),
    fc.record({ kind: fc.constant('var' as const), name: identifier, type: id, linkage: u32 }),
    fc.record({
      kind: fc.constant('datasec' as const),
      name: identifier,
      size: u32,
      vars: fc.array(fc.record({ type: id, offset: u32, size: u32 }), { maxLength: 3 }),
    }),
    fc.record({ kind: fc.constant('float' as const), name: identifier, size: u32 }),
    fc.record({
      kind: fc.constant('decl_tag' as const),
      name: identifier,
      type: id,
      component: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
      attribute: flag,
    }),
  );
}

/** Up to 12 types that refer to each other at will: readable, rarely sensible. */
export const anyTypes: fc.Arbitrary<BtfType[]> = fc
  .integer({ min: 0, max: 12 })
  .chain((length) => fc.array(anyType(length + 1), { minLength: length, maxLength: length }));
