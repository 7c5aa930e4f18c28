// A program's code with this kernel's numbers in the place of RFC 9669's names: descriptors of maps, ids of types and functions, addresses.
import { fail, type Place } from '../../base/diagnostic.ts';
import { noTarget } from '../../base/messages/linux-host.ts';
import { SLOT_SIZE } from '../../isa/insn.ts';
import { WIDE_OPCODE } from '../../isa/opcodes.ts';
import type { ExternSpec, ProgramSpec } from '../../spec/object.ts';
import type { Fd } from '../../spec/session.ts';
import { kernelSymbols, kernelTypes } from './kernel-types.ts';

const CALL = 0x85;
/** Sources of wide loads as ProgramSpec has them. */
const FROM = { map: 5, mapValue: 6, extern: 3 } as const;
/** BPF_PSEUDO_*. */
const PSEUDO = { mapFd: 1, mapValue: 2, btfId: 3, kfuncCall: 2 } as const;
/** What libbpf puts in the place of a weak kfunc that is not there (POISON_CALL_KFUNC_BASE). */
const POISON = 2_002_000_000;

/**
 * @param maps descriptors by the index that the code has
 * @throws AnyBpfError linux/target for externs that the kernel has not
 */
export function kernelCode(
  program: ProgramSpec,
  maps: readonly Fd[],
  externs: readonly ExternSpec[],
  operation: string,
): Uint8Array<ArrayBuffer> {
  const code = new Uint8Array(program.code);
  const view = new DataView(code.buffer);
  const setSource = (at: number, source: number): void => {
    code[at + 1] = (code[at + 1] & 0xf) | (source << 4);
  };
  for (let at = 0; at < code.length; at += SLOT_SIZE) {
    const source = code[at + 1] >> 4;
    const number = view.getInt32(at + 4, true);
    const place = { program: program.name, insn: at / SLOT_SIZE };
    if (code[at] === CALL && source === PSEUDO.kfuncCall) {
      view.setInt32(at + 4, kfuncId(externs[number], operation, place), true);
    }
    if (code[at] !== WIDE_OPCODE) continue;
    if (source === FROM.map || source === FROM.mapValue) {
      setSource(at, source === FROM.map ? PSEUDO.mapFd : PSEUDO.mapValue);
      view.setInt32(at + 4, maps[number], true);
    } else if (source === FROM.extern) {
      const { pseudo, value } = externValue(externs[number], operation, place);
      setSource(at, pseudo);
      view.setUint32(at + 4, Number(value & 0xffff_ffffn), true);
      view.setUint32(at + SLOT_SIZE + 4, Number(value >> 32n), true);
    }
    at += SLOT_SIZE;
  }
  return code;
}

function kfuncId(extern: ExternSpec, operation: string, place: Place): number {
  const id = kernelTypes(operation).findByName(extern.name, 'func');
  if (id !== undefined) return id;
  return extern.weak ? POISON : fail(noTarget(place, `the kernel has no function ${extern.name}`));
}

/** A typed variable or function by the id of its type, others by their address; 0 for weak ones that are not there. */
function externValue(extern: ExternSpec, operation: string, place: Place): { pseudo: number; value: bigint } {
  if (extern.typeId !== 0) {
    const types = kernelTypes(operation);
    const id = types.findByName(extern.name, 'var') ?? types.findByName(extern.name, 'func');
    if (id !== undefined) return { pseudo: PSEUDO.btfId, value: BigInt(id) };
  } else {
    const address = kernelSymbols().get(extern.name);
    if (address !== undefined) return { pseudo: 0, value: address };
  }
  return extern.weak ? { pseudo: 0, value: 0n } : fail(noTarget(place, `the kernel has no symbol ${extern.name}`));
}
