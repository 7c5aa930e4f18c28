// Random programs that access memory behind checks, some of which do not suffice: what a verifier has to tell apart. Made in a
// structured way (branches, loops, functions, callbacks), with the kind of each register followed so that most are nearly right.
import { makeInsn } from '../../src/isa/insn.ts';
import type { OpName } from '../../src/isa/opcodes.ts';
import type { Random } from '../support/random.ts';
import type { Line } from './lines.ts';
import { CHECKED, HELPERS, type Kind, MemoryWriter, ORDERED, SIZES, SLOTS } from './memory-accesses.ts';

/** Functions of a program besides the main one, at most. */
const FUNCTIONS = 3;

class Generator extends MemoryWriter {
  #budget: number;

  constructor(random: Random, size: number) {
    super(random);
    this.#budget = size;
  }

  helper(): void {
    const { random } = this;
    switch (random.below(6)) {
      case 0:
        this.put('call_helper', { imm: HELPERS.prandom });
        break;
      case 1:
        this.put('mov64_reg', { dst: 1, src: 6 });
        this.put('mov64_imm', { dst: 2, imm: random.pick([0, 4, 8, -8]) });
        this.put('call_helper', { imm: HELPERS.adjustHead });
        this.kinds.forEach((k, r) => {
          if ((k === 'packet' || k === 'end') && random.chance(0.9)) this.set(r, 'none');
        });
        break;
      case 2:
      case 3: {
        // Memory of a length: from the packet to the stack, or the sum of bytes of a value or of the stack.
        const skip = this.label();
        const size = this.bound(random.pick([8, 16, 64]), skip);
        const value = this.find('value');
        const load = random.chance(0.5);
        const at = load ? 3 : 1;
        const length = load ? 4 : 2;
        const source = value !== undefined && value > 5 && random.chance(0.5) ? value : 10;
        if (length !== size) this.put('mov64_reg', { dst: length, src: size });
        this.put('mov64_reg', { dst: at, src: source });
        if (source === 10) this.put('add64_imm', { dst: at, imm: -this.near(64) });
        if (load) {
          this.put('mov64_reg', { dst: 1, src: 6 });
          this.put('mov64_imm', { dst: 2, imm: random.below(8) });
          this.put('call_helper', { imm: HELPERS.loadBytes });
        } else {
          if (random.chance(0.8)) this.put('and64_imm', { dst: 2, imm: random.pick([60, 28, 63]) });
          for (const r of [3, 4, 5]) this.put('mov64_imm', { dst: r, imm: 0 });
          this.put('call_helper', { imm: HELPERS.csum });
        }
        this.set(0, 'number');
        this.clobber();
        this.mark(skip);
        this.set(0, 'none');
        return;
      }
      case 4: {
        const size = random.pick([8, 16, 64]);
        const skip = this.label();
        this.put('ld_map_idx', { dst: 1, imm: 2 });
        this.put('mov64_imm', { dst: 2, imm: size });
        this.put('mov64_imm', { dst: 3, imm: 0 });
        this.put('call_helper', { imm: HELPERS.reserve });
        this.clobber();
        this.set(0, 'none');
        if (random.chance(0.95)) this.put('jeq64_imm', { dst: 0, imm: 0 }, skip);
        const r = this.free(0, 1, 2);
        this.put('mov64_reg', { dst: r, src: 0 });
        this.access(r, random.chance(0.6) ? size - 8 : this.near(size - 8), random.pick(SIZES));
        this.put('mov64_reg', { dst: 1, src: r });
        this.put('mov64_imm', { dst: 2, imm: 0 });
        this.put('call_helper', { imm: HELPERS.discard });
        if (random.chance(0.05)) this.access(r, 0, 8);
        this.set(r, 'none');
        this.clobber();
        this.mark(skip);
        return;
      }
      default:
        return this.lookup();
    }
    this.clobber();
    this.set(0, 'number');
  }

  call(): void {
    const { random } = this;
    const callback = random.chance(0.4);
    let target = this.functions.filter((f) => f.callback === callback).at(-1);
    if (this.functions.length < FUNCTIONS && (target === undefined || random.chance(0.5))) {
      target = { label: this.label(), callback };
      this.functions.push(target);
    }
    if (target === undefined) return;
    if (callback) {
      if (random.chance(0.6)) this.put('mov64_imm', { dst: 1, imm: random.pick([1, 2, 3, 8, 64, 1000]) });
      else {
        this.put('mov64_reg', { dst: 1, src: this.number() });
        if (random.chance(0.9)) this.put('and64_imm', { dst: 1, imm: 31 });
      }
      this.lines.push({ insn: makeInsn('ld_code_addr', { dst: 2 }), to: target.label });
      this.put('mov64_reg', { dst: 3, src: 10 });
      this.put('add64_imm', { dst: 3, imm: -8 * (1 + random.below(SLOTS)) });
      this.put('mov64_imm', { dst: 4, imm: 0 });
      this.put('call_helper', { imm: HELPERS.loop });
    } else {
      this.put('mov64_reg', { dst: 1, src: this.number() });
      if (random.chance(0.6)) {
        this.put('mov64_reg', { dst: 2, src: 10 });
        this.put('add64_imm', { dst: 2, imm: -8 * (1 + random.below(SLOTS)) });
      } else this.put('mov64_imm', { dst: 2, imm: this.corner() });
      const value = this.find('value');
      this.put('mov64_reg', { dst: 3, src: value !== undefined && value > 5 ? value : 10 });
      this.lines.push({ insn: makeInsn('call_local'), to: target.label });
    }
    this.clobber();
    this.set(0, 'number');
  }

  branch(): void {
    const { random } = this;
    const other = this.label();
    const joined = this.label();
    const before = { kinds: this.kinds.slice(), slots: this.scope.slots.slice() };
    const register = this.number();
    const comparison = random.pick(['jeq', 'jne', 'jset', ...ORDERED] as const);
    this.put(`${comparison}${random.pick([32, 64, 64])}_imm` as OpName, { dst: register, imm: this.corner() }, other);
    this.block(1 + random.below(3));
    if (random.chance(0.6)) this.put('ja', {}, joined);
    const first = this.scope;
    this.scope = { kinds: before.kinds, slots: before.slots, held: first.held };
    this.mark(other);
    this.block(random.below(3));
    this.mark(joined);
    const merge = (a: readonly Kind[], b: Kind[]): void => {
      for (let i = 0; i < b.length; i++) if (a[i] !== b[i] && random.chance(0.95)) b[i] = 'none';
    };
    merge(first.kinds, this.kinds);
    merge(first.slots, this.scope.slots);
  }

  loop(): void {
    const { random } = this;
    const counter = [7, 8, 9].find((r) => !this.scope.held.has(r));
    if (counter === undefined || this.depth > 1) return;
    const head = this.label();
    const { held } = this.scope;
    const start = random.chance(0.6);
    if (start) this.put('mov64_imm', { dst: counter, imm: random.pick([0, 0, 0, 1, 4]) });
    else {
      this.put('mov64_reg', { dst: counter, src: this.number() });
      this.put('and64_imm', { dst: counter, imm: random.pick([7, 31, 63]) });
    }
    this.set(counter, 'number');
    this.mark(head);
    if (random.chance(0.7)) this.scope = { ...this.scope, held: new Set([...held, counter]) };
    const before = this.kinds.slice();
    this.block(1 + random.below(3));
    this.scope = { ...this.scope, held };
    const step = random.pick([1, 1, 1, 2, 8]);
    this.put(random.chance(0.85) ? 'add64_imm' : 'add32_imm', { dst: counter, imm: step });
    const limit = random.pick([2, 4, 8, 16, 57, 64, 100]);
    this.put(
      `${random.pick(['jlt', 'jlt', 'jle', 'jslt', 'jne'] as const)}${random.pick([64, 64, 32])}_imm` as OpName,
      { dst: counter, imm: limit },
      head,
    );
    before.forEach((kind, r) => {
      if (this.kinds[r] !== kind) this.set(r, 'none');
    });
    this.set(counter, 'number');
  }

  statement(): void {
    const choice = this.random.below(100);
    if (choice < 22) this.arithmetic();
    else if (choice < 34) this.spill();
    else if (choice < 50) this.valueAccess();
    else if (choice < 60) this.packetAccess();
    else if (choice < 68) this.stackAccess();
    else if (choice < 78) this.helper();
    else if (choice < 89) this.branch();
    else if (choice < 94) this.loop();
    else if (this.depth < 2) this.call();
  }

  block(count: number): void {
    this.depth++;
    for (let i = 0; i < count && this.#budget > 0; i++) {
      this.#budget--;
      this.statement();
    }
    this.depth--;
  }

  main(): void {
    const { random } = this;
    this.put('mov64_reg', { dst: 6, src: 1 });
    this.put('ldx32', { dst: 2, src: 1, off: 0 });
    this.put('ldx32', { dst: 3, src: 1, off: 4 });
    this.put('mov64_reg', { dst: 4, src: 2 });
    this.put('add64_imm', { dst: 4, imm: CHECKED });
    this.put('mov64_imm', { dst: 0, imm: 2 });
    this.put('jgt64_reg', { dst: 4, src: 3 }, this.out);
    this.set(6, 'ctx');
    this.set(2, 'packet');
    this.set(3, 'end');
    for (const r of [0, 4, 5, 7, 8]) {
      this.put(`ldx${random.pick([8, 8, 16, 32, 64])}` as OpName, { dst: r, src: 2, off: 8 * random.below(8) });
      this.set(r, 'number');
    }
    const filled = random.chance(0.8);
    for (let i = 0; i < SLOTS; i++) {
      if (filled || random.chance(0.5)) {
        this.put('stx64', { dst: 10, src: random.pick([0, 4, 5, 7, 8]), off: -8 * (i + 1) });
        this.scope.slots[i] = 'number';
      }
    }
    this.block(4 + random.below(10));
    this.mark(this.out);
    this.put('mov64_imm', { dst: 0, imm: 2 });
    this.put('exit');
  }

  body(label: number, callback: boolean): void {
    const { random } = this;
    const kinds = Array.from({ length: 11 }, (): Kind => 'none');
    kinds[1] = 'number';
    const end = this.label();
    this.scope = { kinds, slots: [], held: new Set([6]) };
    this.mark(label);
    this.put('mov64_reg', { dst: 6, src: 2 });
    if (!callback && random.chance(0.5)) {
      this.put('mov64_reg', { dst: 7, src: 3 });
      kinds[7] = 'value';
    }
    for (let i = 0; i < SLOTS; i++) {
      if (random.chance(0.4)) {
        this.put('stx64', { dst: 10, src: 1, off: -8 * (i + 1) });
        this.scope.slots[i] = 'number';
      }
    }
    const context = (): void => {
      // What the caller's stack holds, often as an index.
      const r = this.free(1);
      const width = random.pick([64, 64, 32]);
      if (random.chance(0.5)) {
        this.put(`ldx${width}` as OpName, { dst: r, src: 6, off: 0 });
        this.set(r, 'number');
      } else this.put(`stx${width}` as OpName, { dst: 6, src: this.number(), off: 0 });
    };
    if (random.chance(0.6)) context();
    this.depth = 1;
    for (let i = 1 + random.below(4); i > 0; i--) this.statement();
    if (random.chance(0.5)) context();
    this.depth = 0;
    const result = this.number();
    if (result !== 0) this.put('mov64_reg', { dst: 0, src: result });
    if (callback) this.put('and64_imm', { dst: 0, imm: 1 });
    this.put('ja', {}, end);
    this.mark(end);
    this.put('exit');
  }
}

/** The lines of a program; `code` makes code of them. */
export function memoryProgram(random: Random, size = 40): Line[] {
  const generator = new Generator(random, size);
  generator.main();
  for (let i = 0; i < generator.functions.length; i++) {
    const { label, callback } = generator.functions[i];
    // What leads out of a function goes to its own end.
    generator.lines.push(...inFunction(generator, label, callback));
  }
  return generator.lines;
}

function inFunction(generator: Generator, label: number, callback: boolean): Line[] {
  const { lines } = generator;
  generator.lines = [];
  const out = generator.label();
  generator.body(label, callback);
  const own = generator.lines.map((line) => (line.to === generator.out ? { ...line, to: out } : line));
  generator.lines = lines;
  return [...own, { label: out }, { insn: makeInsn('mov64_imm', { dst: 0, imm: 0 }) }, { insn: makeInsn('exit') }];
}
