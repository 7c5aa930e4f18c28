import { type FlowGraph, flowGraph, functionEntries } from '../../flow/graph.ts';
import { decodeProgram } from '../../isa/insn.ts';
import type { ProgramSpec } from '../../spec/object.ts';

/** The control flow of a program's functions. @throws AnyBpfError flow/* where control leaves the code */
export function graphsOf({ code }: ProgramSpec): readonly FlowGraph[] {
  const insns = decodeProgram(code);
  return functionEntries(insns).map((entry) => flowGraph(insns, entry));
}
