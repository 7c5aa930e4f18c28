// A program of Windows' dialect for Linux' kernel: loads and stores of its context go to where Linux has the field, helpers get Linux'
// numbers, and a small program around it turns its verdict into Linux'.
import { fail, type Place } from '../../base/diagnostic.ts';
import { notOfLinux } from '../../base/messages/linux-host.ts';
import { concatBytes } from '../../base/bytes.ts';
import { assemble } from '../../isa/assembler.ts';
import { SLOT_SIZE } from '../../isa/insn.ts';
import { readSlot, writeSlot } from '../../link/slot.ts';
import { ERRNO } from '../../spec/errno.ts';
import type { ObjectSpec, ProgramSpec } from '../../spec/object.ts';
import { ATTACH_TYPES, type AttachTypeName, type ProgramTypeName } from '../../spec/program-types.ts';
import { builtInPlatform } from '../platform.ts';
import { type ContextAccess, contextUse } from './context-pointers.ts';

/** An access of Windows' layout (offset/bytes), and Linux' in its place. Stores have their own size, where they may be. */
interface FieldRow {
  readonly offset: number;
  readonly size: number;
  /** Bytes of a store; refused where absent. */
  readonly store?: number;
}
type Fields = Readonly<Record<string, FieldRow>>;

interface TypeRow {
  fields(attachType: AttachTypeName | undefined): Fields;
  /** Turns the verdict in r0; the program has run. */
  readonly verdict: string;
  /** A program that was jumped to has its verdict turned too: it must be the same when it is turned again. */
  readonly tailCalls: boolean;
}

/** struct xdp_md: pointers of 8 bytes there are 4 here (include/uapi/linux/bpf.h). Metadata is a number there. */
const XDP: Fields = {
  '0/8': { offset: 0, size: 4 },
  '8/8': { offset: 4, size: 4 },
  '24/4': { offset: 12, size: 4 },
};

/** struct bpf_sock_addr. A port is stored whole here, and its upper half must be zero. */
const PORT: Fields = { '40/2': { offset: 24, size: 2, store: 4 }, '44/4': { offset: 36, size: 4 } };
const INET4: Fields = { ...PORT, '0/4': { offset: 28, size: 4 }, '24/4': { offset: 4, size: 4, store: 4 } };
/** Without the family: AF_INET6 is 23 there and 10 here. */
const INET6: Fields = {
  ...PORT,
  ...Object.fromEntries([0, 4, 8, 12].map((at) => [`${24 + at}/4`, { offset: 8 + at, size: 4, store: 4 }])),
  ...Object.fromEntries([0, 8].map((at) => [`${24 + at}/8`, { offset: 8 + at, size: 8, store: 8 }])),
};

const ROWS: { readonly [T in ProgramTypeName]?: TypeRow } = {
  // XDP_PASS 1, XDP_DROP 2, XDP_TX 3 there; XDP_DROP 1, XDP_PASS 2, XDP_TX 3 here. Others are XDP_ABORTED.
  xdp: {
    fields: () => XDP,
    verdict: `if w0 == 1 goto pass
      if w0 == 2 goto drop
      if w0 == 3 goto out
      r0 = 0
      exit
    pass:
      r0 = 2
      exit
    drop:
      r0 = 1
    out:
      exit`,
    tailCalls: false,
  },
  // REJECT 0, PROCEED_SOFT 1, PROCEED_HARD 2 there, and others refuse; 0 and 1 here.
  cgroup_sock_addr: {
    fields: (attachType) => (attachType?.includes('inet6') === true ? INET6 : INET4),
    verdict: `if w0 == 1 goto proceed
      if w0 == 2 goto proceed
      r0 = 0
      exit
    proceed:
      r0 = 1
      exit`,
    tailCalls: true,
  },
};

/** @throws AnyBpfError linux/untranslatable for what has no meaning, or another, on Linux */
export function linuxProgram(program: ProgramSpec, object: ObjectSpec): ProgramSpec {
  const { type, attachType, name } = program;
  const place = { file: object.name, program: name };
  const row = ROWS[type] ?? untranslatable(place, `program type ${type}`, 'nothing is known of how it would run there');
  if (attachType !== undefined && !('linux' in ATTACH_TYPES[attachType]))
    untranslatable(place, `attach type ${attachType}`, 'Linux has no such hook');
  const code = program.code.slice();
  const use = contextUse(code);
  if ('why' in use) return untranslatable({ ...place, insn: use.slot }, 'a program', use.why);
  for (const access of use.accesses) move(code, access, row.fields(attachType), { ...place, insn: access.slot });
  renumber(code, program, row, place);
  return around({ ...program, code, dialect: 'linux' }, row.verdict);
}

const untranslatable = (place: Place, what: string, why: string): never =>
  fail({ ...notOfLinux(place, what, why), errno: ERRNO.ENOTSUPP });

/** BPF_SIZE by bytes. */
const SIZE_BITS: Readonly<Record<number, number>> = { 1: 0x10, 2: 0x08, 4: 0x00, 8: 0x18 };
const SIZE_MASK = 0x18;

function move(code: Uint8Array, { slot, insn, size, store, small }: ContextAccess, fields: Fields, place: Place): void {
  const row = fields[`${insn.off}/${size}`];
  const field = `${size} bytes at ${insn.off} of the context`;
  if (row === undefined) return untranslatable(place, field, 'Linux has no such field, or with another meaning');
  const width = store ? row.store : row.size;
  if (width === undefined) return untranslatable(place, field, 'Linux lets no program store there');
  if (store && width > size && !small)
    untranslatable(place, field, `Linux' field has ${width} bytes, and those above are not known to be zero`);
  const read = readSlot(code, slot);
  writeSlot(code, slot, { ...read, off: row.offset, opcode: (read.opcode & ~SIZE_MASK) | SIZE_BITS[width] });
}

const CALL = 0x85;
const TAIL_CALL = 'tail_call';
/** Windows has a helper for each number of arguments; Linux' takes up to three. */
const PRINTK = /^trace_printk[2-5]$/;
const LINUX_PRINTK = 6;

/** Helpers by Linux' numbers. */
function renumber(code: Uint8Array, { type }: ProgramSpec, { tailCalls }: TypeRow, place: Place): void {
  const platform = builtInPlatform('windows');
  for (let slot = 0; slot * SLOT_SIZE < code.length; slot++) {
    const read = readSlot(code, slot);
    if (read.opcode !== CALL || read.src !== 0) continue;
    const at = { ...place, insn: slot };
    const helper = platform.helper(read.imm, type) ?? untranslatable(at, `helper ${read.imm}`, 'it is not known');
    if (helper.name === TAIL_CALL && !tailCalls)
      untranslatable(at, 'a tail call', 'verdicts are other numbers there, and would be turned twice');
    const number = PRINTK.test(helper.name) ? LINUX_PRINTK : helper.numbers.linux;
    if (number === undefined) return untranslatable(at, `helper bpf_${helper.name}`, 'Linux has no such helper');
    writeSlot(code, slot, { ...read, imm: number });
  }
}

/** The program as a function of a new one, which calls it and turns its verdict. */
function around(program: ProgramSpec, verdict: string): ProgramSpec {
  const begin = assemble(`call main\n${verdict}\nmain:\nexit`).code;
  // Its last instruction is in the place of the program.
  const before = begin.subarray(0, begin.length - SLOT_SIZE);
  const slots = before.length / SLOT_SIZE;
  const [main, ...others] = program.functions.map((one) => ({ ...one, slot: one.slot + slots, global: false }));
  const lines = program.lines.map((line) => ({ ...line, slot: line.slot + slots }));
  const first = program.lines.find(({ slot }) => slot === 0);
  return {
    ...program,
    code: concatBytes([before, program.code]),
    functions: [{ ...program.functions[0], slot: 0, length: slots, global: false }, main, ...others],
    lines: first === undefined ? lines : [first, ...lines],
    core: program.core.map((one) => ({ ...one, slot: one.slot + slots })),
  };
}
