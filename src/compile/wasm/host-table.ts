// Functions of the host, where compiled code calls them without importing them: in a table.
// A runtime makes glue for every function of the host that a module imports, one by one for each module (V8 of Node 20: 60 to 100
// microseconds a signature, more than a small program takes otherwise). Here the glue is made once for a signature: a module that
// passes a call on, with an instance for each function.
import { Emitter } from './emitter.ts';
import { ModuleBuilder, type Signature } from './module.ts';

const bridges = new Map<string, WebAssembly.Module>();

/** The module for a signature, which serves all programs of the process. */
function bridge(signature: Signature): WebAssembly.Module {
  const key = `${signature.params.join()}>${signature.results.join()}`;
  let module = bridges.get(key);
  if (module === undefined) {
    const builder = new ModuleBuilder();
    const host = builder.importFunction('host', 'call', signature);
    const call = builder.declare(signature);
    const e = pushParameters(signature).call(host);
    builder.define(call, e.op('end'));
    builder.export('call', call);
    module = new WebAssembly.Module(builder.finish());
    bridges.set(key, module);
  }
  return module;
}

function pushParameters({ params }: Signature): Emitter {
  const e = new Emitter(params.length);
  for (let i = 0; i < params.length; i++) e.get(i);
  return e;
}

/** The table that the programs of one memory share. */
export class HostTable {
  readonly table = new WebAssembly.Table({ element: 'anyfunc', initial: 16 });
  readonly #free: number[] = [];
  #used = 0;

  /** A place in the table, to be filled before the code that calls it runs. */
  reserve(): number {
    const place = this.#free.pop() ?? this.#used++;
    if (place >= this.table.length) this.table.grow(this.table.length);
    return place;
  }

  fill(place: number, signature: Signature, call: (...args: never[]) => unknown): void {
    const { exports } = new WebAssembly.Instance(bridge(signature), { host: { call } } as WebAssembly.Imports);
    this.table.set(place, exports.call);
  }

  release(places: readonly number[]): void {
    for (const place of places) this.table.set(place, null);
    this.#free.push(...places);
  }
}

interface Hosted {
  readonly signature: Signature;
  readonly place: number;
}

/** A module whose functions of the host are in the table: each stands for its import as a function that calls it there. */
export class HostedModule extends ModuleBuilder {
  readonly #host: HostTable;
  readonly #tableIndex: number;
  readonly #hosted = new Map<string, Hosted>();

  /** @param tableIndex of the host's table among the tables that the module imports */
  constructor(host: HostTable, tableIndex: number) {
    super();
    this.#host = host;
    this.#tableIndex = tableIndex;
  }

  override readonly late = true;

  override importFunction(_module: string, name: string, signature: Signature): number {
    const place = this.#host.reserve();
    this.#hosted.set(name, { signature, place });
    return this.routine(`host ${name}`, signature, () =>
      pushParameters(signature).i32(place).callIndirect(this.type(signature), this.#tableIndex).op('end'),
    );
  }

  /** Fills the places of these functions, which are all that the code calls. */
  connect(functions: Readonly<Record<string, (...args: never[]) => unknown>>): void {
    for (const [name, call] of Object.entries(functions)) {
      const { signature, place } = this.#hosted.get(name) as Hosted;
      this.#host.fill(place, signature, call);
    }
  }

  /** The places that its functions have, for `release`. */
  get places(): readonly number[] {
    return Array.from(this.#hosted.values(), ({ place }) => place);
  }
}
