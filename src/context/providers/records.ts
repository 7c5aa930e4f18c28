// What extensions bring to a context, as versioned records: `version` says which form a record has, so that it can grow.
// docs/extensions.md tells how to write them.
import type { HelperFamily, HelperRow } from '../../spec/helper.ts';
import type { MapSpec, Dialect } from '../../spec/object.ts';
import type { MapTypeRow, Status } from '../../spec/map.ts';
import type { MapTypeName } from '../../spec/map-types.ts';
import type { ProgramTypeRow } from '../../spec/program.ts';
import type { AttachTypeName, ProgramTypeName } from '../../spec/program-types.ts';
import type { ChainName, ChainRule } from '../hooks/chains.ts';
import type { Limit, LimitName } from '../hooks/limits.ts';
import type { TargetKind } from '../hooks/target.ts';

/** The version of all records that this release knows. */
export const PROVIDER_VERSION = 1;

interface Header {
  readonly version: typeof PROVIDER_VERSION;
  /** Who brings it: a module's name or GUID. One module has at most one provider of a kind for the same thing. */
  readonly module: string;
}

/** A program type: its context, what it may return, its helpers. What the verifier knows of it. */
export interface ProgramInformationProvider extends Header {
  readonly kind: 'program-information';
  readonly type: ProgramTypeRow;
  /**
   * Helpers with their prototypes and bodies. With `programNumbers` they are the type's own, and replace common ones of the same
   * number; with `numbers` every type may call them.
   */
  readonly helpers?: readonly HelperFamily[];
}

/** Where programs of a type are attached. Whoever feeds the hook does so through `context.hooks.prepare`. */
export interface HookProvider extends Header {
  readonly kind: 'hook';
  readonly dialect: Dialect;
  readonly attachType: AttachTypeName;
  readonly types: readonly ProgramTypeName[];
  readonly target: TargetKind;
  /** A rule by name (hooks/limits.ts), or one of the provider's own. */
  readonly limit: LimitName | Limit;
  readonly chain: ChainName | ChainRule;
  /** What happens with nothing attached. */
  readonly verdict: number;
}

/** What a map of a provider does at the operations of its base. Keys and values are copies. */
export interface MapCallbacks {
  /** After an element was found: gives the value to hand out. Programs see a change in the element itself. */
  readonly find?: (key: Uint8Array, value: Uint8Array) => Uint8Array | Status | undefined;
  /** Before an element is put in: gives the value to store, or -errno. */
  readonly add?: (key: Uint8Array, value: Uint8Array) => Uint8Array | Status | undefined;
  /** Before an element is taken out: -errno keeps it. */
  readonly remove?: (key: Uint8Array) => Status | undefined;
}

/** A map type: with a base that keeps the elements (as eBPF for Windows' custom maps), or all of the provider's own. */
export interface MapProvider extends Header {
  readonly kind: 'map';
  readonly type: MapTypeName;
  readonly base?: MapTypeName;
  readonly callbacks?: MapCallbacks;
  /** -errno for attributes that it does not take, after those of the base. */
  readonly check?: (spec: MapSpec) => Status;
  /** In place of a base. */
  readonly row?: MapTypeRow;
  readonly doc: string;
}

/** Functions that programs call by name (`extern ... __ksym`): BTF-resolved functions, kernel functions. */
export interface FunctionProvider extends Header {
  readonly kind: 'function';
  readonly dialect: Dialect;
  readonly functions: readonly HelperRow[];
}

/** Code that was made ahead of time for an object file: loaded in its place where execution `native` is asked for. */
export interface ModuleProvider extends Header {
  readonly kind: 'module';
  /** SHA-256 of the object file, in hexadecimal. */
  readonly of: string;
  /** What `anybpf compile` made of it. */
  readonly bytes: Uint8Array;
}

export type Provider = ProgramInformationProvider | HookProvider | MapProvider | FunctionProvider | ModuleProvider;
export type ProviderKind = Provider['kind'];
