// All methods of a context. A family of them is a file.
import type { Handlers } from '../spec/session.ts';
import { btfMethods } from './btf-methods.ts';
import { contextMethods } from './context-methods.ts';
import { batchMethods } from './batch-methods.ts';
import { hookMethods, linkMethods } from './hooks/methods.ts';
import { mapMethods } from './map-methods.ts';
import { objectMethods } from './object-methods.ts';
import { programMethods } from './program-methods.ts';
import { recordMethods } from './record-methods.ts';
import type { ContextSession } from './session.ts';

export const methods: Handlers<ContextSession> = {
  ...objectMethods,
  ...mapMethods,
  ...batchMethods,
  ...recordMethods,
  ...programMethods,
  ...btfMethods,
  ...contextMethods,
  ...hookMethods,
  ...linkMethods,
};
