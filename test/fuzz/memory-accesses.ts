// Accesses to memory behind checks, some of which do not suffice, and the values that they need: the parts of memory-program.ts.
import type { OpName } from '../../src/isa/opcodes.ts';
import type { MapSpec } from '../../src/spec/object.ts';
import { mapSpec } from '../run/support.ts';
import type { Random } from '../support/random.ts';
import { LineWriter } from './lines.ts';

export const VALUE_SIZE = 64;
/** What the programs name, by index. */
export const MEMORY_MAPS: readonly MapSpec[] = [
  mapSpec('values', 'array', { valueSize: VALUE_SIZE }),
  mapSpec('hash', 'hash', { valueSize: VALUE_SIZE, maxEntries: 8 }),
  mapSpec('ring', 'ringbuf', { keySize: 0, valueSize: 0, maxEntries: 4096 }),
];
/** Bytes of the packet that every program checks for at its start. */
export const CHECKED = 64;

export type Kind = 'none' | 'number' | 'value' | 'valueOrNull' | 'packet' | 'end' | 'stack' | 'ctx';

export const HELPERS = {
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
export const SLOTS = 8;
const CORNERS = [
  0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 47, 48, 55, 56, 57, 59, 60, 61, 62, 63, 64, 65, 72, 100, 127, 128, 255, 256,
  1024, 0xffff,
];
const WIDE = [-1, -2, -7, -8, -16, -64, 0x7fff_ffff, -0x8000_0000];
export const SIZES = [1, 2, 4, 8] as const;
export const ORDERED = ['jgt', 'jge', 'jlt', 'jle', 'jsgt', 'jsge', 'jslt', 'jsle'] as const;
/** What is true of a number that is large, so that a jump behind the access goes on with small ones. */
const LEAVES = ['jgt', 'jge', 'jgt', 'jge', 'jsgt', 'jsge'] as const;

export interface Scope {
  readonly kinds: Kind[];
  readonly slots: Kind[];
  /** Registers that a loop or a caller needs unchanged. */
  readonly held: ReadonlySet<number>;
}

export class MemoryWriter extends LineWriter {
  readonly functions: { readonly label: number; readonly callback: boolean }[] = [];
  readonly out: number;
  scope: Scope;
  depth = 0;
  /** How likely a check is the right one. */
  readonly care: number;

  constructor(random: Random) {
    super(random);
    this.care = random.pick([0.6, 0.85, 0.95, 0.98]);
    this.out = this.label();
    this.scope = { kinds: Array.from({ length: 11 }, (): Kind => 'none'), slots: [], held: new Set([6]) };
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

  filler(): void {
    if (this.random.chance(0.6)) this.arithmetic();
    else this.spill();
  }
}
