// netsh's tables: heads as they are, and how their columns are filled (tests/end_to_end/netsh_test.cpp of eBPF for Windows asserts them).

/** A column: its width, negative where the text stands to the left; 0 for the last one. */
export interface Table {
  readonly head: string;
  readonly columns: readonly number[];
  /** Spaces between columns, for each but the first. */
  readonly gaps: readonly number[];
}

const twoApart = (columns: readonly number[]): number[] => columns.slice(1).map(() => 2);
const table = (head: readonly string[], columns: readonly number[], gaps = twoApart(columns)): Table => ({
  head: `\n${head.join('\n')}\n`,
  columns,
  gaps,
});

export const SECTIONS = table(
  [
    '                                                            Size',
    '             Section                 Program       Type  (bytes)',
    '====================  ======================  =========  =======',
  ],
  [20, 22, 9, 7],
);

export const SECTION_MAPS = table(
  [
    '                     Key  Value      Max',
    '          Map Type  Size   Size  Entries  Name',
    '==================  ====  =====  =======  ========',
  ],
  [18, 4, 5, 7, 0],
);

export const PROGRAMS = table(
  [
    '    ID  Pins  Links  Mode       Type           Name',
    '======  ====  =====  =========  =============  ====================',
  ],
  [6, 4, 5, -9, -13, 0],
);

export const MAPS = table(
  [
    '                              Key  Value      Max  Inner',
    '     ID            Map Type  Size   Size  Entries     ID  Pins  Name',
    '=======  ==================  ====  =====  =======  =====  ====  ========',
  ],
  [7, 18, 4, 5, 7, 5, 4, 0],
);

export const LINKS = table(
  ['   Link  Program  Attach', '     ID       ID  Type', '=======  =======  ============='],
  [7, 7, 0],
);

export const PINS = table(['     ID     Type  Path', '=======  =======  =============='], [7, 7, 0]);

export const PROCESSES = table(['  PID  Name', '=====  =============='], [5, 0]);

/** One line; cells that are too long push the others to the right, as C's printf does. */
export const row = ({ columns, gaps }: Table, cells: readonly (string | number)[]): string =>
  `${cells
    .map((cell, i) => {
      const width = columns[i];
      const text = width < 0 ? `${cell}`.padEnd(-width) : `${cell}`.padStart(width);
      return ' '.repeat(i === 0 ? 0 : gaps[i - 1]) + text;
    })
    .join('')}\n`;

/** Lines `key: value`, the keys as wide as netsh's. */
export const listed = (width: number, pairs: readonly (readonly [key: string, value: string | number])[]): string =>
  pairs.map(([key, value]) => `${key.padEnd(width)}: ${value}\n`).join('');
