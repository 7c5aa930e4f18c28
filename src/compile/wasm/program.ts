// A program's part of a WebAssembly module: what it imports of the host, its functions, its entries. A module holds one program
// (backend.ts) or, ahead of time, all of an object.
import { functionEntries } from '../../flow/graph.ts';
import { MAX_TAIL_CALLS } from '../../spec/backend.ts';
import type { HelperRow } from '../../spec/helper.ts';
import type { Address } from '../../spec/memory.ts';
import { argumentForm } from '../helper-call.ts';
import { MAY_GOTO_LIMIT } from '../limits.ts';
import type { LoadedProgram } from '../load.ts';
import type { ProgramExports } from './code.ts';
import type { FunctionContext, HelperImport } from './context.ts';
import { Emitter } from './emitter.ts';
import { F64, I32, I64, VOID } from './encoding.ts';
import { compileFunction } from './function.ts';
import { globalIndex } from './machine.ts';
import { mapConstants } from './map-lookup.ts';
import type { ModuleBuilder, Signature } from './module.ts';

/** r1 and r2, which hold addresses and sizes, and the base of the frame. */
const MAIN: Signature = { params: [I32, I32, I32], results: [I64] };
const SUBPROGRAM: Signature = { params: [I64, I64, I64, I64, I64, I32], results: [I64] };
/** Contexts, results, count, budget, base of the frame. */
const BATCH: Signature = { params: [I32, I32, I32, I32, I32], results: [] };

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
    const index = builder.importFunction(module, item.name, signature);
    return () => {
      called.add(item.name);
      return index;
    };
  };
  const host = Object.defineProperties(
    {},
    Object.fromEntries(HOST_NAMES.map((name) => [name, { get: declare({ name }, HOST[name]) }])),
  ) as FunctionContext['imports'];
  const rows = (kind: 'helper' | 'kfunc', row: (number: number) => HelperRow | undefined) => {
    const imports = new Map<number, HelperImport | undefined>();
    for (const insn of insns) {
      if (insn?.op !== `call_${kind}` || imports.has(insn.imm)) continue;
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
  /** Accesses are not checked against the memory's regions. */
  readonly trusted: boolean;
}

/** A program's functions in a module. */
export interface AddedProgram {
  readonly main: number;
  /** Once the module is finished: where each instruction's code begins in it, ascending: offset, slot, offset, slot, ... */
  offsets(): number[];
}

/** Adds a program's functions and its entries. @param prefix of the names of its exports */
export function addProgram(
  builder: ModuleBuilder,
  program: LoadedProgram,
  imports: ProgramImports,
  { control, stack, trusted }: ProgramOptions,
  prefix = '',
): AddedProgram {
  const { image } = program;
  // Slot 0 is compiled a second time where it is also called as a function, which has another signature.
  const called = new Set(functionEntries(program.insns).filter((entry) => entry > 0 || callsItself(program)));
  const main = builder.declare(MAIN);
  const indexOf = new Map([...called].map((entry) => [entry, builder.declare(SUBPROGRAM)]));
  const bodies = [
    { index: main, entry: 0, isMain: true },
    ...[...indexOf].map(([entry, index]) => ({ index, entry, isMain: false })),
  ];
  const compiled = bodies.map(({ index, entry, isMain }) => {
    const result = compileFunction(
      {
        insns: program.insns,
        constant: (insn) => program.constants.get(insn) ?? 0n,
        functionAt: (slot) => indexOf.get(slot) as number,
        helper: imports.helper,
        map: (number) => {
          const handle = image.mapHandle(number);
          return handle === undefined ? undefined : mapConstants(image.memory, handle);
        },
        kfunc: imports.kfunc,
        imports: imports.host,
        routine: (name, signature, body) => builder.routine(name, signature, body),
        dialect: image.spec.dialect,
        exclusive: true,
        mainType: builder.type(MAIN),
        controlBlock: control,
        stackLow: stack,
        checked: !trusted,
      },
      entry,
      isMain,
    );
    builder.define(index, result.emitter);
    builder.export(`${prefix}${isMain ? 'main' : `f${entry}`}`, index);
    return { index, offsets: result.offsets };
  });
  for (const [name, results] of [
    ['run', [I64]],
    ['run32', [I32]],
  ] as const) {
    const entry = builder.declare({ params: [I32, I32, I32, I32], results });
    builder.define(entry, entryCode(main, results[0] === I32));
    builder.export(prefix + name, entry);
  }
  const batch = builder.declare(BATCH);
  builder.define(batch, batchCode(main));
  builder.export(`${prefix}batch`, batch);
  return {
    main,
    offsets: () =>
      compiled.flatMap(({ index, offsets }) => {
        const start = builder.codeOffsets.get(index) as number;
        return offsets.map((value, i) => (i % 2 === 0 ? start + value : value));
      }),
  };
}

/** What `addProgram` exported, in an instance of the module. */
export function programExports(exports: WebAssembly.Exports, prefix = ''): ProgramExports {
  const { main, run, run32, batch } = Object.fromEntries(
    ['main', 'run', 'run32', 'batch'].map((name) => [name, exports[prefix + name]]),
  ) as unknown as ProgramExports;
  return { main, run, run32, batch, functionAt: (slot) => exports[`${prefix}f${slot}`] };
}

/** The state of a run, set anew. */
function beginCode(e: Emitter, fuel: number): void {
  e.get(fuel).setGlobal(globalIndex('FUEL'));
  e.i32(MAX_TAIL_CALLS).setGlobal(globalIndex('TAILS'));
  e.i32(MAY_GOTO_LIMIT).setGlobal(globalIndex('MAY_GOTO'));
  e.i32(0).setGlobal(globalIndex('TAIL'));
}

/** One run from outside: r1, r2, base of the frame, budget. `short` keeps the lower half, so that no BigInt crosses. */
function entryCode(main: number, short: boolean): Emitter {
  const e = new Emitter(4);
  beginCode(e, 3);
  e.get(0).get(1).get(2).call(main);
  if (short) e.op('i32.wrap_i64');
  return e.op('end');
}

/** Runs main once for each context and keeps the lower half of each result. */
function batchCode(main: number): Emitter {
  const [contexts, results, count, fuel, base] = [0, 1, 2, 3, 4];
  const e = new Emitter(5);
  const index = e.local(I32);
  e.block(VOID).get(count).op('i32.eqz').brIf(0).loop(VOID);
  beginCode(e, fuel);
  e.get(index).setGlobal(globalIndex('INDEX'));
  e.get(results).get(contexts).memory('i32.load').i32(0).get(base).call(main).op('i32.wrap_i64').memory('i32.store');
  e.get(contexts).i32(4).op('i32.add').set(contexts).get(results).i32(4).op('i32.add').set(results);
  e.get(index).i32(1).op('i32.add').tee(index).get(count).op('i32.lt_u').brIf(0).op('end').op('end').op('end');
  return e;
}

function callsItself({ insns }: LoadedProgram): boolean {
  return insns.some((insn, slot) => {
    const calls = insn?.op === 'call_local' || insn?.op === 'ld_code_addr';
    return calls && slot + 1 + insn.imm === 0;
  });
}
