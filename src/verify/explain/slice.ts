// Backwards along the one path that was refused: where the value came from, and what was learnt of it on the way.
import type { Insn } from '../../isa/insn.ts';
import { registersWritten } from '../../isa/insn.ts';
import { type Format, OPS } from '../../isa/opcodes.ts';
import { includes, isConstant } from '../number/scalar.ts';
import { slotIndex } from '../state.ts';
import type { Trace } from '../trace.ts';
import type { Slot } from '../value.ts';
import type { Walk } from '../walk.ts';
import type { FactKind } from './explanation.ts';
import { condition } from './condition.ts';
import { helperTitle, type Names } from './site.ts';
import { inWords, provenText } from './words.ts';

/** A register (0 to 10) or stack slot (from 11 on) of a frame. */
export interface Place {
  readonly frame: number;
  readonly place: number;
}

/** First number of a place that is a stack slot. */
const STACK = 11;
/** Places that are followed at once: numbers made of many others would drown what matters. */
const MOST_PLACES = 8;

export interface Found {
  readonly slot: number;
  readonly kind: FactKind;
  readonly text: string;
  /** Index of the path's node that the instruction began in. */
  readonly at: number;
}

const nameOf = ({ place }: Place): string =>
  place < STACK ? `r${place}` : `the stack at r10-${8 * (place - STACK + 1)}`;

const valueAt = ({ frames }: Trace, { frame, place }: Place): Slot => {
  const of = frames[frame];
  if (of === undefined) return undefined;
  return place < STACK ? of.registers[place] : of.stack[place - STACK];
};

/** What one instruction has to do with a place: nothing where undefined. */
interface Origin {
  readonly kind?: FactKind;
  readonly text?: string;
  /** Where to look further. */
  readonly sources: readonly Place[];
}

export class Slice {
  readonly #walk: Walk;
  readonly #path: readonly Trace[];
  readonly #found: Found[] = [];
  readonly #seen = new Set<string>();
  #places: Place[];

  constructor(walk: Walk, path: readonly Trace[], start: readonly Place[]) {
    this.#walk = walk;
    this.#path = path;
    this.#places = [...start];
  }

  /** The facts in the order of the path, each instruction once for each thing that it did (in a loop: the last time). */
  run(): readonly Found[] {
    for (let i = this.#path.length - 1; i > 0 && this.#places.length > 0; i--) {
      if (this.#path[i - 1].gap) this.#acrossGap(i);
      else this.#back(i);
    }
    return this.#found.reverse();
  }

  /** Nobody knows what came between, but values tell whether they are still those of before. */
  #acrossGap(i: number): void {
    this.#places = this.#places.filter((place) =>
      isSame(valueAt(this.#path[i - 1], place), valueAt(this.#path[i], place)),
    );
  }

  #note(at: number, kind: FactKind, text: string, what: string): void {
    const { slot } = this.#path[at];
    const key = `${slot} ${kind} ${what}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.#found.push({ slot, kind, text, at });
  }

  /** From the state before an instruction to that before the one that came before it. */
  #back(i: number): void {
    const next = new Map<string, Place>();
    for (const place of this.#places) {
      for (const source of this.#sourcesOf(i, place)) {
        if (next.size < MOST_PLACES) next.set(`${source.frame}:${source.place}`, source);
      }
    }
    this.#places = [...next.values()];
  }

  #sourcesOf(i: number, place: Place): readonly Place[] {
    const before = this.#path[i - 1];
    const after = this.#path[i];
    const insn = this.#walk.program.insns[before.slot];
    if (insn === undefined) return [];
    const now = valueAt(after, place);
    const origin = this.#originOf(before, after, insn, place, now);
    if (origin.text !== undefined) this.#note(i - 1, origin.kind ?? 'change', origin.text, nameOf(place));
    return origin.sources;
  }

  #originOf(before: Trace, after: Trace, insn: Insn, place: Place, now: Slot): Origin {
    const { format } = OPS[insn.op];
    const depth = before.frames.length - 1;
    const depthAfter = after.frames.length - 1;
    if (place.frame === depthAfter && (depthAfter > depth || (format === 'exit' && depthAfter === depth))) {
      return this.#parameter(before, after, insn, place, now);
    }
    if (depthAfter < depth && place.frame === depthAfter && place.place === 0) {
      const callback = before.frames[depth].callback;
      if (callback === undefined) return { sources: [{ frame: depth, place: 0 }] };
      return { kind: 'origin', text: `bpf_${callback.helper} gives r0, which ${inWords(now)}`, sources: [] };
    }
    const was = valueAt(before, place);
    if (place.frame === depth && place.place < STACK && registersWritten(insn).includes(place.place)) {
      if (now === undefined) {
        return was === undefined
          ? { sources: [place] }
          : { kind: 'lost', text: `the call leaves r1 to r5 without values, ${nameOf(place)} among them`, sources: [] };
      }
      return this.#defined(before, insn, place, now);
    }
    if (was === now) return { sources: [place] };
    if (place.place >= STACK && (format === 'stx' || format === 'st')) {
      const sources = format === 'stx' ? [{ frame: depth, place: insn.src }] : [];
      return format === 'stx' ? { sources } : { kind: 'origin', text: `${nameOf(place)} ${inWords(now)}`, sources };
    }
    return this.#changed(before, after, insn, place, was, now);
  }

  /** A parameter of the function that is entered. */
  #parameter(before: Trace, after: Trace, insn: Insn, place: Place, now: Slot): Origin {
    if (place.place === 10 || place.place >= STACK) return { sources: [] };
    if (insn.op === 'call_local') {
      return {
        sources: place.place >= 1 && place.place <= 5 ? [{ frame: before.frames.length - 1, place: place.place }] : [],
      };
    }
    const { callback } = after.frames[after.frames.length - 1];
    if (now === undefined || callback === undefined) return { sources: [] };
    return {
      kind: 'origin',
      text: `bpf_${callback.helper} calls this function: r${place.place} ${inWords(now)}`,
      sources: [],
    };
  }

  /** A register that the instruction wrote. */
  #defined(before: Trace, insn: Insn, place: Place, now: Exclude<Slot, undefined>): Origin {
    const { frame } = place;
    const is = `${nameOf(place)} ${inWords(now)}`;
    const register = (r: number): Place => ({ frame, place: r });
    return DEFINED[OPS[insn.op].format]({ walk: this.#walk, before, insn, is, now, register });
  }

  /** A place that holds something else although nothing was written to it. */
  #changed(before: Trace, after: Trace, insn: Insn, place: Place, was: Slot, now: Slot): Origin {
    const { format } = OPS[insn.op];
    const { program } = this.#walk;
    const name = nameOf(place);
    const sources = [place];
    const backwards = after.slot <= before.slot && program.loopHead[after.slot] === 1;
    if (backwards && inWords(was) !== inWords(now)) {
      return { kind: 'loop', text: `the loop goes round any number of times: ${name} ${inWords(now)} then`, sources };
    }
    if (program.meets[after.slot] === 1 && isWider(was, now)) {
      return {
        kind: 'lost',
        text: `other paths come here too: of all of them is known that ${name} ${inWords(now)}`,
        sources,
      };
    }
    if (format === 'branch_imm' || format === 'branch_reg') {
      const learnt = learntOf(was, now, name);
      if (learnt === undefined) return { sources };
      const [kind, text] = learnt;
      return { kind, text: `${condition(insn, before.slot, after.slot)}: ${text}`, sources };
    }
    if (format === 'call_helper' && was?.kind === 'pointer' && now?.kind === 'scalar') {
      const call = helperTitle(this.#names, insn.imm);
      const what = was.region.startsWith('packet')
        ? `${call} may move the packet: ${name}, a pointer into it, is void from here on`
        : `${call} gives back what ${name} points to: it is void from here on`;
      return { kind: 'lost', text: what, sources };
    }
    if (format === 'call_helper' && place.place >= STACK) {
      return { kind: 'origin', text: `${helperTitle(this.#names, insn.imm)} fills ${name}`, sources: [] };
    }
    return { sources };
  }

  get #names(): Names {
    return this.#walk;
  }
}

/** Whether both came from the same instruction at the same time. */
function isSame(before: Slot, after: Slot): boolean {
  if (before?.kind === 'scalar' && after?.kind === 'scalar')
    return before.id === after.id && before.delta === after.delta;
  if (before?.kind !== 'pointer' || after?.kind !== 'pointer') return false;
  return before.at === after.at && before.region === after.region && before.offset === after.offset;
}

/** Whether less is known than before. */
function isWider(was: Slot, now: Slot): boolean {
  if (was?.kind === 'scalar' && now?.kind === 'scalar') return !includes(was, now);
  return was?.kind === 'pointer' && now?.kind === 'pointer' && now.range < was.range;
}

/** What a branch said about a value, undefined for nothing new. */
function learntOf(was: Slot, now: Slot, name: string): readonly [FactKind, string] | undefined {
  if (now === undefined) return undefined;
  if (was?.kind === 'pointer' && now.kind === 'scalar') return ['null-check', `${name} is NULL`];
  if (was?.kind === 'pointer' && now.kind === 'pointer') {
    if (was.nullable && !now.nullable) return ['null-check', `${name} is not NULL`];
    return now.range > was.range ? ['length-check', provenText(now)] : undefined;
  }
  const text = inWords(now);
  return text === inWords(was) ? undefined : ['check', `${name} ${text}`];
}

interface Definition {
  readonly walk: Walk;
  readonly before: Trace;
  readonly insn: Insn;
  /** `r3 is 0 to 255`. */
  readonly is: string;
  readonly now: Exclude<Slot, undefined>;
  register(r: number): Place;
}

type Defining = (d: Definition) => Origin;

const frameOf = ({ before }: Definition) => before.frames[before.frames.length - 1];

const constantly: Defining = ({ is }) => ({ kind: 'origin', text: is, sources: [] });
const ofItself: Defining = ({ is, insn, register }) => ({ kind: 'change', text: is, sources: [register(insn.dst)] });
const nothing: Defining = () => ({ sources: [] });

/** What a helper, a kernel function or an atomic operation gave. */
const given: Defining = ({ is }) => ({ kind: 'origin', text: is, sources: [] });

const combined: Defining = (d) => {
  const { insn, is, now, register } = d;
  const by = frameOf(d).registers[insn.src];
  const sources = [register(insn.dst)];
  const varies = by?.kind === 'pointer' || (by?.kind === 'scalar' && !isConstant(by));
  if (varies) sources.push(register(insn.src));
  const moved = now.kind === 'pointer' && varies && by?.kind === 'scalar';
  if (moved && now.region === 'packet')
    return {
      kind: 'lost',
      text: `${is}; nothing is proven yet of what lies behind that point`,
      sources,
    };
  return { kind: 'change', text: is, sources };
};

const copied: Defining = (d) => {
  const { insn, is, now, register } = d;
  const same = frameOf(d).registers[insn.src] === now;
  return { ...(same ? {} : { kind: 'change' as const, text: is }), sources: [register(insn.src)] };
};

const loadedFrom: Defining = (d) => {
  const { walk, before, insn, is } = d;
  const base = frameOf(d).registers[insn.src];
  if (base?.kind !== 'pointer') return { kind: 'origin', text: is, sources: [] };
  const at = base.offset + insn.off;
  if (base.region === 'stack') {
    if (base.variable !== undefined) return { kind: 'origin', text: `${is}, read from the stack`, sources: [] };
    const place = { frame: base.target, place: STACK + slotIndex(at) };
    const whole = valueAt(before, place) === d.now;
    return { ...(whole ? {} : { kind: 'change' as const, text: `${is}, read from the stack` }), sources: [place] };
  }
  if (base.region === 'ctx') {
    const field = Object.entries(walk.layout?.fields ?? {}).find(([, f]) => at >= f.offset && at < f.offset + f.size);
    const name = field === undefined ? `offset ${at}` : `\`${field[0]}\``;
    return { kind: 'origin', text: `${is} (${name} of ${walk.layout?.name ?? 'the context'})`, sources: [] };
  }
  const bytes = OPS[insn.op].width / 8;
  const from = inWords(base.with({ offset: at })).replace(/^points to /, '');
  return { kind: 'origin', text: `${is}: ${bytes} byte${bytes === 1 ? '' : 's'} of ${from}`, sources: [] };
};

/** How the instructions of each format make the value of a register that they write. */
const DEFINED: { readonly [F in Format]: Defining } = {
  alu_imm: ofItself,
  alu_reg: combined,
  mov_imm: constantly,
  mov_reg: copied,
  movsx: ({ is, insn, register }) => ({ kind: 'change', text: is, sources: [register(insn.src)] }),
  neg: ofItself,
  endian: ofItself,
  cast: nothing,
  goto: nothing,
  gotol: nothing,
  may_goto: nothing,
  branch_imm: nothing,
  branch_reg: nothing,
  call_helper: ({ walk, insn, now }) => ({
    kind: 'origin',
    text: `${helperTitle(walk, insn.imm)} gives r0, which ${inWords(now)}`,
    sources: [],
  }),
  call_local: nothing,
  call_kfunc: given,
  callx: nothing,
  exit: nothing,
  ld_imm64: constantly,
  ld_pseudo: constantly,
  ld_pseudo_off: constantly,
  ld_abs: given,
  ld_ind: given,
  ldx: loadedFrom,
  st: nothing,
  stx: nothing,
  atomic: nothing,
  atomic_fetch: given,
  cmpxchg: given,
  load_acquire: loadedFrom,
  store_release: nothing,
};
