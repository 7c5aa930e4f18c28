// Random objects for property tests.
import fc from 'fast-check';
import { type NewElf, type NewSection, type NewSymbol } from '../../src/elf/build.ts';
import { SHF, SHT, STB, STT, STV } from '../../src/elf/format.ts';

const sectionName = fc.stringMatching(/^[a-zA-Z_.][a-zA-Z0-9_./?-]{0,12}$/);
const symbolName = fc.oneof(fc.constant(''), fc.stringMatching(/^[a-zA-Z_.$][a-zA-Z0-9_.$]{0,16}$/));

const section: fc.Arbitrary<Omit<NewSection, 'name'>> = fc.oneof(
  fc.record({
    type: fc.constantFrom(SHT.PROGBITS, SHT.NOTE, SHT.LLVM_ADDRSIG),
    flags: fc.constantFrom(0, SHF.ALLOC, SHF.ALLOC | SHF.EXECINSTR, SHF.ALLOC | SHF.WRITE),
    align: fc.constantFrom(1, 2, 4, 8, 4096),
    data: fc.uint8Array({ minLength: 8, maxLength: 64 }),
  }),
  fc.record({
    type: fc.constant(SHT.NOBITS),
    flags: fc.constant(SHF.ALLOC | SHF.WRITE),
    size: fc.nat({ max: 2 ** 31 - 1 }),
  }),
);

const named = fc.uniqueArray(fc.tuple(sectionName, section), { maxLength: 8, selector: ([name]) => name });

/** Objects with unique section names, symbols in them and relocations against those symbols. */
export const newElf: fc.Arbitrary<NewElf> = named.chain((pairs) => {
  const names = pairs.map(([name]) => name);
  const place: fc.Arbitrary<NewSymbol['section']> = fc.oneof(
    ...(names.length > 0 ? [fc.constantFrom(...names)] : []),
    fc.constantFrom('undef' as const, 'abs' as const, 'common' as const).map((special) => ({ special })),
  );
  const symbol: fc.Arbitrary<NewSymbol> = fc.record({
    name: symbolName,
    section: place,
    value: fc.maxSafeNat(),
    size: fc.nat(),
    type: fc.constantFrom(...Object.values(STT).filter((t) => t !== STT.SECTION)),
    binding: fc.constantFrom(...Object.values(STB)),
    visibility: fc.constantFrom(...Object.values(STV)),
  });
  return fc.array(symbol, { maxLength: 8 }).chain((symbols) => {
    const relocation = fc.record({
      offset: fc.nat({ max: 7 }),
      type: fc.constantFrom(1, 2, 3, 4, 10),
      symbol: fc.nat({ max: Math.max(0, symbols.length - 1) }),
    });
    const sections = fc.tuple(
      ...pairs.map(([name, s]) =>
        s.type === SHT.NOBITS || symbols.length === 0
          ? fc.constant({ ...s, name })
          : fc
              .option(fc.array(relocation, { maxLength: 4 }), { nil: undefined })
              .map(
                (relocations): NewSection => ({ ...s, name, ...(relocations === undefined ? {} : { relocations }) }),
              ),
      ),
    );
    return fc.record({
      endian: fc.constantFrom('little' as const, 'big' as const),
      machine: fc.constantFrom(0, 62, 247),
      sections,
      symbols: fc.constant(symbols),
    });
  });
});
