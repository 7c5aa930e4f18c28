// Execution types are what eBPF for Windows asks for; engines are what runs programs here.
import type { EngineChoice } from '../spec/backend.ts';
import { EXECUTION_TYPES, type ExecutionType } from '../spec/session.ts';
import { refuse } from './errors.ts';

/** The engine that an execution type asks for; undefined where the context's own choice stands. */
const ENGINE_OF: { readonly [E in ExecutionType]: EngineChoice | undefined } = {
  any: undefined,
  jit: 'compile',
  interpret: 'interpret',
  native: undefined,
};

const EXECUTION_OF: { readonly [E in EngineChoice]: Exclude<ExecutionType, 'any' | 'native'> } = {
  auto: 'jit',
  compile: 'jit',
  interpret: 'interpret',
  reference: 'interpret',
};

/**
 * What runs instructions that were asked to be run so, and the execution type that is said of them: `any` is the context's choice.
 * @throws AnyBpfError EINVAL for `native`, which only a module made ahead of time is, and for what is none of these
 */
export function executionOf(
  operation: string,
  execution: ExecutionType,
  usual: EngineChoice,
  engine?: EngineChoice,
): { readonly engine: EngineChoice; readonly execution: ExecutionType } {
  if (!EXECUTION_TYPES.includes(execution)) refuse(operation, 'EINVAL', `there is no execution type '${execution}'`);
  if (execution === 'native') refuse(operation, 'EINVAL', 'native execution needs a module of `anybpf compile`');
  const chosen = engine ?? ENGINE_OF[execution] ?? usual;
  if (!Object.hasOwn(EXECUTION_OF, chosen)) refuse(operation, 'EINVAL', `there is no engine '${chosen}'`);
  return { engine: chosen, execution: EXECUTION_OF[chosen] };
}
