// A machine for tests of the reference meaning: 32 bytes of memory, and a record of everything asked of it.
import { makeInsn, type Insn } from '../../src/isa/insn.ts';
import type { OpName } from '../../src/isa/opcodes.ts';
import { type AccessSize, type Machine, REFERENCE } from '../../src/isa/reference.ts';

export const MEMORY_BASE = 0x1_0000n;

export class TestMachine implements Machine {
  readonly registers = new BigUint64Array(11);
  readonly bytes = new Uint8Array(32);
  readonly view = new DataView(this.bytes.buffer);
  readonly events: string[] = [];
  packet: bigint | undefined = 0n;
  spent = false;

  #at(address: bigint): number {
    return Number(address - MEMORY_BASE);
  }
  load(address: bigint, size: AccessSize): bigint {
    this.events.push(`load ${size}`);
    let value = 0n;
    for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.view.getUint8(this.#at(address) + i));
    return value;
  }
  store(address: bigint, size: AccessSize, value: bigint): void {
    this.events.push(`store ${size}`);
    for (let i = 0; i < size; i++) this.view.setUint8(this.#at(address) + i, Number((value >> BigInt(8 * i)) & 0xffn));
  }
  atomic(address: bigint, size: AccessSize, update: (old: bigint) => bigint): bigint {
    const old = this.load(address, size);
    this.store(address, size, update(old));
    this.events.splice(0, this.events.length, `atomic ${size}`);
    return old;
  }
  loadPacket(offset: number, size: AccessSize): bigint | undefined {
    this.events.push(`packet ${offset} ${size}`);
    return this.packet;
  }
  resolve(insn: Insn): bigint {
    this.events.push(`resolve ${insn.op}`);
    return 0xabcdn;
  }
  castAddress(pointer: bigint, to: number, from: number): bigint {
    this.events.push(`cast ${to} ${from}`);
    return pointer + 1n;
  }
  jump(offset: number): void {
    this.events.push(`jump ${offset}`);
  }
  mayGotoSpent(): boolean {
    return this.spent;
  }
  callHelper(helper: number): void {
    this.events.push(`helper ${helper}`);
  }
  callLocal(offset: number): void {
    this.events.push(`local ${offset}`);
  }
  callKfunc(id: number, module: number): void {
    this.events.push(`kfunc ${id} ${module}`);
  }
  callRegister(target: bigint): void {
    this.events.push(`register ${target}`);
  }
  exit(): void {
    this.events.push('exit');
  }
}

/** Carries out one instruction with these registers set. */
export function step(op: OpName, operands: Partial<Insn>, registers: Readonly<Record<number, bigint>>): TestMachine {
  const machine = new TestMachine();
  for (const [register, value] of Object.entries(registers)) machine.registers[Number(register)] = value;
  REFERENCE[op](machine, makeInsn(op, operands));
  return machine;
}
