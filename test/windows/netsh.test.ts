// The cases of eBPF for Windows' tests/end_to_end/netsh_test.cpp (32, and hash.golden, which is our own), a transcript each: `> command`, then what it prints, and `(failed)`
// where it ends without success. Lines with // say how the case differs from Windows', and why.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { filesBelow, PROJECT_ROOT } from '../support/shared.ts';
import { netshShell } from './support.ts';

const FOLDER = path.join(PROJECT_ROOT, 'test/windows/netsh');
const CASES = 33;

/** `// ids: prog 4, map 2, link 6`: those before the case. */
function idsOf(golden: string): Record<string, number> {
  const [, list = ''] = /^\/\/ ids: (.*)$/m.exec(golden) ?? [];
  return Object.fromEntries([...list.matchAll(/(\w+) (\d+)/g)].map(([, kind, id]) => [kind, Number(id)]));
}

async function transcript(golden: string): Promise<string> {
  using shell = netshShell(idsOf(golden));
  let text = '';
  for (const line of golden.split('\n')) {
    // `// ids: ...` within a case takes ids, as what is made in between does on Windows.
    if (line.startsWith('// ids:')) shell.runtime.context.idsFrom(idsOf(line));
    if (line.startsWith('//')) text += `${line}\n`;
    if (!line.startsWith('> ')) continue;
    const { output, failed } = await shell.run(line.slice(2));
    text += `${line}\n${output}${failed ? '(failed)\n' : ''}`;
  }
  return text;
}

const names = filesBelow(FOLDER, '.golden');

test('all cases are here', () => {
  expect(names.length).toBe(CASES);
});

describe('netsh', () => {
  test.each(names)('%s', async (name) => {
    const golden = readFileSync(path.join(FOLDER, name), 'utf8');
    expect(await transcript(golden)).toBe(golden);
  });
});
