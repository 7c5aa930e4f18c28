import { fail, type Place } from '../base/diagnostic.ts';
import { duplicateLabel, jumpTooFar, undefinedLabel, unknownMap } from '../base/messages/isa.ts';
import { tooLarge } from '../base/messages/input.ts';
import { parseC } from './c-syntax.ts';
import { encodeProgram, type Insn, slotsOf } from './insn.ts';
import { isMnemonic, parseMnemonic } from './mnemonic-syntax.ts';
import { FORMATS, OPS } from './opcodes.ts';
import { Cursor, type Statement } from './tokens.ts';

export interface AssembleOptions {
  /** Name of the input, for messages. */
  readonly file?: string;
  /**
   * Names of maps in the order of their index. A name that is not in it is an error; without this option, maps get
   * indices in the order of their first use (see {@link Assembly.maps}).
   */
  readonly maps?: readonly string[];
  /** Number of a helper called by name (`call bpf_map_lookup_elem`). */
  readonly helper?: (name: string) => number | undefined;
}

export interface Assembly {
  /** Little-endian instruction encoding. */
  readonly code: Uint8Array<ArrayBuffer>;
  /** Slot of each label. */
  readonly labels: ReadonlyMap<string, number>;
  /** Map names by the index that `map_by_idx` in `code` uses. */
  readonly maps: readonly string[];
  /** Line of the text (from 1) for each slot; both slots of a wide instruction have the same. */
  readonly lines: readonly number[];
}

/** Above this many instructions a text is refused: far over the kernel's limit of one million. */
const MAX_SLOTS = 4_000_000;

// What a listing has before the instruction: `   12:<tab>bf 21 00 ...<tab>` (llvm-objdump) or `  12: (bf) ` (bpftool).
const LISTING_PREFIX = /^\s*\d+:\s*(?:\(([0-9a-f]{2})\)\s|(?:[0-9a-f]{2} ){7,15}[0-9a-f]{2}\s)?/;
const OBJDUMP_SYMBOL = /^[0-9a-f]{16}\s+<([^<>]+)>:$/;
const LABEL = /^\s*(?:<([\w.$]+)>|([A-Za-z_.$][\w.$]*)):(?!:)/;
// `name#5` is the kernel's way to write a helper; any other # begins a comment.
const COMMENT = /(?:;|\/\/|(?<!\w)#).*$/;

/** A line without its comment and what a listing puts before the instruction. */
function statementOf(line: string): string {
  const text = line.replace(COMMENT, '');
  const statement = text.replace(LISTING_PREFIX, '').trim();
  // bpftool writes `(18) r1 = 0x5` for what is `r1 = 0x5 ll` elsewhere: only the opcode tells.
  const isWide = LISTING_PREFIX.exec(text)?.[1] === '18' && !statement.endsWith(' ll');
  return isWide ? `${statement} ll` : statement;
}

interface Placed extends Statement {
  readonly slot: number;
  readonly line: number;
}

/**
 * Assembles text in the C-like language (llvm-objdump's, the kernel's) or the mnemonics of bpf_conformance, also mixed.
 * One instruction a line, labels as `name:` or `<name>:`, comments after `;`, `//` or `#`. Listings of llvm-objdump,
 * bpftool and {@link disassemble} read back. A jump to `exit` that is no label goes to an exit instruction.
 * Raises isa/* with the line.
 */
export function assemble(text: string, options: AssembleOptions = {}): Assembly {
  const labels = new Map<string, number>();
  const labelLines = new Map<string, number>();
  const statements: Placed[] = [];
  const lines: number[] = [];
  const names = { helper: options.helper ?? (() => undefined) };
  const outer: Place = options.file === undefined ? {} : { file: options.file };

  text.split(/\r?\n/).forEach((whole, index) => {
    const line = index + 1;
    const place = { ...outer, line };
    let rest = statementOf(whole);
    const define = (name: string): void => {
      const earlier = labelLines.get(name);
      if (earlier !== undefined) fail(duplicateLabel(place, name, earlier));
      labelLines.set(name, line);
      labels.set(name, lines.length);
    };
    const symbol = OBJDUMP_SYMBOL.exec(rest);
    if (symbol !== null) {
      define(symbol[1]);
      return;
    }
    for (let match = LABEL.exec(rest); match !== null; match = LABEL.exec(rest)) {
      define(match[1] ?? match[2]);
      rest = rest.slice(match[0].length);
    }
    if (rest.trim() === '') return;
    const cursor = new Cursor(rest, place);
    const statement = isMnemonic(cursor) ? parseMnemonic(cursor) : parseC(cursor, names);
    cursor.end();
    statements.push({ ...statement, slot: lines.length, line });
    for (let i = 0; i < slotsOf(statement.insn.op); i++) lines.push(line);
    if (lines.length > MAX_SLOTS) fail(tooLarge(place, 'the program', lines.length, MAX_SLOTS));
  });

  const exitAfter = nextExits(statements);
  const maps = [...(options.maps ?? [])];
  const indexOfMap = new Map(maps.map((name, index) => [name, index]));
  const insns = statements.map((statement): Insn => {
    const place = { ...outer, line: statement.line };
    const insn = statement.target === undefined ? statement.insn : resolveTarget(statement, labels, exitAfter, place);
    if (statement.map === undefined) return insn;
    let map = indexOfMap.get(statement.map);
    if (map === undefined) {
      if (options.maps !== undefined) fail(unknownMap(place, statement.map));
      map = maps.push(statement.map) - 1;
      indexOfMap.set(statement.map, map);
    }
    return { ...insn, imm: map, ...(insn.imm64 === undefined ? {} : { imm64: insn.imm64 | BigInt(map) }) };
  });
  return { code: encodeProgram(insns), labels, maps, lines };
}

/** For each slot the exit that a jump to `exit` goes to. All exits do the same: the next one, else the last one before. */
function nextExits(statements: readonly Placed[]): ReadonlyMap<number, number> {
  const out = new Map<number, number>();
  let exit = statements.findLast(({ insn }) => insn.op === 'exit')?.slot;
  for (const { insn, slot } of statements.toReversed()) {
    if (exit !== undefined) out.set(slot, exit);
    if (insn.op === 'exit') exit = slot;
  }
  return out;
}

function resolveTarget(
  { insn, slot, target = '' }: Placed,
  labels: ReadonlyMap<string, number>,
  exitAfter: ReadonlyMap<number, number>,
  place: Place,
): Insn {
  let to = labels.get(target);
  if (to === undefined && target === 'exit') to = exitAfter.get(slot);
  if (to === undefined) return fail(undefinedLabel(place, target));
  const distance = to - (slot + 1);
  const field = (FORMATS[OPS[insn.op].format].fields as readonly string[]).includes('off') ? 'off' : 'imm';
  if (field === 'off' && distance !== (distance << 16) >> 16) fail(jumpTooFar(place, target, distance, 0x7fff));
  return { ...insn, [field]: distance };
}
