// Refusals of C programs in words, each beside its source: refusals/NAME.bpf.c says code and line, NAME.txt has the text.
// UPDATE_GOLDEN=1 in the environment writes the texts anew; scripts/build-examples.mjs makes the objects.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import * as catalogue from '../../src/base/messages/verify.ts';
import { builtInPlatform } from '../../src/hosts/platform.ts';
import { linkObject } from '../../src/link/link.ts';
import { verifyAndExplain } from '../../src/verify/explain/explain.ts';
import { recordOf, type VerifyRecord } from '../../src/verify/report/record.ts';
import { refusalLines } from '../../src/verify/report/text.ts';
import { DEFAULT_LIMITS } from '../../src/verify/verify.ts';
import { PROJECT_ROOT } from '../support/shared.ts';

const FOLDER = path.join(PROJECT_ROOT, 'test/verify/refusals');
const NAMES = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.bpf.c'))
  .map((file) => file.slice(0, -'.bpf.c'.length));

/** What there is a warning for is refused, too. */
const STRICT = { ...DEFAULT_LIMITS, strict: true } as const;

function recordsOf(name: string): VerifyRecord[] {
  const object = linkObject(readFileSync(path.join(FOLDER, `${name}.bpf.o`)), { name: `${name}.bpf.o` });
  const platform = builtInPlatform(object.dialect);
  return object.programs.map((spec) =>
    recordOf(object.name, spec, verifyAndExplain(object, spec, platform, STRICT), 0),
  );
}

/** `// Refused: verify/null, line 16.` in the source. */
function expected(name: string): { code: string; line: number } {
  const found = /^\/\/ Refused: (\S+), line (\d+)\.$/m.exec(readFileSync(path.join(FOLDER, `${name}.bpf.c`), 'utf8'));
  if (found === null) throw new Error(`${name}.bpf.c does not say how it is refused`);
  return { code: found[1], line: Number(found[2]) };
}

test.each(NAMES)('%s', (name) => {
  const [record, ...others] = recordsOf(name);
  expect(others).toEqual([]);
  expect(record).toMatchObject({
    verdict: 'refused',
    code: expected(name).code,
    source: { line: expected(name).line },
  });
  const lines = refusalLines(record, { facts: true });
  expect(lines.length, 'a refusal fits a screen').toBeLessThanOrEqual(15);
  const text = `${lines.join('\n')}\n`;
  const golden = path.join(FOLDER, `${name}.txt`);
  if (process.env.UPDATE_GOLDEN === '1') writeFileSync(golden, text);
  else if (!existsSync(golden)) throw new Error(`${golden} is missing: run with UPDATE_GOLDEN=1`);
  expect(text).toBe(readFileSync(golden, 'utf8'));
});

test('docs/verifier.md shows three of them as they are, and every code', () => {
  const page = readFileSync(path.join(PROJECT_ROOT, 'docs/verifier.md'), 'utf8');
  for (const name of ['wrong-pointer', 'wide-index', 'leaked-record']) {
    expect(page).toContain(`\`\`\`\n${readFileSync(path.join(FOLDER, `${name}.txt`), 'utf8')}\`\`\``);
  }
  const codes = [...new Set(Object.values(catalogue).map(({ of }) => of.code))];
  expect(codes.filter((code) => !page.includes(`| \`${code}\` |`))).toEqual([]);
});

test('every refusal of these classes has a fix', () => {
  for (const name of NAMES) {
    const [record] = recordsOf(name);
    expect(record.explanation?.fix?.text, name).toBeTruthy();
  }
});

test('facts come in the order of the path', () => {
  for (const name of NAMES) {
    const steps = recordsOf(name)[0].explanation?.chain.map((fact) => fact.step) ?? [];
    expect(steps, name).toEqual([...steps].sort((a, b) => a - b));
  }
});
