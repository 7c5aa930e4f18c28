// What bpftool prints: JSON as its writer lays it out, bytes in hexadecimal.

/** JSON text that was made elsewhere: values through BTF. */
export class RawJson {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** A value for jsonText; members that are undefined do not appear. */
export type Json =
  | null
  | boolean
  | number
  | bigint
  | string
  | RawJson
  | readonly Json[]
  | { readonly [name: string]: Json | undefined };

/** Without white space. 64-bit integers are numbers of all their digits, as in bpftool. */
export function jsonText(value: Json): string {
  if (value instanceof RawJson) return value.text;
  if (typeof value === 'bigint') return `${value}`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (isList(value)) return `[${value.map(jsonText).join(',')}]`;
  const members = Object.entries(value).flatMap(([name, member]) =>
    member === undefined ? [] : [`${JSON.stringify(name)}:${jsonText(member)}`],
  );
  return `{${members.join(',')}}`;
}

const isList = (value: object): value is readonly Json[] => Array.isArray(value);

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^"{}[\],:\s]+/g;
const INDENT = '    ';

/** JSON text as bpftool's `-p` lays it out: members on lines of their own, elements one behind the other. */
export function prettyJson(compact: string): string {
  let out = '';
  let depth = 0;
  let before = '';
  /** For each open bracket whether it is an object's. */
  const objects: boolean[] = [];
  const line = (): string => `\n${INDENT.repeat(depth)}`;
  for (const [token] of compact.matchAll(TOKEN)) {
    if (token === '}' || token === ']') {
      depth--;
      objects.pop();
      // Nothing was between them.
      out += before === '{' || before === '[' ? token : line() + token;
    } else {
      if (objects.at(-1) === true && (before === '{' || before === ',')) out += line();
      out += token === ':' ? ': ' : token;
      if (token === '{' || token === '[') {
        depth++;
        objects.push(token === '{');
      }
    }
    before = token;
  }
  return out;
}

/** Bytes as JSON: `["0x01","0xff"]`. */
export const hexJson = (bytes: Uint8Array): Json => Array.from(bytes, (byte) => `0x${hexByte(byte)}`);

export const hexByte = (byte: number): string => byte.toString(16).padStart(2, '0');

/** Bytes in hexadecimal, 16 a line, with a wider space in the middle of a line. */
export function hexText(bytes: Uint8Array, separator = ' '): string {
  let out = '';
  for (const [i, byte] of bytes.entries()) {
    if (i > 0) out += i % 16 === 0 ? '\n' : i % 8 === 0 ? `${separator}${separator}` : separator;
    out += hexByte(byte);
  }
  return out;
}

/** What a command answers, in both forms. Each is made only when it is asked for. */
export interface Answer {
  /** undefined: not even `null`. */
  json(): Json | undefined;
  /** With the ends of lines. */
  text(): string;
  /** Said on standard error, not with JSON. */
  readonly notes?: string;
  /** 0, or negative: -1 or an errno. */
  readonly status?: number;
}

/** Done, and nothing to say of it. */
export const DONE: Answer = { json: () => null, text: () => '' };

/** Several answers as one: a list in JSON. */
export const listed = (answers: readonly Answer[]): Answer => ({
  json: () => answers.map((answer) => answer.json() ?? null),
  text: () => answers.map((answer) => answer.text()).join(''),
});

/** Lines of `od -x` with their characters beside them, 16 bytes each: what `data_out -` shows. */
export function dumpText(bytes: Uint8Array): string {
  let out = '';
  for (let at = 0; at < bytes.length; at += 16) {
    const row = bytes.subarray(at, at + 16);
    const words = Array.from({ length: 8 }, (_, i) => {
      if (2 * i >= row.length) return '    ';
      return hexByte(row[2 * i]) + (2 * i + 1 < row.length ? hexByte(row[2 * i + 1]) : '  ');
    });
    const letters = Array.from(row, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.'));
    const [left, right] = [letters.slice(0, 8).join(''), letters.slice(8).join('')];
    out += `${at.toString(16).padStart(7, '0')}\t${words.join(' ')} | ${left} ${right}\n`;
  }
  return out;
}

const HELP_WIDTH = 60;

/** Alternatives of the grammar (`a | b | c`) in lines of a help's width; further lines begin as far in as `TYPE := { ` is long. */
export function alternatives(names: readonly string[]): string {
  const lines: string[] = [''];
  for (const [i, name] of names.entries()) {
    const part = i + 1 < names.length ? `${name} |` : name;
    if (`${lines[lines.length - 1]} ${part}`.length > HELP_WIDTH) lines.push('');
    lines[lines.length - 1] += ` ${part}`;
  }
  return lines.map((line) => line.trim()).join('\n                 ');
}
