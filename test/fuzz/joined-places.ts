// Places of registers and stack that two paths leave differently, and ways that their values go: the parts of joined-program.ts.
import type { OpName } from '../../src/isa/opcodes.ts';
import type { Random } from '../support/random.ts';
import { LineWriter } from './lines.ts';
import { SIZES, VALUE_SIZE } from './memory-accesses.ts';

/** A register, or a slot of the stack from 10 on. */
export type Place = number;

const LOADS = [8, 8, 16, 32] as const;
/** Where the value's address and the context stay. */
export const VALUE = 9;
export const CTX = 6;
/** Slots from here on are for what passes through. */
export const SCRATCH_SLOT = 6;

export class JoinedWriter extends LineWriter {
  readonly #places: Place[];
  readonly out = this.label();

  constructor(random: Random) {
    super(random);
    const places = [7, 8, 4, 5, 10, 11, 12, 13, 14];
    this.#places = places
      .map((place) => [random.u32(), place])
      .sort((a, b) => a[0] - b[0])
      .map(([, place]) => place);
  }

  place(): Place {
    return this.#places.pop() ?? 15;
  }

  /** Puts register 1 or 0 where it belongs. */
  keep(register: number, place: Place): void {
    if (place >= 10) this.put('stx64', { dst: 10, src: register, off: this.offset(place) });
    else if (place !== register) this.put('mov64_reg', { dst: place, src: register });
  }
  offset(place: Place): number {
    return -8 * (place - 9);
  }
  fetch(place: Place, register: number): number {
    if (place < 10) return place;
    this.put('ldx64', { dst: register, src: 10, off: this.offset(place) });
    return register;
  }

  load(register: number): void {
    this.put(`ldx${this.random.pick(LOADS)}` as OpName, { dst: register, src: 2, off: 8 * this.random.below(7) });
  }

  /** Makes sure that a register is at most `most`. */
  bound(register: number, most: number): void {
    const { random } = this;
    const choice = random.below(8);
    if (choice < 3 && Number.isInteger(Math.log2(most + 1))) this.put('and64_imm', { dst: register, imm: most });
    else if (choice === 3) this.put('mod64_imm', { dst: register, imm: most + 1 });
    else if (choice === 4) {
      // By a number in a register, of which the path knows no more than its bounds.
      this.put('ldx8', { dst: 0, src: 2, off: 60 });
      this.put('and64_imm', { dst: 0, imm: 2 ** Math.ceil(Math.log2(most + 2)) - 1 });
      this.put('jgt64_imm', { dst: 0, imm: most }, this.out);
      this.put('jgt64_reg', { dst: register, src: 0 }, this.out);
    } else if (choice === 5) this.put('jge64_imm', { dst: register, imm: most + 1 }, this.out);
    else if (choice === 6) {
      this.put('jsgt64_imm', { dst: register, imm: most }, this.out);
      this.put('jslt64_imm', { dst: register, imm: 0 }, this.out);
    } else this.put('jgt64_imm', { dst: register, imm: most }, this.out);
  }

  /** Moves a number through operations that leave it as it is; gives the register that it is in then (0 or 1). */
  through(register: number): number {
    const { random } = this;
    let now = random.below(2);
    this.put('mov64_reg', { dst: now, src: register });
    for (let n = random.below(3); n > 0; n--) {
      const by = random.pick([1, 4, 8, 100]);
      const slot = -8 * (SCRATCH_SLOT + 1 + random.below(2));
      switch (random.below(11)) {
        case 0:
          this.put('add64_imm', { dst: now, imm: by });
          if (random.chance(0.4)) this.through2(now);
          if (random.chance(0.5)) this.put('sub64_imm', { dst: now, imm: by });
          else this.put('add64_imm', { dst: now, imm: -by });
          break;
        case 1:
          this.put('stx64', { dst: 10, src: now, off: slot });
          now = 1 - now;
          this.put('ldx64', { dst: now, src: 10, off: slot });
          break;
        case 2: {
          const width = random.pick([32, 16, 8]);
          this.put(`stx${width}` as OpName, { dst: 10, src: now, off: slot });
          this.put(`ldx${width}` as OpName, { dst: now, src: 10, off: slot });
          break;
        }
        case 3:
          this.put('mov32_reg', { dst: 1 - now, src: now });
          now = 1 - now;
          break;
        case 4: {
          const k = random.pick([8, 32, 48, 56]);
          this.put('lsh64_imm', { dst: now, imm: k });
          this.through2(now);
          this.put(random.chance(0.7) ? 'rsh64_imm' : 'arsh64_imm', { dst: now, imm: k });
          break;
        }
        case 5:
          this.put('xor64_imm', { dst: now, imm: by });
          this.put('xor64_imm', { dst: now, imm: by });
          break;
        case 6: {
          const other = 1 - now;
          this.put('mov64_imm', { dst: other, imm: 0 });
          this.put(random.pick(['add64_reg', 'or64_reg', 'xor64_reg', 'add32_reg'] as const), { dst: other, src: now });
          now = other;
          break;
        }
        case 7: {
          // Two paths that do the same.
          const skip = this.label();
          this.put(
            random.pick(['jeq64_imm', 'jgt64_imm', 'jset64_imm', 'jgt32_imm', 'jsgt64_imm'] as const),
            { dst: now, imm: by },
            skip,
          );
          this.put('mov64_imm', { dst: 1 - now, imm: 0 });
          this.mark(skip);
          break;
        }
        case 8:
          if (random.chance(0.5)) this.put('mul64_imm', { dst: now, imm: 1 });
          else {
            // Something above the lower half, which goes again.
            this.put('ld_imm64', { dst: 1 - now, imm64: 1n << 35n });
            this.put('or64_reg', { dst: 1 - now, src: now });
            this.put('mov32_reg', { dst: now, src: 1 - now });
          }
          break;
        case 9: {
          const other = 1 - now;
          this.put('mov64_imm', { dst: other, imm: by });
          this.put('add64_reg', { dst: now, src: other });
          if (random.chance(0.3)) this.through2(now);
          this.put('sub64_imm', { dst: now, imm: by });
          break;
        }
        default:
          this.put('mov64_imm', { dst: 1 - now, imm: by });
      }
    }
    return now;
  }

  /** A join between two operations. */
  through2(register: number): void {
    if (this.random.chance(0.5)) return;
    const skip = this.label();
    this.put('jset64_imm', { dst: register, imm: 1 }, skip);
    this.put('mov64_imm', { dst: 1 - register, imm: 3 });
    this.mark(skip);
  }

  access(base: number, off: number, size: number): void {
    const { random } = this;
    const width = 8 * size;
    const choice = random.below(8);
    if (choice < 5) this.put(`ldx${width}` as OpName, { dst: choice < 4 ? 0 : 3, src: base, off });
    else if (choice < 7) this.put(`st${width}` as OpName, { dst: base, off, imm: 1 });
    else this.put(`stx${width}` as OpName, { dst: base, src: VALUE, off });
  }

  /** Uses a number of at most `most` as an index, at the end of what it may reach. */
  index(register: number, most: number): void {
    const { random } = this;
    const now = this.through(register);
    const size = random.pick(SIZES.filter((s) => s + most <= VALUE_SIZE));
    const off = VALUE_SIZE - size - most;
    const base = 1 - now;
    if (random.chance(0.15)) {
      // Bytes from the packet to the stack, as many as the number says and one more.
      this.put('mov64_reg', { dst: 4, src: now });
      this.put('add64_imm', { dst: 4, imm: 1 });
      this.put('mov64_reg', { dst: 3, src: 10 });
      this.put('add64_imm', { dst: 3, imm: -(most + 1) });
      this.put('mov64_imm', { dst: 2, imm: 0 });
      this.put('mov64_reg', { dst: 1, src: CTX });
      this.put('call_helper', { imm: 189 });
      this.again();
      return;
    }
    if (random.chance(0.15)) {
      // Round by round.
      const head = this.label();
      this.put('mov64_imm', { dst: 3, imm: 0 });
      this.mark(head);
      this.put('mov64_reg', { dst: base, src: VALUE });
      this.put('add64_reg', { dst: base, src: 3 });
      this.put('ldx8', { dst: base, src: base, off: VALUE_SIZE - 1 - most });
      this.put('add64_imm', { dst: 3, imm: 1 });
      this.put('jle64_reg', { dst: 3, src: now }, head);
      return;
    }
    const stack = random.chance(0.25);
    this.put('mov64_reg', { dst: base, src: stack ? 10 : VALUE });
    if (stack) this.put('add64_imm', { dst: base, imm: -VALUE_SIZE });
    this.put('add64_reg', { dst: base, src: now });
    if (stack) this.put(`ldx${8 * size}` as OpName, { dst: 0, src: base, off });
    else this.access(base, off, size);
  }

  /** Everything that a call took is set again, so that no path lacks it. */
  again(): void {
    for (const r of [1, 2, 3, 4, 5]) this.put('mov64_imm', { dst: r, imm: 0 });
    this.put('ldx32', { dst: 2, src: CTX, off: 0 });
    this.put('ldx32', { dst: 3, src: CTX, off: 4 });
  }
}
