// What our verifier refuses, in the sentences of PREVAIL, eBPF for Windows' verifier. It goes on after an access that it cannot prove and
// tells of those behind it, too: here the program is verified again with that access left out.
import { decodeProgram, encodeProgram, type Insn, makeInsn } from '../../isa/insn.ts';
import { OPS } from '../../isa/opcodes.ts';
import type { ObjectSpec, ProgramSpec } from '../../spec/object.ts';
import type { Platform } from '../../spec/platform.ts';
import type { Observe } from '../../verify/engine.ts';
import type { State } from '../../verify/state.ts';
import type { RegionName, Value } from '../../verify/value.ts';
import { type Analysis, analyse, DEFAULT_LIMITS } from '../../verify/verify.ts';
import { argumentsOf, type PrevailArgument } from './prevail-text.ts';

export interface PrevailError {
  readonly slot: number;
  readonly text: string;
}

export interface PrevailReport {
  readonly errors: readonly PrevailError[];
  /** Loops that the walk came to. */
  readonly loops: number;
}

/** Accesses after which it goes on. All analyses together have the time and the visits of one. */
const MOST_ERRORS = 64;

export function prevailReport(
  object: ObjectSpec,
  program: ProgramSpec,
  platform: Platform,
  observe?: Observe,
): PrevailReport {
  const errors: PrevailError[] = [];
  const heads = new Set<number>();
  let tried: ProgramSpec | undefined = program;
  // Who looks at states looks at those of the program as it is.
  let shown = observe;
  let { visits } = DEFAULT_LIMITS;
  const deadline = performance.now() + DEFAULT_LIMITS.time;
  while (tried !== undefined && errors.length < MOST_ERRORS) {
    const limits = { ...DEFAULT_LIMITS, visits, time: Math.max(1, deadline - performance.now()) };
    const analysis: Analysis = analyse(object, tried, platform, limits, (state, walk) => {
      shown?.(state, walk);
      if (walk.program.loopHead[state.slot] === 1) heads.add(state.slot);
    });
    shown = undefined;
    const { diagnostic, verdict } = analysis.verdict;
    if (diagnostic === undefined) break;
    // That the rest could not be looked at, too, is no error of the program.
    if (verdict === 'budget' && errors.length > 0) break;
    visits = Math.max(1, visits - analysis.verdict.visits);
    const slot = diagnostic.place.insn ?? 0;
    errors.push(...sentences(analysis, tried, platform, slot).map((text) => ({ slot, text })));
    tried = withoutAccess(tried, slot);
  }
  return { errors, loops: heads.size };
}

/** The program with a load that makes any number, or without a store. Undefined where the instruction is none. */
function withoutAccess(program: ProgramSpec, slot: number): ProgramSpec | undefined {
  const insns = [...decodeProgram(program.code)];
  const insn = insns[slot];
  const format = insn === undefined ? undefined : OPS[insn.op].format;
  // 32 bits of an address are a number of which nothing is known.
  if (insn !== undefined && format === 'ldx') insns[slot] = makeInsn('mov32_reg', { dst: insn.dst, src: insn.src });
  else if (format === 'st' || format === 'stx' || format === 'atomic') insns[slot] = makeInsn('ja');
  else return undefined;
  return { ...program, code: encodeProgram(insns) };
}

interface Access {
  readonly register: number;
  readonly off: number;
  readonly width: number;
  readonly kind: 'read' | 'write';
}

function accessOf(insn: Insn): Access | undefined {
  const { format, width } = OPS[insn.op];
  const bytes = width / 8;
  if (format === 'ldx') return { register: insn.src, off: insn.off, width: bytes, kind: 'read' };
  if (format === 'st' || format === 'stx') return { register: insn.dst, off: insn.off, width: bytes, kind: 'write' };
  return undefined;
}

function validAccess({ register, off, width, kind }: Access): string {
  const distance = off === 0 ? '' : off < 0 ? `${off}` : `+${off}`;
  return `(valid_access(r${register}.offset${distance}, width=${width}) for ${kind})`;
}

/** PREVAIL's kinds of values that an access goes through, and those that arithmetic takes. */
const POINTERS = '{ctx, stack, packet, shared}';
const KNOWN = '{number, ctx, stack, packet, shared}';
const MEMORY = '{stack, packet, shared}';

/** What was refused, as PREVAIL would say it; ours where it has no sentence for it. */
function sentences(analysis: Analysis, program: ProgramSpec, platform: Platform, slot: number): readonly string[] {
  const { verdict, walk, last } = analysis;
  const { diagnostic } = verdict;
  const insn = decodeProgram(program.code)[slot];
  const own = [diagnostic?.message ?? ''];
  if (diagnostic === undefined || insn === undefined) return own;
  const access = accessOf(insn);
  const register = walk?.culprit?.register ?? access?.register;
  switch (diagnostic.code) {
    case 'verify/packet-bounds':
      return access === undefined ? own : [`Upper bound must be at most packet_size ${validAccess(access)}`];
    case 'verify/context-access': {
      const size = walk?.layout?.size ?? 0;
      const beyond = access !== undefined && access.off + access.width > size;
      return beyond ? [`Upper bound must be at most ${size} ${validAccess(access)}`] : own;
    }
    case 'verify/bounds':
      return access === undefined
        ? own
        : [`Upper bound must be at most r${access.register}.shared_region_size ${validAccess(access)}`];
    case 'verify/null':
      return access === undefined ? own : [`Possible null access ${validAccess(access)}`];
    case 'verify/not-a-pointer':
      return [`Invalid type (r${register}.type in ${POINTERS})`];
    case 'verify/uninitialised-register':
      return [`Invalid type (r${register}.type ${insn.op === 'exit' ? '== number' : `in ${KNOWN}`})`];
    case 'verify/return-value':
      return insn.op === 'exit' && last?.register(0)?.kind === 'pointer' ? ['Invalid type (r0.type == number)'] : own;
    case 'verify/helper-argument': {
      const row = platform.helper(insn.imm, program.type);
      const wrong = row === undefined || last === undefined ? [] : wrongArguments(argumentsOf(row), last);
      return wrong.length > 0 ? wrong : own;
    }
    default:
      return own;
  }
}

const IN_MEMORY: ReadonlySet<RegionName> = new Set(['stack', 'packet', 'mapValue', 'memory', 'ringRecord']);
const isMemory = (value: Value): boolean => value?.kind === 'pointer' && !value.nullable && IN_MEMORY.has(value.region);
const isMap = (value: Value): boolean => value?.kind === 'pointer' && value.region === 'map';

/** All of a call's arguments that are not what they must be. */
function wrongArguments(args: readonly PrevailArgument[], state: State): readonly string[] {
  const at = (register: number): Value => state.register(register);
  const map = args.find(({ kind }) => kind.startsWith('map_fd'));
  const sized = map !== undefined && isMap(at(map.register));
  return args.flatMap(({ register, kind, pair }) => {
    const r = `r${register}`;
    const is = (wanted: string, fits: boolean): string[] => (fits ? [] : [`Invalid type (${r}.type ${wanted})`]);
    if (pair) {
      const size = is(`in ${MEMORY}`, isMemory(at(register)) || kind.endsWith('?'));
      return at(register + 1)?.kind === 'scalar' ? size : [...size, `Invalid type (r${register + 1}.type == number)`];
    }
    switch (kind) {
      case 'map_fd':
      case 'map_fd_programs':
        return is(`== ${kind}`, isMap(at(register)));
      case 'map_key':
      case 'map_value': {
        const part = kind === 'map_key' ? 'key' : 'value';
        const size = `Map ${part} size is not singleton (within(${r}:${part}_size(r${map?.register ?? 1})))`;
        return [...is(`in ${MEMORY}`, isMemory(at(register))), ...(sized ? [] : [size])];
      }
      case 'ctx':
        return is('== ctx', at(register)?.kind === 'pointer');
      default:
        return is('== number', at(register)?.kind === 'scalar');
    }
  });
}
