// The dialect of PREVAIL's cases: labels in angle brackets, `r0=1`, exchanges as `x=`. Statements that are no
// instructions there (assume, and calls by a name in brackets) are left out.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { assemble } from '../../src/isa/assembler.ts';
import { corpusFolder, filesBelow } from '../support/shared.ts';

const corpus = corpusFolder('verifier-cases');

/** What that verifier models and no instruction does. */
const WITHOUT_ENCODING = /&!=|^w\d s32=/;

/** The statements of all cases of a file. */
function statements(yaml: string): string[] {
  const out: string[] = [];
  let inCode = false;
  for (const line of yaml.split('\n')) {
    if (/^\S/.test(line)) inCode = line.startsWith('code:');
    else if (inCode) {
      const statement = line
        .replace(/^\s*["']?<[^>]+>["']?:\s*\|?/, '')
        .replace(/#.*/, '')
        .trim();
      if (statement !== '') out.push(statement.replace(/^"(.*)"$/, '$1'));
    }
  }
  return out;
}

if ('reason' in corpus) test.skip(corpus.reason, () => {});
else {
  test('statements of the cases assemble', () => {
    const refused: string[] = [];
    let read = 0;
    for (const file of filesBelow(corpus.path, '.yaml')) {
      for (const statement of statements(readFileSync(path.join(corpus.path, file), 'utf8'))) {
        if (statement.startsWith('assume ')) continue;
        try {
          // Any label will do: the case's own are elsewhere.
          const labels = [...statement.matchAll(/<([\w.$:]+)>/g)].map((match) => `${match[1]}:`).join('\n');
          assemble(`${labels}\n${statement}\nexit`);
          read++;
        } catch (error) {
          if (!(error instanceof AnyBpfError)) throw error;
          if (WITHOUT_ENCODING.test(statement) && error.code === 'isa/no-such-form') continue;
          refused.push(`${statement}   ${error.message}`);
        }
      }
    }
    expect(refused).toEqual([]);
    expect(read).toBeGreaterThan(600);
  });
}
