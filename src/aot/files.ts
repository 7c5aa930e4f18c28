// The files of a compiled object: the module, its loader, and the loader's declarations.
import type { CompiledModule } from './compile.ts';
import { LOADER_CODE, LOADER_TYPES } from './loader-text.ts';

/** By what is put in the place of the module's `.wasm`. */
export interface ModuleFiles {
  readonly '.mjs': string;
  /** What TypeScript looks for beside an `.mjs`. */
  readonly '.d.mts': string;
  /** The same for who names the loader without its ending. */
  readonly '.d.ts': string;
}

/** @param file name of the module's file, which the loader looks for beside itself */
export function moduleFiles({ record }: Pick<CompiledModule, 'record'>, file: string): ModuleFiles {
  const head = `// Made by ${record.producer} from ${record.object}. Loads ${file}.\n`;
  const binding = `{ file: ${JSON.stringify(file)}, digest: '${record.digest}', url: import.meta.url }`;
  const code = `
/** Loads ${file}, from beside this file where no source is given. */
export const load = (source, options) => loadModule(${binding}, source, options);
`;
  const types = `
/** Loads ${file}, from beside this file where no source is given. Raises AotError. */
export declare const load: (
  source?: Source,
  options?: LoadOptions,
) => Promise<Module<${union(record.programs)}, ${union(record.maps)}>>;
// Without this line TypeScript takes all declarations of the file for exports.
export {};
`;
  const loader = file.replace(/\.wasm$/, '.mjs');
  return {
    '.mjs': head + LOADER_CODE + code,
    '.d.mts': head + LOADER_TYPES + types,
    '.d.ts': `${head}export * from ${JSON.stringify(`./${loader}`)};\n`,
  };
}

const union = (named: readonly { readonly name: string }[]): string =>
  named.length === 0 ? 'never' : named.map(({ name }) => JSON.stringify(name)).join(' | ');
