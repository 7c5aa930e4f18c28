// prog.code: what the kernel made of a program, with the lines and functions that it came from.
import type { Btf } from '../../btf/btf.ts';
import { decodeBtf } from '../../btf/decode.ts';
import { lineInfo } from '../../btf/ext.ts';
import { SLOT_SIZE } from '../../isa/insn.ts';
import { WIDE_OPCODE } from '../../isa/opcodes.ts';
import type { Fd, Result } from '../../spec/session.ts';
import { builtInPlatform } from '../platform.ts';
import { close } from './bpf.ts';
import { checked } from './errors.ts';
import { btfOf, rawInfo, roomFor } from './info.ts';
import { kernelSymbols } from './kernel-types.ts';
import { openId } from './objects.ts';

const OPERATION = 'prog.code';
type Code = Result<'prog.code'>;

/** Offsets in struct bpf_prog_info: where an array's address and its number of elements stand. */
const PARTS = {
  jited: { address: 24, count: 16, bytes: 1 },
  xlated: { address: 32, count: 20, bytes: 1 },
  functions: { address: 136, count: 144, bytes: 8, recordSize: 132 },
  lines: { address: 152, count: 148, bytes: 16, recordSize: 172 },
} as const;
type Part = keyof typeof PARTS;
const BTF_ID = 128;

export function codeOf(fd: Fd): Code {
  const sizes = rawInfo(fd, 'prog');
  if (typeof sizes === 'number') return checked(OPERATION, sizes) as never;
  const found: { [P in Part]?: Uint8Array } = {};
  const info = rawInfo(fd, 'prog', (info) => {
    for (const part of Object.keys(PARTS) as Part[]) {
      const { address, count, bytes } = PARTS[part];
      const wanted = sizes.getUint32(count, true);
      if (wanted === 0) continue;
      found[part] = roomFor(info, address, count, wanted * bytes);
      info.setUint32(count, wanted, true);
    }
    info.setUint32(PARTS.functions.recordSize, PARTS.functions.bytes, true);
    info.setUint32(PARTS.lines.recordSize, PARTS.lines.bytes, true);
  });
  if (typeof info === 'number') return checked(OPERATION, info) as never;
  const copy = (part: Part): Uint8Array => {
    const { count, bytes } = PARTS[part];
    return found[part]?.slice(0, info.getUint32(count, true) * bytes) ?? new Uint8Array();
  };
  const [xlated, jited, functions, lines] = [copy('xlated'), copy('jited'), copy('functions'), copy('lines')];
  const btf = typesOf(info.getUint32(BTF_ID, true));
  return {
    xlated: asLoaded(xlated),
    lines: btf === undefined ? [] : [...records(lines, 4)].map((record) => lineInfo(btf, record)),
    functions:
      btf === undefined ? [] : [...records(functions, 2)].map(([slot, id]) => ({ slot, name: btf.nameOf(id) })),
    ...(jited.length === 0 ? {} : { jited }),
  };
}

function typesOf(id: number): Btf | undefined {
  const fd = id === 0 ? -1 : openId('btf', id);
  if (fd < 0) return undefined;
  const found = btfOf(fd, true);
  close(fd);
  return typeof found === 'number' ? undefined : decodeBtf(found.bytes);
}

function* records(bytes: Uint8Array, words: number): Generator<number[]> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length; at += 4 * words) {
    yield Array.from({ length: words }, (_, i) => view.getUint32(at + 4 * i, true));
  }
}

const CALL = 0x85;
/** Calls of helpers hold the distance of the helper from this symbol. */
const CALL_BASE = '__bpf_call_base';

let helpers: ReadonlyMap<number, number> | undefined;

/** Numbers of helpers by that distance; empty where addresses of the kernel are not shown. */
function helperDistances(): ReadonlyMap<number, number> {
  if (helpers !== undefined) return helpers;
  const symbols = kernelSymbols();
  const base = symbols.get(CALL_BASE) ?? 0n;
  const rows = base === 0n ? [] : builtInPlatform('linux').families.flatMap((family) => family.helpers);
  helpers = new Map(
    rows.flatMap(({ name, numbers }) => {
      const address = symbols.get(`bpf_${name}`);
      return address === undefined || numbers.linux === undefined
        ? []
        : [[Number(BigInt.asIntN(32, address - base)), numbers.linux] as const];
    }),
  );
  return helpers;
}

/** BPF_PSEUDO_CALL, BPF_PSEUDO_FUNC: of calls and of wide loads. */
const PSEUDO = { call: 1, func: 4 } as const;

/**
 * The code with calls as they were loaded, in place of where this kernel happens to have helpers; calls of functions have their distance in
 * `off` once they are compiled (kernel/bpf/verifier.c: jit_subprogs).
 */
function asLoaded(code: Uint8Array): Uint8Array {
  const view = new DataView(code.buffer, code.byteOffset, code.byteLength);
  for (let at = 0; at < code.length; at += SLOT_SIZE) {
    const source = code[at + 1] >> 4;
    if (code[at] === WIDE_OPCODE) {
      at += SLOT_SIZE;
      if (source === PSEUDO.func) view.setInt32(at + 4, 0, true);
    } else if (code[at] === CALL && source === PSEUDO.call) {
      const distance = view.getInt16(at + 2, true);
      if (distance !== 0) view.setInt32(at + 4, distance, true);
      view.setInt16(at + 2, 0, true);
    } else if (code[at] === CALL && source === 0) {
      const number = helperDistances().get(view.getInt32(at + 4, true));
      if (number !== undefined) view.setInt32(at + 4, number, true);
    }
  }
  return code;
}

/** A program's whole name, where its object says what its functions are called: the kernel keeps 15 characters. */
export function wholeName(fd: Fd, kept: string): string {
  if (kept.length < 15) return kept;
  const [first] = codeOf(fd).functions;
  return first?.name.startsWith(kept) === true ? first.name : kept;
}
