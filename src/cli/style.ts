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

/** Rows under a head, indented by two, without lines between. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const made = new Table({
    chars: NO_LINES,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
    head: columns.map((c) => c.title),
    colAligns: columns.map((c) => c.align ?? 'left'),
  });
  made.push(...rows.map((row) => [...row]));
  return made
    .toString()
    .split('\n')
    .map((line) => `  ${line}`.trimEnd())
    .join('\n');
}

/** `1,234,567`. */
export const grouped = (value: number | bigint): string => value.toLocaleString('en-US');

/** `1 packet`, `2 packets`. */
export const plural = (count: number | bigint, one: string, many = `${one}s`): string =>
  `${grouped(count)} ${BigInt(count) === 1n ? one : many}`;

/** Cuts a line to the terminal's width; other streams get it whole. */
export function fitted(line: string, stream: Output): string {
  const width = stream.isTTY === true ? stream.columns : undefined;
  return width === undefined || line.length <= width ? line : `${line.slice(0, Math.max(0, width - 1))}…`;
}
