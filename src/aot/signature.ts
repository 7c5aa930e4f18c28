// The signature of a module: a custom section `anybpf.signature` behind all others. WebAssembly passes over it, and so does the loader
// beside the module. Who makes and checks signatures is a host's matter (cli/sign.ts, service/signatures.ts).
//
//   u8 form (1), u8 algorithm (1: Ed25519), 32 bytes SHA-256 of the public key (DER, SubjectPublicKeyInfo), 64 bytes signature
//
// What is signed is a line of text, then all bytes of the module before the section.
import { concatBytes, toHex, utf8 } from '../base/bytes.ts';
import { Bytes } from '../compile/wasm/encoding.ts';

export const SIGNATURE_SECTION = 'anybpf.signature';

const FORM = 1;
const ED25519 = 1;
const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
const CONTENT_BYTES = 2 + KEY_BYTES + SIGNATURE_BYTES;

/** All of the section: id, length, name with its length, content. It has one form only: no byte of it can be another. */
const section = (content: Uint8Array): Uint8Array => {
  const named = new Bytes().name(SIGNATURE_SECTION).raw(content);
  return new Bytes().byte(0).u32(named.length).append(named).finish();
};
const SECTION_BYTES = section(new Uint8Array(CONTENT_BYTES)).length;

export interface ModuleSignature {
  /** SHA-256 of the public key, in hexadecimal digits. */
  readonly key: string;
  readonly signature: Uint8Array;
  /** What was signed. */
  readonly message: Uint8Array;
}

/** What is signed of a module that has no signature yet. */
export const signedMessage = (module: Uint8Array): Uint8Array => concatBytes([utf8('AnyBPF module, form 1\n'), module]);

/** @param key SHA-256 of the public key, 32 bytes */
export const withSignature = (module: Uint8Array, key: Uint8Array, signature: Uint8Array): Uint8Array<ArrayBuffer> =>
  concatBytes([module, section(concatBytes([Uint8Array.of(FORM, ED25519), key, signature]))]);

/** The signature at the end of a module; undefined where there is none, or none of this form. Nothing of it is checked. */
export function signatureOf(bytes: Uint8Array): ModuleSignature | undefined {
  const start = bytes.length - SECTION_BYTES;
  if (start < 0) return undefined;
  const content = bytes.subarray(bytes.length - CONTENT_BYTES);
  const expected = section(content);
  if (!expected.every((byte, i) => byte === bytes[start + i])) return undefined;
  if (content[0] !== FORM || content[1] !== ED25519) return undefined;
  return {
    key: toHex(content.subarray(2, 2 + KEY_BYTES)),
    signature: content.slice(2 + KEY_BYTES),
    message: signedMessage(bytes.subarray(0, start)),
  };
}
