// A program of a context: the loaded program, the maps that it holds, what was counted of its runs.
import type { LoadedProgram } from '../run/program.ts';
import type { Runtime } from '../run/runtime.ts';
import { GPL_COMPATIBLE } from '../spec/licence.ts';
import type { ObjectSpec } from '../spec/object.ts';
import type { ExecutionType, Id, ProgramInfo } from '../spec/session.ts';
import type { ContextBtf } from './btf-object.ts';
import type { ExecutionContext } from './context.ts';
import type { ContextMap, Held } from './map-object.ts';
import { ContextObject } from './objects.ts';
import { programTag } from './tag.ts';

export interface ProgramParts {
  /** Ready to run. */
  readonly loaded: LoadedProgram;
  readonly runtime: Runtime;
  /** What it was loaded from, to load it again: its externs, and the maps that its code names by index. */
  readonly object?: ObjectSpec | undefined;
  /** Those that its instructions use, in the order of their first use. */
  readonly maps: readonly ContextMap[];
  readonly btf?: ContextBtf | undefined;
  readonly execution: ExecutionType;
  /** The file or object that it came from. */
  readonly source: string;
  readonly uid: number;
  readonly pid?: number | undefined;
  readonly loadedAt: bigint;
  /** Instructions that the verifier has visited. */
  readonly verifiedInsns: number;
  /** Where it was verified before (a journal): against what. Else found when it is made. */
  readonly informationHash?: string | undefined;
}

export class ContextProgram extends ContextObject<'prog'> implements Held {
  readonly kind = 'prog';
  readonly loaded: LoadedProgram;
  readonly runtime: Runtime;
  readonly rawId: Id;
  readonly tag: string;
  /** Links that run it now (context/hooks); info counts them. */
  readonly links = new Set<Id>();
  runCount = 0n;
  runTimeNs = 0n;
  /** False while a provider that it needs is away. */
  usable = true;
  /** A digest of what it was verified against (context/providers). */
  readonly informationHash: string | undefined;
  readonly parts: ProgramParts;
  readonly #maps = new Set<ContextMap>();

  constructor(id: Id, context: ExecutionContext, parts: ProgramParts) {
    super(id);
    this.parts = parts;
    this.loaded = parts.loaded;
    this.runtime = parts.runtime;
    this.rawId = parts.loaded.id;
    this.tag = programTag(this.loaded.spec.code);
    for (const map of parts.maps) this.bindMap(map);
    this.informationHash = context.providers.verified(this);
    this.usable = context.providers.diagnose(this) === undefined;
    parts.btf?.retain().programs.add(id);
    this.onEnd(() => {
      context.reclaimer.defer(() => {
        this.loaded[Symbol.dispose]();
        for (const map of this.#maps) map.release();
      });
      parts.btf?.programs.delete(id);
      parts.btf?.release();
    });
  }

  get name(): string {
    return this.loaded.name;
  }

  get maps(): ReadonlySet<ContextMap> {
    return this.#maps;
  }

  /** Holds a map as long as the program lives (BPF_PROG_BIND_MAP). */
  bindMap(map: ContextMap): void {
    if (this.#maps.has(map)) return;
    this.#maps.add(map.retain());
  }

  /** Counts runs that took so long together; whoever runs it does so while ExecutionContext.counts. */
  count(runs: number, nanoseconds: number): void {
    this.runCount += BigInt(runs);
    this.runTimeNs += BigInt(Math.round(nanoseconds));
  }

  info(pins: readonly string[]): ProgramInfo {
    const { kind, id, name, tag, loaded, parts, runTimeNs, runCount, usable } = this;
    const { spec } = loaded;
    return {
      kind,
      id,
      name,
      type: spec.type,
      ...(spec.attachType === undefined ? {} : { attachType: spec.attachType }),
      tag,
      gplCompatible: GPL_COMPATIBLE.has(spec.license),
      loadedAt: parts.loadedAt,
      uid: parts.uid,
      ...(parts.pid === undefined ? {} : { pid: parts.pid }),
      mapIds: [...this.#maps].map((map) => map.id),
      btfId: parts.btf?.id ?? 0,
      bytesXlated: spec.code.length,
      bytesJited: loaded.codeSize,
      verifiedInsns: parts.verifiedInsns,
      execution: parts.execution,
      engine: loaded.engine ?? '',
      runTimeNs,
      runCount,
      linkCount: this.links.size,
      source: parts.source,
      section: spec.section,
      ...(this.informationHash === undefined ? {} : { informationHash: this.informationHash }),
      usable,
      pins,
    };
  }
}
