// Random programs in which two paths meet that differ in little: what comes afterwards is right for the first of them. Whether the
// verifier looks at the second one as closely as it has to is a matter of what it noted when it went along the first.
import { type Insn, makeInsn } from '../../src/isa/insn.ts';
import type { OpName } from '../../src/isa/opcodes.ts';
import type { Random } from '../support/random.ts';
import { CHECKED, type Line, VALUE_SIZE } from './memory-program.ts';

/** A register, or a slot of the stack from 10 on. */
type Place = number;

/** Something that holds on the first path, and less or something else on the second. */
interface Fact {
  make(other: boolean): void;
  use(): void;
}

const LOADS = [8, 8, 16, 32] as const;
const SIZES = [1, 2, 4, 8] as const;
/** Where the value's address and the context stay. */
const VALUE = 9;
const CTX = 6;
/** Slots from here on are for what passes through. */
const SCRATCH_SLOT = 6;

class Joined {
  readonly random: Random;
  lines: Line[] = [];
  readonly #places: Place[];
  #labels = 0;
  readonly out = this.label();

  constructor(random: Random) {
    this.random = random;
    const places = [7, 8, 4, 5, 10, 11, 12, 13, 14];
    this.#places = places
      .map((place) => [random.u32(), place])
      .sort((a, b) => a[0] - b[0])
      .map(([, place]) => place);
  }

  label(): number {
    return this.#labels++;
  }
  mark(label: number): void {
    this.lines.push({ label });
  }
  put(op: OpName, operands: Partial<Omit<Insn, 'op'>> = {}, to?: number): void {
    this.lines.push({ insn: makeInsn(op, operands), ...(to === undefined ? {} : { to }) });
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

  // Facts

  number(): Fact {
    const { random } = this;
    const place = this.place();
    const most = random.pick([0, 3, 7, 15, 31, 32, 40, 55, 56]);
    const other = random.pick([most + 1, most + 8, Math.max(0, most - 1), 63, 100, 255, 1 << 20]);
    return {
      make: (perturbed) => {
        if (perturbed && random.chance(0.2)) this.put('mov64_imm', { dst: 1, imm: random.pick([other, -1, most]) });
        else {
          this.load(1);
          if (!perturbed || random.chance(0.9)) this.bound(1, perturbed ? other : most);
        }
        this.keep(1, place);
        if (perturbed && place >= 10 && random.chance(0.2))
          this.put('st8', { dst: 10, off: this.offset(place) + random.below(8), imm: 1 });
      },
      use: () => this.index(this.fetch(place, 1), most),
    };
  }

  /** A number that bounds another one, after the paths have met. */
  limit(): Fact {
    const { random } = this;
    const place = this.place();
    const most = random.pick([7, 15, 32, 40]);
    const other = random.pick([most + 1, most + 20, 255]);
    return {
      make: (perturbed) => {
        this.put('ldx8', { dst: 1, src: 2, off: 8 * random.below(7) });
        this.bound(1, perturbed ? other : most);
        this.keep(1, place);
      },
      use: () => {
        const skip = this.label();
        const by = this.fetch(place, 1);
        this.put('ldx16', { dst: 0, src: VALUE, off: 0 });
        this.put(random.pick(['jgt64_reg', 'jgt32_reg', 'jge64_reg'] as const), { dst: 0, src: by }, skip);
        this.index(0, most);
        this.mark(skip);
      },
    };
  }

  constant(): Fact {
    const { random } = this;
    const place = this.place();
    const value = random.pick([0, 1, 5, 16, 40]);
    const other = random.pick([value + 1, value + 60, -1, 500]);
    return {
      make: (perturbed) => {
        this.put('mov64_imm', { dst: 1, imm: perturbed ? other : value });
        this.keep(1, place);
      },
      use: () => {
        const at = this.fetch(place, 1);
        if (random.chance(0.4)) return this.index(at, value);
        // Added to another number.
        this.put('ldx8', { dst: 3, src: VALUE, off: 0 });
        this.put('and64_imm', { dst: 3, imm: 7 });
        const op = random.pick(['add64_reg', 'add32_reg', 'or64_reg', 'xor64_reg', 'sub64_reg'] as const);
        if (op === 'sub64_reg') {
          this.put('mov64_imm', { dst: 0, imm: value + 7 });
          this.put(op, { dst: 0, src: at });
          this.index(0, value + 7 - value);
          return;
        }
        this.put(op, { dst: 3, src: at });
        this.index(3, op.startsWith('add') ? value + 7 : 2 ** Math.ceil(Math.log2(Math.max(value, 7) + 1)) - 1);
      },
    };
  }

  pair(): Fact {
    const { random } = this;
    const a = this.place();
    const b = this.place();
    const by = random.pick([0, 0, 1, 8]);
    return {
      make: (perturbed) => {
        this.put(`ldx${random.pick([8, 16, 32])}` as OpName, { dst: 1, src: 2, off: 8 });
        this.keep(1, a);
        if (perturbed && random.chance(0.5))
          this.put(`ldx${random.pick([8, 16, 32])}` as OpName, { dst: 1, src: 2, off: 16 });
        if (perturbed && random.chance(0.3)) this.put('and64_imm', { dst: 1, imm: 7 });
        const more = perturbed && random.chance(0.6) ? random.pick([1, 4, -8]) : 0;
        if (by + more !== 0) this.put(random.chance(0.7) ? 'add64_imm' : 'add32_imm', { dst: 1, imm: by + more });
        this.keep(1, b);
      },
      use: () => {
        const most = random.pick([7, 31, 40]);
        const skip = this.label();
        const first = random.chance(0.5);
        const checked = this.fetch(first ? a : b, 1);
        this.put('jgt64_imm', { dst: checked, imm: first ? most : most + by }, skip);
        const used = this.fetch(first ? b : a, 0);
        if (!first && by !== 0 && random.chance(0.5)) this.put('jgt64_imm', { dst: used, imm: 0xffff }, skip);
        this.index(used, first ? most + by : most);
        this.mark(skip);
      },
    };
  }

  packet(): Fact {
    const { random } = this;
    const place = this.place();
    const length = random.pick([4, 8, 14, 20]);
    const less = random.pick([length - 1, length - 4, 1]);
    const far = random.pick([0xff, 0xffff, 0x7fff_ffff]);
    return {
      make: (perturbed) => {
        this.put('ldx16', { dst: 1, src: 2, off: 8 * random.below(7) });
        if (far === 0xff) this.put('and64_imm', { dst: 1, imm: far });
        this.put('add64_reg', { dst: 1, src: 2 });
        const late = perturbed && random.chance(0.4);
        this.put('mov64_reg', { dst: 0, src: 1 });
        this.put('add64_imm', { dst: 0, imm: perturbed && !late ? less : length });
        // Where it reaches one byte farther than it has to, equal is too far as well.
        const near = random.chance(0.3);
        if (near) this.put('sub64_imm', { dst: 0, imm: 1 });
        if (random.chance(0.5)) this.put(near ? 'jge64_reg' : 'jgt64_reg', { dst: 0, src: 3 }, this.out);
        else this.put(near ? 'jle64_reg' : 'jlt64_reg', { dst: 3, src: 0 }, this.out);
        if (late) this.put('add64_imm', { dst: 1, imm: random.pick([1, 4, -1]) });
        if (perturbed && random.chance(0.3)) {
          this.put('ldx8', { dst: 0, src: 2, off: 0 });
          this.put('add64_reg', { dst: 1, src: 0 });
        }
        this.keep(1, place);
      },
      use: () => {
        const at = this.fetch(place, 1);
        const size = random.pick(SIZES.filter((s) => s <= length));
        const off = length - size;
        if (random.chance(0.3)) {
          this.put('mov64_reg', { dst: 0, src: at });
          this.put('add64_imm', { dst: 0, imm: off });
          this.put(`ldx${8 * size}` as OpName, { dst: 0, src: 0, off: 0 });
        } else this.put(`ldx${8 * size}` as OpName, { dst: 0, src: at, off });
      },
    };
  }

  pointer(): Fact {
    const { random } = this;
    const place = this.place();
    const value = random.pick([0, 4, 16]);
    const varying = random.chance(0.5);
    return {
      make: (perturbed) => {
        this.put('mov64_reg', { dst: 1, src: perturbed && random.chance(0.2) ? 10 : VALUE });
        this.put('add64_imm', { dst: 1, imm: value + (perturbed ? random.pick([1, 8, -32, 100]) : 0) });
        if (varying) {
          this.put('ldx8', { dst: 0, src: 2, off: 8 });
          this.put('and64_imm', { dst: 0, imm: perturbed && random.chance(0.5) ? 31 : 15 });
          this.put('add64_reg', { dst: 1, src: 0 });
        }
        if (perturbed && random.chance(0.1)) this.load(1);
        this.keep(1, place);
        if (perturbed && place >= 10 && random.chance(0.2))
          this.put('st8', { dst: 10, off: this.offset(place) + random.below(8), imm: 1 });
      },
      use: () => {
        const at = this.fetch(place, 1);
        const size = random.pick(SIZES);
        this.access(at, VALUE_SIZE - size - value - (varying ? 15 : 0), size);
      },
    };
  }

  /** What a lookup gave, with or without a look at whether it is NULL. */
  found(): Fact {
    const place = this.place();
    return {
      make: (perturbed) => {
        this.put('st32', { dst: 10, off: -8 * (SCRATCH_SLOT + 1), imm: 1 });
        this.put('mov64_reg', { dst: 2, src: 10 });
        this.put('add64_imm', { dst: 2, imm: -8 * (SCRATCH_SLOT + 1) });
        this.put('ld_map_idx', { dst: 1, imm: 1 });
        this.put('call_helper', { imm: 1 });
        if (!perturbed) this.put('jeq64_imm', { dst: 0, imm: 0 }, this.out);
        this.keep(0, place);
        this.start();
      },
      use: () => {
        const at = this.fetch(place, 1);
        this.access(at, VALUE_SIZE - 8, 8);
      },
    };
  }

  /** A number that is 0 on the first path, compared with what may be NULL. */
  zero(): Fact {
    const { random } = this;
    const place = this.place();
    const other = random.pick([1, -1, 64]);
    return {
      make: (perturbed) => {
        this.put('mov64_imm', { dst: 1, imm: perturbed ? other : 0 });
        this.keep(1, place);
      },
      use: () => {
        this.put('st32', { dst: 10, off: -8 * (SCRATCH_SLOT + 1), imm: 77 });
        this.put('mov64_reg', { dst: 2, src: 10 });
        this.put('add64_imm', { dst: 2, imm: -8 * (SCRATCH_SLOT + 1) });
        this.put('ld_map_idx', { dst: 1, imm: 1 });
        this.put('call_helper', { imm: 1 });
        this.again();
        const zero = this.fetch(place, 1);
        this.put('jeq64_reg', random.chance(0.5) ? { dst: 0, src: zero } : { dst: zero, src: 0 }, this.out);
        this.put('ldx8', { dst: 0, src: 0, off: 0 });
      },
    };
  }

  /** The packet's start and end, checked. */
  start(): void {
    this.put('ldx32', { dst: 2, src: CTX, off: 0 });
    this.put('ldx32', { dst: 3, src: CTX, off: 4 });
    this.put('mov64_reg', { dst: 1, src: 2 });
    this.put('add64_imm', { dst: 1, imm: CHECKED });
    this.put('jgt64_reg', { dst: 1, src: 3 }, this.out);
  }

  main(): void {
    const { random } = this;
    this.put('mov64_reg', { dst: CTX, src: 1 });
    this.put('st32', { dst: 10, off: -8, imm: 0 });
    this.put('mov64_reg', { dst: 2, src: 10 });
    this.put('add64_imm', { dst: 2, imm: -8 });
    this.put('ld_map_idx', { dst: 1, imm: 0 });
    this.put('call_helper', { imm: 1 });
    this.put('jeq64_imm', { dst: 0, imm: 0 }, this.out);
    this.put('mov64_reg', { dst: VALUE, src: 0 });
    for (let i = 1; i <= 8; i++) this.put('st64', { dst: 10, off: -8 * i, imm: 0 });
    for (const r of [0, 4, 5, 7, 8]) this.put('mov64_imm', { dst: r, imm: 0 });
    this.start();
    const kinds = [
      () => this.number(),
      () => this.number(),
      () => this.constant(),
      () => this.limit(),
      () => this.pair(),
      () => this.pair(),
      () => this.packet(),
      () => this.pointer(),
      () => this.found(),
      () => this.zero(),
    ];
    const facts = Array.from({ length: 1 + random.below(3) }, () => random.pick(kinds)());
    const second = this.label();
    const joined = this.label();
    const back = random.chance(0.25) ? this.label() : undefined;
    if (back !== undefined) {
      this.put('st64', { dst: 10, off: -72, imm: 0 });
      this.mark(back);
    }
    this.put(`ldx8`, { dst: 1, src: 2, off: random.below(60) });
    this.put(
      random.pick(['jset64_imm', 'jgt64_imm', 'jeq64_imm'] as const),
      { dst: 1, imm: random.pick([1, 2, 4]) },
      second,
    );
    const wrong = random.below(facts.length);
    const different = random.chance(0.8);
    for (const fact of facts) fact.make(false);
    this.put('ja', {}, joined);
    this.mark(second);
    facts.forEach((fact, i) => {
      fact.make(i === wrong && different);
    });
    if (back !== undefined && random.chance(0.3)) {
      // What counts the rounds goes another way on this path: most of these never end.
      this.put('ldx64', { dst: 1, src: 10, off: -72 });
      this.put(random.pick(['and64_imm', 'sub64_imm', 'rsh64_imm', 'add64_imm', 'mov64_imm'] as const), {
        dst: 1,
        imm: random.below(3),
      });
      this.put('stx64', { dst: 10, src: 1, off: -72 });
    }
    this.mark(joined);
    for (let n = random.below(10); n > 0; n--) this.put('mov64_imm', { dst: 0, imm: n });
    for (let n = facts.length + random.below(2); n > 0; n--) random.pick(facts).use();
    if (back !== undefined) {
      // All of it again.
      this.start();
      this.put('ldx64', { dst: 1, src: 10, off: -72 });
      this.put('add64_imm', { dst: 1, imm: 1 });
      this.put('stx64', { dst: 10, src: 1, off: -72 });
      this.put('jlt64_imm', { dst: 1, imm: random.pick([2, 5, 40]) }, back);
    }
    this.mark(this.out);
    this.put('mov64_imm', { dst: 0, imm: 2 });
    this.put('exit');
  }
}

/** The lines of such a program. */
export function joinedProgram(random: Random): Line[] {
  const joined = new Joined(random);
  joined.main();
  return joined.lines;
}
