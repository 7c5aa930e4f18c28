// A program with maps, helpers and a packet of a test's own, on an engine.
import { assemble } from '../../src/isa/assembler.ts';
import { LinearMemory } from '../../src/run/memory.ts';
import type { Backend, Invocation, ProgramImage } from '../../src/spec/backend.ts';
import type { HelperRow } from '../../src/spec/helper.ts';
import type { LineSpec } from '../../src/spec/object.ts';

export interface Setting {
  readonly backend: Backend;
  readonly memory?: LinearMemory;
  readonly helpers?: Readonly<Record<number, HelperRow>>;
  readonly kfuncs?: Readonly<Record<number, HelperRow>>;
  readonly externs?: readonly bigint[];
  /** Handles by index, and addresses of the values. */
  readonly maps?: readonly { readonly handle: number; readonly value: number; readonly size: number }[];
  readonly lines?: readonly LineSpec[];
  /** Text of the programs that tail calls name by number; the run starts in 0. */
  readonly programs: readonly string[];
  readonly budget?: number;
  readonly ctx?: number;
}

export interface Started {
  readonly memory: LinearMemory;
  readonly invocation: Invocation;
  readonly images: readonly ProgramImage[];
  /** r0 of program 0. */
  run(): bigint;
}

/** Loads program 0 and gets everything ready for a run. */
export function start(setting: Setting): Started {
  const memory = setting.memory ?? new LinearMemory();
  const images = setting.programs.map((text, index): ProgramImage => {
    const { code } = assemble(text);
    return {
      id: index + 1,
      memory,
      spec: {
        name: `program${index}`,
        section: 'socket',
        type: 'socket_filter',
        sleepable: false,
        fragments: false,
        autoload: true,
        license: 'GPL',
        dialect: 'linux',
        code,
        functions: [],
        lines: setting.lines ?? [],
        core: [],
        tags: [],
      },
      mapHandle: (index) => setting.maps?.[index]?.handle,
      mapValue: (index, offset) => {
        const map = setting.maps?.[index];
        return map !== undefined && offset < map.size ? map.value + offset : undefined;
      },
      extern: (index) => setting.externs?.[index],
      kfunc: (index) => setting.kfuncs?.[index],
      helper: (number) => setting.helpers?.[number],
      code: undefined,
    };
  });
  images[0].code = setting.backend.load(images[0]);
  const ctx = setting.ctx ?? 0;
  const invocation: Invocation = {
    memory,
    get host(): never {
      throw new Error('no host');
    },
    dialect: 'linux',
    program: { id: 1, name: 'program0', type: 'socket_filter', attachType: undefined },
    ctx,
    layout: { name: 'ctx', size: 0, fields: {} },
    packet: undefined,
    cpu: 0,
    budget: setting.budget ?? 1_000_000,
    tail: undefined,
    tailCalls: 0,
    mapAt: () => undefined,
    tailCall(id) {
      if (invocation.tailCalls >= 33 || images[id] === undefined) return false;
      invocation.tailCalls++;
      invocation.tail = images[id];
      return true;
    },
    call: () => {
      throw new Error('the back end did not set call');
    },
    state: (key) => key.create(invocation),
  };
  return { memory, invocation, images, run: () => images[0].code?.run(invocation, BigInt(ctx), 0n) ?? -1n };
}
