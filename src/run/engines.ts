import { interpretBackend } from '../compile/interpret/backend.ts';
import { referenceBackend } from '../compile/reference/backend.ts';
import { compilerBackend } from '../compile/wasm/backend.ts';
import type { Backend, EngineName } from '../spec/backend.ts';

/** Every engine that can run programs. A new back end is a folder of compile/ and a line here. */
export const ENGINES: { readonly [N in EngineName]: Backend } = {
  reference: referenceBackend,
  interpret: interpretBackend,
  compile: compilerBackend,
};

export const DEFAULT_ENGINE: EngineName = 'reference';
