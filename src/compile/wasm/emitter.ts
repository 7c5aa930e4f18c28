// The body of one WebAssembly function, instruction by instruction.
import {
  ATOMIC,
  type AtomicOp,
  type BlockType,
  Bytes,
  MEMORY,
  type MemoryOp,
  PLAIN,
  type PlainOp,
  type ValueType,
} from './encoding.ts';

// Maps, as an object of so many fields takes several times as long to index by a name.
const PLAIN_CODES: ReadonlyMap<string, number> = new Map(Object.entries(PLAIN));
const MEMORY_CODES: ReadonlyMap<string, number> = new Map(Object.entries(MEMORY).map(([name, [code]]) => [name, code]));

export class Emitter {
  readonly code: Bytes;
  readonly #parameters: number;
  /** Types of the locals after the parameters. */
  readonly locals: ValueType[] = [];
  /** Scopes that are open: `block`, `loop` and `if` add one, `end` takes one. */
  depth = 0;

  /** @param size bytes of code that are expected */
  constructor(parameters: number, size = 0) {
    this.code = new Bytes(size);
    this.#parameters = parameters;
  }

  /** A new local; its index. */
  local(type: ValueType): number {
    this.locals.push(type);
    return this.#parameters + this.locals.length - 1;
  }

  readonly #temps = new Map<string, number>();

  /** The local of this type and number for values of short life, made at first use. */
  temp(type: ValueType, number: number): number {
    const key = `${type}:${number}`;
    let local = this.#temps.get(key);
    if (local === undefined) {
      local = this.local(type);
      this.#temps.set(key, local);
    }
    return local;
  }

  /** Globals by their import order. */
  getGlobal(index: number): this {
    this.code.byte(0x23).u32(index);
    return this;
  }

  setGlobal(index: number): this {
    this.code.byte(0x24).u32(index);
    return this;
  }

  op(name: PlainOp): this {
    const code = PLAIN_CODES.get(name) as number;
    this.code.byte(code);
    if (code === PLAIN.end) this.depth--;
    return this;
  }

  get(local: number): this {
    this.code.byte(0x20).u32(local);
    return this;
  }

  set(local: number): this {
    this.code.byte(0x21).u32(local);
    return this;
  }

  tee(local: number): this {
    this.code.byte(0x22).u32(local);
    return this;
  }

  i32(value: number): this {
    this.code.byte(0x41).s32(value | 0);
    return this;
  }

  i64(value: bigint): this {
    this.code.byte(0x42).s64(BigInt.asIntN(64, value));
    return this;
  }

  /** A 64-bit constant that fits a signed 32-bit number. */
  i64Small(value: number): this {
    this.code.byte(0x42).s32(value);
    return this;
  }

  /** Memory access with a static offset (unsigned) and no promise of alignment. */
  memory(name: MemoryOp, offset = 0): this {
    this.code
      .byte(MEMORY_CODES.get(name) as number)
      .byte(0)
      .u32(offset);
    return this;
  }

  /** As `memory`; an address that is not a multiple of the size traps. */
  atomic(name: AtomicOp, offset = 0): this {
    const [opcode, alignment] = ATOMIC[name];
    this.code.byte(0xfe).byte(opcode).u32(alignment).u32(offset);
    return this;
  }

  /** Nothing that stands before is done after what stands behind. */
  fence(): this {
    this.code.byte(0xfe).byte(0x03).byte(0);
    return this;
  }

  block(type: BlockType): this {
    this.depth++;
    this.code.byte(0x02).byte(type);
    return this;
  }

  loop(type: BlockType): this {
    this.depth++;
    this.code.byte(0x03).byte(type);
    return this;
  }

  if(type: BlockType): this {
    this.depth++;
    this.code.byte(0x04).byte(type);
    return this;
  }

  br(label: number): this {
    this.code.byte(0x0c).u32(label);
    return this;
  }

  brIf(label: number): this {
    this.code.byte(0x0d).u32(label);
    return this;
  }

  brTable(labels: readonly number[], otherwise: number): this {
    this.code.byte(0x0e).u32(labels.length);
    for (const label of labels) this.code.u32(label);
    this.code.u32(otherwise);
    return this;
  }

  call(index: number): this {
    this.code.byte(0x10).u32(index);
    return this;
  }

  callIndirect(type: number, table = 0): this {
    this.code.byte(0x11).u32(type).u32(table);
    return this;
  }

  returnCallIndirect(type: number): this {
    this.code.byte(0x13).u32(type).u32(0);
    return this;
  }

  tableGet(): this {
    this.code.byte(0x25).u32(0);
    return this;
  }

  tableSize(): this {
    this.code.byte(0xfc).u32(16).u32(0);
    return this;
  }

  refIsNull(): this {
    this.code.byte(0xd1);
    return this;
  }

  /** Pops destination, source, size. */
  memoryCopy(): this {
    this.code.byte(0xfc).u32(10).byte(0).byte(0);
    return this;
  }

  /** Pops destination, value, size. */
  memoryFill(): this {
    this.code.byte(0xfc).u32(11).byte(0);
    return this;
  }

  /** Locals and code as the code section has them. */
  body(): Bytes {
    const runs: { type: ValueType; count: number }[] = [];
    for (const type of this.locals) {
      const last = runs[runs.length - 1];
      if (last?.type === type) last.count++;
      else runs.push({ type, count: 1 });
    }
    const out = new Bytes().u32(runs.length);
    for (const { type, count } of runs) out.u32(count).byte(type);
    return out.append(this.code);
  }
}
