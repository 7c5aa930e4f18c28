// How results look on a terminal: colours only where one is, columns that line up.
import { styleText } from 'node:util';
import Table from 'cli-table3';
import type { Io, Output } from './io.ts';

type Format = Parameters<typeof styleText>[0];

/** Colours text for a stream: not where it is no terminal, nor where NO_COLOR is set (https://no-color.org). */
export function painter(io: Io, stream: Output = io.stdout): (format: Format, text: string) => string {
  const coloured = stream.isTTY === true && (io.env.NO_COLOR ?? '') === '' && io.env.TERM !== 'dumb';
  return (format, text) => (coloured ? styleText(format, text, { validateStream: false }) : text);
}

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

const NO_LINES = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
};

/** Rows under a head, indented by two, without lines between; the last column is broken to the terminal's width. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[], stream: Output): string {
  const made = new Table({
    chars: NO_LINES,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
    head: columns.map((c) => c.title),
    colAligns: columns.map((c) => c.align ?? 'left'),
  });
  made.push(...rows.map((row) => [...row]));
  const lines = made
    .toString()
    .split('\n')
    .map((line) => `  ${line}`.trimEnd());
  const lastColumn = lines[0].lastIndexOf(columns[columns.length - 1].title);
  return lines.flatMap((line) => wrapped(line, stream, lastColumn)).join('\n');
}

/** `1,234,567`. */
export const grouped = (value: number | bigint): string => value.toLocaleString('en-US');

/** `1 packet`, `2 packets`. */
export const plural = (count: number | bigint, one: string, many = `${one}s`): string =>
  `${grouped(count)} ${BigInt(count) === 1n ? one : many}`;

/** Continuation lines of anything but tables begin here. */
const HANGING = 6;

/**
 * Breaks a line at spaces where it is wider than the terminal; further lines are indented by `indent`. Other streams get it
 * whole, and so does a word that no line can hold.
 */
export function wrapped(line: string, stream: Output, indent = HANGING): string[] {
  const width = stream.isTTY === true ? (stream.columns ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY;
  const lines: string[] = [];
  let rest = line;
  while (rest.length > width) {
    // Not inside the indentation: nothing would be gained.
    const from = lines.length === 0 ? rest.search(/\S/) : indent;
    const at = rest.lastIndexOf(' ', width);
    if (at <= from) break;
    lines.push(rest.slice(0, at).trimEnd());
    rest = ' '.repeat(indent) + rest.slice(at + 1);
  }
  return [...lines, rest];
}
