// Words of one line of assembly text, and what both assembly languages read from them.
import { fail, type Place } from '../base/diagnostic.ts';
import { badOperand, badRegister, syntax } from '../base/messages/isa.ts';
import { type Insn, makeInsn, REGISTER_COUNT } from './insn.ts';
import type { OpName } from './opcodes.ts';

/** One parsed instruction; names in it are resolved when all lines are read. */
export interface Statement {
  readonly insn: Insn;
  /** Label that `off` (jumps) or `imm` (calls, gotol, code addresses) must reach. */
  readonly target?: string;
  /** Name of the map whose index goes into `imm`. */
  readonly map?: string;
}

/** What a word of a statement can mean outside the text. */
export interface Names {
  /** Number of a helper function called by name. */
  helper(name: string): number | undefined;
}

// In order: signed operators before names, since `s>=` begins like one; two-sign operators before their first sign.
const TOKEN =
  /\s+|s(?:>>=|\/=|%=|>=|<=|>|<|8=|16=|32=)|c?x=|&[=!]=|<<=|>>=|[-+*/%&|^=!<>]=|[-+*&<>=()[\],:#]|0[xX][0-9a-fA-F]+|\d+|%?[A-Za-z_.$][\w.$]*/y;

const REGISTER = /^%?([rw])(\d+)$/;

/** More than any 64-bit number has; longer ones would only take time to read. */
const MAX_DIGITS = 64;

export interface Register {
  readonly number: number;
  /** `w`: the lower 32 bits (C-like language only). */
  readonly half: boolean;
}

/** Reads the words of one line in order. Every method that fails raises isa/* with the line. */
export class Cursor {
  readonly place: Place;
  #tokens: string[];
  #at = 0;

  constructor(text: string, place: Place) {
    this.place = place;
    this.#tokens = [];
    TOKEN.lastIndex = 0;
    while (TOKEN.lastIndex < text.length) {
      const from = TOKEN.lastIndex;
      const token = TOKEN.exec(text)?.[0];
      if (token === undefined) fail(syntax(place, `"${text.slice(from, from + 1)}"`, 'a name, number or operator'));
      if (token.trim() !== '') this.#tokens.push(token);
    }
  }

  peek(ahead = 0): string | undefined {
    return this.#tokens[this.#at + ahead];
  }

  /** Passes over the word if it is next. */
  take(word: string): boolean {
    if (this.peek() !== word) return false;
    this.#at++;
    return true;
  }

  expect(word: string): void {
    if (!this.take(word)) this.wrong(`"${word}"`);
  }

  wrong(expected: string): never {
    const found = this.peek();
    return fail(syntax(this.place, found === undefined ? 'the end of the line' : `"${found}"`, expected));
  }

  end(): void {
    if (this.#at < this.#tokens.length) this.wrong('the end of the line');
  }

  word(expected: string): string {
    const token = this.peek();
    if (token === undefined) return this.wrong(expected);
    this.#at++;
    return token;
  }

  name(expected: string): string {
    if (!/^[A-Za-z_.$]/.test(this.peek() ?? '')) this.wrong(expected);
    return this.word(expected);
  }

  isRegister(ahead = 0): boolean {
    return REGISTER.test(this.peek(ahead) ?? '');
  }

  register(): Register {
    const match = REGISTER.exec(this.peek() ?? '');
    if (match === null) return this.wrong('a register');
    this.#at++;
    const number = Number(match[2]);
    if (number >= REGISTER_COUNT) fail(badRegister(this.place, match[0], number));
    return { number, half: match[1] === 'w' };
  }

  /** A whole 64-bit register. */
  full(): number {
    const register = this.register();
    if (register.half) fail(syntax(this.place, `"w${register.number}"`, 'a 64-bit register'));
    return register.number;
  }

  isNumber(): boolean {
    let signs = this.peek() === '+' ? 1 : 0;
    if (this.peek(signs) === '-') signs++;
    return /^\d/.test(this.peek(signs) ?? '');
  }

  /** `5`, `-5`, `+5`, and the kernel's `+ -5`. */
  number(): bigint {
    if (!this.isNumber()) this.wrong('a number');
    this.take('+');
    const negative = this.take('-');
    const digits = this.word('a number');
    if (digits.length > MAX_DIGITS) fail(syntax(this.place, `${digits.length} digits`, 'a number of 64 bits'));
    const value = BigInt(digits);
    return negative ? -value : value;
  }

  /** A number for a 32-bit immediate: signed, or the unsigned form of the same bits. */
  imm32(op: string): number {
    return Number(BigInt.asIntN(32, this.ranged(op, 'imm', -(2n ** 31n), 2n ** 32n - 1n, '-2^31 to 2^32-1')));
  }

  imm64(op: string): bigint {
    return BigInt.asUintN(64, this.ranged(op, 'imm', -(2n ** 63n), 2n ** 64n - 1n, '-2^63 to 2^64-1'));
  }

  off16(op: string): number {
    return Number(this.ranged(op, 'off', -0x8000n, 0x7fffn, '-32768 to 32767'));
  }

  ranged(op: string, field: string, low: bigint, high: bigint, range: string): bigint {
    const value = this.number();
    if (value < low || value > high) fail(badOperand(this.place, op, field, value, range));
    return value;
  }

  /** `r1`, `r1 + 4` or `r1 - 4`: an address. */
  address(op: string): { base: number; off: number } {
    const base = this.full();
    return { base, off: this.isNumber() ? this.off16(op) : 0 };
  }

  /**
   * Where a jump goes: `+3`, `-3`, `pc+3`, `label` or `<label>`. What llvm-objdump adds to a number (`<main+0x20>`) is
   * passed over. The distance counts from the next instruction.
   */
  target(op: string, far: boolean): { distance: number; label?: string } {
    const relative = this.peek() === 'pc' && this.take('pc');
    if (relative || this.isNumber()) {
      const distance = far ? this.imm32(op) : this.off16(op);
      if (this.take('<')) while (this.word('">"') !== '>');
      return { distance };
    }
    const bracketed = this.take('<');
    const label = this.name('a label or a distance');
    if (bracketed) this.expect('>');
    return { distance: 0, label };
  }

  /** A jump or call: its target is a distance or a label. */
  jump(op: OpName, operands: Partial<Omit<Insn, 'op'>>, field: 'off' | 'imm'): Statement {
    const { distance, label } = this.target(op, field === 'imm');
    const insn = makeInsn(op, { ...operands, [field]: distance });
    return label === undefined ? { insn } : { insn, target: label };
  }
}
