// Windows' names of program types and attach types: those of its section names.
import { platformFor } from '../extensions.ts';
import { rulePrefix, sectionRule, WINDOWS_SECTIONS } from '../../link/sections.ts';
import type { AttachTypeName, ProgramTypeName } from '../../spec/program-types.ts';

/** Where Windows prints another name than the table of types has. */
const PROGRAM_NAMES: { readonly [P in ProgramTypeName]?: string } = {
  cgroup_sock_addr: 'sock_addr',
  sock_ops: 'sockops',
};

export const programTypeTitle = (type: ProgramTypeName): string => PROGRAM_NAMES[type] ?? type;

/** `sample_ext`, `cgroup/connect4`: an attach type by the section name that stands for it. */
export function attachTypeTitle(type: AttachTypeName): string {
  const rule = WINDOWS_SECTIONS.find(({ attachType }) => attachType === type);
  return rule === undefined ? type : rulePrefix(rule);
}

/** What a `type=` names: as if it were a section name (libbpf_prog_type_by_name). */
export function typeNamed(name: string): { type: ProgramTypeName; attachType?: AttachTypeName } | undefined {
  const rule = sectionRule(name, 'windows')?.rule;
  if (rule === undefined || platformFor('windows').programType(rule.type) === undefined) return undefined;
  return { type: rule.type, ...(rule.attachType === undefined ? {} : { attachType: rule.attachType }) };
}
