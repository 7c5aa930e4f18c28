// Extensions that the command is told of by its environment.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { knowExtensions, knownExtensions, loadExtensions, platformFor } from '../../src/cli/extensions.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'anybpf-extensions-'));
afterEach(() => knowExtensions([]));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

function module(name: string, text: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  return file;
}

const PROVIDER = `{
  version: 1, kind: 'program-information', module: 'm',
  type: {
    type: 'process', contexts: { windows: { name: 'struct process', size: 8, fields: {} } },
    attachTypes: [], returns: [], verdicts: {}, families: [], doc: '',
  },
}`;

test('modules are loaded from a list of paths', async () => {
  const paths = [module('a.mjs', `export default [${PROVIDER}];`), module('b.mjs', 'export default [];')];
  expect(platformFor('windows').programType('process')).toBeUndefined();
  await loadExtensions(paths.join(path.delimiter));
  expect(knownExtensions().length).toBe(1);
  expect(platformFor('windows').programType('process')?.contexts.windows?.size).toBe(8);
  expect(platformFor('linux').programType('process')).toBeUndefined();
});

test.each([
  ['no file', 'missing.mjs', undefined],
  ['no list', 'one.mjs', `export default ${PROVIDER};`],
  ['no provider', 'other.mjs', 'export default [{ version: 1 }];'],
  ['another version', 'later.mjs', `export default [{ ...${PROVIDER}, version: 2 }];`],
  ['an error', 'throws.mjs', 'throw new Error("no");'],
])('%s', async (_what, name, text) => {
  const file = text === undefined ? path.join(folder, name) : module(name, text);
  const error = await loadExtensions(file).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(AnyBpfError);
  expect((error as AnyBpfError).code).toBe('cli/extension');
  expect(knownExtensions()).toEqual([]);
});
