// The control flow of programs as a graph for Graphviz: a box a block, with source lines, the refused one marked.
import { OPS } from '../../isa/opcodes.ts';
import { slotsOf } from '../../isa/insn.ts';
import type { FlowGraph } from '../../flow/graph.ts';
import { functionAt, instructionText, type Names, sourceAt } from '../explain/site.ts';
import { prepare, type PreparedProgram } from '../program.ts';
import type { Platform } from '../../spec/platform.ts';
import { AnyBpfError } from '../../base/diagnostic.ts';

export interface DrawnProgram extends Names {
  readonly platform: Platform;
  /** Slot of the refused instruction. */
  readonly refused: number | undefined;
}

/** One graph of all programs, a cluster for each function. Programs that cannot be decoded are left out. */
export function dotOf(programs: readonly DrawnProgram[]): string {
  const bodies = programs.map((drawn, index) => {
    try {
      return clusters(drawn, prepare(drawn.spec, drawn.platform), `p${index}`);
    } catch (error) {
      if (!(error instanceof AnyBpfError)) throw error;
      return '';
    }
  });
  return `digraph programs {\n  node [shape=box, fontname=monospace, fontsize=10];\n${bodies.join('')}}\n`;
}

function clusters(drawn: DrawnProgram, program: PreparedProgram, prefix: string): string {
  return [...program.functions]
    .map(([entry, { graph }]) => {
      const name = functionAt(drawn.spec, entry)?.name ?? `function at ${entry}`;
      const title = entry === 0 ? `${drawn.spec.section}/${drawn.spec.name}` : `${drawn.spec.name}: ${name}`;
      return `  subgraph "cluster_${prefix}_${entry}" {\n    label=${quoted([title])};\n${blocks(drawn, program, graph, prefix)}  }\n`;
    })
    .join('');
}

function blocks(drawn: DrawnProgram, { insns }: PreparedProgram, { blocks: all }: FlowGraph, prefix: string): string {
  const idOf = (start: number): string => `${prefix}_${start}`;
  return all
    .map((block) => {
      const { refused } = drawn;
      const marked = refused !== undefined && refused >= block.start && refused < block.end;
      const style = marked ? ', color=red, penwidth=2' : '';
      const node = `    ${idOf(block.start)} [label=${quoted(lines(drawn, insns, block.start, block.end))}${style}];\n`;
      const { terminator } = block;
      const edge = (target: number, label: string): string =>
        `    ${idOf(block.start)} -> ${idOf(all[target].start)}${label === '' ? '' : ` [label="${label}"]`};\n`;
      if (terminator.kind !== 'branch') return node + block.successors.map((target) => edge(target, '')).join('');
      const both = insns[terminator.slot];
      const names = both !== undefined && OPS[both.op].format === 'may_goto' ? ['ends', 'goes on'] : ['yes', 'no'];
      return node + edge(terminator.taken, names[0]) + edge(terminator.otherwise, names[1]);
    })
    .join('');
}

/** Source lines before the instructions that were made of them. */
function lines(drawn: DrawnProgram, insns: PreparedProgram['insns'], start: number, end: number): string[] {
  const out: string[] = [];
  let shown: string | undefined;
  for (let slot = start; slot < end; ) {
    const insn = insns[slot];
    if (insn === undefined) break;
    const source = sourceAt(drawn.spec, slot);
    const line = source === undefined ? undefined : `; ${source.line}: ${source.text}`;
    if (line !== undefined && line !== shown) out.push(line);
    shown = line ?? shown;
    out.push(`${slot}: ${instructionText(drawn, insn, slot)}${slot === drawn.refused ? '   <- refused' : ''}`);
    slot += slotsOf(insn.op);
  }
  return out;
}

/** A label of left-aligned lines. */
const quoted = (text: readonly string[]): string =>
  `"${text.map((line) => line.replaceAll('\\', '\\\\').replaceAll('"', '\\"')).join('\\l')}${text.length > 1 ? '\\l' : ''}"`;
