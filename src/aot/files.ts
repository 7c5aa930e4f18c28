// The three files of a compiled object: the module, its loader, and the loader's declarations.
import type { CompiledModule } from './compile.ts';
import { LOADER_CODE, LOADER_TYPES } from './loader-text.ts';

export interface ModuleFiles {
  readonly wasm: Uint8Array<ArrayBuffer>;
  /** `NAME.mjs` and `NAME.d.ts`. */
  readonly loader: string;
  readonly types: string;
}

/** @param file name of the module's file, which the loader looks for beside itself */
export function moduleFiles({ wasm, record }: CompiledModule, file: string): ModuleFiles {
  const head = `// Made by ${record.producer} from ${record.object}. Loads ${file}.\n`;
  const binding = `{ file: ${JSON.stringify(file)}, digest: '${record.digest}', url: import.meta.url }`;
  const code = `
/** Loads ${file}, from beside this file where no source is given. */
export const load = (source, options) => loadModule(${binding}, source, options);
`;
  const types = `
/** Loads ${file}, from beside this file where no source is given. Raises AotError. */
export declare const load: (source?: Source, options?: LoadOptions) => Promise<Module & {
  readonly programs: { ${members(record.programs, 'ProgramView')} };
  readonly maps: { ${members(record.maps, 'MapView')} };
}>;
`;
  return { wasm, loader: head + LOADER_CODE + code, types: head + LOADER_TYPES + types };
}

const members = (named: readonly { readonly name: string }[], type: string): string =>
  named.map(({ name }) => `readonly ${JSON.stringify(name)}: ${type};`).join(' ');
