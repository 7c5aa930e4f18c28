// Test-run of program types whose context is a structure of its own, with a buffer of data beside it where it points to one.
import type { ContextLayout, Harness, HarnessEnvironment, TestRunInput } from '../spec/program.ts';
import { ContextBlock } from './context-block.ts';
import { contextImage } from './context-input.ts';
import { PacketBuffer } from './packet.ts';
import { SocketBlock } from './socket.ts';

/** What a program type does with its context before and after the run. */
export interface PlainOptions {
  /** Changes or checks the image that the caller's `ctx` gave, before it is laid. */
  readonly prepare?: (image: Uint8Array<ArrayBuffer>, input: TestRunInput, environment: HarnessEnvironment) => void;
  /** The kernel gives no context back. */
  readonly keepsContext?: boolean;
  /** Names of the argument fields that `args` fills, in order. */
  readonly args?: readonly string[];
  /** The `sk` of the context is an answer of the program, NULL at first. */
  readonly selectsSocket?: boolean;
  /** The data that the context points to may be stored to. */
  readonly writableData?: boolean;
}

const NO_DATA = new Uint8Array(0);

class PlainHarness implements Harness {
  readonly #environment: HarnessEnvironment;
  readonly #layout: ContextLayout;
  readonly #options: PlainOptions;
  readonly #context: ContextBlock;
  readonly #socket: SocketBlock | undefined;
  readonly #data: PacketBuffer | undefined;

  constructor(environment: HarnessEnvironment, options: PlainOptions) {
    const { memory, layout } = environment;
    this.#environment = environment;
    this.#layout = layout;
    this.#options = options;
    this.#context = new ContextBlock(memory, layout);
    const kinds = new Set(Object.values(layout.fields).map(({ kind }) => kind));
    this.#socket = kinds.has('socketOrNull') && options.selectsSocket !== true ? new SocketBlock(memory) : undefined;
    this.#data = kinds.has('packet')
      ? new PacketBuffer(memory, layout, this.#context.address, {
          headRoom: 0,
          writable: options.writableData ?? false,
          growable: true,
        })
      : undefined;
  }

  start(input: TestRunInput): { ctx: number; packet: PacketBuffer | undefined } {
    const { name, size, fields } = this.#layout;
    const image = contextImage(withArguments(input, this.#options.args ?? []), name, size, fields);
    this.#options.prepare?.(image, input, this.#environment);
    this.#context.lay(image);
    this.#laySocket();
    this.#data?.lay(input.data ?? NO_DATA, 0);
    return { ctx: this.#context.address, packet: this.#data };
  }

  /** The hook's socket: the host's, or a new one with what the context says of it. */
  #laySocket(): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    const { fields } = this.#layout;
    const current = this.#environment.host.network.currentSocket?.();
    if (current !== undefined) socket.fill(current);
    else {
      socket.reset();
      for (const name of ['family', 'type', 'protocol'] as const) {
        if (Object.hasOwn(fields, name)) socket.set(name, this.#context.u32(fields[name]));
      }
    }
    if (Object.hasOwn(fields, 'sk')) this.#context.set(fields.sk, socket.address);
  }

  finish(r0: bigint): { retval: number; ctx?: Uint8Array<ArrayBuffer>; data?: Uint8Array<ArrayBuffer> } {
    const retval = Number(BigInt.asUintN(32, r0));
    const data = this.#data === undefined ? {} : { data: this.#data.bytes() };
    if (this.#options.keepsContext === true) return { retval, ...data };
    const ctx = this.#context.bytes();
    // Addresses of this run mean nothing outside; a selected socket stays visible as not NULL.
    for (const { kind, offset, size } of Object.values(this.#layout.fields)) {
      if (kind !== 'scalar' && this.#options.selectsSocket !== true) ctx.fill(0, offset, offset + size);
    }
    return { retval, ctx, ...data };
  }

  dispose(): void {
    this.#data?.dispose();
    this.#socket?.dispose();
    this.#context.dispose();
  }
}

/** `args` as fields by name, under any field that `ctx` names itself. */
function withArguments(input: TestRunInput, names: readonly string[]): TestRunInput['ctx'] {
  const { args, ctx } = input;
  if (args === undefined || ctx instanceof Uint8Array) return ctx;
  return { ...Object.fromEntries(args.map((value, i) => [names[i] ?? `argument ${i}`, value])), ...ctx };
}

export const plainHarness =
  (options: PlainOptions = {}) =>
  (environment: HarnessEnvironment): Harness =>
    new PlainHarness(environment, options);
