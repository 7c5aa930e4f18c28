// One run of a program, as helpers and back ends see it.
import { identityOf, type Invocation, MAX_TAIL_CALLS, type ProgramImage } from '../spec/backend.ts';
import type { HelperEnv, PacketArea, StateKey } from '../spec/helper.ts';
import type { HostServices } from '../spec/host.ts';
import type { BpfMap } from '../spec/map.ts';
import type { Address, Memory } from '../spec/memory.ts';
import type { Dialect } from '../spec/object.ts';
import type { ContextLayout } from '../spec/program.ts';
import type { Runtime } from './runtime.ts';

/** Made once for a program and begun anew for each of its runs. */
export class ProgramInvocation implements Invocation {
  readonly memory: Memory;
  readonly host: HostServices;
  readonly dialect: Dialect;
  readonly layout: ContextLayout;
  /** The program that runs now: another one after a tail call. */
  program: HelperEnv['program'];
  ctx: Address = 0;
  packet: PacketArea | undefined;
  cpu = 0;
  budget = 0;
  tailCalls = 0;
  tail: ProgramImage | undefined;
  call: (callback: bigint, ...args: readonly bigint[]) => bigint = notRunning;

  readonly #runtime: Runtime;
  readonly #entry: ProgramInvocation['program'];
  #ended = true;
  readonly #states = new Map<StateKey<unknown>, unknown>();

  constructor(runtime: Runtime, image: ProgramImage, layout: ContextLayout) {
    const { dialect } = image.spec;
    this.#runtime = runtime;
    this.memory = runtime.memory;
    this.host = runtime.host.services;
    this.dialect = dialect;
    this.layout = layout;
    this.#entry = identityOf(image);
    this.program = this.#entry;
  }

  /** Begins a run, ending the one before where nobody has; what that left is forgotten. */
  begin(ctx: Address, packet: PacketArea | undefined, budget: number): void {
    this.end();
    this.cpu = this.#runtime.takeCpu();
    this.ctx = ctx;
    this.packet = packet;
    this.budget = budget;
    this.program = this.#entry;
    this.tail = undefined;
    this.tailCalls = 0;
    this.#ended = false;
    if (this.#states.size > 0) this.#states.clear();
  }

  mapAt(handle: Address): BpfMap | undefined {
    return this.#runtime.mapAt(handle);
  }

  tailCall(programId: number): boolean {
    const image = this.#runtime.program(programId);
    if (image === undefined || this.tailCalls >= MAX_TAIL_CALLS) return false;
    this.tailCalls++;
    this.tail = image;
    this.program = identityOf(image);
    return true;
  }

  state<T>(key: StateKey<T>): T {
    if (!this.#states.has(key)) this.#states.set(key, key.create(this));
    return this.#states.get(key) as T;
  }

  /** Lets helper families give back what the run left held. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#states.size > 0) for (const [key, state] of this.#states) key.end?.(state, this);
  }

  /** What helpers left is that of an earlier run. */
  forget(): void {
    this.#states.clear();
  }

  /** What a helper family left of the last run, where it left anything. */
  leftOf<T>(key: StateKey<T>): T | undefined {
    return this.#states.get(key) as T | undefined;
  }
}

function notRunning(): never {
  throw new Error('a callback outside of a run');
}
