// Certificates: what the walk found out, written down so that the checker (check/) need not find it again.
import type { ObjectSpec } from '../spec/object.ts';
import { checkPoints } from './check/check.ts';
import { certificateDigest } from './check/digest.ts';
import type {
  Certificate,
  FrameRecord,
  NumberRecord,
  PointerRecord,
  PointRecord,
  ValueRecord,
} from './check/format.ts';
import { pointsOf } from './check/read.ts';
import type { Point } from './check/state.ts';
import { LIMIT, type Bounds, isConstant, type Scalar } from './number/scalar.ts';
import * as T from './number/tnum.ts';
import type { Range } from './number/range.ts';
import type { PreparedProgram } from './program.ts';
import type { Check, Entry, Frame } from './state.ts';
import type { Pointer, Value } from './value.ts';
import type { Walk } from './walk.ts';

/** The check may go through so many instructions for each that the walk visited, and some more. */
const VISITS_AGAIN = 4;
const SOME_VISITS = 10_000;

/**
 * The certificate of an accepted program. Undefined where the checker cannot follow the verdict: it knows less of some things
 * (dynptrs, kernel functions, lists and trees), and nothing of what strictness asks for.
 *
 * @param entries states whose paths are all at their end, in the order of their end (Engine.verified)
 */
export function certify(walk: Walk, entries: readonly Entry[]): Certificate | undefined {
  if (walk.strict === true || walk.strict.length > 0) return undefined;
  const writer = new Writer(walk, entries);
  const all = writer.points();
  const digest = certificateDigest(walk.object, walk.spec, walk.platform);
  const whole: Certificate = { format: 1, digest, visits: 0, numbers: writer.numbers, points: all };
  const used = new Set<Point>();
  const most = VISITS_AGAIN * walk.visits + SOME_VISITS;
  const read = (): readonly Point[] => pointsOf(walk.object, whole);
  const { verdict, visits } = checkPoints(walk.object, walk.spec, walk.platform, read, most, used);
  return verdict === 'accepted' ? { ...only(whole, used), visits } : undefined;
}

/** The certificate with only what the check has used. */
function only(whole: Certificate, used: ReadonlySet<Point>): Certificate {
  const kept = [...used].map(({ index }) => index).sort((a, b) => a - b);
  const places = new Map(kept.map((index, place) => [index, place]));
  const numbers: string[] = [];
  const renumbered = new Map<number, number>();
  const number = (index: number): number => {
    let place = renumbered.get(index);
    if (place === undefined) {
      place = numbers.push(whole.numbers[index]) - 1;
      renumbered.set(index, place);
    }
    return place;
  };
  const numbered = (n: NumberRecord): NumberRecord => (n === 0 ? 0 : [number(n[0]), n[1], n[2]]);
  const value = (v: ValueRecord): ValueRecord => {
    if (v === 0 || Array.isArray(v)) return numbered(v as NumberRecord);
    const p = v as PointerRecord;
    return p.variable === undefined ? p : { ...p, variable: numbered(p.variable) };
  };
  const frame = (f: FrameRecord): FrameRecord => ({
    ...f,
    ...(f.callback && {
      callback: { ...f.callback, args: f.callback.args.map((arg) => (arg === null ? null : value(arg))) },
    }),
    registers: f.registers.map(([register, v]) => [register, value(v)]),
    cells: f.cells.map(([offset, size, v]) => [offset, size, value(v)]),
  });
  const points = kept.map((index): PointRecord => {
    const { loops, ...point } = whole.points[index];
    // A loop whose head is not needed ends otherwise.
    const inner = (loops ?? []).flatMap(([head, ...rest]) => {
      const place = places.get(head);
      return place === undefined ? [] : [[place, ...rest] as const];
    });
    return { ...point, frames: point.frames.map(frame), ...(inner.length === 0 ? {} : { loops: inner }) };
  });
  return { ...whole, numbers, points };
}

/** Bounds of JavaScript numbers as integers: what stands for none is where the width ends. */
function rangeText({ umin, umax, smin, smax }: Range, bits: number): string {
  const top = 1n << BigInt(bits);
  const half = top >> 1n;
  const upper = (x: number, end: bigint): bigint => (bits === 64 && x >= LIMIT ? end : BigInt(x));
  const lower = bits === 64 && smin <= -LIMIT ? -half : BigInt(smin);
  return [BigInt(umin), upper(umax, top - 1n), lower, upper(smax, half - 1n)].join(' ');
}

const halves = (high: number, low: number): bigint => (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);

function boundsText(b: Bounds): string {
  if (isConstant(b)) return `${BigInt.asIntN(64, T.bitsOf(b.bits))}`;
  const { valueLow, valueHigh, maskLow, maskHigh } = b.bits;
  return [rangeText(b.r64, 64), rangeText(b.r32, 32), halves(valueHigh, valueLow), halves(maskHigh, maskLow)].join(' ');
}

/** What moves on in a loop: a place of its head, the number there and how far it was from where its name begins. */
interface Moving {
  readonly record: NonNullable<PointRecord['head']>;
  readonly id: number;
  readonly delta: number;
}

class Writer {
  readonly numbers: string[] = [];
  readonly #walk: Walk;
  readonly #entries: readonly Entry[];
  readonly #places = new Map<string, number>();
  readonly #heads = new Map<Entry, Moving>();
  readonly #index = new Map<Entry, number>();
  readonly #loops: Loops;

  constructor(walk: Walk, entries: readonly Entry[]) {
    this.#walk = walk;
    this.#loops = new Loops(walk.program);
    this.#entries = entries.filter(({ checks }) => checks?.every(({ value }) => value.kind !== 'special') === true);
    this.#entries.forEach((entry, index) => {
      this.#index.set(entry, index);
      if (entry.ranking !== undefined) this.#heads.set(entry, moving(entry));
    });
  }

  points(): PointRecord[] {
    return this.#entries.map((entry) => this.#point(entry));
  }

  #bounds(b: Bounds): number {
    const text = boundsText(b);
    let index = this.#places.get(text);
    if (index === undefined) {
      index = this.numbers.push(text) - 1;
      this.#places.set(text, index);
    }
    return index;
  }

  #point(entry: Entry): PointRecord {
    const checks = entry.checks ?? [];
    const names = new Map<number, number>();
    /** Ids become the point's own; those below 0 are addresses in maps, the same everywhere. */
    const name = (id: number): number => {
      if (id <= 0) return id;
      const own = names.get(id) ?? names.size + 1;
      names.set(id, own);
      return own;
    };
    const loops = this.#loopsOf(entry);
    const moves = new Set(loops.map(({ id }) => id));
    const head = this.#heads.get(entry);
    if (head !== undefined) moves.add(head.id);
    const number = (s: Scalar, exact: boolean): NumberRecord =>
      exact ? [this.#bounds(s), isConstant(s) ? 0 : name(s.id), isConstant(s) ? 0 : s.delta] : 0;
    const value = (v: Exclude<Value, undefined>, exact: boolean): ValueRecord =>
      v.kind === 'scalar' ? number(v, exact) : pointer(v);
    const pointer = (p: Pointer): PointerRecord => ({
      region: p.region,
      ...(p.offset !== 0 && { offset: p.offset }),
      ...(p.variable !== undefined && {
        variable: [
          this.#bounds(p.variable),
          moves.has(p.variable.id) ? name(p.variable.id) : 0,
          p.variable.delta,
        ] as const,
      }),
      ...(p.id !== 0 && { id: name(p.id) }),
      ...(p.nullable && { nullable: true as const }),
      ...(p.range !== 0 && { range: p.range }),
      ...(p.size !== 0 && { size: p.size }),
      ...(!p.writable && { readOnly: true as const }),
      ...(p.map !== undefined && { map: mapOf(this.#walk.object, p) }),
      ...(p.target !== 0 && { target: p.target }),
      ...(p.reference !== 0 && { reference: name(p.reference) }),
    });
    const frames = entry.frames.map((frame, f) =>
      frameOf(
        frame,
        checks.filter((check) => check.frame === f),
        value,
        name,
      ),
    );
    return {
      slot: entry.slot,
      frames,
      ...(entry.references.length > 0 && {
        references: entry.references.map(({ id, what, owner = 0 }) => [name(id), what, name(owner)] as const),
      }),
      ...(loops.length > 0 && {
        loops: loops.map(({ index, id, delta, asked }) => [index, name(id), delta, asked] as const),
      }),
      ...(head !== undefined && { head: head.record }),
    };
  }

  /** The loops that a state lies in, by what it says of them. */
  #loopsOf(entry: Entry): readonly { index: number; id: number; delta: number; asked: number }[] {
    const found: { index: number; id: number; delta: number; asked: number }[] = [];
    const has = (id: number): boolean => (entry.checks ?? []).some(({ value }) => named(value, id));
    for (let e = entry.parent; e !== undefined; e = e.parent) {
      const head = this.#heads.get(e);
      const index = this.#index.get(e);
      if (head === undefined || index === undefined || !this.#loops.contains(e, entry)) continue;
      const tied = head.id !== 0 && has(head.id);
      const callback = entry.frames.findLastIndex((frame) => frame.callback !== undefined);
      const asked = entry.boundedAt > e.visit ? (callback < 0 ? entry.frames.length : callback + 1) : 0;
      // Where an iteration is bounded, what counts is that the path came by the head.
      if (tied || asked > 0 || head.record.length === 0)
        found.push({ index, id: tied ? head.id : 0, delta: tied ? head.delta : 0, asked });
    }
    return found;
  }
}

const named = (value: Check['value'], id: number): boolean => {
  if (value.kind === 'scalar') return value.precise && value.id === id;
  if (value.kind === 'pointer') return value.variable?.id === id;
  return value.kind === 'bytes' && [value.low, value.high].some((half) => half?.precise === true && half.id === id);
};

const mapOf = ({ maps }: ObjectSpec, { map }: Pointer): number | readonly [number] => {
  const index = maps.findIndex((one) => one === map);
  return index >= 0 ? index : [maps.findIndex(({ inner }) => inner === map)];
};

const unnamed = (v: ValueRecord): ValueRecord => (v !== 0 && Array.isArray(v) ? [v[0], 0, 0] : v);

function frameOf(
  frame: Frame,
  checks: readonly Check[],
  value: (v: Exclude<Value, undefined>, exact: boolean) => ValueRecord,
  name: (id: number) => number,
): FrameRecord {
  const { entry, callSite, callback } = frame;
  const registers: [number, ValueRecord][] = [];
  const cells: [number, number, ValueRecord][] = [];
  let bytes = 0n;
  for (const { place, value: v } of checks) {
    if (place < 10) {
      if (v.kind === 'scalar' || v.kind === 'pointer')
        registers.push([place, value(v, v.kind === 'pointer' || v.precise)]);
      continue;
    }
    const offset = -8 * (place - 9);
    const initialised = v.kind === 'bytes' ? v.initialised : 0xff;
    bytes |= BigInt(initialised) << BigInt(offset + 512);
    if (v.kind === 'pointer' || (v.kind === 'scalar' && v.precise)) cells.push([offset, 8, value(v, true)]);
    if (v.kind !== 'bytes') continue;
    if (v.low?.precise === true) cells.push([offset, 4, value(v.low, true)]);
    if (v.high?.precise === true) cells.push([offset + 4, 4, value(v.high, true)]);
  }
  return {
    entry,
    call: callSite,
    ...(callback !== undefined && {
      callback: {
        slot: callback.slot,
        // Each round has other numbers, of the same bounds.
        args: callback.args.map((arg) => (arg === undefined ? null : unnamed(value(arg, true)))),
        atMost: callback.returnsAtMost,
        once: callback.once,
        held: callback.held.map(name),
      },
    }),
    registers: registers.sort(([a], [b]) => a - b),
    cells: cells.sort(([a], [b]) => a - b),
    bytes: bytes.toString(16),
  };
}

/** One of the places that move on with each round, where the engine has found any. */
function moving(entry: Entry): Moving {
  for (const key of entry.ranking?.keys() ?? []) {
    const match = /^(\d+)([rslh])(\d+) (up|down)$/.exec(key);
    if (match === null) continue;
    const [, frame, kind, number, direction] = match;
    const place = kind === 'r' ? Number(number) : 10 + Number(number);
    const held = entry.checks?.find((check) => check.frame === Number(frame) && check.place === place)?.value;
    const value = held?.kind === 'bytes' ? (kind === 'l' ? held.low : held.high) : held;
    const offset = -8 * (Number(number) + 1) + (kind === 'h' ? 4 : 0);
    const size = kind === 'l' || kind === 'h' ? 4 : 8;
    const at = kind === 'r' ? place : 10 + 512 + offset;
    const record = [Number(frame), at, size, direction === 'up' ? 1 : -1] as const;
    if (value?.kind === 'scalar') return { record, id: value.id, delta: value.delta };
    if (value?.kind === 'pointer' && value.variable !== undefined)
      return { record, id: value.variable.id, delta: value.variable.delta + value.offset };
  }
  return { record: [], id: 0, delta: 0 };
}

/** Which places lie in which loops, over calls. */
class Loops {
  readonly #program: PreparedProgram;
  /** By first slot of a loop: first slots of its blocks. */
  readonly #blocks = new Map<number, ReadonlySet<number>>();

  constructor(program: PreparedProgram) {
    this.#program = program;
  }

  contains(head: Entry, entry: Entry): boolean {
    const level = head.frames.length - 1;
    const frame = entry.frames[level];
    if (frame === undefined || frame.entry !== head.frames[level].entry) return false;
    const slot = entry.frames.length - 1 === level ? entry.slot : entry.frames[level + 1].callSite;
    // Callbacks come by their first instruction once a round.
    return head.slot === frame.entry || this.#blocksOf(head.slot, frame.entry).has(this.#blockOf(slot, frame.entry));
  }

  #blockOf(slot: number, entry: number): number {
    const blocks = this.#program.functions.get(entry)?.graph.blocks ?? [];
    return blocks.findLast(({ start, end }) => start <= slot && slot < end)?.start ?? -1;
  }

  #blocksOf(head: number, entry: number): ReadonlySet<number> {
    let found = this.#blocks.get(head);
    if (found !== undefined) return found;
    const { blocks = [] } = this.#program.functions.get(entry)?.graph ?? {};
    const first = blocks.find(({ start }) => start === head);
    const dominance = this.#program.functions.get(entry)?.dominance;
    const inside = new Set<number>([head]);
    const work = (first?.predecessors ?? []).filter((p) => dominance?.dominates(first?.index ?? 0, p) === true);
    for (let index = work.pop(); index !== undefined; index = work.pop()) {
      if (inside.has(blocks[index].start)) continue;
      inside.add(blocks[index].start);
      work.push(...blocks[index].predecessors);
    }
    found = inside;
    this.#blocks.set(head, found);
    return found;
  }
}
