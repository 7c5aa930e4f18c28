import { autoBackend } from '../compile/auto/backend.ts';
import { interpretBackend } from '../compile/interpret/backend.ts';
import { referenceBackend } from '../compile/reference/backend.ts';
import { compilerBackend } from '../compile/wasm/backend.ts';
import { AnyBpfError, fail } from '../base/diagnostic.ts';
import { noWebAssembly } from '../base/messages/execute.ts';
import type { Backend, EngineChoice, EngineName } from '../spec/backend.ts';

/** A back end that says what is wrong where the host has no WebAssembly, or forbids to compile it. */
const onWebAssembly = (backend: Backend): Backend => ({
  ...backend,
  load: (image, options) => {
    try {
      return backend.load(image, options);
    } catch (error) {
      if (error instanceof AnyBpfError) throw error;
      return fail(noWebAssembly({ program: image.spec.name }, backend.name, (error as Error).message));
    }
  },
});

/** Every engine that can run programs. A new back end is a folder of compile/ and a line here. */
export const ENGINES: { readonly [N in EngineName]: Backend } = {
  reference: referenceBackend,
  interpret: onWebAssembly(interpretBackend),
  compile: onWebAssembly(compilerBackend),
};

/** What may be asked for: an engine, or the choice among them. */
export const ENGINE_CHOICES: { readonly [N in EngineChoice]: Backend } = { auto: autoBackend, ...ENGINES };

export const DEFAULT_ENGINE: EngineChoice = 'auto';
