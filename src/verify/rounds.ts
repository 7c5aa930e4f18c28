// Which rounds of which loops a state is in: states of different rounds may not be made one, as the loop's end would get lost.
import type { FlowGraph } from '../flow/graph.ts';
import type { PreparedFunction, PreparedProgram } from './program.ts';
import type { Entry, Frame, State } from './state.ts';
import { sameCalls } from './subsume.ts';

interface Place {
  readonly slot: number;
  readonly frames: readonly Frame[];
  readonly parent: Entry | undefined;
}

/** States of a path that are looked at for the rounds. */
const FAR = 4096;

/** Blocks of the loop with this head: those that lead back to it. */
function bodyOf({ graph: { blocks }, dominance: { position } }: PreparedFunction, head: number): Uint8Array {
  const body = new Uint8Array(blocks.length);
  body[head] = 1;
  const work = blocks[head].predecessors.filter((block) => position[block] >= position[head]);
  for (let block = work.pop(); block !== undefined; block = work.pop()) {
    if (body[block] === 1) continue;
    body[block] = 1;
    work.push(...blocks[block].predecessors);
  }
  return body;
}

function blockAt({ blocks }: FlowGraph, slot: number): number {
  let low = 0;
  let high = blocks.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (blocks[middle].start <= slot) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The loops of a program, found when first asked for. */
export class Rounds {
  readonly #program: PreparedProgram;
  /** By function: heads of its loops by slot, with their blocks. */
  readonly #loops = new Map<number, readonly (readonly [number, Uint8Array])[]>();

  /** By head of a loop: those of the loops around it. */
  readonly #outer = new Map<number, ReadonlySet<number>>();

  constructor(program: PreparedProgram) {
    this.#program = program;
  }

  #loopsOf(entry: number, fn: PreparedFunction): readonly (readonly [number, Uint8Array])[] {
    let loops = this.#loops.get(entry);
    if (loops === undefined) {
      const { loopHead } = fn.dominance;
      const heads = fn.graph.blocks.filter((block) => loopHead[block.index]);
      loops = heads.map(({ index, start }) => [start, bodyOf(fn, index)] as const);
      this.#loops.set(entry, loops);
    }
    return loops;
  }

  /** Heads of the loops of a function around the loop with this head. */
  #around(slot: number, entry: number): ReadonlySet<number> {
    let heads = this.#outer.get(slot);
    if (heads === undefined) {
      const fn = this.#program.functions.get(entry);
      const at = fn === undefined ? 0 : blockAt(fn.graph, slot);
      const loops = fn === undefined ? [] : this.#loopsOf(entry, fn);
      heads = new Set(loops.filter(([head, body]) => head !== slot && body[at] === 1).map(([head]) => head));
      this.#outer.set(slot, heads);
    }
    return heads;
  }

  /** The last state kept on this path at the same head of a loop, if the loop was not left since. Its paths are not all at their end. */
  before(state: State): Entry | undefined {
    const { slot, frames } = state;
    const outer = this.#around(slot, state.frame.entry);
    for (let e = state.parent; e !== undefined; e = e.parent) {
      if (e.frames.length < frames.length) return undefined;
      if (e.frames.length > frames.length) continue;
      if (e.slot === slot) return sameCalls(e.frames, frames) ? e : undefined;
      if (outer.has(e.slot)) return undefined;
    }
    return undefined;
  }

  /** The loops around a place in all its calls, each with its round on the path. Equal where the rounds are. */
  of({ slot, frames, parent }: Place, round: number): string {
    const wanted = new Map<string, number>();
    frames.forEach(({ entry, callback }, depth) => {
      const fn = this.#program.functions.get(entry);
      if (fn === undefined) return;
      const at = blockAt(fn.graph, depth + 1 < frames.length ? frames[depth + 1].callSite : slot);
      for (const [head, body] of this.#loopsOf(entry, fn)) if (body[at] === 1) wanted.set(`${depth}:${head}`, -1);
      if (callback !== undefined) wanted.set(`${depth}:${entry}`, -1);
    });
    let missing = wanted.size;
    let looked = 0;
    for (let e = parent; e !== undefined && missing > 0 && looked < FAR; e = e.parent, looked++) {
      const key = `${e.frames.length - 1}:${e.slot}`;
      if (wanted.get(key) !== -1) continue;
      wanted.set(key, e.round);
      missing--;
    }
    return `${round};${[...wanted].join(';')}`;
  }
}
