// The vectors of bpf_conformance, run in one process, and the plugin protocol that its runner speaks.
import { readFileSync } from 'node:fs';
import { equalBytes, fromHex } from '../base/bytes.ts';
import { AnyBpfError, fail, type Place } from '../base/diagnostic.ts';
import { badVector, noVectorExpectation, pluginInput } from '../base/messages/conformance.ts';
import { tooLarge } from '../base/messages/input.ts';
import { u64 } from '../base/u64.ts';
import { assemble } from '../isa/assembler.ts';
import type { Backend } from '../spec/backend.ts';
import { MAX_BARE_MEMORY, runBare } from './bare-run.ts';
import { programOfElf } from './bare-elf.ts';

/** One `.data` file of bpf_conformance. */
export interface Vector {
  readonly asm?: string;
  /** Line of the file (from 1) that `asm` begins in, for messages. */
  readonly asmLine: number;
  /** Encoded program; with `asm` also what the assembler must give. */
  readonly raw?: Uint8Array<ArrayBuffer>;
  readonly memory: Uint8Array<ArrayBuffer>;
  /** Expected r0. */
  readonly result?: bigint;
  /** Expected failure: part of the message, or its code. */
  readonly error?: string;
}

const SECTION = /^--\s*(.*?)\s*$/;

interface Section {
  readonly line: number;
  readonly lines: string[];
}

/**
 * Reads a vector: sections `-- asm`, `-- raw` (64-bit words), `-- mem` (bytes), `-- result` (r0), `-- error` (text); all
 * others (`-- c`, `-- no register offset`) say nothing about the run. Raises conformance/* on what it cannot read.
 */
export function parseVector(text: string, file?: string): Vector {
  const place: Place = file === undefined ? {} : { file };
  const sections = new Map<string, Section>();
  let current: Section | undefined;
  text.split(/\r?\n/).forEach((line, index) => {
    const name = SECTION.exec(line)?.[1];
    if (name !== undefined) {
      current = { line: index + 2, lines: [] };
      sections.set(name, current);
    } else current?.lines.push(line);
  });
  // Blank lines and comments say nothing but in assembly text, whose line numbers count.
  const data = (name: string): string | undefined =>
    sections
      .get(name)
      ?.lines.map((line) => line.replace(/#.*/, '').trim())
      .filter((line) => line !== '')
      .join('\n');
  const asm = sections.get('asm');
  const raw = data('raw');
  const result = data('result');
  const error = data('error');
  if (asm === undefined && raw === undefined) fail(badVector(place, 'neither an "-- asm" nor a "-- raw" section'));
  if (result === undefined && error === undefined) fail(noVectorExpectation(place));
  return {
    asmLine: asm?.line ?? 0,
    memory: hexBytes(data('mem') ?? '', 'mem', place),
    ...(asm === undefined ? {} : { asm: asm.lines.join('\n') }),
    ...(raw === undefined ? {} : { raw: rawWords(raw, place) }),
    ...(result === undefined ? {} : { result: integer(result, place) }),
    ...(error === undefined ? {} : { error }),
  };
}

function hexBytes(text: string, what: string, place: Place): Uint8Array<ArrayBuffer> {
  const bytes = fromHex(text) ?? fail(badVector(place, `"${what}" that is not pairs of hexadecimal digits`));
  if (bytes.length > MAX_BARE_MEMORY) fail(tooLarge(place, what, bytes.length, MAX_BARE_MEMORY));
  return bytes;
}

function integer(text: string, place: Place): bigint {
  const match = /^(-?)(0x[0-9a-f]+|\d+)$/i.exec(text);
  if (match === null) return fail(badVector(place, `"${text}" where a number is expected`));
  const value = BigInt(match[2]);
  return u64(match[1] === '-' ? -value : value);
}

function rawWords(text: string, place: Place): Uint8Array<ArrayBuffer> {
  const words = text.split(/\s+/).map((word) => integer(word, place));
  const code = new Uint8Array(words.length * 8);
  const view = new DataView(code.buffer);
  words.forEach((word, i) => {
    view.setBigUint64(i * 8, word, true);
  });
  return code;
}

/** What became of one vector; `reason` says why it failed. */
export interface VectorOutcome {
  readonly name: string;
  readonly passed: boolean;
  readonly reason?: string;
}

/** Assembles (or takes the encoded form of) one vector, runs it and compares r0 or the failure. */
export function runVector(name: string, vector: Vector, backend: Backend): VectorOutcome {
  const failed = (reason: string): VectorOutcome => ({ name, passed: false, reason });
  let r0: bigint;
  try {
    const code = vector.asm === undefined ? vector.raw : assemble(vector.asm, { file: name }).code;
    if (code === undefined) return failed('has no program');
    if (vector.raw !== undefined && !equalBytes(code, vector.raw)) return failed('asm and raw are different programs');
    r0 = runBare({ code, memory: vector.memory.slice(), name }, backend);
  } catch (error) {
    if (!(error instanceof AnyBpfError)) throw error;
    if (vector.error === undefined) return failed(error.message);
    const fits = error.code === vector.error || error.message.includes(vector.error);
    return fits ? { name, passed: true } : failed(`failed otherwise than expected: ${error.message}`);
  }
  if (vector.error !== undefined) return failed(`r0 is 0x${r0.toString(16)}, expected the error "${vector.error}"`);
  if (r0 === vector.result) return { name, passed: true };
  return failed(`r0 is 0x${r0.toString(16)}, expected 0x${(vector.result ?? 0n).toString(16)}`);
}

/** Runs vector files one after the other. A file that cannot be read as a vector counts as failed. */
export function runVectors(files: readonly string[], backend: Backend): VectorOutcome[] {
  return files.map((file) => {
    try {
      return runVector(file, parseVector(readFileSync(file, 'utf8'), file), backend);
    } catch (error) {
      if (error instanceof AnyBpfError || (error instanceof Error && 'syscall' in error)) {
        return { name: file, passed: false, reason: error.message };
      }
      throw error;
    }
  });
}

/** What a plugin process must do: print `stdout` and end with `exitCode`. */
export interface PluginAnswer {
  readonly stdout: string;
  readonly exitCode: 0 | 1;
}

/**
 * The plugin protocol of bpf_conformance: `argv` holds the memory as hexadecimal bytes (absent: no memory) and, for ELF
 * input, `--elf`; standard input holds the program as hexadecimal bytes. Answers r0 in hexadecimal, or the error.
 */
export function runPlugin(argv: readonly string[], stdin: string, backend: Backend): PluginAnswer {
  try {
    const words = argv.filter((word) => !word.startsWith('--'));
    if (words.length > 1) fail(pluginInput({}, `${words.length} arguments where one (the memory) is expected`));
    const memory = hexBytes(words[0] ?? '', 'memory', {});
    const input = fromHex(stdin) ?? fail(pluginInput({}, 'a program that is not pairs of hexadecimal digits'));
    const code = argv.includes('--elf') ? programOfElf(input) : input;
    return { stdout: runBare({ code, memory }, backend).toString(16), exitCode: 0 };
  } catch (error) {
    if (error instanceof AnyBpfError) return { stdout: error.message, exitCode: 1 };
    throw error;
  }
}
