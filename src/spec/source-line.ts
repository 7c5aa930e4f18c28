import type { LineSpec } from './object.ts';

/** The last line that begins at or before a slot; undefined where none does. `lines` are sorted by slot. */
export function lineBefore(lines: readonly LineSpec[], slot: number): LineSpec | undefined {
  let low = 0;
  let high = lines.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (lines[middle].slot <= slot) low = middle + 1;
    else high = middle;
  }
  return lines[low - 1];
}
