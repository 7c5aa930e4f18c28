// A refusal by Linux's verifier, explained in the form of our own: from nothing but its log.
import { kernelRefusal } from '../../base/messages/verify.ts';
import type { Explanation, Fact, FactKind, Fix } from '../explain/explanation.ts';
import type { VerifyRecord } from '../report/record.ts';
import { LIMIT_FIRST, type Reading, readMessages } from './messages.ts';
import type { KernelLog, LogStep } from './parse.ts';
import { stateInWords } from './words.ts';

/** Facts of a chain. */
const CHAIN = 8;

/** What the log does not say: whether a helper (`bpf_skb_vlan_push`) may move the packet. */
export type MovesPacket = (helper: string) => boolean;

/** One record for a log. `file`: where the log came from, for the field `object`. */
export function explainKernelLog(log: KernelLog, file: string, movesPacket: MovesPacket): VerifyRecord {
  const { path, messages, program = '', processed, states, microseconds } = log;
  const common = {
    object: file,
    section: '',
    program,
    type: '',
    warnings: [],
    visited: processed,
    states,
    microseconds,
  };
  if (messages.length === 0) return { ...common, verdict: 'accepted' };
  const reading = readMessages(messages);
  const last = path.findLast(({ slot }) => slot === reading?.at) ?? path.at(-1);
  const code = reading?.code ?? kernelRefusal.of.code;
  const explanation = last === undefined ? undefined : explained(path, reading, movesPacket);
  return {
    ...common,
    verdict: code === 'verify/budget' ? 'budget' : 'refused',
    code,
    message: reading?.text ?? messages[0],
    kernel: messages,
    ...(last === undefined ? {} : { instruction: { slot: last.slot, text: last.text } }),
    ...(last?.source === undefined ? {} : { source: last.source }),
    ...(explanation === undefined ? {} : { explanation }),
  };
}

function explained(
  path: readonly LogStep[],
  reading: Reading | undefined,
  movesPacket: MovesPacket,
): Pick<Explanation, 'chain' | 'path' | 'fix'> {
  const followed = reading?.register === undefined ? [] : new Backwards(path, reading.register).run();
  const stale = reading?.code === 'verify/not-a-pointer' ? staleSince(path, followed, movesPacket) : undefined;
  const facts = stale === undefined ? followed : [...followed, stale].sort((x, y) => x.step - y.step);
  const told = facts.filter((fact) => fact.text !== '' || !saidBeside(fact, facts));
  const chain = told.length <= CHAIN ? told : [told[0], ...told.slice(told.length - CHAIN + 1)];
  const taken = BY_PATH.has(reading?.code ?? '') ? decisions(path) : [];
  const fix = stale === undefined ? fixOf(path, reading, chain) : RELOAD;
  return { chain, path: taken, ...(fix === undefined ? {} : { fix }) };
}

/** Whether the log tells more of another instruction of the same line. */
const saidBeside = ({ source }: Fact, facts: readonly Fact[]): boolean =>
  source !== undefined && facts.some((fact) => fact.text !== '' && fact.source?.text === source.text);

const RELOAD: Fix = {
  kind: 'reload-packet',
  text: 'load ctx->data and ctx->data_end again after that call, and check them again',
};

/** The call that may have moved the packet since the value pointed into it. */
function staleSince(path: readonly LogStep[], chain: readonly Fact[], movesPacket: MovesPacket): Fact | undefined {
  const last = chain.at(-1);
  if (last === undefined || !last.text.includes('the packet')) return undefined;
  for (let i = path.length - 2; i > last.step; i--) {
    const helper = /^call (bpf_\w+)#/.exec(path[i].text)?.[1];
    if (helper !== undefined && movesPacket(helper))
      return factOf(path, i, 'lost', `${helper} may move the packet: pointers into it are void from here on`);
  }
  return undefined;
}

/** What the row says, with the line where the value came from. */
function fixOf(path: readonly LogStep[], reading: Reading | undefined, chain: readonly Fact[]): Fix | undefined {
  if (reading?.fix === undefined) return undefined;
  if (reading.code === 'verify/bounds' && path.at(-1)?.text.startsWith('call ') === true)
    return { kind: LIMIT_FIRST[0], text: LIMIT_FIRST[1] };
  const origin = chain.findLast((fact) => fact.kind === 'origin');
  if (reading.fix.kind !== 'null-check' || origin === undefined) return reading.fix;
  const { insn, instruction, source } = origin;
  return { ...reading.fix, at: { insn, instruction, source } };
}

function factOf(path: readonly LogStep[], at: number, kind: FactKind, text: string): Fact {
  const { slot, text: instruction, source } = path[at];
  return {
    insn: slot,
    instruction,
    ...(source === undefined ? {} : { source }),
    kind,
    text,
    step: at,
  };
}

/** Refusals that are about what the path did or left out. */
const BY_PATH: ReadonlySet<string> = new Set([
  'verify/reference-leak',
  'verify/uninitialised-register',
  'verify/return-value',
  'verify/lock',
]);

/** The last decisions of the path. */
function decisions(path: readonly LogStep[]): Fact[] {
  const facts: Fact[] = [];
  for (let i = path.length - 2; i >= 0 && facts.length < 3; i--) {
    const decided = conditionOf(path, i);
    if (decided !== undefined) facts.unshift(factOf(path, i, 'decision', decided));
  }
  return facts;
}

/** `r0 == 0x0 does not hold`, undefined for what is no branch. */
function conditionOf(path: readonly LogStep[], at: number): string | undefined {
  const found = /^if (.*) goto pc([+-]\d+)$/.exec(path[at].text);
  const next = path.at(at + 1);
  if (found === null || next === undefined) return undefined;
  return `${found[1]} ${next.slot === path[at].slot + 1 ? 'does not hold' : 'holds'}`;
}

interface Place {
  readonly depth: number;
  /** `R3` or `fp-8`. */
  readonly name: string;
  /** What the log says later of the same value. */
  readonly known?: string | undefined;
}

/** Follows a register back along the path, by the text of the instructions. */
class Backwards {
  readonly #path: readonly LogStep[];
  readonly #facts: Fact[] = [];
  readonly #seen = new Set<string>();
  #places: Place[];

  constructor(path: readonly LogStep[], register: number) {
    this.#path = path;
    const { depth, text } = path[path.length - 1];
    // The size that goes with a pointer argument is the next register.
    const registers = text.startsWith('call ') && register < 5 ? [register, register + 1] : [register];
    this.#places = registers.map((r) => ({ depth, name: `R${r}` }));
  }

  run(): Fact[] {
    for (let i = this.#path.length - 2; i >= 0 && this.#places.length > 0; i--) {
      const next = new Map<string, Place>();
      for (const place of this.#places) {
        for (const source of this.#before(i, place)) next.set(`${source.depth}${source.name}`, source);
      }
      this.#places = [...next.values()].slice(0, 8);
    }
    return this.#facts.reverse();
  }

  /** Where the value of a place after an instruction was before it. */
  #before(i: number, place: Place): readonly Place[] {
    const step = this.#path[i];
    const { text, depth } = step;
    const after = this.#path[i + 1].depth;
    if (after > depth) {
      if (place.depth !== after) return [place];
      return /^R[1-5]$/.test(place.name) ? [{ depth, name: place.name }] : [];
    }
    if (after < depth) return place.depth === after && place.name === 'R0' ? [{ depth, name: 'R0' }] : [place];
    if (place.depth !== depth) return [place];
    return place.name.startsWith('fp') ? this.#stored(text, place) : this.#written(i, step, place);
  }

  #stored(text: string, place: Place): readonly Place[] {
    const store = /^\*\(u\d+ \*\)\(r10 ([+-]\d+)\) = r(\d+)$/.exec(text);
    return store !== null && `fp${store[1]}` === place.name
      ? [{ depth: place.depth, name: `R${store[2]}`, known: place.known }]
      : [place];
  }

  #written(i: number, { text, after, depth }: LogStep, place: Place): readonly Place[] {
    const register = Number(place.name.slice(1));
    const own = after.get(place.name);
    const state = own ?? place.known;
    // How much of the packet is proven may have been learnt later.
    const is = state === undefined ? '' : `r${register} ${stateInWords(state, own !== undefined)}`;
    if (text.startsWith('call ')) {
      if (register > 5) return [place];
      if (register === 0)
        this.#note(
          i,
          'origin',
          `${/^call (\S+?)#/.exec(text)?.[1] ?? 'the call'} gives r0${state === undefined ? '' : `, which ${stateInWords(state)}`}`,
        );
      else this.#note(i, 'lost', `the call leaves r1 to r5 without values, r${register} among them`);
      return [];
    }
    const named = (name: string, known?: string): Place => ({ depth, name: `R${name}`, known });
    const assigned = /^[rw](\d+) (\S*=) (.*)$/.exec(text);
    if (assigned !== null && Number(assigned[1]) === register) {
      const [, , sign, operand] = assigned;
      const other = /^-?(?:\(s\d+\))?[rw](\d+)$/.exec(operand)?.[1];
      if (sign !== '=') {
        this.#note(i, 'change', is);
        return [{ ...place, known: undefined }, ...(other === undefined ? [] : [named(other)])];
      }
      const fill = /^\*\([us]\d+ \*\)\(r10 ([+-]\d+)\)$/.exec(operand);
      if (fill !== null) return [{ depth, name: `fp${fill[1]}`, known: state }];
      if (other !== undefined) return [named(other, state)];
      this.#note(i, 'origin', is);
      return [];
    }
    const decided = conditionOf(this.#path, i);
    if (decided !== undefined && new RegExp(`\\b[rw]${register}\\b`).test(decided)) {
      this.#note(i, 'check', `${decided}${is === '' ? '' : `: ${is}`}`);
    }
    return [{ ...place, known: state }];
  }

  #note(at: number, kind: FactKind, text: string): void {
    const key = `${this.#path[at].slot} ${kind}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.#facts.push(factOf(this.#path, at, kind, text));
  }
}
