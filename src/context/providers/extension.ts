/**
 * For writers of extensions (docs/extensions.md): the records that providers are, and what they are made of.
 *
 * @module
 */
export { readField, readField64, writeField, writeField64 } from '../../helpers/context.ts';
export { ContextBlock } from '../../programs/context-block.ts';
export { contextImage } from '../../programs/context-input.ts';
export { BASE, NETWORK, TRACING, WINDOWS_GLOBAL } from '../../programs/families.ts';
export { field, narrow, packet, series, socket } from '../../programs/fields.ts';
export { type PlainOptions, plainHarness } from '../../programs/plain-context.ts';
export { ERRNO, type ErrnoName } from '../../spec/errno.ts';
export {
  type ArgKind,
  helper,
  type HelperBody,
  type HelperEnv,
  type HelperFamily,
  type HelperRow,
} from '../../spec/helper.ts';
export type { BpfMap, MapContext, MapTypeRow, Status } from '../../spec/map.ts';
export type { Address, Memory } from '../../spec/memory.ts';
export type { MapSpec } from '../../spec/object.ts';
export type { ContextLayout, Harness, HarnessEnvironment, ProgramTypeRow, TestRunInput } from '../../spec/program.ts';
export { CHAINS, type ChainName, type ChainRule, type ChainRun } from '../hooks/chains.ts';
export type { HookBatch } from '../hooks/batch.ts';
export type { Hooks, PreparedHook } from '../hooks/hooks.ts';
export { type Limit, type LimitName, type LimitRule, LIMITS } from '../hooks/limits.ts';
export { extendPlatform } from './platform.ts';
export * from './records.ts';
export type { ProviderStore, Registration } from './store.ts';
