// Objects for the tests of elf/ and btf/: the project's examples, and the outside corpus where it is there.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { corpusFolder, filesBelow, PROJECT_ROOT } from '../support/shared.ts';

export interface TestObject {
  readonly name: string;
  readonly path: string;
  readonly bytes: Uint8Array;
}

const load = (folder: string, endings: readonly string[]): TestObject[] =>
  endings
    .flatMap((ending) => filesBelow(folder, ending))
    .map((file) => ({ name: file, path: path.join(folder, file), bytes: readFileSync(path.join(folder, file)) }));

/** The committed objects of examples/. */
export const exampleObjects = (): TestObject[] => load(path.join(PROJECT_ROOT, 'examples'), ['.bpf.o']);

/** The outside objects; none, with a printed reason, where the corpus is absent. */
export function corpusObjects(): TestObject[] {
  return (['objects', 'elf-fixtures'] as const).flatMap((name) => {
    const folder = corpusFolder(name);
    if ('reason' in folder) {
      console.warn(`skipped: ${folder.reason}`);
      return [];
    }
    return load(folder.path, ['.o', '.elf']);
  });
}

/** Examples and corpus together. */
export const allObjects = (): TestObject[] => [...exampleObjects(), ...corpusObjects()];
