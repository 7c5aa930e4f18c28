import { memoryHost } from '../hosts/memory/host.ts';
import type { Host } from '../spec/host.ts';
import { type ContextOptions, ExecutionContext } from './context.ts';
import type { ContextSession, SessionOptions } from './session.ts';

export interface EmbeddedOptions extends Omit<ContextOptions, 'host'>, SessionOptions {
  /** Where programs run; a host in memory where absent. */
  readonly host?: Host;
}

/**
 * Makes an execution context in this process, and a session on it.
 *
 * ```ts
 * const runtime = createRuntime();
 * const { programs } = await runtime.call('object.load', { object, name: 'drop_port' });
 * const { retval } = await runtime.call('prog.testRun', { fd: programs[0].fd, data: packet });
 * runtime.context[Symbol.dispose]();
 * ```
 *
 * `context.session()` gives further sessions; disposing of the context ends all of them, and everything in it.
 */
export function createRuntime(options: EmbeddedOptions = {}): ContextSession {
  return new ExecutionContext({ ...options, host: options.host ?? memoryHost() }).session(options);
}
