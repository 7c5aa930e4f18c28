import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';

test('folders import downwards only, without cycles, and core folders use no Node built-in', () => {
  const output = execFileSync(process.execPath, ['scripts/check-imports.mjs'], { encoding: 'utf8', stdio: 'pipe' });
  expect(output).toMatch(/^import check: \d+ files, 0 offences$/m);
});
