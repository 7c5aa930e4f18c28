// Memory for hosts without WebAssembly: as much of WebAssembly.Memory as run/memory.ts uses, for the reference interpreter.
import { PAGE } from './memory.ts';

/** Growing copies, as there is no address space behind it that could be reserved. */
class PlainMemory implements Pick<WebAssembly.Memory, 'buffer' | 'grow'> {
  buffer: ArrayBuffer;

  constructor(pages: number) {
    this.buffer = new ArrayBuffer(pages * PAGE);
  }

  grow(pages: number): number {
    const before = this.buffer.byteLength;
    const grown = new Uint8Array(before + pages * PAGE);
    grown.set(new Uint8Array(this.buffer));
    this.buffer = grown.buffer;
    return before / PAGE;
  }
}

/** A memory that nothing compiled can work on, where the host has no WebAssembly; else undefined. */
export const plainMemory = (): WebAssembly.Memory | undefined =>
  typeof WebAssembly === 'undefined' ? (new PlainMemory(2) as unknown as WebAssembly.Memory) : undefined;
