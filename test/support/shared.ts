// Outside data for tests: the corpus beside the checkout (`../shared/corpus`, see its README). The project holds none of
// it, and no test names a single file of it: tests walk folders and skip, with a printed reason, where it is absent.
//
//   const objects = corpusFolder('objects');
//   if ('reason' in objects) ... it.skip(objects.reason) ... else walk(objects.path, '.o')
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** Root of the project. */
export const PROJECT_ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CORPUS = path.resolve(PROJECT_ROOT, '../shared/corpus');

export type CorpusFolder = 'conformance' | 'elf-fixtures' | 'objects' | 'verifier-cases' | 'katran';

export type Located = { readonly path: string } | { readonly reason: string };

/** The corpus, or one of its folders: its path, or why it cannot be read. */
export function corpusFolder(folder?: CorpusFolder): Located {
  const at = folder === undefined ? CORPUS : path.join(CORPUS, folder);
  return existsSync(at) ? { path: at } : { reason: `no ${path.relative(PROJECT_ROOT, at)} beside the checkout` };
}

/** Files below a folder whose names end so, sorted; relative to the folder. */
export function filesBelow(folder: string, ending: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    .sort();
}
