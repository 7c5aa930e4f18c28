// Which calls of helpers have become code, and where the programs begin that such code goes on with.
import type { IntrinsicName } from '../../spec/helper.ts';
import type { Address, Memory } from '../../spec/memory.ts';
import { handlerNumber } from './handler-names.ts';
import { packetFields } from '../wasm/packet-bytes.ts';
import { helperCode } from './helper-code.ts';
import { RECORD, STATE } from './layout.ts';
import type { Records } from './records.ts';

/**
 * Calls that the host serves before it makes a function of one. A call of the host takes some 0.2 us, and the function some 100 us
 * (bench/engines.mjs), so that code which runs a few times does not wait for it.
 */
export const CALLS_BEFORE_CODE = 200;

/** Of the interpreter of one memory. */
export class HelperTable {
  readonly table = new WebAssembly.Table({ element: 'anyfunc', initial: 8 });
  /** Of the interpreter's instance, which needs the table first. */
  find!: WebAssembly.ExportValue;
  readonly #memory: Memory;
  readonly #state: Address;
  /** Indices in use by program, and those that are free again. */
  readonly #used = new Map<Records, number[]>();
  readonly #free: number[] = [];
  #next = 0;

  constructor(memory: Memory, state: Address) {
    this.#memory = memory;
    this.#state = state;
  }

  /** Makes the start of a program known to tail calls. */
  setStart(id: number, { start }: Records): void {
    const { view } = this.#memory;
    const programs = view.getUint32(this.#state + STATE.PROGRAMS, true);
    if (id >= programs) this.#growStarts(programs, Math.max(16, 2 * id));
    this.#memory.view.setUint32(this.#starts + 4 * id, start, true);
  }

  /** The program is disposed of. */
  forget(records: Records): void {
    const { id } = records.program.image;
    const { view } = this.#memory;
    if (view.getUint32(this.#starts + 4 * id, true) === records.start) view.setUint32(this.#starts + 4 * id, 0, true);
    for (const index of this.#used.get(records) ?? []) {
      this.table.set(index, null);
      this.#free.push(index);
    }
    this.#used.delete(records);
  }

  /** The host has served the call at a record, with these registers still in the state. */
  count(record: Address, records: Records, intrinsic: IntrinsicName): void {
    const { view } = this.#memory;
    const calls = view.getUint32(record + RECORD.CALLS, true) + 1;
    view.setUint32(record + RECORD.CALLS, calls, true);
    if (calls !== CALLS_BEFORE_CODE) return;
    const code = helperCode({
      memory: this.#memory,
      state: this.#state,
      find: this.find,
      dialect: records.program.image.spec.dialect,
      intrinsic,
      checked: records.checked,
      packet: packetFields(records.program.image.layout),
      map: (register) => {
        const handle = this.#memory.view.getBigUint64(this.#state + STATE.REGISTERS + 8 * register, true);
        return records.ownMap(handle) ? Number(handle) : undefined;
      },
    });
    if (code === undefined) return;
    view.setUint32(record + RECORD.CODE, this.#add(records, code), true);
    view.setUint32(record + RECORD.HANDLER, handlerNumber('intrinsic'), true);
  }

  get #starts(): Address {
    return this.#memory.view.getUint32(this.#state + STATE.STARTS, true);
  }

  #growStarts(had: number, wanted: number): void {
    const memory = this.#memory;
    const old = this.#starts;
    const starts = memory.alloc(4 * wanted);
    memory.u8.copyWithin(starts, old, old + 4 * had);
    memory.view.setUint32(this.#state + STATE.STARTS, starts, true);
    memory.view.setUint32(this.#state + STATE.PROGRAMS, wanted, true);
    if (had > 0) memory.free(old);
  }

  #add(records: Records, code: unknown): number {
    const index = this.#free.pop() ?? this.#next++;
    if (index >= this.table.length) this.table.grow(this.table.length);
    this.table.set(index, code);
    const used = this.#used.get(records);
    if (used === undefined) this.#used.set(records, [index]);
    else used.push(index);
    return index;
  }
}
