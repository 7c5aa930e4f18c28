// A program's part of a WebAssembly module: what it imports of the host, its functions, its entries. A module holds one program
// (backend.ts) or, ahead of time, all of an object.
import { functionEntries } from '../../flow/graph.ts';
import type { Proof } from '../../spec/backend.ts';
import type { HelperRow } from '../../spec/helper.ts';
import type { Address } from '../../spec/memory.ts';
import { argumentForm } from '../helper-call.ts';
import type { LoadedProgram } from '../load.ts';
import type { ProgramExports } from './code.ts';
import { type FunctionContext, type HelperImport, NO_SLOT } from './context.ts';
import { F64, I32, I64 } from './encoding.ts';
import { BATCH, batchCode, ENTER, enterCode, type Entering, entryCode, MAIN } from './entries.ts';
import { compileFunction } from './function.ts';
import { CONTROL, type GlobalName } from './machine.ts';
import { type MapConstants, mapConstants } from './map-lookup.ts';
import type { ModuleBuilder, Signature } from './module.ts';
import { packetFields } from './packet-bytes.ts';

const SUBPROGRAM: Signature = { params: [I64, I64, I64, I64, I64, I32], results: [I64] };

/** What a program's code asks of the host, besides helpers. */
const HOST = {
  /** Kind (ABORT), slot, detail. */
  abort: { params: [I32, I32, I32], results: [] },
  /** Slot, register, address, size, whether it writes. */
  admit: { params: [I32, I32, I32, I32, I32], results: [] },
  /** Register, address, size, whether it writes; whether the program may. */
  asks: { params: [I32, I32, I32, I32], results: [I32] },
  /** Slot, address, size, whether it writes. */
  refuse: { params: [I32, I64, I32, I32], results: [] },
  /** Between the runs of a batch, where one has left the record that it reserved. */
  leave: { params: [], results: [] },
  /** Slot, r6, offset, size; a negative result is past the end of the packet. */
  packet: { params: [I32, I64, I32, I32], results: [I64] },
  /** Slot, target, r1 to r5, base of the frame. */
  callx: { params: [I32, I64, I64, I64, I64, I64, I64, I32], results: [I64] },
} as const satisfies Record<string, Signature>;
export type HostImportName = keyof typeof HOST;
const HOST_NAMES = Object.keys(HOST) as HostImportName[];

const FORMS = { i32: I32, f64: F64, i64: I64 } as const;

/** Slot, then the arguments in their forms; the result is a number, or NaN where CONTROL.RESULT has it. */
const helperSignature = ({ args }: HelperRow): Signature => ({
  params: [I32, ...args.map((kind) => FORMS[argumentForm(kind)])],
  results: [F64],
});

/** A function that a program imports: of the host, or the row of a helper (`helper.NAME`) or kfunc (`kfunc.NAME`). */
export type ImportedFunction =
  | { readonly name: HostImportName; readonly row?: undefined }
  | { readonly name: string; readonly row: HelperRow };

/** The imports of a program, declared in a module. */
export interface ProgramImports {
  /** In the order of declaration. */
  readonly declared: readonly ImportedFunction[];
  /** Those that the code compiled so far calls. */
  readonly called: ReadonlySet<string>;
  readonly host: FunctionContext['imports'];
  helper(number: number): HelperImport | undefined;
  kfunc(number: number): HelperImport | undefined;
}

/**
 * Declares what a program may import. All programs of a module do this before the first function is declared.
 *
 * @param module the first of the two names of each import
 * @param only names to declare, where it is known which the code calls (`called` of an earlier compilation)
 */
export function declareImports(
  builder: ModuleBuilder,
  module: string,
  { image, insns }: LoadedProgram,
  only?: ReadonlySet<string>,
): ProgramImports {
  const declared: ImportedFunction[] = [];
  const called = new Set<string>();
  /** Index of the import, which counts as called when it is asked for. */
  const declare = (item: ImportedFunction, signature: Signature): (() => number) => {
    if (only?.has(item.name) === false) {
      return () => {
        throw new Error(`${item.name} is called but not imported`);
      };
    }
    declared.push(item);
    let index = builder.late ? undefined : builder.importFunction(module, item.name, signature);
    return () => {
      called.add(item.name);
      index ??= builder.importFunction(module, item.name, signature);
      return index;
    };
  };
  const host = Object.defineProperties(
    {},
    Object.fromEntries(HOST_NAMES.map((name) => [name, { get: declare({ name }, HOST[name]) }])),
  ) as FunctionContext['imports'];
  const rows = (kind: 'helper' | 'kfunc', row: (number: number) => HelperRow | undefined) => {
    const op = kind === 'helper' ? 'call_helper' : 'call_kfunc';
    const imports = new Map<number, HelperImport | undefined>();
    for (const insn of insns) {
      if (insn?.op !== op || imports.has(insn.imm)) continue;
      const found = row(insn.imm);
      if (found === undefined) continue;
      const index = declare({ name: `${kind}.${found.name}`, row: found }, helperSignature(found));
      imports.set(insn.imm, {
        row: found,
        get index() {
          return index();
        },
      });
    }
    return (number: number) => imports.get(number);
  };
  const helper = rows('helper', (number) => image.helper(number));
  const kfunc = rows('kfunc', (number) => image.kfunc(number));
  return { declared, called, host, helper, kfunc };
}

/** Where the machine's parts lie, and how the code is to be. */
export interface ProgramOptions {
  readonly control: Address;
  readonly stack: Address;
  /** Neither of this program nor of those that it may go on with are accesses checked. */
  readonly trusted: boolean;
  /** What was proven of this program, where anything was. */
  readonly proof?: Proof | undefined;
  /** For runs that the host does not begin; where absent, there is no entry for them. */
  readonly enter?: Omit<Entering, 'id' | 'control'>;
}

/** A program's functions in a module. */
export interface AddedProgram {
  readonly main: number;
  /** Its entries (ProgramExports). */
  readonly run32: number;
  readonly batch: number;
  /** Once the module is finished: where each instruction's code begins in it, ascending: offset, slot (or NO_SLOT), offset, ... */
  offsets(): Int32Array;
}

/** Adds a program's functions and its entries. @param prefix of the names of its exports */
export function addProgram(
  builder: ModuleBuilder,
  program: LoadedProgram,
  imports: ProgramImports,
  { control, stack, trusted, proof, enter }: ProgramOptions,
  prefix = '',
): AddedProgram {
  const { image } = program;
  const { checked, checkedAt, clears, windows } = checksOf(program, trusted, proof);
  // Slot 0 is compiled a second time where it is also called as a function, which has another signature.
  const called = new Set(functionEntries(program.insns).filter((entry) => entry > 0 || callsItself(program)));
  const main = builder.declare(MAIN);
  const indexOf = new Map([...called].map((entry) => [entry, builder.declare(SUBPROGRAM)]));
  const bodies = [
    { index: main, entry: 0, isMain: true },
    ...[...indexOf].map(([entry, index]) => ({ index, entry, isMain: false })),
  ];
  const uses = new Set<GlobalName>();
  const maps = new Map<number, MapConstants | undefined>();
  const map = (number: number): MapConstants | undefined => {
    if (!maps.has(number)) {
      const handle = image.mapHandle(number);
      maps.set(number, handle === undefined ? undefined : mapConstants(image.memory, handle));
    }
    return maps.get(number);
  };
  const compiled = bodies.map(({ index, entry, isMain }) => {
    const result = compileFunction(
      {
        insns: program.insns,
        constant: (insn) => program.constants.get(insn) ?? 0n,
        functionAt: (slot) => indexOf.get(slot) as number,
        helper: imports.helper,
        map,
        kfunc: imports.kfunc,
        imports: imports.host,
        routine: (name, signature, body) => builder.routine(name, signature, body),
        dialect: image.spec.dialect,
        packet: packetFields(image.layout),
        exclusive: !image.memory.shared,
        mainType: builder.type(MAIN),
        controlBlock: control,
        stackLow: stack,
        checked,
        checkedAt,
        clears,
        windows,
        uses,
      },
      entry,
      isMain,
    );
    builder.define(index, result.emitter);
    builder.export(`${prefix}${isMain ? 'main' : `f${entry}`}`, index);
    return { index, result };
  });
  const [, run32] = (['run', 'run32'] as const).map((name) => {
    const short = name === 'run32';
    const entry = builder.declare({ params: [I32, I32, I32, I32], results: [short ? I32 : I64] });
    builder.define(entry, entryCode(main, uses, short));
    builder.export(prefix + name, entry);
    return entry;
  });
  if (enter !== undefined) {
    const entry = builder.declare(ENTER);
    builder.define(entry, enterCode(main, uses, imports.called.size > 0, { id: image.id, control, ...enter }));
    builder.export(`${prefix}enter`, entry);
  }
  const batch = builder.declare(BATCH);
  const { emitter, inlined } = batchCode(
    main,
    compiled[0].result,
    uses,
    // What was verified leaves none, unless it goes on with what was not.
    windows ? { record: control + CONTROL.RECORD, leave: imports.host.leave } : undefined,
  );
  builder.define(batch, emitter);
  builder.export(`${prefix}batch`, batch);
  const placed: PlacedCode[] = compiled.map(({ index, result }) => ({ index, shift: 0, offsets: result.offsets }));
  if (inlined !== undefined) {
    placed.push({ index: batch, shift: inlined.at - inlined.from, offsets: compiled[0].result.offsets });
  }
  return {
    main,
    run32,
    batch,
    offsets: () => {
      const routines = builder.routines.map((index) => ({ index, shift: 0, offsets: [0, NO_SLOT] }));
      return offsetsOf(builder, [...placed, ...routines]);
    },
  };
}

const NOWHERE: ReadonlySet<number> = new Set();

/** Whether a program's code may go on with another program. */
export const mayGoOn = ({ image, insns }: Pick<LoadedProgram, 'image' | 'insns'>): boolean =>
  insns.some(
    (insn) =>
      insn?.op === 'callx' || (insn?.op === 'call_helper' && image.helper(insn.imm)?.returns === 'integerOrNoReturn'),
  );

/** What a program's code asks the host about. */
export function checksOf(
  { image, insns }: LoadedProgram,
  trusted: boolean,
  proof: Proof | undefined,
): Pick<FunctionContext, 'checked' | 'checkedAt' | 'clears' | 'windows'> {
  if (trusted) return { checked: false, checkedAt: NOWHERE, clears: false, windows: false };
  if (proof === undefined) return { checked: true, checkedAt: NOWHERE, clears: true, windows: true };
  const { checkedAt, readsUnwritten: clears } = proof;
  return { checked: false, checkedAt, clears, windows: mayGoOn({ image, insns }) || checkedAt.size > 0 };
}

/** A function, and where instructions begin in its code, which stands that many bytes further on than they say. */
interface PlacedCode {
  readonly index: number;
  readonly shift: number;
  readonly offsets: readonly number[];
}

function offsetsOf(builder: ModuleBuilder, placed: PlacedCode[]): Int32Array {
  const all = new Int32Array(placed.reduce((sum, { offsets }) => sum + offsets.length, 0));
  let at = 0;
  for (const { index, shift, offsets } of placed.sort((a, b) => a.index - b.index)) {
    const start = (builder.codeOffsets.get(index) as number) + shift;
    for (let i = 0; i < offsets.length; i += 2) {
      all[at++] = start + offsets[i];
      all[at++] = offsets[i + 1];
    }
  }
  return all;
}

/** What `addProgram` exported, in an instance of the module. */
export function programExports(exports: WebAssembly.Exports, prefix = ''): ProgramExports {
  const { main, run, run32, batch, enter } = Object.fromEntries(
    ['main', 'run', 'run32', 'batch', 'enter'].map((name) => [name, exports[prefix + name]]),
  ) as unknown as ProgramExports;
  return { main, run, run32, batch, enter, functionAt: (slot) => exports[`${prefix}f${slot}`] };
}

function callsItself({ insns }: LoadedProgram): boolean {
  return insns.some((insn, slot) => {
    const calls = insn?.op === 'call_local' || insn?.op === 'ld_code_addr';
    return calls && slot + 1 + insn.imm === 0;
  });
}
