// What the command knows of helpers by name and number.
import { HELPER_FAMILIES } from '../helpers/index.ts';
import type { Dialect } from '../spec/object.ts';
import type { Platform } from '../spec/platform.ts';

const ROWS = HELPER_FAMILIES.flatMap((family) => family.helpers);

export const platformOf = (dialect: Dialect): Pick<Platform, 'helperName'> => ({
  helperName: (number) => ROWS.find((row) => row.numbers[dialect] === number)?.name,
});

/** The number of `bpf_map_lookup_elem` or `map_lookup_elem`. */
export function helperNumber(name: string, dialect: Dialect): number | undefined {
  const short = name.replace(/^bpf_/, '');
  return ROWS.find((row) => row.name === short)?.numbers[dialect];
}
