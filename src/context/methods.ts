// All methods of a context. A family of them is a file.
import type { Handlers } from '../spec/session.ts';
import { btfMethods } from './btf-methods.ts';
import { contextMethods } from './context-methods.ts';
import { batchMethods } from './batch-methods.ts';
import { refuse } from './errors.ts';
import { mapMethods } from './map-methods.ts';
import { objectMethods } from './object-methods.ts';
import { programMethods } from './program-methods.ts';
import { recordMethods } from './record-methods.ts';
import type { ContextSession } from './session.ts';

type HookMethodName =
  | 'prog.attach'
  | 'prog.detach'
  | 'prog.query'
  | 'link.create'
  | 'link.update'
  | 'link.detach'
  | 'hook.fire'
  | 'hook.list';

const later = (method: string) => (): never => refuse(method, 'ENOTSUPP');

/** Until context/hooks has them. */
const hookMethods: Pick<Handlers<ContextSession>, HookMethodName> = {
  'prog.attach': later('prog.attach'),
  'prog.detach': later('prog.detach'),
  'prog.query': later('prog.query'),
  'link.create': later('link.create'),
  'link.update': later('link.update'),
  'link.detach': later('link.detach'),
  'hook.fire': later('hook.fire'),
  'hook.list': later('hook.list'),
};

export const methods: Handlers<ContextSession> = {
  ...objectMethods,
  ...mapMethods,
  ...batchMethods,
  ...recordMethods,
  ...programMethods,
  ...btfMethods,
  ...contextMethods,
  ...hookMethods,
};
