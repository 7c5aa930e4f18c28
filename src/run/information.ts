// The program-information hash: a digest of all that a program was verified against, as far as providers can change it.
//
// As eBPF for Windows': the type's descriptor, the number and prototypes of the helpers that the program calls in the order of their
// ids, and flags. With it here the functions that it calls by name.
import { sha256 } from '../base/sha256.ts';
import { decodeProgram } from '../isa/insn.ts';
import type { HelperRow } from '../spec/helper.ts';
import type { ExternSpec, ProgramSpec } from '../spec/object.ts';
import type { Platform } from '../spec/platform.ts';
import type { ProgramTypeRow } from '../spec/program.ts';

/** Version of what the digest is over. */
const VERSION = 2;

/** All of a helper that the verifier looks at. */
function prototype(row: HelperRow | undefined, id: number | string): unknown {
  if (row === undefined) return [id];
  const { name, args, returns, optional = 0, acquires = '', releases = '' } = row;
  const flags = [row.gplOnly, row.changesPacket, row.sleepable].map((flag) => flag === true);
  return [id, name, args, returns, optional, acquires, releases, ...flags];
}

function descriptor(row: ProgramTypeRow, spec: ProgramSpec): unknown {
  const layout = row.contexts[spec.dialect];
  const fields = Object.entries(layout?.fields ?? {}).map(([name, field]) => {
    const { offset, size, kind, access, only = [], storeOnly = [] } = field;
    const { narrow = false, wide = false, narrowStore = false } = field;
    return [name, offset, size, kind, access, only, storeOnly, narrow, wide, narrowStore];
  });
  const returns = row.returns.map(({ attach = [], min, max }) => [attach, `${min}`, `${max}`]);
  return [row.type, layout?.name, layout?.size, fields, layout?.raw ?? null, layout?.loose === true, returns];
}

/** Numbers of the helpers and names of the functions that a program calls, each once, sorted. */
export function calls({ code }: ProgramSpec, externs: readonly ExternSpec[]) {
  const insns = decodeProgram(code);
  const helpers = insns.flatMap((insn) => (insn?.op === 'call_helper' ? [insn.imm] : []));
  const functions = insns.flatMap((insn) => (insn?.op === 'call_kfunc' ? [externs[insn.imm]?.name ?? ''] : []));
  return { helpers: [...new Set(helpers)].sort((a, b) => a - b), functions: [...new Set(functions)].sort() };
}

/**
 * The digest, as 64 hexadecimal digits; undefined where the platform does not know the program's type.
 *
 * @param externs of the program's object, which calls of functions name by index
 */
export function informationHash(
  spec: ProgramSpec,
  externs: readonly ExternSpec[],
  platform: Platform,
): string | undefined {
  const row = platform.programType(spec.type);
  if (row === undefined) return undefined;
  const { helpers, functions } = calls(spec, externs);
  return sha256(
    JSON.stringify([
      VERSION,
      spec.dialect,
      descriptor(row, spec),
      helpers.length,
      helpers.map((number) => prototype(platform.helper(number, spec.type), number)),
      functions.map((name) => prototype(platform.kfunc(name), name)),
      [spec.sleepable, spec.fragments],
    ]),
  );
}
