// Reads the log of Linux's verifier, levels 1 and 2, as kernels from 4.9 to 6.18 write it (kernel/bpf/log.c and verifier.c), bare
// or between the lines of libbpf, bpftool or bcc. Kept is the last path: the one that the refusal is about.
import type { SourceLine } from '../explain/explanation.ts';

/** One instruction of the path. */
export interface LogStep {
  readonly slot: number;
  /** Instruction class and operation, as the log has it. */
  readonly opcode: number;
  readonly text: string;
  readonly source: SourceLine | undefined;
  /** Functions that are entered and not left. */
  readonly depth: number;
  /** What the log says of registers and stack slots after it: `R1` -> `pkt(off=14,r=14)`. Names are as in the log. */
  after: ReadonlyMap<string, string>;
}

export interface KernelLog {
  /** Where a loader names it. */
  readonly program: string | undefined;
  /** The path to the refused instruction, which is the last. */
  readonly path: readonly LogStep[];
  /** What the kernel says is wrong, line by line; empty where it accepts the program. */
  readonly messages: readonly string[];
  readonly processed: number;
  readonly states: number;
  readonly microseconds: number;
}

/** `12: (61) r1 = *(u32 *)(r0 +0)    ; R1=scalar()`. */
const STEP = /^(\d+): \(([0-9a-f]{2})\) (.*?)(?:\s*; (.*))?$/;
/** Behind a jump the next line may follow on the same: the state where it goes, or what is wrong there. */
const JUMP = /^(.*\bgoto pc[+-]\d+) (\S.*)$/;
/** `4: R1=0 R10=fp0`, ` R0=inv(id=0) R10=fp0`, `9: frame1: R1=...`. */
const STATE = /^(?:\d+: | )(?:frame\d+: )?(R\d+(?:_\w+)?=.*)$/;
const FROM = /^from (\d+) to (\d+)(?: \(speculative execution\))?: ?(.*)$/;
const SOURCE = /^; ?(.*?)(?: @ (\S+):(\d+))?$/;
const BEGIN = /^(?:libbpf: )?prog '([^']*)': -- BEGIN PROG LOAD LOG --$/;
const END = /^(?:libbpf: )?-- END (?:PROG LOAD )?LOG --$/;
const PROCESSED = /processed (\d+) insns?\b/i;
const STATES = /total_states (\d+)/;
const TIME = /^verification time (\d+) usec$/;

/** Lines that are about the analysis, not about the program. */
const ASIDE: readonly RegExp[] = [
  /^\s*$/,
  /^\d+: safe$/,
  /^func#\d+ @\d+/,
  /^Live regs before insn:$/,
  /^\s+\d+: [.0-9]{10,} /,
  /^(?:mark_precise|force_precise|propagating|parent |regs=|last_idx|frame \d+: propagating)/,
  /^\(\d+\) (?:frame|live)/,
  /^(?:caller|callee|returning from callee):$/,
  /^to caller at \d+:$/,
  /^(?:Validating|Func#?\d*|Global function|Function) .*/,
  /^stack depth/,
  /^(?:cur|old) state: /,
  /^libbpf: /,
  /^-- BEGIN DUMP LOG ---?$/,
  /^(?:Error|ERR|HINT|WARNING|Traceback|  File |Exception|bpf: Failed)/,
];

/** Names with what the log says of them; values may hold brackets with spaces in them. */
const NAMED = /(R\d+|fp-?\d+)(?:_\w+)?=((?:[^\s(]|\((?:[^()]|\([^()]*\))*\))*)/g;

/** `R1=..., fp-8=...` of one line. */
function valuesOf(text: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const [, name, value] of text.matchAll(NAMED)) values.set(name, value);
  return values;
}

const merged = (a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): ReadonlyMap<string, string> =>
  b.size === 0 ? a : new Map([...a, ...b]);

/** The logs in a text: one for each program that a loader names, or one. */
export function parseKernelLog(text: string): KernelLog[] {
  const logs: KernelLog[] = [];
  let reader = new LogReader(undefined);
  const finish = (next: string | undefined): void => {
    if (reader.hasContent) logs.push(reader.log());
    reader = new LogReader(next);
  };
  for (const raw of text.split('\n')) {
    const line = raw.replace(/\r$/, '');
    const begins = BEGIN.exec(line);
    if (begins !== null) finish(begins[1]);
    else if (END.test(line)) finish(undefined);
    else reader.line(line);
  }
  finish(undefined);
  return logs;
}

class LogReader {
  readonly #program: string | undefined;
  #path: LogStep[] = [];
  #messages: string[] = [];
  #source: SourceLine | undefined;
  #start: ReadonlyMap<string, string> = new Map();
  #processed = 0;
  #states = 0;
  #microseconds = 0;
  #ended = false;

  constructor(program: string | undefined) {
    this.#program = program;
  }

  get hasContent(): boolean {
    return this.#path.length > 0 || this.#ended || this.#program !== undefined;
  }

  log(): KernelLog {
    return {
      program: this.#program,
      path: this.#path,
      messages: this.#messages,
      processed: this.#processed,
      states: this.#states,
      microseconds: this.#microseconds,
    };
  }

  line(line: string): void {
    const step = STEP.exec(line);
    if (step !== null) {
      const jump = JUMP.exec(step[3]);
      if (jump === null) return this.#step(step, step[3]);
      this.#step(step, jump[1]);
      return this.line(jump[2]);
    }
    const state = STATE.exec(line);
    if (state !== null) return this.#know(valuesOf(state[1]));
    const from = FROM.exec(line);
    if (from !== null) return this.#from(Number(from[1]), from[3]);
    if (line.startsWith(';')) return this.#line(line);
    const processed = PROCESSED.exec(line);
    if (processed !== null) {
      this.#processed = Number(processed[1]);
      this.#states = Number(STATES.exec(line)?.[1] ?? 0);
      this.#ended = true;
      // Kernels before 5.2 say so here.
      if (/too large/i.test(line)) this.#messages.push(line.trim());
      return;
    }
    const time = TIME.exec(line);
    if (time !== null) this.#microseconds = Number(time[1]);
    else if (!this.#ended && !ASIDE.some((pattern) => pattern.test(line))) this.#messages.push(line.trim());
  }

  #step([, slot, opcode, , after = '']: RegExpExecArray, text: string): void {
    // What was said before this instruction was no refusal.
    this.#messages = [];
    const last = this.#path.at(-1);
    const depth = last === undefined ? 0 : Math.max(0, last.depth + entered(last));
    const known = withoutWritten(last?.after ?? this.#start, text.trim());
    this.#path.push({
      slot: Number(slot),
      opcode: Number.parseInt(opcode, 16),
      text: text.trim(),
      source: this.#source,
      depth,
      after: merged(known, valuesOf(after)),
    });
  }

  /** A line about the state where the path stands. */
  #know(values: ReadonlyMap<string, string>): void {
    const last = this.#path.at(-1);
    if (last === undefined) this.#start = merged(this.#start, values);
    else last.after = merged(last.after, values);
  }

  /** The walk goes on at the other way of a branch that the path came by. */
  #from(slot: number, state: string): void {
    this.#messages = [];
    if (state.startsWith('safe')) return;
    const at = this.#path.findLastIndex((step) => step.slot === slot);
    if (at >= 0) this.#path.length = at + 1;
    const last = this.#path.at(-1);
    if (last !== undefined) this.#path[this.#path.length - 1] = { ...last, after: merged(last.after, valuesOf(state)) };
  }

  #line(line: string): void {
    const found = SOURCE.exec(line);
    if (found === null) return;
    const [, text, file = '', number] = found;
    if (text.trim() === '' && number === undefined) return;
    this.#source = number === '0' ? undefined : { file, line: Number(number ?? 0), column: 0, text: text.trim() };
  }
}

/** What is still known after an instruction of which the log says nothing: not of what it wrote, unless that is a copy. */
function withoutWritten(known: ReadonlyMap<string, string>, text: string): ReadonlyMap<string, string> {
  const gone = text.startsWith('call ') ? ['R0', 'R1', 'R2', 'R3', 'R4', 'R5'] : [];
  const written = /^[rw](\d+) \S*= (?:r(\d+)$)?/.exec(text);
  if (written !== null) gone.push(`R${written[1]}`);
  const stored = /^\*\(u\d+ \*\)\(r10 ([+-]\d+)\)/.exec(text);
  if (stored !== null) gone.push(`fp${stored[1]}`);
  const copied = /^r\d+ = r(\d+)$/.exec(text) === null ? undefined : known.get(`R${written?.[2]}`);
  if (copied === undefined && !gone.some((name) => known.has(name))) return known;
  const after = new Map(known);
  for (const name of gone) after.delete(name);
  if (copied !== undefined) after.set(gone[0], copied);
  return after;
}

/** Functions that an instruction enters (1) or leaves (-1). */
function entered({ text }: LogStep): number {
  if (/^call pc[+-]/.test(text)) return 1;
  return text === 'exit' ? -1 : 0;
}
