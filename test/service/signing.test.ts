import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { compileAhead } from '../../src/aot/compile.ts';
import { moduleFiles } from '../../src/aot/files.ts';
import { readSigningKey, signModule } from '../../src/cli/sign.ts';
import type { Diagnostic } from '../../src/base/diagnostic.ts';
import { createRuntime } from '../../src/context/create.ts';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import type { SignaturePolicy } from '../../src/service/choices.ts';
import { readTrustedKeys, signatureCheck } from '../../src/service/signatures.ts';
import { PROJECT_ROOT } from '../support/shared.ts';

const folder = mkdtempSync(join(tmpdir(), 'anybpf-signing-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const file = (name: string, text: string): string => {
  const path = join(folder, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, text);
  return path;
};

const PRIVATE = { type: 'pkcs8', format: 'pem' } as const;
const PUBLIC = { type: 'spki', format: 'pem' } as const;
const pair = () => generateKeyPairSync('ed25519', { privateKeyEncoding: PRIVATE, publicKeyEncoding: PUBLIC });
const ours = pair();
const theirs = pair();
const key = readSigningKey(file('ours.key', ours.privateKey));
const otherKey = readSigningKey(file('theirs.key', theirs.privateKey));
file('trusted/ours.pem', ours.publicKey);
file('trusted/readme.txt', 'not a key');
const trustedKeys = join(folder, 'trusted');

const object = readFileSync(join(PROJECT_ROOT, 'examples/portable/drop_empty_udp.linux.bpf.o'));
const compiled = await compileAhead(object, { host: memoryHost(), verify: 'require' });
const signed = signModule(compiled.wasm, key);

const check = (policy: SignaturePolicy, report?: (finding: Diagnostic) => void) =>
  signatureCheck({ policy, trustedKeys, ...(report === undefined ? {} : { report }) });

const codeOf = (act: () => unknown): string => {
  try {
    act();
    return 'none';
  } catch (error) {
    return (error as { code: string }).code;
  }
};

describe('a signed module', () => {
  it('is loaded, and runs as without its signature', async () => {
    const admit = check('enforce');
    if (admit === undefined) throw new Error('nothing is enforced');
    const session = createRuntime({ pipeline: { admit } });
    const { programs } = await session.call('object.load', { object: signed, name: 'drop.wasm', execution: 'native' });
    const { retval } = await session.call('prog.testRun', { fd: programs[0].fd, data: new Uint8Array(64) });
    const alone = await createRuntime().call('object.load', { object: compiled.wasm, name: 'drop.wasm' });
    expect(alone.programs.map(({ name }) => name)).toEqual(programs.map(({ name }) => name));
    expect([1, 2]).toContain(retval);
    await expect(session.call('object.load', { object: compiled.wasm, name: 'x' })).rejects.toMatchObject({
      code: 'signing/missing',
    });
    expect(session.context.programs.size).toBe(programs.length);
  });

  it('is taken by the loader beside it', async () => {
    writeFileSync(join(folder, 'drop.wasm'), signed);
    for (const [ending, text] of Object.entries(moduleFiles(compiled, 'drop.wasm'))) file(`drop${ending}`, text);
    const { load } = (await import(/* @vite-ignore */ pathToFileURL(join(folder, 'drop.mjs')).href)) as {
      load(): Promise<object>;
    };
    expect(await load()).toBeDefined();
  });

  it('is the same bytes each time, and is not signed twice', () => {
    expect(signModule(compiled.wasm, key)).toEqual(signed);
    expect(codeOf(() => signModule(signed, key))).toBe('signing/twice');
  });

  it('with any byte altered is refused, as is one with a byte more or less', () => {
    const admit = check('enforce');
    const codes = new Map<string, number>();
    for (let at = 0; at < signed.length; at++) {
      const altered = signed.slice();
      altered[at] ^= 1 << (at & 7);
      const code = codeOf(() => admit?.(altered, 'x'));
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
    expect([...codes.keys()].sort()).toEqual(['signing/missing', 'signing/untrusted', 'signing/wrong']);
    for (const other of [signed.subarray(1), signed.subarray(0, -1), Buffer.concat([signed, Buffer.of(0)])]) {
      expect(codeOf(() => admit?.(other, 'x'))).not.toBe('none');
    }
    // The signature of another module.
    const tail = signed.subarray(compiled.wasm.length);
    const another = Buffer.concat([compiled.wasm, Buffer.of(0, 2, 1, 0x78), tail]);
    expect(codeOf(() => admit?.(another, 'x'))).toBe('signing/wrong');
    // Of another key under our key's name.
    const forged = signModule(compiled.wasm, otherKey);
    forged.set(signed.subarray(signed.length - 96, signed.length - 64), signed.length - 96);
    expect(codeOf(() => admit?.(forged, 'x'))).toBe('signing/wrong');
  });

  const POLICIES = [
    ['off', 'none', 0],
    ['warn', 'none', 2],
    ['enforce', 'signing/missing', 0],
  ] as const;
  it.each(POLICIES)('policy %s', (policy, code, reports) => {
    const findings: Diagnostic[] = [];
    const admit = check(policy, (finding) => findings.push(finding));
    expect(codeOf(() => admit?.(compiled.wasm, 'x'))).toBe(code);
    expect(codeOf(() => admit?.(signModule(compiled.wasm, otherKey), 'x'))).toBe(
      policy === 'enforce' ? 'signing/untrusted' : 'none',
    );
    expect(codeOf(() => admit?.(signed, 'x'))).toBe('none');
    expect(findings.map(({ severity }) => severity)).toEqual(Array.from({ length: reports }, () => 'warning'));
  });

  it('says what is wrong with keys', () => {
    const rsa = generateKeyPairSync('rsa', {
      modulusLength: 1024,
      privateKeyEncoding: PRIVATE,
      publicKeyEncoding: PUBLIC,
    });
    const encrypted = generateKeyPairSync('ed25519', {
      publicKeyEncoding: PUBLIC,
      privateKeyEncoding: { ...PRIVATE, cipher: 'aes-256-cbc', passphrase: 'x' },
    });
    const bad = {
      absent: join(folder, 'absent.pem'),
      rsa: file('rsa.key', rsa.privateKey),
      public: file('public.key', ours.publicKey),
      encrypted: file('encrypted.key', encrypted.privateKey),
      nonsense: file('nonsense.key', 'hello'),
    };
    for (const path of Object.values(bad)) expect(codeOf(() => readSigningKey(path))).toBe('signing/key');
    file('rsa/key.pem', rsa.publicKey);
    file('private/key.pem', ours.privateKey);
    file('nonsense/key.pem', 'hello');
    file('empty/key.txt', ours.publicKey);
    for (const name of ['rsa', 'private', 'nonsense', 'absent'])
      expect(codeOf(() => readTrustedKeys(join(folder, name)))).toBe('signing/key');
    expect(codeOf(() => readTrustedKeys(join(folder, 'empty')))).toBe('signing/no-keys');
    expect(codeOf(() => signatureCheck({ policy: 'enforce' }))).toBe('signing/no-keys');
  });
});
