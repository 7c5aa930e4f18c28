// All methods, by bpf(2). A family of them is a file.
import type { MethodName, Params, Result } from '../../spec/session.ts';
import { batchMethods } from './batch-methods.ts';
import { contextMethods } from './context-methods.ts';
import { hookMethods } from './hook-methods.ts';
import { mapMethods } from './map-methods.ts';
import { objectMethods } from './object-methods.ts';
import { programMethods } from './program-methods.ts';
import { recordMethods } from './record-methods.ts';
import type { LinuxSession } from './session.ts';

/** As spec/session.ts' Handlers; but the kernel answers at once. */
export type LinuxHandlers = {
  readonly [M in MethodName]: (session: LinuxSession, params: Params<M>) => Result<M>;
};

export const methods: LinuxHandlers = {
  ...objectMethods,
  ...mapMethods,
  ...batchMethods,
  ...recordMethods,
  ...programMethods,
  ...contextMethods,
  ...hookMethods,
};
