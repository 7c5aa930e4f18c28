// The kernel's printf for programs: the formats that bpf_bprintf_prepare (kernel/trace/bpf_trace.c, kernel/bpf/helpers.c) admits,
// printed as lib/vsprintf.c does.
import { s64, u64 } from '../base/u64.ts';
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
  const out: number[] = [];
  const put = (text: string): void => {
    for (let i = 0; i < text.length; i++) out.push(text.charCodeAt(i));
  };
  // Bytes from 0x80 on are text in some encoding (UTF-8 since Linux 6.17).
  for (const c of fmt) if (c < '\u0080' && !isPrintable(c) && !isSpace(c)) return -ERRNO.EINVAL;
  const at = (index: number): string => fmt.charAt(index);
  let next = 0;
  let i = 0;
  while (i < fmt.length) {
    if (at(i) !== '%') {
      put(at(i++));
      continue;
    }
    if (at(i + 1) === '%') {
      put('%');
      i += 2;
      continue;
    }
    if (next >= args.length) return -ERRNO.EINVAL;
    const value = u64(args[next++]);
    i++;
    const flagsFrom = i;
    while (at(i) !== '' && '0+- '.includes(at(i))) i++;
    const given = fmt.slice(flagsFrom, i);
    const widthFrom = i;
    while (isDigit(at(i))) i++;
    const flags: Flags = {
      left: given.includes('-'),
      zero: given.includes('0'),
      plus: given.includes('+'),
      space: given.includes(' '),
      width: Math.min(Number(fmt.slice(widthFrom, i) || '0'), MAX_WIDTH),
    };

    const string = (space: Space): boolean => {
      if (!endsSpecifier(at(i + 1))) return false;
      const bytes = readForeignString(env, value, STRING_LIMIT, space);
      let end = bytes === undefined ? 0 : bytes.indexOf(0);
      if (bytes !== undefined && end < 0) end = bytes.length - 1;
      const fill = Array.from({ length: Math.max(0, flags.width - end) }, () => 0x20);
      if (!flags.left) out.push(...fill);
      if (bytes !== undefined) out.push(...bytes.subarray(0, end));
      if (flags.left) out.push(...fill);
      i++;
      return true;
    };

    if (at(i) === 'p') {
      const [one, two] = [at(i + 1), at(i + 2)];
      if (endsSpecifier(one)) {
        put(pad(pointer(value), flags));
        i++;
      } else if ((one === 'k' || one === 'u') && two === 's') {
        i += 2;
        if (!string(one === 'k' ? 'kernel' : 'user')) return -ERRNO.EINVAL;
      } else if (one === 'K' || one === 'x') {
        put(pad(pointer(value), flags));
        i += 2;
        while (isAlphanumeric(at(i))) i++;
      } else if (one === 's' || one === 'S' || one === 'B') {
        put(pad(`0x${value.toString(16)}`, flags));
        i += 2;
        while (isAlphanumeric(at(i))) i++;
      } else if ((one === 'i' || one === 'I') && (two === '4' || two === '6')) {
        const bytes = readForeign(env, value, two === '4' ? 4 : 16, 'kernel') ?? new Uint8Array(two === '4' ? 4 : 16);
        put(pad(ipAddress(bytes, `${one}${two}`), flags));
        i += 3;
        while (isAlphanumeric(at(i))) i++;
      } else return -ERRNO.EINVAL;
      continue;
    }
    if (at(i) === 's') {
      if (!string('any')) return -ERRNO.EINVAL;
      continue;
    }
    if (at(i) === 'c') {
      put(pad(String.fromCharCode(Number(value & 0xffn)), flags));
      i++;
      continue;
    }
    let longs: 0 | 1 | 2 = 0;
    if (at(i) === 'l') {
      longs = at(i + 1) === 'l' ? 2 : 1;
      i += longs;
    }
    const conversion = at(i);
    if (conversion === '' || !'diuxX'.includes(conversion)) return -ERRNO.EINVAL;
    const bits = WIDTHS[longs];
    const signed = conversion === 'd' || conversion === 'i';
    put(integer(signed ? BigInt.asIntN(bits, s64(value)) : BigInt.asUintN(bits, value), conversion, flags));
    i++;
  }
  return Uint8Array.from(out);
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
