// Verifier cases in PREVAIL's form (YAML: state before, code, state after, messages), read into our own terms.
//
// A case names what holds before its code in PREVAIL's variables: `r1.type=stack`, `r1.stack_offset=[496, 504]`,
// `s[504...511].svalue=7`. Its code is not a whole program: it may begin in any state and end without an exit. So it gets a
// first instruction, at which the state is put in place, and an end that it falls off to; `assume C` becomes a branch to
// an end of its own. A register of several types stands for several states, which are verified one by one.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseAllDocuments } from 'yaml';
import { newId, Scalar } from '../../src/verify/number/scalar.ts';
import * as N from '../../src/verify/number/scalar.ts';
import * as R from '../../src/verify/number/range.ts';
import * as T from '../../src/verify/number/tnum.ts';
import { put } from '../../src/verify/stack.ts';
import type { State } from '../../src/verify/state.ts';
import { Bytes, pointer, type Slot, type Value } from '../../src/verify/value.ts';
import type { MapSpec } from '../../src/spec/object.ts';
import { filesBelow } from '../support/shared.ts';

export interface Case {
  /** `file: name`; with `#2` behind the second of a name. */
  readonly id: string;
  readonly options: readonly string[];
  readonly pre: readonly string[];
  readonly code: Readonly<Record<string, string>>;
  readonly post: readonly string[];
  readonly messages: readonly string[];
}

/** All cases below a folder. */
export function readCases(folder: string): Case[] {
  const cases: Case[] = [];
  for (const file of filesBelow(folder, '.yaml')) {
    const seen = new Map<string, number>();
    for (const document of parseAllDocuments(readFileSync(path.join(folder, file), 'utf8'))) {
      const row = document.toJS() as Record<string, unknown> | null;
      if (row === null) continue;
      const name = `${file.replace(/\.yaml$/, '')}: ${String(row['test-case'])}`;
      const count = (seen.get(name) ?? 0) + 1;
      seen.set(name, count);
      const list = (key: string): string[] => ((row[key] ?? []) as unknown[]).map(String);
      cases.push({
        id: count > 1 ? `${name} #${count}` : name,
        options: list('options'),
        pre: list('pre'),
        code: row['code'] as Record<string, string>,
        post: list('post'),
        messages: list('messages'),
      });
    }
  }
  return cases;
}

/** Whether the case expects an error. That a way of a branch is never taken is none. */
export const expectsError = ({ messages }: Case): boolean =>
  messages.some((m) => !m.includes('Code becomes unreachable'));

/** Where code ends that falls off its end, and where runs go that an `assume` excludes. */
export const END = 'end_of_code';
const EXCLUDED = 'excluded';

/** The code of a case as a program for our assembler. */
export function textOf({ code }: Case): string {
  let labels = 0;
  const statement = (line: string): string[] => {
    const assumed = /^\s*assume ([^;]+)/.exec(line)?.[1];
    const here = `here_${labels++}`;
    if (assumed !== undefined) return [`if ${assumed.trim()} goto ${here}`, `goto ${EXCLUDED}`, `${here}:`];
    // A comparison that BPF has only the other way round.
    const unset = /^\s*if (\w+) &!= (\w+) goto (\S+)/.exec(line);
    if (unset !== null) return [`if ${unset[1]} & ${unset[2]} goto ${here}`, `goto ${unset[3]}`, `${here}:`];
    // The cases' way to write nothing; of a register that holds nothing, too.
    if (/^\s*(r\d)\s*=\s*\1\s*(;.*)?$/.test(line)) return ['goto +0'];
    return [line.replace(/map_val\((\d+)\)/, 'map_val(map_by_idx($1))')];
  };
  const lines = Object.entries(code).flatMap(([label, block]) => [
    `${label}:`,
    ...block.split('\n').flatMap(statement),
  ]);
  return ['goto +0', ...lines, `${END}:`, 'r0 = 0', 'exit', `${EXCLUDED}:`, 'r0 = 0', 'exit'].join('\n');
}

/** What the cases' maps are: keys and values of 4 bytes; where records go, a ring buffer. By PREVAIL's descriptors. */
export const mapsOf = (test: Case, map: (type: MapSpec['type'], size: number) => MapSpec): MapSpec[] => {
  const text = [...Object.values(test.code), ...test.pre].join('\n');
  const ring = /\bcall 13[01]\b|r8\.svalue=130\b/.test(text);
  return [map('hash', 4), ring ? map('ringbuf', 0) : map('array', 4)];
};

type Interval = readonly [bigint, bigint];

const bound = (x: string): bigint => (x === '-oo' ? -(1n << 63n) : x === '+oo' ? (1n << 64n) - 1n : BigInt(x));

/** `5`, `[1, 4]`, `[0, +oo]` */
export function intervalOf(text: string): Interval | undefined {
  const match = /^(?:(-?\d+)|\[\s*(-?\d+|-oo)\s*,\s*(-?\d+|\+oo)\s*\])$/.exec(text.trim());
  if (match === null) return undefined;
  return match[1] === undefined ? [bound(match[2]), bound(match[3])] : [BigInt(match[1]), BigInt(match[1])];
}

/** Facts of one variable: `type` and intervals by kind (`svalue`, `stack_offset`, ...). */
interface Facts {
  types: string[];
  readonly intervals: Map<string, Interval>;
  /** Kinds that are the packet's end. */
  readonly atEnd: Set<string>;
}

const FACT = /^([rs]\w*(?:\[\d+(?:\.\.\.\d+)?\])?)\.(\w+)\s*(=| in )\s*(.+)$/;

const both = (a: Interval | undefined, b: Interval): Interval =>
  a === undefined ? b : [a[0] > b[0] ? a[0] : b[0], a[1] < b[1] ? a[1] : b[1]];

/** Facts by variable (`r1`, `s[504...511]`, `packet_size`). */
function factsOf(pre: readonly string[]): Map<string, Facts> {
  const facts = new Map<string, Facts>();
  const of = (name: string): Facts => {
    let known = facts.get(name);
    if (known === undefined) {
      known = { types: [], intervals: new Map(), atEnd: new Set() };
      facts.set(name, known);
    }
    return known;
  };
  // Twice: a fact may name one that stands behind it (`r1.uvalue=r1.svalue`).
  for (const line of [...pre, ...pre]) {
    const match = FACT.exec(line) ?? /^(packet_size|meta_offset)()(=)(.+)$/.exec(line);
    if (match === null) continue;
    const [, name, kind, , right] = match;
    const own = of(name);
    if (kind === 'type') {
      own.types = right.replace(/[{}\s]/g, '').split(',');
      continue;
    }
    const other = FACT.exec(`${right}=`.replace(/=$/, '=0'));
    const interval = intervalOf(right) ?? (other === null ? undefined : facts.get(other[1])?.intervals.get(other[2]));
    if (right === 'packet_size') own.atEnd.add(kind);
    else if (interval !== undefined) own.intervals.set(kind, both(own.intervals.get(kind), interval));
  }
  return facts;
}

/** The number with these facts; settles what they say together. */
export function numberOf(facts: ReadonlyMap<string, Interval>): Scalar {
  const s = facts.get('svalue');
  const u = facts.get('uvalue');
  const constant = s !== undefined && s[0] === s[1] ? s[0] : u !== undefined && u[0] === u[1] ? u[0] : undefined;
  const bounds =
    constant !== undefined
      ? N.exactly(T.constantOf(constant))
      : N.settled(
          R.surely(
            R.W64,
            u === undefined ? 0 : Number(u[0]),
            u === undefined ? R.W64.umax : Number(u[1]),
            s === undefined ? R.W64.smin : Number(s[0]),
            s === undefined ? R.W64.smax : Number(s[1]),
          ),
          R.W32.full,
          T.UNKNOWN,
        );
  return new Scalar(bounds, newId(), 0, -1);
}

/** Offset and varying part of an interval; without one, any that a pointer may have. */
function place(interval: Interval | undefined, base: number): { offset: number; variable: Scalar | undefined } {
  const [from, to] = interval ?? [BigInt(-(2 ** 28)), BigInt(2 ** 28)];
  const offset = Number(from) - base;
  if (from === to) return { offset, variable: undefined };
  return { offset, variable: new Scalar(N.between(0, Number(to - from)), newId(), 0, -1) };
}

/** A state before the code, ready to be put in place. */
export interface Before {
  /** PREVAIL's name for the byte above the frame: `s[base-8...base-1]` is the first slot. */
  readonly base: number;
  put(state: State): void;
}

const CELL = /^s\[(\d+)(?:\.\.\.(\d+))?\]$/;

/**
 * Where the frame ends, in PREVAIL's numbers. Code that does not use r10 leaves that open, and cases then name bytes as
 * they like: PREVAIL's stack has no alignment, and code may touch its caller's part. So it ends above all that is named,
 * and numbers of 8 bytes lie at multiples of 8.
 */
function baseOf(test: Case, facts: ReadonlyMap<string, Facts>): number {
  const given = Number(facts.get('r10')?.intervals.get('stack_offset')?.[0] ?? 512n);
  if (Object.values(test.code).some((text) => text.includes('r10'))) return given;
  let end = 0;
  let shift = 0;
  for (const [name, { intervals }] of facts) {
    const cell = CELL.exec(name);
    if (cell !== null) {
      end = Math.max(end, Number(cell[2] ?? cell[1]) + 1);
      if (Number(cell[2] ?? cell[1]) - Number(cell[1]) === 7) shift = Number(cell[1]) % 8;
    }
    const offset = name === 'r10' ? undefined : intervals.get('stack_offset');
    if (offset !== undefined && offset[0] > 0n) end = Math.max(end, Number(offset[1]) + 8);
  }
  if (shift === 0 && end <= given) return given;
  return Math.ceil((end - shift) / 8) * 8 + shift;
}

/** The states that a case's pre stands for: one for each choice of types. */
export function statesBefore(test: Case, maps: readonly MapSpec[]): Before[] {
  const facts = factsOf(test.pre);
  const base = baseOf(test, facts);
  let choices: ReadonlyMap<string, string>[] = [new Map()];
  for (const [name, { types }] of facts) {
    if (types.length > 0) choices = types.flatMap((type) => choices.map((c) => new Map([...c, [name, type]])));
  }
  return choices.map((types) => ({
    base,
    put(state) {
      const registers = state.own().registers;
      for (let r = 0; r < 10; r++) registers[r] = valueOf(facts, `r${r}`, types.get(`r${r}`), base, maps);
      putStack(state, facts, base);
    },
  }));
}

function valueOf(
  all: ReadonlyMap<string, Facts>,
  name: string,
  type: string | undefined,
  base: number,
  maps: readonly MapSpec[],
): Value {
  const facts = all.get(name);
  if (facts === undefined || type === undefined) return undefined;
  const { intervals, atEnd } = facts;
  // An address that may be 0 may be NULL; so may one of which nothing is said.
  const nullable = (intervals.get('svalue')?.[0] ?? intervals.get('uvalue')?.[0] ?? 0n) <= 0n;
  switch (type) {
    case 'number':
      return numberOf(intervals);
    case 'ctx':
      return pointer('ctx', -1, { offset: Number(intervals.get('ctx_offset')?.[0] ?? 0n) });
    case 'stack':
      return pointer('stack', -1, place(intervals.get('stack_offset'), base));
    case 'shared': {
      const size = Number(intervals.get('shared_region_size')?.[0] ?? 0n);
      return pointer('memory', -1, { ...place(intervals.get('shared_offset'), 0), size, nullable, id: newId() });
    }
    case 'packet': {
      if (atEnd.has('packet_offset')) return pointer('packetEnd', -1);
      const meta = Number(all.get('meta_offset')?.intervals.get('')?.[1] ?? 0n);
      const range = Number(all.get('packet_size')?.intervals.get('')?.[0] ?? 0n);
      const at = place(intervals.get('packet_offset'), 0);
      if (at.offset >= 0) return pointer('packet', -1, { ...at, range });
      return pointer('packetMeta', -1, { offset: at.offset - meta, range: -meta });
    }
    case 'map_fd':
    case 'map_fd_programs':
      return pointer('map', -1, {
        map:
          type === 'map_fd'
            ? (maps[Number(intervals.get('map_fd')?.[0] ?? 1n)] ?? maps[1])
            : { ...maps[0], type: 'prog_array' },
      });
    case 'socket':
      return pointer('socket', -1, { nullable, id: newId() });
    default:
      throw new Error(`a case with a value of type ${type}`);
  }
}

/** Puts `s[a...b]` in place: what is known of bytes one by one, and of whole slots and halves as numbers. */
function putStack(state: State, all: ReadonlyMap<string, Facts>, base: number): void {
  const slots = new Map<number, { mask: number; value: bigint; known: bigint; whole: Slot }>();
  for (const [name, { types, intervals }] of all) {
    const cell = CELL.exec(name);
    // `stack_numeric_size`: so many numeric bytes from wherever the pointer points to.
    const offset = intervals.get('stack_offset');
    const size = Number(intervals.get('stack_numeric_size')?.[0] ?? 0n);
    const bytes =
      cell !== null && types.includes('number')
        ? [Number(cell[1]), Number(cell[2] ?? cell[1])]
        : offset !== undefined && size > 0
          ? [Number(offset[0]), Number(offset[1]) + size - 1]
          : undefined;
    if (bytes === undefined) continue;
    const [from, to] = bytes.map((at) => at - base);
    const number = numberOf(cell === null ? new Map() : intervals);
    const constant = N.isConstant(number) ? T.bitsOf(number.bits) : undefined;
    for (let at = Math.max(from, -512); at <= Math.min(to, -1); at++) {
      const index = Math.floor((-1 - at) / 8);
      const byte = at + 8 * (index + 1);
      const slot = slots.get(index) ?? { mask: 0, value: 0n, known: 0n, whole: undefined };
      slot.mask |= 1 << byte;
      if (constant !== undefined) {
        slot.known |= 0xffn << BigInt(8 * byte);
        slot.value |= ((constant >> BigInt(8 * (at - from))) & 0xffn) << BigInt(8 * byte);
      } else if (to - from === 7 && byte === 0) slot.whole = number;
      slots.set(index, slot);
    }
  }
  for (const [index, { mask, value, known, whole }] of slots) put(state, 0, index, whole ?? slotOf(mask, value, known));
}

const half = (x: bigint, at: bigint): number => Number(BigInt.asIntN(32, x >> at));

function slotOf(mask: number, value: bigint, known: bigint): Slot {
  const bits = (from: number, width: bigint): Scalar => {
    const v = BigInt.asUintN(Number(width), value >> BigInt(from));
    const m = BigInt.asUintN(Number(width), ~known >> BigInt(from));
    const t = T.tnum(half(v, 0n), half(v, 32n), half(m, 0n), half(m, 32n));
    return new Scalar(N.settled(R.W64.full, R.W32.full, t), newId(), 0, -1);
  };
  if (mask === 0xff) return bits(0, 64n);
  const low = (mask & 0x0f) === 0x0f ? bits(0, 32n) : undefined;
  const high = (mask & 0xf0) === 0xf0 ? bits(32, 32n) : undefined;
  return new Bytes(mask, low, high);
}
