// Random programs in which two paths meet that differ in little: what comes afterwards is right for the first of them. Whether the
// verifier looks at the second one as closely as it has to is a matter of what it noted when it went along the first.
import type { OpName } from '../../src/isa/opcodes.ts';
import type { Random } from '../support/random.ts';
import type { Line } from './lines.ts';
import { CTX, JoinedWriter, SCRATCH_SLOT, VALUE } from './joined-places.ts';
import { CHECKED, SIZES, VALUE_SIZE } from './memory-accesses.ts';

/** Something that holds on the first path, and less or something else on the second. */
interface Fact {
  make(other: boolean): void;
  use(): void;
}

class Joined extends JoinedWriter {
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
