// Where a module comes from, and whether it is what it was.
import { fail } from './errors.ts';
import type { ModuleRecord } from './record.ts';

/** Which module a loader belongs to. */
export interface Binding {
  /** Name of the module's file, beside the loader. */
  readonly file: string;
  /** The digest of its record. */
  readonly digest: string;
  /** Address of the loader's own file. */
  readonly url: string;
}

/** Name of the section. */
export const SECTION = 'anybpf';
/** Of the section with the module's signature, which may come behind it (aot/signature.ts). */
const SIGNATURE = 'anybpf.signature';

const broken = (why: string): never => fail('aot/not-a-module', `this is no module of anybpf compile: ${why}`);
const altered = (what: string): never => fail('aot/altered', `the module was altered: ${what} has another digest`);

/** The section of the record in a module's bytes: where it begins, and its text. It is the last one but for the signature's. */
export function recordSection(bytes: Uint8Array): { readonly start: number; readonly text: string } {
  if (![0, 0x61, 0x73, 0x6d, 1, 0, 0, 0].every((byte, at) => bytes[at] === byte)) broken('it is no WebAssembly');
  let at = 8;
  let found: { readonly start: number; readonly text: string } | undefined;
  const number = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined || shift > 28) return broken('a number is cut off');
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const start = at;
    const id = bytes[at++];
    const size = number();
    const end = at + size;
    if (end > bytes.length) broken('a section is cut off');
    if (id === 0) {
      const length = number();
      const name = new TextDecoder().decode(bytes.subarray(at, at + length));
      if (name === SECTION) found = { start, text: new TextDecoder().decode(bytes.subarray(at + length, end)) };
      // Of the signature nothing is needed here; anything else behind the record has no digest.
      else if (name !== SIGNATURE) found = undefined;
    } else {
      found = undefined;
    }
    at = end;
  }
  return found ?? broken('it has no record');
}

/** SHA-256, in hexadecimal digits. */
export async function sha256(data: Uint8Array | string): Promise<string> {
  const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
  const subtle = globalThis.crypto?.subtle as SubtleCrypto | undefined;
  if (subtle === undefined) fail('aot/no-digest', 'crypto.subtle is missing: browsers have it only in secure contexts');
  const digest = await (subtle as SubtleCrypto).digest('SHA-256', bytes as Uint8Array<ArrayBuffer>);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The record of a module, after all its digests were found right. Raises aot/not-a-module, aot/altered. */
export async function checkedRecord(bytes: Uint8Array): Promise<ModuleRecord> {
  const { start, text } = recordSection(bytes);
  let record: ModuleRecord;
  try {
    record = JSON.parse(text) as ModuleRecord;
  } catch (error) {
    return fail('aot/altered', 'the module was altered: its record cannot be read', {}, error);
  }
  const { digest, ...rest } = record;
  const { programs, platform, options, digests } = record;
  const parts = [
    ['its record', digest, JSON.stringify(rest)],
    ['the record of its instructions', digests?.instructions, JSON.stringify(programs)],
    ['the record of its platform', digests?.platform, JSON.stringify(platform)],
    ['the record of its options', digests?.options, JSON.stringify(options)],
    ['its code', digests?.module, bytes.subarray(0, start)],
  ] as const;
  const found = await Promise.all(parts.map(([, , data]) => sha256(data ?? '')));
  parts.forEach(([what, expected], i) => {
    if (expected !== found[i]) altered(what);
  });
  if (record.format !== 1)
    fail('aot/format', `the module has format ${String(record.format)}; this loader reads format 1`);
  return record;
}

/** Where the bytes of a module come from; without one, the file beside the loader. */
export type Source = Uint8Array | ArrayBuffer | Response | URL | string;

/** What is needed of `node:fs`. */
interface FileSystem {
  readonly promises: { readFile(url: URL): Promise<Uint8Array> };
}

async function bytesOf(source: Source): Promise<Uint8Array<ArrayBuffer>> {
  if (source instanceof Uint8Array) return new Uint8Array(source);
  if (source instanceof ArrayBuffer) return new Uint8Array(source);
  if (typeof Response !== 'undefined' && source instanceof Response) return new Uint8Array(await source.arrayBuffer());
  const url = new URL(source as URL | string, globalThis.location?.href ?? 'file:///');
  try {
    // Node's fetch reads no files; that of other runtimes does.
    const { process } = globalThis as { process?: { getBuiltinModule?(name: string): FileSystem | undefined } };
    const files = url.protocol === 'file:' ? process?.getBuiltinModule?.('node:fs') : undefined;
    if (files !== undefined) return new Uint8Array(await files.promises.readFile(url));
    const response = await fetch(url);
    if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
    return new Uint8Array(await response.arrayBuffer());
  } catch (error) {
    return fail('aot/read', `${url.href} cannot be read: ${(error as Error).message}`, {}, error);
  }
}

/** Raises what `checkedRecord` does, and aot/other-module where the loader was made for another one. */
export async function readModule(
  binding: Binding,
  source: Source = new URL(binding.file, binding.url),
): Promise<{ readonly bytes: Uint8Array<ArrayBuffer>; readonly record: ModuleRecord }> {
  const bytes = await bytesOf(source);
  const record = await checkedRecord(bytes);
  if (record.digest !== binding.digest) {
    fail('aot/other-module', `this loader belongs to the module with digest ${binding.digest}, not ${record.digest}`);
  }
  return { bytes, record };
}
