// Runs instructions without an object, a host or a program type: what instruction set conformance asks for.
import type { Place } from '../base/diagnostic.ts';
import { LinearMemory } from '../run/memory.ts';
import type { Backend, Invocation, ProgramImage } from '../spec/backend.ts';
import { type HelperRow, helper, type StateKey } from '../spec/helper.ts';
import type { Address } from '../spec/memory.ts';

/** Instructions that one conformance program may take. */
const BUDGET = 1_000_000;
/** More memory than this a vector may not bring. */
export const MAX_BARE_MEMORY = 1 << 20;

/** Ends the whole program at once, from any depth. */
class Unwound extends Error {}

/** The only helper that bpf_conformance knows: gives back its argument, and 0 ends the program with 0. */
const UNWIND: HelperRow = helper({
  name: 'unwind',
  numbers: { linux: 5 },
  args: ['scalar'],
  returns: 'integer',
  doc: 'Gives back its argument; where that is 0, the program ends with 0.',
  body: (_env, value) => {
    if (value === 0n) throw new Unwound();
    return value;
  },
});

export interface BareProgram {
  /** Little-endian instruction encoding; runs from slot 0. */
  readonly code: Uint8Array;
  /** What r1 points at, r2 gives the length of, and packet loads read (with r6 = r1); empty: r1 is 0. */
  readonly memory: Uint8Array;
  readonly name?: string;
}

/**
 * Loads and runs a program on an engine; gives r0. `memory` is changed to what the program left there.
 * Raises isa/* and run/*.
 */
export function runBare({ code, memory: bytes, name = 'main' }: BareProgram, backend: Backend): bigint {
  const memory = new LinearMemory();
  let r1: Address = 0;
  if (bytes.length > 0) {
    r1 = memory.alloc(bytes.length);
    memory.u8.set(bytes, r1);
    memory.addRegion({ base: r1, size: bytes.length, kind: 'packet', name: 'memory', writable: true });
  }
  const image: ProgramImage = {
    id: 1,
    memory,
    spec: {
      name,
      section: '.text',
      type: 'socket_filter',
      sleepable: false,
      fragments: false,
      autoload: true,
      license: '',
      dialect: 'linux',
      code,
      functions: [],
      lines: [],
      core: [],
      tags: [],
    },
    mapHandle: () => undefined,
    mapValue: () => undefined,
    extern: () => undefined,
    kfunc: () => undefined,
    helper: (number) => (number === UNWIND.numbers.linux ? UNWIND : undefined),
    code: undefined,
  };
  const program = backend.load(image);
  try {
    return program.run(bareInvocation(memory, r1, bytes.length, { program: name }), BigInt(r1), BigInt(bytes.length));
  } catch (error) {
    if (error instanceof Unwound) return 0n;
    throw error;
  } finally {
    bytes.set(memory.u8.subarray(r1, r1 + bytes.length));
    program.dispose();
  }
}

function bareInvocation(memory: LinearMemory, r1: Address, length: number, place: Place): Invocation {
  const states = new Map<StateKey<unknown>, unknown>();
  const missing = (what: string): never => {
    throw new Error(`${place.program}: a bare run has no ${what}`);
  };
  return {
    memory,
    get host() {
      return missing('host');
    },
    dialect: 'linux',
    program: { id: 1, name: place.program ?? '', type: 'socket_filter', attachType: undefined },
    ctx: r1,
    layout: { name: 'memory', size: length, fields: {} },
    packet:
      length === 0
        ? undefined
        : {
            head: r1,
            limit: r1 + length,
            data: r1,
            end: r1 + length,
            meta: r1,
            link: r1,
            network: r1,
            move: () => missing('packet that moves'),
            reserve: () => false,
          },
    cpu: 0,
    budget: BUDGET,
    tail: undefined,
    tailCalls: 0,
    mapAt: () => undefined,
    tailCall: () => false,
    call: () => missing('callbacks before it runs'),
    state<T>(key: StateKey<T>): T {
      if (!states.has(key)) states.set(key, key.create(this));
      return states.get(key) as T;
    },
  };
}
