// Source lines as netsh prints them: `; file:line`, then `; text`.
import type { LineSpec, ProgramSpec } from '../../spec/object.ts';

export const sourceText = ({ file, line, text }: Pick<LineSpec, 'file' | 'line' | 'text'>): string =>
  `; ${file}:${line}\n; ${text}\n`;

/** The line that an instruction was made of. */
export const lineAt = ({ lines }: ProgramSpec, slot: number): LineSpec | undefined =>
  lines.findLast((line) => line.slot <= slot);
