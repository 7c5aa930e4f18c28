// Signatures of compiled modules: made by `anybpf compile --sign`, asked for by a service.
import { message } from '../diagnostic.ts';

export const badKey = message('signing/key', (why: string) => `it is no key that can be used: ${why}`, {
  hint: 'make one with: openssl genpkey -algorithm ed25519 -out key.pem; openssl pkey -in key.pem -pubout -out key.pub.pem',
});

export const noKeys = message('signing/no-keys', () => 'there is no public key (*.pem) of a signer that is trusted', {
  hint: 'put the public keys there whose modules may be loaded',
});

export const notSigned = message('signing/missing', () => 'the module has no signature', {
  hint: 'sign it: anybpf compile --sign KEY.pem',
});

export const untrustedKey = message(
  'signing/untrusted',
  (key: string) => `the module is signed with the key ${key}, which is not trusted here`,
);

export const wrongSignature = message('signing/wrong', (why: string) => `the module is not what was signed: ${why}`);

export const alreadySigned = message('signing/twice', () => 'the module is signed already');
