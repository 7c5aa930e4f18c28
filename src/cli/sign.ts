// Signs a compiled module.
import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { signatureOf, signedMessage, withSignature } from '../aot/signature.ts';
import { fail } from '../base/diagnostic.ts';
import { alreadySigned, badKey } from '../base/messages/signing.ts';
import { keyDigest } from '../service/signatures.ts';

/**
 * The private key of a PEM file.
 * @throws AnyBpfError signing/key where it cannot be read, is none, is encrypted, or is not of Ed25519
 */
export function readSigningKey(file: string): KeyObject {
  try {
    const key = createPrivateKey(readFileSync(file, 'utf8'));
    if (key.asymmetricKeyType === 'ed25519') return key;
    return fail(badKey({ file }, `it is of the type ${key.asymmetricKeyType}, and signatures are by Ed25519`));
  } catch (error) {
    if ((error as Error).name === 'AnyBpfError') throw error;
    return fail(badKey({ file }, (error as Error).message));
  }
}

/** The module with its signature behind it. The same module and key give the same bytes. */
export function signModule(module: Uint8Array, key: KeyObject): Uint8Array<ArrayBuffer> {
  if (signatureOf(module) !== undefined) fail(alreadySigned({}));
  return withSignature(module, keyDigest(createPublicKey(key)), sign(null, signedMessage(module), key));
}
