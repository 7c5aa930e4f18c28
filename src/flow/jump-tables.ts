// Jump tables: compilers make of a `switch` chains and trees of comparisons of one register with constants, as BPF has no other way
// to decide. Where the constants are dense, the comparisons become one terminator of the block that the first of them ends.
import type { Insn } from '../isa/insn.ts';
import { OPS, type Operation } from '../isa/opcodes.ts';
import type { Dominance } from './dominators.ts';
import type { Block, FlowGraph, SwitchTerminator, Terminator } from './graph.ts';

/**
 * Fewer cases take comparisons no longer than a table, whose jump the processor guesses right less often: a switch among 8 by values
 * in random order takes as long either way, among 16 two thirds and among 64 half of the time by a table. Where the order repeats so
 * that the processor learns it, comparisons take less whatever their number.
 */
const LEAST_CASES = 12;
/** What is looked at as one tree: the time that takes grows with the square of it. */
const MOST_TESTS = 512;
/** Entries of a table for each that leads elsewhere than what the table has no entry for. */
const MOST_ENTRIES = 4;

type Comparison = Exclude<Operation<'branch_imm'>, 'jset'>;

const above = (a: number, b: number): boolean => (a < 0 === b < 0 ? a > b : a < 0);

/** Whether a branch is taken, by the values as signed numbers. */
const TAKEN: { readonly [O in Comparison]: (value: number, imm: number) => boolean } = {
  jeq: (value, imm) => value === imm,
  jne: (value, imm) => value !== imm,
  jgt: above,
  jge: (value, imm) => !above(imm, value),
  jlt: (value, imm) => above(imm, value),
  jle: (value, imm) => !above(value, imm),
  jsgt: (value, imm) => value > imm,
  jsge: (value, imm) => value >= imm,
  jslt: (value, imm) => value < imm,
  jsle: (value, imm) => value <= imm,
};

/** A branch on a register and a constant, at the end of a block. */
interface Test {
  readonly register: number;
  readonly width: 32 | 64;
  readonly imm: number;
  readonly takes: (value: number, imm: number) => boolean;
  readonly slot: number;
  readonly taken: number;
  readonly otherwise: number;
}

function testOf({ terminator }: Block, insns: readonly (Insn | undefined)[]): Test | undefined {
  if (terminator.kind !== 'branch') return undefined;
  const insn = insns[terminator.slot] as Insn;
  const { format, operation, width } = OPS[insn.op];
  if (format !== 'branch_imm' || operation === 'jset' || insn.dst === 10) return undefined;
  const { slot, taken, otherwise } = terminator;
  return { register: insn.dst, width, imm: insn.imm, takes: TAKEN[operation], slot, taken, otherwise };
}

/** Values of the register from each `start` to before the next lead to the same block. */
interface Decision {
  readonly starts: readonly number[];
  readonly targets: readonly number[];
}

class Finder {
  readonly #blocks: readonly Block[];
  readonly #dom: Dominance;
  readonly #insns: readonly (Insn | undefined)[];
  readonly #tests: readonly (Test | undefined)[];
  /** Blocks that belong to a tree which was looked at. */
  readonly #seen: Uint8Array;

  constructor({ blocks }: FlowGraph, dom: Dominance, insns: readonly (Insn | undefined)[]) {
    this.#blocks = blocks;
    this.#dom = dom;
    this.#insns = insns;
    this.#tests = blocks.map((block) => testOf(block, insns));
    this.#seen = new Uint8Array(blocks.length);
  }

  /** The table in place of the branch that ends a block, where there is one. */
  at(root: number): SwitchTerminator | undefined {
    const test = this.#tests[root];
    if (test === undefined || this.#seen[root] !== 0) return undefined;
    const tree = this.#tree(root, test);
    return tree.size < LEAST_CASES ? undefined : tableOf(test, this.#decide(root, test, tree));
  }

  /** The blocks below one that do nothing but compare the same register. */
  #tree(root: number, { register, width }: Test): ReadonlySet<number> {
    const tree = new Set([root]);
    for (const index of tree) {
      this.#seen[index] = 1;
      const { taken, otherwise } = this.#tests[index] as Test;
      for (const side of [taken, otherwise]) {
        const test = this.#tests[side];
        const block = this.#blocks[side];
        const same = test?.register === register && test.width === width && block.start === test.slot;
        if (same && block.predecessors.length === 1 && this.#forward(index, side) && tree.size < MOST_TESTS) {
          if (this.#forward(side, test.taken) && this.#forward(side, test.otherwise)) tree.add(side);
        }
      }
    }
    return tree;
  }

  #forward(from: number, to: number): boolean {
    return this.#dom.position[to] > this.#dom.position[from];
  }

  #decide(root: number, { width }: Test, tree: ReadonlySet<number>): Decision {
    const least = -(2 ** (width - 1));
    const points = new Set([least, 0]);
    for (const index of tree) {
      const { imm } = this.#tests[index] as Test;
      points.add(imm);
      if (imm + 1 < -least) points.add(imm + 1);
    }
    const starts = [...points].sort((a, b) => a - b);
    const targets = new Array<number>(starts.length);
    const work = [{ index: root, values: starts.map((_, i) => i) }];
    for (let part = work.pop(); part !== undefined; part = work.pop()) {
      const { index, values } = part;
      const { imm, takes, taken, otherwise } = this.#tests[index] as Test;
      for (const [side, when] of [
        [taken, true],
        [otherwise, false],
      ] as const) {
        const there = values.filter((i) => takes(starts[i], imm) === when);
        if (tree.has(side)) work.push({ index: side, values: there });
        else for (const i of there) targets[i] = this.#through(side);
      }
    }
    return { starts, targets };
  }

  /** Where a block leads that is nothing but a jump on. */
  #through(index: number): number {
    const { start, end, terminator } = this.#blocks[index];
    if (terminator.kind !== 'goto' || end !== start + 1) return index;
    const format = OPS[(this.#insns[start] as Insn).op].format;
    const jumps = (format === 'goto' || format === 'gotol') && this.#forward(index, terminator.target);
    return jumps ? this.#through(terminator.target) : index;
  }
}

function tableOf({ register, width, slot }: Test, { starts, targets }: Decision): SwitchTerminator | undefined {
  const [below, otherwise] = [targets[0], targets[targets.length - 1]];
  const first = targets.findIndex((target) => target !== below);
  const last = targets.findLastIndex((target) => target !== otherwise);
  if (first < 0 || last < first) return undefined;
  const low = starts[first];
  if (starts[last + 1] - low > MOST_ENTRIES * starts.length) return undefined;
  const table: number[] = [];
  for (let i = first; i <= last; i++)
    for (let value = starts[i]; value < starts[i + 1]; value++) table.push(targets[i]);
  const cases = table.filter((target) => target !== otherwise && target !== below).length;
  if (cases < LEAST_CASES || table.length > MOST_ENTRIES * cases) return undefined;
  return { kind: 'switch', slot, register, width, low, table, below, otherwise };
}

const successorsOf = (terminator: Terminator): readonly number[] => {
  switch (terminator.kind) {
    case 'exit':
      return [];
    case 'goto':
      return [terminator.target];
    case 'branch':
      return [...new Set([terminator.taken, terminator.otherwise])];
    case 'switch':
      return [...new Set([...terminator.table, terminator.below, terminator.otherwise])];
  }
};

function renumbered(terminator: Terminator, to: (index: number) => number): Terminator {
  switch (terminator.kind) {
    case 'exit':
      return terminator;
    case 'goto':
      return { ...terminator, target: to(terminator.target) };
    case 'branch':
      return { ...terminator, taken: to(terminator.taken), otherwise: to(terminator.otherwise) };
    case 'switch': {
      const { table, below, otherwise } = terminator;
      return { ...terminator, table: table.map(to), below: to(below), otherwise: to(otherwise) };
    }
  }
}

/**
 * The graph with jump tables in place of dense comparisons, undefined where there are none. It is reducible if the graph is, and
 * does the same but for the comparisons themselves, of which fewer are left to count.
 *
 * @param insns by slot
 */
export function withJumpTables(
  graph: FlowGraph,
  dom: Dominance,
  insns: readonly (Insn | undefined)[],
): FlowGraph | undefined {
  const { blocks, entry } = graph;
  if (blocks.length < LEAST_CASES) return undefined;
  const finder = new Finder(graph, dom, insns);
  let found = false;
  const terminators = blocks.map(({ terminator }) => terminator);
  for (const index of dom.order) {
    const table = finder.at(index);
    if (table === undefined) continue;
    terminators[index] = table;
    found = true;
  }
  if (!found) return undefined;
  const reached = new Set([0]);
  for (const index of reached) for (const successor of successorsOf(terminators[index])) reached.add(successor);
  const kept = blocks.filter(({ index }) => reached.has(index));
  const newIndex = new Map(kept.map(({ index }, i) => [index, i]));
  const predecessors: number[][] = kept.map(() => []);
  const made = kept.map((block, index): Block => {
    const terminator = renumbered(terminators[block.index], (old) => newIndex.get(old) as number);
    const successors = successorsOf(terminator);
    for (const successor of successors) predecessors[successor].push(index);
    return { ...block, index, terminator, successors, predecessors: predecessors[index] };
  });
  return { entry, blocks: made };
}
