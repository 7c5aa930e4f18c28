// `prog dump xlated PROG visual`: the control-flow graphs of a program's functions in Graphviz' language.
import { type FlowGraph, flowGraph, functionEntries } from '../../flow/graph.ts';
import { decodeProgram } from '../../isa/insn.ts';

/** Numbers of the nodes that stand for the function's beginning and end; blocks follow. */
const ENTRY = 0;
const EXIT = 1;
const FIRST = 2;

const NODE = 'shape=record,style=filled';
const MARK = 'shape=Mdiamond,style=filled';
const EDGE = '[style="solid,bold", color=black, weight=10, constraint=true]';

const escaped = (text: string): string => text.replace(/[<>|&]/g, String.raw`\$&`);

/** `textOf`: the instruction at a slot, with its opcode. */
export function visualText(code: Uint8Array, textOf: (slot: number) => string): string {
  const insns = decodeProgram(code);
  const clusters = functionEntries(insns).map((entry, i) => clusterText(i, flowGraph(insns, entry), textOf, insns));
  return `digraph "DOT graph for eBPF program" {\n${clusters.join('')}}\n`;
}

function clusterText(
  number: number,
  graph: FlowGraph,
  textOf: (slot: number) => string,
  insns: readonly unknown[],
): string {
  const node = (block: number): string => `fn_${number}_bb_${block}`;
  const blocks = graph.blocks.map((block) => {
    const lines: string[] = [];
    for (let slot = block.start; slot < block.end; slot++) {
      // The second slot of a wide instruction.
      if (insns[slot] === undefined) continue;
      lines.push(`${String(slot - graph.entry).padStart(4)}: ${escaped(textOf(slot))}\\l\\\n`);
    }
    return `\t${node(block.index + FIRST)} [${NODE},label="{${lines.join(' | ')}}"];\n\n`;
  });
  const edges = [
    [ENTRY, FIRST],
    ...graph.blocks.flatMap(({ index, terminator }) => {
      const to =
        terminator.kind === 'exit'
          ? [EXIT]
          : // What comes next on the page comes first.
            (terminator.kind === 'branch' ? [terminator.otherwise, terminator.taken] : successorsOf(graph, index)).map(
              (block) => block + FIRST,
            );
      return to.map((target) => [index + FIRST, target]);
    }),
  ].map(([from, to]) => `\t${node(from)}:s -> ${node(to)}:n ${EDGE};\n`);
  return [
    `subgraph "cluster_${number}" {\n\tstyle="dashed";\n\tcolor="black";\n\tlabel="func_${number} ()";\n`,
    `\t${node(ENTRY)} [${MARK},label="ENTRY"];\n\n`,
    ...blocks,
    `\t${node(EXIT)} [${MARK},label="EXIT"];\n\n`,
    ...edges,
    `\t${node(ENTRY)}:s -> ${node(EXIT)}:n [style="invis", constraint=true];\n}\n`,
  ].join('');
}

const successorsOf = (graph: FlowGraph, index: number): readonly number[] => graph.blocks[index].successors;
