// What to change, by the class of the refusal.
import type { Diagnostic } from '../../base/diagnostic.ts';
import { PROGRAM_TYPES, type ProgramTypeName } from '../../spec/program-types.ts';
import { MAX_STACK, type Reference } from '../state.ts';
import type { Value } from '../value.ts';
import type { Walk } from '../walk.ts';
import type { Fact, Fix, FixKind } from './explanation.ts';

export interface Refusal {
  readonly walk: Walk;
  readonly diagnostic: Diagnostic;
  readonly slot: number;
  readonly register: number;
  readonly value: Value;
  readonly chain: readonly Fact[];
  /** Checks of other packet pointers than the one that is wrong. */
  readonly otherChecks: readonly Fact[];
  /** The comparison that comes only after the instruction. */
  readonly late: Fact | undefined;
  /** The comparison on a way that the path did not take. */
  readonly elsewhere: Fact | undefined;
  readonly references: readonly Reference[];
  /** Bytes of the stack that were asked for and hold nothing. */
  readonly missing: string | undefined;
}

const line = (fact: Fact): string =>
  fact.source === undefined ? `instruction ${fact.insn}` : `line ${fact.source.line}`;

const fix = (kind: FixKind, text: string, at?: Fact): Fix => ({
  kind,
  text,
  ...(at === undefined
    ? {}
    : { at: { insn: at.insn, instruction: at.instruction, ...(at.source && { source: at.source }) } }),
});

type Row = (r: Refusal) => Fix | undefined;

const last = (facts: readonly Fact[], kind: Fact['kind']): Fact | undefined => facts.findLast((f) => f.kind === kind);

const onEveryPath = (elsewhere: Fact, what: string): Fix =>
  fix(
    'check-every-path',
    `${line(elsewhere)} compares it with ${what}, but this path does not come by there: compare it on every path`,
    elsewhere,
  );

const nullCheck: Row = ({ chain, late, elsewhere }) => {
  if (elsewhere !== undefined) return onEveryPath(elsewhere, 'NULL');
  if (late !== undefined)
    return fix(
      'check-after-use',
      `the comparison with NULL at ${line(late)} comes after the use: move it before`,
      late,
    );
  const made = last(chain, 'origin');
  return fix(
    'null-check',
    made === undefined
      ? 'compare the pointer with NULL before it is used, and leave where it is'
      : `compare what ${line(made)} gives with NULL right there, and leave where it is: if (!p) return ...;`,
    made,
  );
};

const packetCheck: Row = ({ walk, slot, value, chain, otherChecks, late, elsewhere }) => {
  if (value?.kind !== 'pointer') return undefined;
  const check = last(chain, 'length-check');
  const moved = last(chain, 'lost');
  const other = otherChecks.at(-1) ?? check;
  const tooSmall =
    value.range > 0 && check !== undefined
      ? fix(
          'check-too-small',
          `the check at ${line(check)} proves ${value.range} bytes only: make it cover the last byte of this access too`,
          check,
        )
      : undefined;
  // Where the access begins within what is proven, its end was forgotten.
  if (value.offset + (walk.program.insns[slot]?.off ?? 0) <= value.range && tooSmall !== undefined) return tooSmall;
  if (elsewhere !== undefined) return onEveryPath(elsewhere, 'data_end');
  if (late !== undefined)
    return fix(
      'check-after-use',
      `the comparison with data_end at ${line(late)} comes after the access: move it before`,
      late,
    );
  if (tooSmall !== undefined) return tooSmall;
  if (other !== undefined && moved !== undefined)
    return fix(
      'check-other-pointer',
      `${line(other)} checks another pointer than the one that is used, which was moved at ${line(moved)}: compare that one, plus the size of the access, with data_end`,
      other,
    );
  return fix(
    'bounds-check',
    'before the access: if ((void *)(p + 1) > data_end) return ...; on the very pointer that is used',
  );
};

const RELEASES: { readonly [W in Reference['what']]: string } = {
  socket: 'bpf_sk_release',
  ringRecord: 'bpf_ringbuf_submit or bpf_ringbuf_discard',
  lock: 'bpf_spin_unlock',
  iterator: "the iterator's _destroy function",
  dynptr: 'bpf_ringbuf_submit_dynptr or bpf_ringbuf_discard_dynptr',
  object: "the object's release function",
  rcu: 'bpf_rcu_read_unlock',
  preempt: 'bpf_preempt_enable',
  irq: 'bpf_local_irq_restore',
};

const release: Row = ({ references }) => {
  const held = references.at(0);
  return held === undefined
    ? undefined
    : fix('release', `call ${RELEASES[held.what]} on every path that leaves the program after it was taken`);
};

const TYPES = Object.keys(PROGRAM_TYPES) as ProgramTypeName[];

const otherType: Row = ({ walk, slot }) => {
  const number = walk.program.insns[slot]?.imm;
  if (number === undefined) return undefined;
  const may = TYPES.filter((type) => walk.platform.helper(number, type) !== undefined);
  return may.length === 0
    ? fix('other-program-type', 'no program type of this platform has this helper')
    : fix('other-program-type', `program types that may call it: ${may.join(', ')}`);
};

const LIMIT_FIRST = fix(
  'bounds-check',
  'limit the number first, on the same variable and as an unsigned one: compare it with the largest allowed, or mask it',
);

const limited: Row = ({ walk, slot, value, chain }) => {
  if (value?.kind === 'scalar') return LIMIT_FIRST;
  if (value?.kind !== 'pointer') return undefined;
  const check = last(chain, 'check');
  const atCall = walk.program.insns[slot]?.op === 'call_helper';
  if (value.variable === undefined && atCall) {
    return fix('bounds-check', 'limit the number of bytes first: with where they begin it must stay inside', check);
  }
  if (value.variable === undefined)
    return fix(
      'bounds-check',
      'the access lies outside by its constant offset: use a member of the type that is there',
    );
  if (check === undefined)
    return fix(
      'bounds-check',
      'compare the index with the number of elements before it is used: if (i >= N) return ...;',
    );
  return fix(
    'check-too-small',
    `the check at ${line(check)} does not keep it small enough: count the size of the element too`,
    check,
  );
};

const reload: Row = (r) => {
  const lost = last(r.chain, 'lost');
  if (lost === undefined) return undefined;
  return lost.text.includes('move the packet')
    ? fix('reload-packet', 'load ctx->data and ctx->data_end again after that call, and check them again')
    : undefined;
};

const outsideStack: Row = ({ diagnostic, value }) => {
  if (value?.kind !== 'pointer') return undefined;
  if (diagnostic.message.includes('beyond r10'))
    return fix(
      'bounds-check',
      'the variable is smaller than that: give its own size (sizeof), or limit the number of bytes to it first',
    );
  return value.offset < -MAX_STACK || (value.variable?.r64.smin ?? 0) < 0
    ? fix('less-stack', 'a function has 512 bytes of stack: move large variables into a per-CPU array with one element')
    : undefined;
};

const allowedReturns: Row = ({ walk }) => {
  const names = Object.entries(walk.row?.verdicts[walk.spec.dialect] ?? {})
    .filter(([, value]) => walk.returns.every((rule) => value >= rule.min && value <= rule.max))
    .map(([name, value]) => `${name} (${value})`);
  return names.length === 0 ? undefined : fix('return-value', `return one of ${names.join(', ')}`);
};

const NUMBER_NOW = fix(
  'other',
  'a pointer that was stored in part, computed with other operators than + and -, or read from memory whose types are not known is a number: keep it in a variable of its own',
);

const FIXES: Readonly<Record<string, Row>> = {
  'verify/budget': () =>
    fix('bound-loop', 'bound loops tighter and keep less in variables while they run; or allow more with --budget'),
  'verify/null': nullCheck,
  'verify/packet-bounds': packetCheck,
  'verify/bounds': limited,
  'verify/not-a-pointer': (r) => reload(r) ?? NUMBER_NOW,
  'verify/helper-argument': (r) =>
    reload(r) ??
    (r.value?.kind === 'scalar' ? limited(r) : undefined) ??
    (r.value?.kind === 'pointer' && r.value.nullable ? nullCheck(r) : undefined),
  'verify/pointer-arithmetic': (r) =>
    reload(r) ?? (r.diagnostic.message.includes('the distance may be') ? LIMIT_FIRST : undefined),
  'verify/uninitialised-register': () => fix('initialise', 'give the variable a value where it is declared'),
  'verify/uninitialised-stack': ({ missing }) =>
    fix(
      'initialise',
      `${missing === undefined ? '' : `nothing was stored to ${missing}: `}initialise the whole variable, padding included (__builtin_memset, or = {} where there is no padding)`,
    ),
  'verify/reference-leak': release,
  'verify/unbounded-loop': () =>
    fix('bound-loop', 'count the rounds against a constant (for (int i = 0; i < 100; i++)), or use bpf_loop'),
  'verify/helper': otherType,
  'verify/licence': () => fix('licence', 'char LICENSE[] SEC("license") = "GPL";'),
  'verify/stack-limit': () => fix('less-stack', 'move large variables into a per-CPU array with one element'),
  'verify/stack-access': outsideStack,
  'verify/return-value': allowedReturns,
};

/** The fix for a refusal; its message's own hint where the class has no better. */
export function fixOf(refusal: Refusal): Fix | undefined {
  const { code, hint } = refusal.diagnostic;
  return FIXES[code]?.(refusal) ?? (hint === undefined ? undefined : fix('other', hint));
}
