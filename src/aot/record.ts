// Bytes and digests of the record that a module carries (its form: loader.ts).
import { SECTION, sha256 } from './loader/check.ts';
import type { ModuleRecord } from './loader/record.ts';
import { Bytes } from '../compile/wasm/encoding.ts';
import { utf8 } from '../base/bytes.ts';

export type RecordBody = Omit<ModuleRecord, 'digest' | 'digests'>;

export function toBase64(bytes: Uint8Array): string {
  let text = '';
  const most = 8192;
  for (let at = 0; at < bytes.length; at += most) text += String.fromCharCode(...bytes.subarray(at, at + most));
  return btoa(text);
}

export const fromBase64 = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(text), (char) => char.charCodeAt(0));

/** A module with the section of its record behind it. */
export async function sealed(
  module: Uint8Array,
  body: RecordBody,
): Promise<{ readonly bytes: Uint8Array<ArrayBuffer>; readonly record: ModuleRecord }> {
  const digests = {
    module: await sha256(module),
    instructions: await sha256(JSON.stringify(body.programs)),
    platform: await sha256(JSON.stringify(body.platform)),
    options: await sha256(JSON.stringify(body.options)),
  };
  const { format, ...rest } = body;
  const undigested: ModuleRecord = { format, digests, ...rest };
  return withRecord(module, undigested);
}

/** A module with a record that has all but its own digest. */
export async function withRecord<R extends object>(
  module: Uint8Array,
  undigested: R,
): Promise<{ readonly bytes: Uint8Array<ArrayBuffer>; readonly record: R & { readonly digest: string } }> {
  const record = { ...undigested, digest: await sha256(JSON.stringify(undigested)) };
  const content = new Bytes().name(SECTION).raw(utf8(JSON.stringify(record)));
  return { bytes: new Bytes().raw(module).byte(0).u32(content.length).append(content).finish(), record };
}
