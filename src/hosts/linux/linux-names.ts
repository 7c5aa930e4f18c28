// Names by Linux' numbers: the tables of spec/ the other way round.

/** What of a table Linux has: a name by its number. */
export function byLinuxNumber<T extends string>(table: { readonly [N in T]: object }): ReadonlyMap<number, T> {
  const names = Object.keys(table) as T[];
  return new Map(
    names.flatMap((name) => {
      const row: { readonly linux?: number } = table[name];
      return row.linux === undefined ? [] : [[row.linux, name] as const];
    }),
  );
}
