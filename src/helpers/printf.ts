// The kernel's printf for programs: the formats that bpf_bprintf_prepare (kernel/trace/bpf_trace.c, kernel/bpf/helpers.c) admits,
// printed as lib/vsprintf.c does.
import { u64 } from '../base/u64.ts';
import { ERRNO } from '../spec/errno.ts';
import type { HelperEnv } from '../spec/helper.ts';
import { readForeign, readForeignString, type Space } from './foreign.ts';

/** MAX_BPRINTF_VARARGS. */
export const MAX_ARGUMENTS = 12;
/** MAX_BPRINTF_BUF: strings and addresses printed by one call share a buffer of this size. */
const STRING_LIMIT = 512;
const MAX_WIDTH = 1024;

const isDigit = (c: string): boolean => c >= '0' && c <= '9';
const isSpace = (c: string): boolean => c === ' ' || (c >= '\t' && c <= '\r');
const isPrintable = (c: string): boolean => c >= ' ' && c <= '~';
const isAlphanumeric = (c: string): boolean => /^[0-9A-Za-z]$/.test(c);
/** What may follow %p and %s: the end, a space or punctuation. */
const endsSpecifier = (c: string): boolean => c === '' || isSpace(c) || (isPrintable(c) && !isAlphanumeric(c));

interface Flags {
  readonly left: boolean;
  readonly zero: boolean;
  readonly plus: boolean;
  readonly space: boolean;
  readonly width: number;
}

function pad(text: string, flags: Flags): string {
  return flags.left ? text.padEnd(flags.width) : text.padStart(flags.width);
}

function integer(value: bigint, conversion: string, flags: Flags): string {
  const signed = conversion === 'd' || conversion === 'i';
  let sign = '';
  if (signed && value < 0n) sign = '-';
  else if (signed && flags.plus) sign = '+';
  else if (signed && flags.space) sign = ' ';
  const magnitude = value < 0n ? -value : value;
  let digits = conversion === 'x' || conversion === 'X' ? magnitude.toString(16) : magnitude.toString();
  if (conversion === 'X') digits = digits.toUpperCase();
  if (flags.zero && !flags.left) digits = digits.padStart(flags.width - sign.length, '0');
  return pad(sign + digits, flags);
}

/** %pI4 and %pI6 with their leading-zero forms %pi4 and %pi6. */
function ipAddress(bytes: Uint8Array, form: 'I4' | 'i4' | 'I6' | 'i6'): string {
  if (form === 'I4') return bytes.join('.');
  if (form === 'i4') return Array.from(bytes, (b) => String(b).padStart(3, '0')).join('.');
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(((bytes[i] << 8) | bytes[i + 1]).toString(16).padStart(4, '0'));
  return groups.join(form === 'I6' ? ':' : '');
}

const pointer = (value: bigint): string => value.toString(16).padStart(16, '0');

/** Integers by the number of `l`: int, long, long long. */
const WIDTHS = [32, 64, 64] as const;

/** Walks one format and prints. Each `print...` gives false for what the kernel refuses. */
class Printer {
  readonly out: number[] = [];
  readonly #env: HelperEnv;
  readonly #fmt: string;
  /** The next character of the format. */
  #at = 0;

  constructor(env: HelperEnv, fmt: string) {
    this.#env = env;
    this.#fmt = fmt;
  }

  #peek(ahead = 0): string {
    return this.#fmt.charAt(this.#at + ahead);
  }

  #put(text: string): void {
    for (let i = 0; i < text.length; i++) this.out.push(text.charCodeAt(i));
  }

  /** Prints the text up to the next conversion; false at the end. */
  toConversion(): boolean {
    for (;;) {
      const c = this.#peek();
      if (c === '') return false;
      if (c === '%' && this.#peek(1) !== '%') return true;
      this.#put(c);
      this.#at += c === '%' ? 2 : 1;
    }
  }

  printConversion(value: bigint): boolean {
    this.#at++;
    const flags = this.#flags();
    switch (this.#peek()) {
      case 'p':
        return this.#printPointer(value, flags);
      case 's':
        return this.#printString(value, 'any', flags);
      case 'c':
        this.#at++;
        this.#put(pad(String.fromCharCode(Number(value & 0xffn)), flags));
        return true;
      default:
        return this.#printInteger(value, flags);
    }
  }

  #flags(): Flags {
    const from = this.#at;
    while (this.#peek() !== '' && '0+- '.includes(this.#peek())) this.#at++;
    const given = this.#fmt.slice(from, this.#at);
    const widthFrom = this.#at;
    while (isDigit(this.#peek())) this.#at++;
    return {
      left: given.includes('-'),
      zero: given.includes('0'),
      plus: given.includes('+'),
      space: given.includes(' '),
      width: Math.min(Number(this.#fmt.slice(widthFrom, this.#at) || '0'), MAX_WIDTH),
    };
  }

  /** At the last character of %s, %pks or %pus. */
  #printString(address: bigint, space: Space, flags: Flags): boolean {
    if (!endsSpecifier(this.#peek(1))) return false;
    this.#at++;
    const bytes = readForeignString(this.#env, address, STRING_LIMIT, space) ?? new Uint8Array(1);
    // The last byte is the NUL, or the one that makes room for it.
    const text = Array.from(bytes.subarray(0, -1), (byte) => String.fromCharCode(byte)).join('');
    this.#put(pad(text, flags));
    return true;
  }

  /** At the p of a pointer. */
  #printPointer(value: bigint, flags: Flags): boolean {
    const [kind, size] = [this.#peek(1), this.#peek(2)];
    if (endsSpecifier(kind)) {
      this.#at++;
      this.#put(pad(pointer(value), flags));
      return true;
    }
    if ((kind === 'k' || kind === 'u') && size === 's') {
      this.#at += 2;
      return this.#printString(value, kind === 'k' ? 'kernel' : 'user', flags);
    }
    if (kind === 'K' || kind === 'x') this.#put(pad(pointer(value), flags));
    else if (kind === 's' || kind === 'S' || kind === 'B') this.#put(pad(`0x${value.toString(16)}`, flags));
    else if ((kind === 'i' || kind === 'I') && (size === '4' || size === '6')) {
      const length = size === '4' ? 4 : 16;
      const bytes = readForeign(this.#env, value, length, 'kernel') ?? new Uint8Array(length);
      this.#put(pad(ipAddress(bytes, `${kind}${size}`), flags));
    } else return false;
    // As vsnprintf: all letters and digits behind %p belong to it.
    this.#at++;
    while (isAlphanumeric(this.#peek())) this.#at++;
    return true;
  }

  #printInteger(value: bigint, flags: Flags): boolean {
    let longs: 0 | 1 | 2 = 0;
    if (this.#peek() === 'l') longs = this.#peek(1) === 'l' ? 2 : 1;
    this.#at += longs;
    const conversion = this.#peek();
    if (conversion === '' || !'diuxX'.includes(conversion)) return false;
    this.#at++;
    const signed = conversion === 'd' || conversion === 'i';
    const number = signed ? BigInt.asIntN(WIDTHS[longs], value) : BigInt.asUintN(WIDTHS[longs], value);
    this.#put(integer(number, conversion, flags));
    return true;
  }
}

/**
 * Formats as bpf_trace_printk and bpf_snprintf do.
 *
 * Pointers (%p, %pK, %px) print as 16 hex digits: the kernel prints %p as a hash of the address that differs at each boot.
 * Symbols (%ps, %pS, %pB) print as the address, as the kernel does for an address without a symbol.
 *
 * @param fmt one character a byte
 * @returns the text as bytes, or -EINVAL for a format that the kernel refuses or that asks for more arguments than there are
 */
export function format(env: HelperEnv, fmt: string, args: readonly bigint[]): Uint8Array<ArrayBuffer> | number {
  // Bytes from 0x80 on are text in some encoding (UTF-8 since Linux 6.17).
  for (const c of fmt) if (c < '\u0080' && !isPrintable(c) && !isSpace(c)) return -ERRNO.EINVAL;
  const printer = new Printer(env, fmt);
  for (let next = 0; printer.toConversion(); next++) {
    if (next >= args.length || !printer.printConversion(u64(args[next]))) return -ERRNO.EINVAL;
  }
  return Uint8Array.from(printer.out);
}

/** The format string in program memory, one character a byte, or undefined where no NUL ends it. */
export function formatString(env: HelperEnv, address: number, size: number): string | undefined {
  const bytes = env.memory.u8.subarray(address, address + size);
  const end = bytes.indexOf(0);
  // One character a byte, whatever the encoding: only ASCII characters mean anything in a format.
  return end < 0 ? undefined : Array.from(bytes.subarray(0, end), (byte) => String.fromCharCode(byte)).join('');
}

/** The u64 arguments that bpf_snprintf and bpf_trace_vprintk take as an array, or -EINVAL. */
export function formatArguments(env: HelperEnv, data: number, size: number): bigint[] | number {
  if (size % 8 !== 0 || size > MAX_ARGUMENTS * 8 || (size > 0 && data === 0)) return -ERRNO.EINVAL;
  const args: bigint[] = [];
  for (let at = 0; at < size; at += 8) args.push(env.memory.view.getBigUint64(data + at, true));
  return args;
}
