// Turns a program image into what every back end starts from, and refuses code that could never be right.
import { AnyBpfError, fail, type Place } from '../base/diagnostic.ts';
import {
  emptyProgram,
  frameWrite,
  jumpOutside,
  missingExtern,
  missingMap,
  missingMapValue,
  unlinkedReference,
} from '../base/messages/execute.ts';
import { decodeProgram, type Insn, SLOT_SIZE, upperImm } from '../isa/insn.ts';
import { type Format, FORMATS, OP_NAMES, OPS, type Operation, type OpName, WIDE_OPCODE } from '../isa/opcodes.ts';
import type { ProgramImage } from '../spec/backend.ts';
import { lineBefore } from '../spec/source-line.ts';

/** A program whose jumps, calls and references were checked. */
export interface LoadedProgram {
  readonly image: ProgramImage;
  /** By slot; undefined in the second slot of a wide instruction. */
  readonly insns: readonly (Insn | undefined)[];
  /** Values of the symbolic 64-bit immediates. */
  readonly constants: ReadonlyMap<Insn, bigint>;
}

// Addresses of code lie in the upper half, far from the linear memory, and name their program.
const CODE_SPACE = 0xffff_0000_0000_0000n;
const SLOT_BYTES = 8n;

/** What a program holds as the address of its function at a slot. */
export const codeAddress = (image: ProgramImage, slot: number): bigint =>
  CODE_SPACE | (BigInt.asUintN(16, BigInt(image.id)) << 32n) | (BigInt(slot) * SLOT_BYTES);

/** Opcode of the instruction at a slot of a program that was loaded; 0, which none has, in the second slot of a wide one, and outside. */
const opcodeAt = ({ spec: { code } }: ProgramImage, slot: number): number => code[slot * SLOT_SIZE] ?? 0;

/** The instruction at a slot of a program that was loaded; undefined where none begins. */
export function insnAt(image: ProgramImage, slot: number): Insn | undefined {
  const opcode = opcodeAt(image, slot);
  if (opcode === 0) return undefined;
  const at = slot * SLOT_SIZE;
  return decodeProgram(image.spec.code.subarray(at, at + SLOT_SIZE * (opcode === WIDE_OPCODE ? 2 : 1)))[0];
}

/** The slot behind a code address of this program; undefined for any other value. */
export function slotOfCode(image: ProgramImage, address: bigint): number | undefined {
  const offset = address - codeAddress(image, 0);
  if (offset < 0n || offset % SLOT_BYTES !== 0n || offset >> 32n !== 0n) return undefined;
  const slot = Number(offset / SLOT_BYTES);
  return opcodeAt(image, slot) === 0 ? undefined : slot;
}

/** Place of an instruction, with its source line where BTF gave one. */
export function placeOf(image: ProgramImage, insn: number): Place {
  const line = lineBefore(image.spec.lines, insn);
  return {
    program: image.spec.name,
    insn,
    ...(line === undefined
      ? {}
      : { source: { file: line.file, line: line.line, column: line.column, text: line.text } }),
  };
}

/** The error with the place of an instruction, where it is a finding that has none yet. */
export function withPlace(error: unknown, image: ProgramImage, slot: number): unknown {
  if (!(error instanceof AnyBpfError) || error.diagnostic.place.insn !== undefined) return error;
  const place = { ...placeOf(image, slot), ...error.diagnostic.place };
  return new AnyBpfError({ ...error.diagnostic, place }, { cause: error });
}

/** Value of each kind of symbolic immediate. */
const CONSTANTS: {
  readonly [K in Operation<'ld_pseudo' | 'ld_pseudo_off'>]: (image: ProgramImage, insn: Insn, slot: number) => bigint;
} = {
  ld_map_fd: (image, insn, slot) => fail(unlinkedReference(placeOf(image, slot), insn.op)),
  ld_map_value: (image, insn, slot) => fail(unlinkedReference(placeOf(image, slot), insn.op)),
  ld_map_idx: (image, { imm }, slot) => BigInt(image.mapHandle(imm) ?? fail(missingMap(placeOf(image, slot), imm))),
  ld_map_idx_value: (image, insn, slot) => {
    const offset = upperImm(insn);
    return BigInt(image.mapValue(insn.imm, offset) ?? fail(missingMapValue(placeOf(image, slot), insn.imm, offset)));
  },
  ld_var_addr: (image, { imm }, slot) => image.extern(imm) ?? fail(missingExtern(placeOf(image, slot), imm)),
  ld_code_addr: (image, { imm }, slot) => codeAddress(image, slot + 1 + imm),
};

const isSymbolic = (operation: Operation): operation is Operation<'ld_pseudo' | 'ld_pseudo_off'> =>
  operation in CONSTANTS;

/** What checking an instruction needs of its op. */
interface OpCheck {
  /** Field that holds the distance to the slot that the instruction names. */
  readonly target: 'off' | 'imm' | undefined;
  /** Whether it writes the register that dst, or src, names. */
  readonly writesDst: boolean;
  readonly writesSrc: boolean;
  readonly symbolic: Operation<'ld_pseudo' | 'ld_pseudo_off'> | undefined;
}

const TARGETS: { readonly [F in Format]?: 'off' | 'imm' } = {
  goto: 'off',
  may_goto: 'off',
  branch_imm: 'off',
  branch_reg: 'off',
  gotol: 'imm',
  call_local: 'imm',
};

function checkOf(op: OpName): OpCheck {
  const { format, operation } = OPS[op];
  const writes: readonly unknown[] = FORMATS[format].writes;
  return {
    target: op === 'ld_code_addr' ? 'imm' : TARGETS[format],
    writesDst: writes.includes('dst'),
    writesSrc: writes.includes('src'),
    symbolic: isSymbolic(operation) ? operation : undefined,
  };
}

const CHECKS: ReadonlyMap<OpName, OpCheck> = new Map(OP_NAMES.map((op) => [op, checkOf(op)]));

/**
 * Decodes and checks a program: every jump, call and function address must meet an instruction, r10 is not written, and
 * maps and externs must be there. A helper or kfunc that is missing is found when it is called: Linux accepts such a
 * call in code that is never reached (a CO-RE guard), and only a verifier can tell.
 */
export function loadProgram(image: ProgramImage): LoadedProgram {
  let program = LOADED.get(image);
  if (program === undefined) {
    program = load(image);
    LOADED.set(image, program);
  }
  return program;
}

/** One engine after the other may load the same image. */
const LOADED = new WeakMap<ProgramImage, LoadedProgram>();

/** To be called by who has no more use for what was loaded: decoded instructions take more memory than all else of a program. */
export const forgetProgram = (image: ProgramImage): void => {
  LOADED.delete(image);
};

function load(image: ProgramImage): LoadedProgram {
  const name = image.spec.name;
  const insns = decodeProgram(image.spec.code, { program: name });
  if (insns.length === 0) fail(emptyProgram({ program: name }));
  const constants = new Map<Insn, bigint>();
  for (let slot = 0; slot < insns.length; slot++) {
    const insn = insns[slot];
    if (insn === undefined) continue;
    const { target, writesDst, writesSrc, symbolic } = CHECKS.get(insn.op) as OpCheck;
    if (target !== undefined) {
      const to = slot + 1 + insn[target];
      if (insns[to] === undefined) fail(jumpOutside(placeOf(image, slot), to, insns.length));
    }
    if ((writesDst && insn.dst === 10) || (writesSrc && insn.src === 10)) fail(frameWrite(placeOf(image, slot)));
    if (symbolic !== undefined) constants.set(insn, BigInt.asUintN(64, CONSTANTS[symbolic](image, insn, slot)));
  }
  return { image, insns, constants };
}
