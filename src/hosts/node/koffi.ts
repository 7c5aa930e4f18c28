// koffi, an optional dependency: calls to C libraries. Loaded when somebody asks for it; everything else works without.
//
// Its traps: a buffer that is passed to a call is alive for that call only; a view of foreign memory does not own it, and using one that
// was unmapped ends the process; a watch that nobody holds stops without a word.
import { createRequire } from 'node:module';

// Declarations say what a function takes; koffi checks it at each call.
export type Argument = number | bigint | string | Uint8Array | Uint32Array | readonly (string | null)[] | null;

export type CFunction = ((...args: readonly Argument[]) => number | bigint) & {
  /** In another thread, of whose errno `errno` then tells in the callback. */
  async(...args: readonly [...Argument[], (error: Error | null, result: number | bigint) => void]): void;
};

export interface CLibrary {
  func(declaration: string): CFunction;
}

/** A watch of a file descriptor in the event loop. Whoever watches must hold it. */
export interface Watch {
  close(): void;
}

export interface PollEvent {
  readonly readable: boolean;
  readonly disconnect: boolean;
}

/** Called with a negative status where polling itself failed; the package's own types leave it out. */
type OnPoll = (status: number, event: PollEvent) => void;

export interface Koffi {
  /** A library by its file; the process itself, and so the C library, for null. */
  load(file: string | null): CLibrary;
  view(pointer: number | bigint, length: number): ArrayBuffer;
  address(bytes: Uint8Array): bigint;
  errno(): number;
  readonly node: {
    poll(fd: number, on: OnPoll): Watch;
    poll(fd: number, events: { readonly readable?: boolean; readonly disconnect?: boolean }, on: OnPoll): Watch;
  };
}

/** @throws Error where it is not installed, or has no build for this system */
export const loadKoffi = (): Koffi => createRequire(import.meta.url)('koffi') as Koffi;

/** What a call of the C library's gave: its result, or for -1 the negated errno. */
export const resultOf =
  (koffi: Koffi) =>
  (result: number | bigint): number =>
    Number(result) === -1 ? -koffi.errno() : Number(result);
