// Structured code must take the same path as the graph: random graphs and random decisions, walked both ways.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { dominance } from '../../src/flow/dominators.ts';
import { type Block, type FlowGraph, flowGraph } from '../../src/flow/graph.ts';
import { type Structured, structure } from '../../src/flow/structure.ts';
import { assemble } from '../../src/isa/assembler.ts';
import { decodeProgram } from '../../src/isa/insn.ts';

type Decisions = () => boolean;

const graphOf = (text: string) => () => flowGraph(decodeProgram(assemble(text).code), 0);

/** Of a switch, or labels in their place. */
const targetsOf = (of: { readonly table: readonly number[]; readonly below: number; readonly otherwise: number }) => [
  of.below,
  ...of.table,
  of.otherwise,
];

function pick(targets: readonly number[], decide: Decisions): number {
  let at = 0;
  while (at < targets.length - 1 && decide()) at++;
  return targets[at];
}

/** Blocks in the order that the graph runs them, at most `limit`. */
function walkGraph(graph: FlowGraph, decide: Decisions, limit: number): number[] {
  const path: number[] = [];
  for (let at: number | undefined = 0; at !== undefined && path.length < limit; ) {
    path.push(at);
    const { terminator }: Block = graph.blocks[at];
    if (terminator.kind === 'exit') at = undefined;
    else if (terminator.kind === 'goto') at = terminator.target;
    else if (terminator.kind === 'switch') at = pick(targetsOf(terminator), decide);
    else at = decide() ? terminator.taken : terminator.otherwise;
  }
  return path;
}

/** The same by the rules of WebAssembly's block, loop, if and br. */
function walkStructured(code: readonly Structured[], decide: Decisions, limit: number): number[] {
  const path: number[] = [];
  // Number of scopes still to leave, or a reason to stop.
  type Outcome = { readonly leave: number } | 'next' | 'stop';
  const run = (body: readonly Structured[]): Outcome => {
    for (const step of body) {
      const outcome = one(step);
      if (outcome !== 'next') return outcome;
    }
    return 'next';
  };
  const inScope = (body: readonly Structured[], again: boolean): Outcome => {
    for (;;) {
      const outcome = run(body);
      if (outcome === 'next' || outcome === 'stop') return outcome;
      if (outcome.leave > 0) return { leave: outcome.leave - 1 };
      if (!again) return 'next';
    }
  };
  const one = (step: Structured): Outcome => {
    switch (step.kind) {
      case 'code':
        if (path.length >= limit) return 'stop';
        path.push(step.block);
        return 'next';
      case 'exit':
        return 'stop';
      case 'branch':
        return { leave: step.label };
      case 'branch-if':
        return decide() !== step.negated ? { leave: step.label } : 'next';
      case 'switch':
        return { leave: pick(targetsOf(step), decide) };
      case 'block':
        return inScope(step.body, false);
      case 'loop':
        return inScope(step.body, true);
      case 'if':
        return inScope(decide() ? step.taken : step.otherwise, false);
    }
  };
  expect(run(code)).toBe('stop');
  return path;
}

const decisions = (bits: readonly boolean[]): Decisions => {
  let at = 0;
  return () => bits[at++ % bits.length];
};

/** Random code of `mov`, conditional and unconditional jumps (forward and back) and exits. */
const program = fc
  .array(fc.record({ kind: fc.integer({ min: 0, max: 9 }), to: fc.nat() }), { minLength: 1, maxLength: 40 })
  .map((rows) => {
    const count = rows.length + 1;
    const lines = rows.map(({ kind, to }, i) => {
      // Mostly forward, so that many graphs are reducible and end.
      const target = kind === 9 ? to % count : i + 1 + (to % (count - i));
      const label = `l${Math.min(target, count - 1)}`;
      if (kind < 3) return `l${i}: r0 = ${i}`;
      if (kind === 3) return `l${i}: goto ${label}`;
      return `l${i}: if r1 > ${i} goto ${label}`;
    });
    return [...lines, `l${count - 1}: exit`].join('\n');
  });

test('structured code runs the same blocks as the graph', () => {
  let reducible = 0;
  fc.assert(
    fc.property(program, fc.array(fc.boolean(), { minLength: 1, maxLength: 60 }), (text, bits) => {
      const graph = flowGraph(decodeProgram(assemble(text).code), 0);
      const dom = dominance(graph);
      if (!dom.reducible) return;
      reducible++;
      const code = structure(graph, dom);
      expect(walkStructured(code, decisions(bits), 200)).toEqual(walkGraph(graph, decisions(bits), 200));
    }),
    { numRuns: 2000 },
  );
  expect(reducible).toBeGreaterThan(500);
});

test('dominators agree with their definition: without the dominator, the block is not reached', () => {
  fc.assert(
    fc.property(program, (text) => {
      const graph = flowGraph(decodeProgram(assemble(text).code), 0);
      const dom = dominance(graph);
      for (const removed of graph.blocks) {
        const reached = new Set<number>();
        const work = removed.index === 0 ? [] : [0];
        for (let at = work.pop(); at !== undefined; at = work.pop()) {
          if (reached.has(at) || at === removed.index) continue;
          reached.add(at);
          work.push(...graph.blocks[at].successors);
        }
        for (const block of graph.blocks) {
          expect(dom.dominates(removed.index, block.index)).toBe(!reached.has(block.index));
        }
      }
    }),
    { numRuns: 200 },
  );
});

test('code that runs past its end, or jumps into a wide instruction, is refused with the slot', () => {
  expect(graphOf('r0 = 1')).toThrow('instruction 1: control runs past the last instruction');
  expect(graphOf('goto +1\nr1 = 5 ll\nexit')).toThrow('instruction 0: goes to slot 2, where no instruction begins');
  expect(graphOf('goto +7\nexit')).toThrow('flow/bad-jump');
});
