// Messages of the instruction set: decoding, assembling.
import { hex } from '../u64.ts';
import { message } from '../diagnostic.ts';

export const codeLength = message(
  'isa/code-length',
  (length: number) => `a program is a whole number of 8-byte instructions, not ${length} bytes`,
);

export const unknownOpcode = message(
  'isa/unknown-opcode',
  (opcode: number) => `opcode ${hex(opcode)} is not an instruction of RFC 9669`,
);

export const unknownVariant = message(
  'isa/unknown-variant',
  (opcode: number, field: string, value: number) =>
    `opcode ${hex(opcode)} has no instruction with ${field} ${value < 0 ? value : hex(value)}`,
);

export const reservedField = message(
  'isa/reserved-field',
  (op: string, field: string, value: number) =>
    `${op} does not use its ${field} field, which must be zero but is ${value}`,
);

export const badRegister = message(
  'isa/bad-register',
  (field: string, register: number) => `${field} names register ${register}; registers are r0 to r10`,
);

export const cutWideInstruction = message(
  'isa/cut-wide-instruction',
  () => 'a 64-bit immediate load takes two slots, and the program ends after the first',
);

export const badSecondSlot = message(
  'isa/bad-second-slot',
  () => 'the second slot of a 64-bit immediate load may hold only an immediate',
);

export const badOperand = message(
  'isa/bad-operand',
  (op: string, field: string, value: number | bigint, range: string) =>
    `${op} cannot hold ${value} in its ${field} field, which takes ${range}`,
);

export const syntax = message(
  'isa/syntax',
  (found: string, expected: string) => `found ${found}, expected ${expected}`,
);

export const unknownMnemonic = message('isa/unknown-mnemonic', (word: string) => `"${word}" is not an instruction`);

export const noSuchForm = message(
  'isa/no-such-form',
  (text: string) => `"${text}" has no encoding: no instruction has this operator with these operands`,
);

export const undefinedLabel = message('isa/undefined-label', (label: string) => `label "${label}" is not defined`);

export const duplicateLabel = message(
  'isa/duplicate-label',
  (label: string, line: number) => `label "${label}" is already defined in line ${line}`,
);

export const jumpTooFar = message(
  'isa/jump-too-far',
  (label: string, distance: number, limit: number) =>
    `label "${label}" is ${distance} instructions away, and the instruction reaches ${limit}`,
  { hint: 'use gotol, which reaches 2^31 instructions' },
);

export const unknownMap = message('isa/unknown-map', (name: string) => `no map is named "${name}"`);

export const unknownFunction = message(
  'isa/unknown-function',
  (name: string) => `"${name}" is neither a label nor a helper function`,
);
