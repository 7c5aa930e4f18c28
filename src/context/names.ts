import type { Place } from '../base/diagnostic.ts';
import { refuse } from './errors.ts';

/** EBPF for Windows' BPF_OBJ_NAME_LEN without the NUL; Linux keeps 15, and libbpf cuts what is longer. */
export const LONGEST_NAME = 63;

/** @throws AnyBpfError EINVAL for names that bpf_obj_name_cpy does not take, or that are too long */
export function checkName(operation: string, name: string, place: Place): void {
  if (name.length > LONGEST_NAME) refuse(operation, 'EINVAL', `a name has at most ${LONGEST_NAME} characters`, place);
  if (!/^[\w.]*$/.test(name)) refuse(operation, 'EINVAL', `'${name}' is no name of letters, digits, _ and .`, place);
}
