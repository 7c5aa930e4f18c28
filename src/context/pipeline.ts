// Work of loading that can be done beside a context: reading hostile files, verifying them. The context itself only creates objects
// of what comes back, and believes nothing but verdicts of the pipeline that it was given.
import type { ObjectSpec } from '../spec/object.ts';
import type { ObjectLoad, ProgramLoad } from '../spec/session.ts';
import type { Verdict } from '../verify/verify.ts';

export interface LoadRequest {
  /** What was asked for. */
  readonly load: ObjectLoad | ProgramLoad;
  /** The object as it will be created: linked, with all that the request changes, sizes and contents of maps as they will be. */
  readonly object: ObjectSpec;
  /** Names of the programs that are wanted. */
  readonly programs: readonly string[];
}

/** What was found out beside the context, by program name. Programs without a word are verified in it. */
export interface LoadEvidence {
  /** Believed. */
  readonly verdicts?: Readonly<Record<string, Verdict>>;
  /** Checked, and not believed (LoadOptions.certificates). */
  readonly certificates?: Readonly<Record<string, unknown>>;
}

export interface LoadPipeline {
  /**
   * Looks at a module made ahead of time before it is opened.
   * @throws AnyBpfError where it may not be loaded
   */
  admit?(module: Uint8Array, name: string): void;
  /**
   * Links an object's file, and resolves its CO-RE relocations where the request brings BTF. In the context where absent.
   * @param client whose request it is: those of several clients are served in turn
   * @throws AnyBpfError for a broken file
   */
  link?(load: ObjectLoad, client: object): ObjectSpec | Promise<ObjectSpec>;
  /** Verifies programs that are about to be loaded. In the context where absent. */
  verify?(request: LoadRequest, client: object): LoadEvidence | Promise<LoadEvidence>;
}
