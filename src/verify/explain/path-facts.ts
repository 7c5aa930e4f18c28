// Decisions and places of the path that matter besides the value's own history: a row a class of refusal.
import type { Insn } from '../../isa/insn.ts';
import { OPS } from '../../isa/opcodes.ts';
import { slotIndex } from '../state.ts';
import type { Trace } from '../trace.ts';
import type { Pointer, Slot } from '../value.ts';
import { type Culprit, signedText, type Walk } from '../walk.ts';
import { takenName } from '../../base/taken.ts';
import { condition } from './condition.ts';
import type { Fact, FactKind } from './explanation.ts';
import { loopAt } from './loop.ts';
import { functionAt } from './site.ts';
import { provenText } from './words.ts';

/** What a row may look at. */
export interface PathContext {
  readonly walk: Walk;
  readonly slot: number;
  readonly path: readonly Trace[];
  readonly culprit: Culprit | undefined;
  /** Slots that the value's history names already. */
  readonly named: ReadonlySet<number>;
  /** Slot of the branch by which the path went past a comparison of the value. */
  readonly decisive: number | undefined;
  /** `step`: index of the path's node; behind the path where absent. */
  fact(slot: number, kind: FactKind, text: string, step?: number): Fact;
}

type Row = (c: PathContext) => readonly Fact[];

/** Decisions shown. */
const DECISIONS = 3;
/** Stores shown. */
const STORES = 4;

const ROWS: Readonly<Record<string, Row>> = {
  'verify/packet-bounds': (c) => packetChecks(c).slice(-2),
  'verify/null': (c) => decisions(c, sinceMade(c)).slice(-2),
  'verify/uninitialised-register': (c) => decisions(c, 0),
  'verify/uninitialised-stack': (c) => stores(c),
  'verify/return-value': (c) => decisions(c, 0),
  'verify/lock': (c) => held(c),
  'verify/release': (c) => held(c),
  'verify/tail-call': (c) => held(c),
  'verify/reference-leak': (c) => held(c),
  'verify/unbounded-loop': (c) => loop(c),
  'verify/stack-limit': (c) => deepestCalls(c),
};

/** What the path decided, in its order; the calls that it is in come with every refusal. */
export function pathFacts(code: string, context: PathContext): readonly Fact[] {
  const own = ROWS[code]?.(context) ?? [];
  if (code === 'verify/stack-limit') return own;
  const { decisive } = context;
  const past =
    decisive === undefined || own.some((fact) => fact.insn === decisive)
      ? []
      : everyDecision(context, 0).filter((fact) => fact.insn === decisive);
  return [...calls(context), ...own, ...past];
}

/** The calls that the path is in. */
function calls({ path, fact }: PathContext): readonly Fact[] {
  const frames = path.at(-1)?.frames ?? [];
  return frames.slice(1).map((frame, depth) => {
    const site = frame.callback?.slot ?? frame.callSite;
    const text =
      frame.callback === undefined ? 'the function is called here' : `bpf_${frame.callback.helper} calls the function`;
    return fact(
      site,
      'call',
      text,
      path.findLastIndex((t) => t.slot === site && t.frames.length === depth + 1),
    );
  });
}

/** Branches of the path that prove something of the packet, though not for the pointer that is used. */
export function packetChecks({ walk, path, named, fact }: PathContext): Fact[] {
  const found = new Map<number, Fact>();
  for (const { i, insn, before } of branches(walk, path)) {
    if (OPS[insn.op].format !== 'branch_reg' || named.has(before.slot)) continue;
    const depth = before.frames.length - 1;
    for (const r of [insn.dst, insn.src]) {
      const was = before.frames[depth].registers[r];
      const now = path[i].frames[depth]?.registers[r];
      if (was?.kind !== 'pointer' || now?.kind !== 'pointer' || now.range <= was.range) continue;
      const text = `${condition(insn, before.slot, path[i].slot)}: ${proven(now, r)}`;
      found.set(before.slot, fact(before.slot, 'length-check', text, i - 1));
    }
  }
  return [...found.values()];
}

const proven = (p: Pointer, register: number): string => `${provenText(p)}, for r${register}`;

interface Branching {
  /** Index of the path's node after the branch. */
  readonly i: number;
  readonly insn: Insn;
  readonly before: Trace;
}

function* branches(walk: Walk, path: readonly Trace[], from = 0): Iterable<Branching> {
  for (let i = from + 1; i < path.length; i++) {
    const before = path[i - 1];
    const insn = walk.program.insns[before.slot];
    if (insn === undefined || before.gap) continue;
    const { format } = OPS[insn.op];
    if (format === 'branch_imm' || format === 'branch_reg') yield { i, insn, before };
  }
}

/** The last decisions of the path since a node. */
const decisions = (c: PathContext, from: number): Fact[] => everyDecision(c, from).slice(-DECISIONS);

/** Decisions of the path since a node, each branch once, without those that are named already. */
function everyDecision({ walk, path, named, fact }: PathContext, from: number): Fact[] {
  const found = new Map<number, Fact>();
  for (const { i, insn, before } of branches(walk, path, from)) {
    if (named.has(before.slot)) continue;
    // Again in a later round: the last counts.
    found.delete(before.slot);
    found.set(before.slot, fact(before.slot, 'decision', condition(insn, before.slot, path[i].slot), i - 1));
  }
  return [...found.values()];
}

/** Index of the node after that in which the pointer was made. */
function sinceMade({ path, culprit }: PathContext): number {
  const p = culprit?.value;
  if (p?.kind !== 'pointer') return path.length;
  return path.findIndex(({ frames }) =>
    frames.some((frame) => frame.registers.some((v) => v?.kind === 'pointer' && v.id === p.id)),
  );
}

/** Where what is held was taken, and what the path decided since then. */
function held(c: PathContext): readonly Fact[] {
  const reference = c.path.at(-1)?.references[0];
  if (reference === undefined) return decisions(c, 0);
  const at = Math.max(
    0,
    c.path.findLastIndex((t) => t.slot === reference.at),
  );
  return [c.fact(reference.at, 'origin', `the ${takenName(reference.what)} is taken here`, at), ...decisions(c, at)];
}

/** Bytes of a frame that hold nothing. */
function missing(stack: readonly Slot[], from: number, size: number): number[] {
  const bytes: number[] = [];
  for (let at = from; at < from + size; at++) {
    const index = slotIndex(at);
    const slot = stack[index];
    const bit = at + 8 * (index + 1);
    const there =
      slot !== undefined &&
      (slot.kind !== 'bytes' || ((slot.initialised >>> bit) & 1) === 1) &&
      slot.kind !== 'special';
    if (!there) bytes.push(at);
  }
  return bytes;
}

/** Bytes of the stack that were asked for and hold nothing: `r10-7 to r10-5`; undefined where that is not what is wrong. */
export function missingBytes(path: readonly Trace[], culprit: Culprit | undefined): string | undefined {
  const p = culprit?.value;
  if (p?.kind !== 'pointer' || culprit?.bytes === undefined) return undefined;
  const [from, size] = culprit.bytes;
  const bytes = missing(path.at(-1)?.frames[p.target]?.stack ?? [], from, size);
  const first = bytes.at(0);
  const last = bytes.at(-1);
  if (first === undefined || last === undefined) return undefined;
  const end = last === first ? '' : ` to r10${signedText(last)}`;
  return `r10${signedText(first)}${end}${last - first + 1 === bytes.length ? '' : ' (in part)'}`;
}

/** Stores of the path to the bytes that are asked for. */
function stores(c: PathContext): readonly Fact[] {
  const { walk, path, culprit, fact } = c;
  const p = culprit?.value;
  if (p?.kind !== 'pointer' || culprit?.bytes === undefined) return decisions(c, 0);
  const [from, size] = culprit.bytes;
  const found = new Map<number, Fact>();
  path.forEach(({ slot, frames }, i) => {
    const insn = walk.program.insns[slot];
    if (insn === undefined) return;
    const { format, width } = OPS[insn.op];
    if (format !== 'st' && format !== 'stx') return;
    const base = frames[frames.length - 1].registers[insn.dst];
    if (base?.kind !== 'pointer' || base.region !== 'stack' || base.target !== p.target) return;
    const at = base.offset + insn.off;
    const bytes = width / 8;
    if (base.variable !== undefined || at >= from + size || at + bytes <= from) return;
    const end = bytes === 1 ? '' : ` to r10${signedText(at + bytes - 1)}`;
    found.set(slot, fact(slot, 'change', `r10${signedText(at)}${end} stored`, i));
  });
  return [...decisions(c, 0).slice(-1), ...[...found.values()].slice(-STORES)];
}

/** Where the loop begins, where it may be left, and where it goes round again. */
function loop({ walk, slot, fact }: PathContext): readonly Fact[] {
  const found = loopAt(walk, slot);
  if (found === undefined) return [];
  const exits = found.exits.slice(0, DECISIONS).flatMap((exit) => {
    const insn = walk.program.insns[exit.slot];
    if (insn === undefined) return [];
    const text = condition(insn, exit.slot, exit.to);
    return [fact(exit.slot, 'loop', `the loop is left where ${text}`)];
  });
  return [
    fact(found.head, 'loop', 'the loop begins'),
    ...(exits.length === 0 ? [fact(found.head, 'loop', 'no branch leaves the loop')] : exits),
    ...found.back.map((at) => fact(at, 'loop', 'goes round again')),
  ];
}

/** The chain of calls whose frames need most together. */
function deepestCalls({ walk, fact }: PathContext): readonly Fact[] {
  const size = (entry: number): number => Math.max(32, Math.ceil((walk.stackOf.get(entry) ?? 0) / 32) * 32);
  const callees = (entry: number): number[] =>
    [...walk.calls.values()].filter(([from]) => from === entry).map(([, to]) => to);
  const total = (entry: number): number => size(entry) + Math.max(0, ...callees(entry).map(total));
  const nameOf = (entry: number): string => functionAt(walk.spec, entry)?.name ?? `the function at ${entry}`;
  const facts: Fact[] = [fact(0, 'call', `${nameOf(0)} uses ${size(0)} bytes`)];
  for (let at = 0, next = callees(0); next.length > 0; next = callees(at)) {
    const deepest = next.reduce((a, b) => (total(b) > total(a) ? b : a));
    facts.push(fact(callSite(walk, at, deepest), 'call', `${nameOf(deepest)} uses ${size(deepest)} bytes more`));
    at = deepest;
  }
  return facts;
}

/** The first call of one function in another. */
function callSite(walk: Walk, caller: number, callee: number): number {
  const end = caller + (functionAt(walk.spec, caller)?.length ?? walk.program.insns.length);
  const found = walk.program.insns.findIndex((insn, slot) => {
    if (slot < caller || slot >= end || insn === undefined) return false;
    return (insn.op === 'call_local' || insn.op === 'ld_code_addr') && slot + 1 + insn.imm === callee;
  });
  return found < 0 ? caller : found;
}
