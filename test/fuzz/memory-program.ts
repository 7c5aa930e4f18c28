// Random programs that access memory behind checks, some of which do not suffice: what a verifier has to tell apart. Made in a
// structured way (branches, loops, functions, callbacks), with the kind of each register followed so that most are nearly right.
import { encodeProgram, type Insn, makeInsn, slotsOf } from '../../src/isa/insn.ts';
import type { OpName } from '../../src/isa/opcodes.ts';
import type { MapSpec } from '../../src/spec/object.ts';
import { mapSpec } from '../run/support.ts';
import type { Random } from '../support/random.ts';

export const VALUE_SIZE = 64;
/** What the programs name, by index. */
export const MEMORY_MAPS: readonly MapSpec[] = [
  mapSpec('values', 'array', { valueSize: VALUE_SIZE }),
  mapSpec('hash', 'hash', { valueSize: VALUE_SIZE, maxEntries: 8 }),
  mapSpec('ring', 'ringbuf', { keySize: 0, valueSize: 0, maxEntries: 4096 }),
];
/** Bytes of the packet that every program checks for at its start. */
export const CHECKED = 64;

/** An instruction, with the label that it leads to, or a label. */
export interface Line {
  readonly insn?: Insn;
  readonly to?: number;
  readonly label?: number;
}

type Kind = 'none' | 'number' | 'value' | 'valueOrNull' | 'packet' | 'end' | 'stack' | 'ctx';

const HELPERS = {
  lookup: 1,
  update: 2,
  prandom: 7,
  csum: 28,
  adjustHead: 44,
  reserve: 131,
  discard: 133,
  loop: 181,
  loadBytes: 189,
};
const SLOTS = 8;
/** Functions of a program besides the main one, at most. */
const FUNCTIONS = 3;
const CORNERS = [
  0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 47, 48, 55, 56, 57, 59, 60, 61, 62, 63, 64, 65, 72, 100, 127, 128, 255, 256,
  1024, 0xffff,
];
const WIDE = [-1, -2, -7, -8, -16, -64, 0x7fff_ffff, -0x8000_0000];
const SIZES = [1, 2, 4, 8] as const;
const ORDERED = ['jgt', 'jge', 'jlt', 'jle', 'jsgt', 'jsge', 'jslt', 'jsle'] as const;
/** What is true of a number that is large, so that a jump behind the access goes on with small ones. */
const LEAVES = ['jgt', 'jge', 'jgt', 'jge', 'jsgt', 'jsge'] as const;

interface Scope {
  readonly kinds: Kind[];
  readonly slots: Kind[];
  /** Registers that a loop or a caller needs unchanged. */
  readonly held: ReadonlySet<number>;
}

class Generator {
  readonly random: Random;
  lines: Line[] = [];
  #labels = 0;
  readonly functions: { readonly label: number; readonly callback: boolean }[] = [];
  readonly out: number;
  scope: Scope;
  #budget: number;
  depth = 0;
  /** How likely a check is the right one. */
  readonly care: number;

  constructor(random: Random, size: number) {
    this.random = random;
    this.care = random.pick([0.6, 0.85, 0.95, 0.98]);
    this.#budget = size;
    this.out = this.label();
    this.scope = { kinds: Array.from({ length: 11 }, (): Kind => 'none'), slots: [], held: new Set([6]) };
  }

  label(): number {
    return this.#labels++;
  }
  put(op: OpName, operands: Partial<Omit<Insn, 'op'>> = {}, to?: number): void {
    const { imm = 0, off = 0 } = operands;
    const insn = makeInsn(op, { ...operands, imm: imm | 0, off: (off << 16) >> 16 });
    this.lines.push({ insn, ...(to === undefined ? {} : { to }) });
  }
  mark(label: number): void {
    this.lines.push({ label });
  }

  get kinds(): Kind[] {
    return this.scope.kinds;
  }
  /** A register of a kind, if there is one. */
  find(kind: Kind): number | undefined {
    const found = this.kinds.flatMap((k, r) => (k === kind && r < 10 ? [r] : []));
    return found.length === 0 ? undefined : this.random.pick(found);
  }
  /** A register to write to. */
  free(...not: readonly number[]): number {
    for (;;) {
      const r = this.random.below(10);
      if (!this.scope.held.has(r) && !not.includes(r)) return r;
    }
  }
  set(register: number, kind: Kind): void {
    this.kinds[register] = kind;
  }
  corner(): number {
    return this.random.chance(0.1) ? this.random.pick(WIDE) : this.random.pick(CORNERS);
  }
  /** A number near the largest index that stays inside, which is `limit`. */
  near(limit: number): number {
    const { random } = this;
    return random.chance(this.care)
      ? limit - (random.chance(0.2) ? random.below(4) : 0)
      : random.chance(0.6)
        ? limit + random.below(5) - 2
        : this.corner();
  }

  number(): number {
    const found = this.find('number');
    if (found !== undefined) return found;
    const r = this.free();
    this.put('mov64_imm', { dst: r, imm: this.corner() });
    this.set(r, 'number');
    return r;
  }

  arithmetic(): void {
    const { random } = this;
    const dst = this.number();
    if (this.scope.held.has(dst)) return;
    const width = random.pick([32, 64, 64]);
    const choice = random.below(10);
    if (choice < 3) {
      const op = random.pick(['add', 'sub', 'and', 'or', 'xor', 'mul', 'lsh', 'rsh', 'arsh', 'mod', 'div']);
      const shift = op.endsWith('sh');
      const imm = shift ? random.pick([0, 1, 2, 3, 8, 16, 24, 31, 32, 48, 56]) % width : this.corner();
      this.put(`${op}${width}_imm` as OpName, { dst, imm: (op === 'mod' || op === 'div') && imm === 0 ? 3 : imm });
    } else if (choice < 6) {
      const op = random.pick(['add', 'add', 'sub', 'and', 'or', 'xor', 'mul', 'rsh', 'lsh', 'mod']);
      this.put(`${op}${width}_reg` as OpName, { dst, src: this.number() });
    } else if (choice < 8) {
      const to = this.free();
      this.put(`mov${width}_reg` as OpName, { dst: to, src: dst });
      this.set(to, 'number');
      if (random.chance(0.5))
        this.put(`add${width}_imm` as OpName, { dst: to, imm: random.pick([1, 2, 4, 8, -1, -4]) });
    } else if (choice === 8) {
      this.put(
        random.pick([
          'mov64_s8',
          'mov64_s16',
          'mov64_s32',
          'mov32_s8',
          'mov32_s16',
          'neg64',
          'neg32',
          'be16',
          'be32',
          'le16',
          'le32',
          'bswap16',
        ] as OpName[]),
        { dst, src: dst },
      );
    } else {
      const k = random.pick([8, 16, 32, 48, 56]);
      this.put('lsh64_imm', { dst, imm: k });
      this.put(random.chance(0.7) ? 'rsh64_imm' : 'arsh64_imm', { dst, imm: k });
    }
  }

  /** Numbers and pointers to the stack and back. */
  spill(): void {
    const { random } = this;
    const slot = random.below(SLOTS);
    const off = -8 * (slot + 1);
    if (random.chance(0.5)) {
      const src = random.below(10);
      const kind = this.kinds[src];
      if (kind === 'none') return;
      const width = kind === 'number' ? random.pick([8, 16, 32, 64, 64, 64]) : 64;
      const within = width === 64 ? 0 : random.chance(0.7) ? 0 : (width / 8) * random.below(64 / width);
      this.put(`stx${width}` as OpName, { dst: 10, src, off: off + within });
      this.scope.slots[slot] = width === 64 ? kind : this.scope.slots[slot] === 'number' ? 'number' : 'none';
      return;
    }
    const kind = this.scope.slots[slot] ?? 'none';
    if (kind === 'none') return;
    const dst = this.free();
    const width = kind === 'number' ? random.pick([8, 16, 32, 64, 64]) : 64;
    this.put(`ldx${width}` as OpName, { dst, src: 10, off });
    this.set(dst, width === 64 ? kind : 'number');
  }

  /** A jump to `to`, taken where the number is too large, or another one. */
  leave(register: number, limit: number, to: number): void {
    const { random } = this;
    const width = random.chance(this.care) ? 64 : 32;
    const comparison = random.chance(this.care) ? random.pick(LEAVES) : random.pick(ORDERED);
    const imm = (comparison.endsWith('ge') ? limit + 1 : limit) | 0;
    if (random.chance(0.8)) this.put(`${comparison}${width}_imm` as OpName, { dst: register, imm }, to);
    else {
      const other = this.free(register);
      this.put('mov64_imm', { dst: other, imm });
      this.set(other, 'number');
      this.put(`${comparison}${width}_reg` as OpName, { dst: register, src: other }, to);
    }
  }

  /** Bounds an index in one of many ways; jumps to `to` where it is not as small. Gives the register that is the index then. */
  bound(limit: number, to: number): number {
    const { random } = this;
    let index = this.number();
    const held = this.scope.held.has(index);
    switch (random.below(held ? 4 : 10)) {
      case 0:
      case 1:
        this.leave(index, this.near(limit), to);
        break;
      case 2: {
        // Through a copy, moved or not.
        const copy = this.free(index);
        const by = random.chance(0.5) ? 0 : random.pick([1, 4, 8, -1, -8]);
        this.put(random.chance(0.8) ? 'mov64_reg' : 'mov32_reg', { dst: copy, src: index });
        this.set(copy, 'number');
        if (by !== 0) this.put(random.chance(0.8) ? 'add64_imm' : 'add32_imm', { dst: copy, imm: by });
        this.leave(copy, this.near(limit) + (random.chance(0.7) ? by : 0), to);
        if (random.chance(0.2)) index = copy;
        break;
      }
      case 3: {
        // Through a slot, before or after.
        const off = -8 * (random.below(SLOTS) + 1);
        const copy = this.free(index);
        const width = random.pick([64, 64, 64, 32, 16]);
        this.put(`stx${width}` as OpName, { dst: 10, src: index, off });
        this.scope.slots[-off / 8 - 1] = width === 64 ? 'number' : 'none';
        if (random.chance(0.5)) {
          this.leave(index, this.near(limit), to);
          this.put(`ldx${width}` as OpName, { dst: copy, src: 10, off });
        } else {
          this.put(`ldx${width}` as OpName, { dst: copy, src: 10, off });
          this.leave(copy, this.near(limit), to);
        }
        this.set(copy, 'number');
        if (random.chance(0.6)) index = copy;
        break;
      }
      case 4:
        this.put(random.chance(0.7) ? 'and64_imm' : 'and32_imm', { dst: index, imm: this.near(31) });
        break;
      case 5:
        this.put(random.chance(0.7) ? 'mod64_imm' : 'mod32_imm', {
          dst: index,
          imm: Math.max(1, this.near(limit + 1)),
        });
        break;
      case 6:
        this.put('and64_imm', { dst: index, imm: this.near(63) });
        this.leave(index, this.near(limit), to);
        break;
      case 7:
        this.leave(index, this.near(limit), to);
        if (random.chance(0.5)) this.leave(index, random.pick([-1, 0]), this.passed(index));
        break;
      case 8: {
        // On one of two paths only, or differently on both.
        const other = this.label();
        const joined = this.label();
        this.put('jset64_imm', { dst: this.number(), imm: random.pick([1, 2, 4]) }, other);
        this.put('and64_imm', { dst: index, imm: this.near(31) });
        this.put('ja', {}, joined);
        this.mark(other);
        if (random.chance(0.75)) this.leave(index, this.near(limit), to);
        this.mark(joined);
        break;
      }
      default:
        if (random.chance(0.5)) this.put('rsh64_imm', { dst: index, imm: random.pick([57, 58, 59, 60]) });
        else this.put('rsh32_imm', { dst: index, imm: random.pick([25, 26, 27, 28]) });
    }
    return index;
  }

  /** Jumps over the next instruction: makes a lower bound of what follows a check for large numbers. */
  passed(index: number): number {
    const next = this.label();
    this.put('jsge64_imm', { dst: index, imm: 0 }, next);
    this.put('mov64_imm', { dst: index, imm: 0 });
    this.mark(next);
    return next;
  }

  /** One access through a register. */
  access(base: number, off: number, size: number): void {
    const { random } = this;
    const width = 8 * size;
    const choice = random.below(10);
    if (choice < 5) {
      const dst = this.free(base);
      this.put(`ldx${width}` as OpName, { dst, src: base, off });
      this.set(dst, 'number');
    } else if (choice < 8) this.put(`stx${width}` as OpName, { dst: base, src: this.number(), off });
    else if (choice < 9 || size < 4) this.put(`st${width}` as OpName, { dst: base, off, imm: this.corner() });
    else this.put(`atomic${width}_add` as OpName, { dst: base, src: this.number(), off });
  }

  /** Memory of a known size, at an index. */
  indexed(base: number, size: number, from: number): void {
    const { random } = this;
    const skip = this.label();
    const width = random.pick(SIZES);
    const off = random.chance(0.5) ? 0 : random.below(9);
    const index = this.bound(size - width - off, skip);
    if (this.random.chance(0.15)) this.filler();
    const at = this.free(index, base);
    this.put('mov64_reg', { dst: at, src: base });
    if (from !== 0) this.put('add64_imm', { dst: at, imm: from });
    this.put(random.chance(0.95) ? 'add64_reg' : 'sub64_reg', {
      dst: at,
      src: random.chance(0.95) ? index : this.number(),
    });
    this.set(at, 'none');
    this.access(at, off, width);
    this.mark(skip);
    this.afterSkip();
  }

  /** After a label that paths come to from several places, scratch registers are not trusted. */
  afterSkip(): void {
    for (let r = 0; r < 10; r++)
      if (this.kinds[r] !== 'number' && this.kinds[r] !== 'ctx' && this.random.chance(0.1)) this.set(r, 'none');
  }

  valueAccess(): void {
    const base = this.find('value');
    if (base === undefined) return this.lookup();
    this.indexed(base, VALUE_SIZE, 0);
  }

  stackAccess(): void {
    this.indexed(10, 8 * SLOTS, -8 * SLOTS);
    for (let i = 0; i < SLOTS; i++) this.scope.slots[i] = this.scope.slots[i] === 'number' ? 'number' : 'none';
  }

  /** A pointer into the packet, checked against its end. */
  packetAccess(): void {
    const { random } = this;
    let start = this.find('packet');
    let end = this.find('end');
    if (start === undefined || end === undefined || random.chance(0.2)) {
      start = this.free();
      this.put('ldx32', { dst: start, src: 6, off: 0 });
      this.set(start, 'packet');
      end = this.free(start);
      this.put('ldx32', { dst: end, src: 6, off: 4 });
      this.set(end, 'end');
    }
    if (random.chance(0.15)) {
      // Within what was checked at the start.
      this.access(start, this.near(CHECKED - 8), random.pick(SIZES));
      return;
    }
    const skip = this.label();
    const at = this.free(start, end);
    this.put('mov64_reg', { dst: at, src: start });
    this.set(at, 'none');
    if (random.chance(0.7)) {
      const index = this.bound(random.pick([31, 63, 255, 0xffff]), skip);
      if (index === at) return this.mark(skip);
      this.put('add64_reg', { dst: at, src: index });
    }
    const length = random.pick([1, 2, 4, 8, 14, 20, 64]);
    const beyond = this.free(at, start, end);
    this.put('mov64_reg', { dst: beyond, src: at });
    this.set(beyond, 'none');
    this.put('add64_imm', { dst: beyond, imm: this.near(length) });
    const right = random.chance(this.care);
    const [a, b] = random.chance(0.7) ? [beyond, end] : [end, beyond];
    const wrong = random.pick(['jgt', 'jge', 'jlt', 'jle'] as const);
    const comparison = right
      ? a === beyond
        ? random.pick(['jgt', 'jge'] as const)
        : random.pick(['jlt', 'jle'] as const)
      : wrong;
    this.put(`${comparison}64_reg` as OpName, { dst: a, src: b }, skip);
    const width = random.pick(SIZES.filter((size) => size <= length));
    const base = random.chance(0.9) ? at : beyond;
    this.access(
      base,
      (base === beyond ? -length : 0) +
        (random.chance(this.care) ? Math.max(0, length - width) : random.below(length + 1)),
      width,
    );
    if (random.chance(0.4)) {
      // Moved again after the check.
      this.put('add64_imm', { dst: at, imm: random.pick([1, 2, 4, 8]) });
      this.access(at, Math.max(0, length - width - random.pick([1, 2, 4, 8, 8, 8])), width);
    }
    this.mark(skip);
    this.afterSkip();
  }

  clobber(): void {
    for (let r = 1; r <= 5; r++) this.set(r, 'none');
  }

  lookup(): void {
    const { random } = this;
    const hash = random.chance(0.5);
    if (random.chance(0.6)) this.put('st32', { dst: 10, off: -8, imm: random.below(6) });
    else this.put('stx32', { dst: 10, src: this.number(), off: -8 });
    this.scope.slots[0] = 'none';
    this.put('mov64_reg', { dst: 2, src: 10 });
    this.put('add64_imm', { dst: 2, imm: -8 });
    this.put('ld_map_idx', { dst: 1, imm: hash ? 1 : 0 });
    this.put('call_helper', { imm: HELPERS.lookup });
    this.clobber();
    const r = 7 + random.below(3);
    this.set(0, 'valueOrNull');
    const kept = random.chance(0.6) && !this.scope.held.has(r) ? r : 0;
    if (kept !== 0) {
      this.put('mov64_reg', { dst: kept, src: 0 });
      this.set(kept, 'valueOrNull');
    }
    if (random.chance(0.9)) this.nullCheck(random.chance(0.5) ? 0 : kept);
  }

  nullCheck(register: number): void {
    const { random } = this;
    const become = (): void => {
      this.kinds.forEach((k, r) => {
        if (k === 'valueOrNull') this.set(r, 'value');
      });
    };
    if (random.chance(0.7)) {
      this.put('jeq64_imm', { dst: register, imm: 0 }, this.out);
      become();
      return;
    }
    const other = this.free(register);
    this.put('mov64_imm', { dst: other, imm: random.chance(0.85) ? 0 : 1 });
    this.set(other, 'number');
    const skip = this.label();
    this.put('jne64_reg', { dst: register, src: other }, skip);
    if (random.chance(0.8)) this.put('ja', {}, this.out);
    this.mark(skip);
    become();
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

  filler(): void {
    if (this.random.chance(0.6)) this.arithmetic();
    else this.spill();
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

/** Undefined where a line leads to a label that is not there. */
export function codeOf(lines: readonly Line[]): Uint8Array<ArrayBuffer> | undefined {
  const at = new Map<number, number>();
  let slot = 0;
  for (const { insn, label } of lines) {
    if (label !== undefined) at.set(label, slot);
    if (insn !== undefined) slot += slotsOf(insn.op);
  }
  const insns: Insn[] = [];
  slot = 0;
  for (const { insn, to } of lines) {
    if (insn === undefined) continue;
    slot += slotsOf(insn.op);
    if (to === undefined) {
      insns.push(insn);
      continue;
    }
    const target = at.get(to);
    if (target === undefined) return undefined;
    const wide = slotsOf(insn.op) - 1;
    const inOff = insn.op !== 'call_local' && insn.op !== 'ld_code_addr';
    const distance = target - slot + (insn.op === 'ld_code_addr' ? wide : 0);
    insns.push(
      insn.op === 'ld_code_addr'
        ? makeInsn('ld_code_addr', { dst: insn.dst, imm: distance })
        : { ...insn, [inOff ? 'off' : 'imm']: distance },
    );
  }
  return encodeProgram(insns);
}

/** The fewest lines for which `fails` still holds. */
export function shrinkLines(lines: readonly Line[], fails: (candidate: readonly Line[]) => boolean): readonly Line[] {
  let best = lines;
  for (let size = Math.max(1, best.length >> 2); size >= 1; size = size >> 1) {
    for (let changed = true; changed; ) {
      changed = false;
      for (let i = best.length - size; i >= 0; i--) {
        const candidate = best.filter((line, j) => j < i || j >= i + size || line.label !== undefined);
        if (candidate.length < best.length && fails(candidate)) {
          best = candidate;
          changed = true;
          i = Math.min(i, best.length - size);
        }
      }
    }
  }
  return best;
}
