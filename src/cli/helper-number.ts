// Helpers by name, for assembly text.
import { platformFor } from './extensions.ts';
import type { Dialect } from '../spec/object.ts';

/** The number of `bpf_map_lookup_elem` or `map_lookup_elem`. */
export function helperNumber(name: string, dialect: Dialect): number | undefined {
  const short = name.replace(/^bpf_/, '');
  const rows = platformFor(dialect).families.flatMap((family) => family.helpers);
  return rows.find((row) => row.name === short)?.numbers[dialect];
}
