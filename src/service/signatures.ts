// Whose modules a service runs. A module made ahead of time is code: it is confined to its own memory, but it is not verified again, and
// may run for as long as it likes. Its signature says whom to hold to account.
import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { signatureOf } from '../aot/signature.ts';
import { AnyBpfError, type Diagnostic, fail } from '../base/diagnostic.ts';
import { badKey, noKeys, notSigned, untrustedKey, wrongSignature } from '../base/messages/signing.ts';
import type { SignaturePolicy } from './choices.ts';

/** Public keys by their SHA-256, in hexadecimal digits. */
export type TrustedKeys = ReadonlyMap<string, KeyObject>;

const PEM = '.pem';
const ALGORITHM = 'ed25519';

/** SHA-256 of a public key (DER, SubjectPublicKeyInfo): what a signature names it by. */
export const keyDigest = (key: KeyObject): Buffer =>
  createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest();

/**
 * The public keys of a folder: all its files *.pem.
 * @throws AnyBpfError signing/key for a folder or key that cannot be read, signing/no-keys where there is none
 */
export function readTrustedKeys(folder: string): TrustedKeys {
  const keys = new Map<string, KeyObject>();
  for (const name of attempt(folder, () => readdirSync(folder))) {
    if (!name.endsWith(PEM)) continue;
    const file = join(folder, name);
    const text = attempt(file, () => readFileSync(file, 'utf8'));
    // createPublicKey would take it, and make the public key of it.
    if (text.includes('PRIVATE KEY')) fail(badKey({ file }, 'a private key is to be kept where modules are signed'));
    const key = attempt(file, () => createPublicKey(text));
    if (key.asymmetricKeyType !== ALGORITHM)
      fail(badKey({ file }, `it is of the type ${key.asymmetricKeyType}, and signatures are by Ed25519`));
    keys.set(keyDigest(key).toString('hex'), key);
  }
  if (keys.size === 0) fail(noKeys({ file: folder }));
  return keys;
}

function attempt<T>(file: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    return fail(badKey({ file }, (error as Error).message));
  }
}

/** Why a module's signature is not one of these keys' on exactly these bytes; undefined where it is. */
export function signatureFinding(module: Uint8Array, name: string, keys: TrustedKeys): Diagnostic | undefined {
  const place = { file: name };
  const found = signatureOf(module);
  if (found === undefined) return notSigned(place);
  const key = keys.get(found.key);
  if (key === undefined) return untrustedKey(place, found.key.slice(0, 16));
  return verify(null, found.message, key, found.signature)
    ? undefined
    : wrongSignature(place, 'its signature is another');
}

export interface SignatureOptions {
  readonly policy: SignaturePolicy;
  /** Folder of public keys; needed but for `off`, and for `warn` where none is trusted yet. */
  readonly trustedKeys?: string;
  /** What `warn` finds. */
  readonly report?: (finding: Diagnostic) => void;
}

/**
 * What looks at modules before they are loaded.
 * @throws AnyBpfError as readTrustedKeys; signing/no-keys for `enforce` without a folder
 */
export function signatureCheck({ policy, trustedKeys, report }: SignatureOptions) {
  if (policy === 'off') return undefined;
  if (trustedKeys === undefined && policy === 'enforce') fail(noKeys({}));
  const keys: TrustedKeys = trustedKeys === undefined ? new Map() : readTrustedKeys(trustedKeys);
  /** @throws AnyBpfError signing/missing, signing/untrusted, signing/wrong where the policy is `enforce` */
  return (module: Uint8Array, name: string): void => {
    const finding = signatureFinding(module, name, keys);
    if (finding === undefined) return;
    if (policy === 'enforce') throw new AnyBpfError(finding);
    report?.({ ...finding, severity: 'warning' });
  };
}
