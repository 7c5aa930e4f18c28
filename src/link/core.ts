// Applies a program's CO-RE relocations for one target.
import { AnyBpfError, type Diagnostic } from '../base/diagnostic.ts';
import { coreUnsatisfied } from '../base/messages/link.ts';
import type { Btf } from '../btf/btf.ts';
import { type CoreCache, relocateCore } from '../btf/core.ts';
import { applyCore } from '../btf/core-apply.ts';
import { SLOT_SIZE } from '../isa/insn.ts';
import type { CoreRelocationSpec, ObjectSpec, ProgramSpec } from '../spec/object.ts';
import { readSlot, writeSlot } from './slot.ts';

const nameOf = (local: Btf, { relocation: r }: CoreRelocationSpec): string =>
  `${r.kind} of ${local.kindOf(r.typeId)} ${local.nameOf(r.typeId)} (${r.access})`;

/**
 * The program for a target: `targets` are the kernel's BTF, then those of its modules. Relocations are worked out as
 * libbpf does; where nothing in the target matches, the instruction becomes a call of the invalid helper 0xbad2310, and
 * `poisoned` says which. What no loader can apply (several types that disagree, an instruction that does not fit) makes
 * the program `unsupported`, as libbpf refuses it. The program given is not changed. `cache` is worth sharing between
 * the programs of one object for the same targets.
 */
export function relocateProgram(
  program: ProgramSpec,
  local: Btf,
  targets: readonly Btf[],
  cache: CoreCache = new Map(),
): ProgramSpec {
  if (program.core.length === 0) return program;
  const code = program.code.slice();
  const poisoned: Diagnostic[] = [];
  const slots = code.length / SLOT_SIZE;
  for (const placed of program.core) {
    const place = { program: program.name, section: program.section, insn: placed.slot };
    try {
      const result = relocateCore(local, placed.relocation, targets, cache);
      const next = placed.slot + 1 < slots ? readSlot(code, placed.slot + 1) : undefined;
      const applied = applyCore(readSlot(code, placed.slot), next, result, place);
      writeSlot(code, placed.slot, applied.insn);
      if (applied.next !== undefined) writeSlot(code, placed.slot + 1, applied.next);
      if (result.poison) poisoned.push(coreUnsatisfied(place, nameOf(local, placed), 'nothing in the target matches'));
      else if (result.badSize) {
        const why = `the field has ${result.originalSize} bytes in the object and ${result.size} in the target`;
        poisoned.push(coreUnsatisfied(place, nameOf(local, placed), why));
      }
    } catch (error) {
      if (!(error instanceof AnyBpfError)) throw error;
      const unsupported = { ...error.diagnostic, place: { ...error.diagnostic.place, ...place } };
      return { ...program, unsupported: program.unsupported ?? unsupported };
    }
  }
  return { ...program, code, core: [], ...(poisoned.length === 0 ? {} : { poisoned }) };
}

/** All programs of an object for one target, see {@link relocateProgram}. */
export function relocateObject(spec: ObjectSpec, targets: readonly Btf[]): ObjectSpec {
  const { btf } = spec;
  if (btf === undefined) return spec;
  const cache: CoreCache = new Map();
  return { ...spec, programs: spec.programs.map((program) => relocateProgram(program, btf, targets, cache)) };
}
