// Objects of a context as records of a journal: all that it takes to make them again.
import { createHash } from 'node:crypto';
import type { ExecutionContext } from '../context/context.ts';
import type { ContextBtf } from '../context/btf-object.ts';
import { ContextLink } from '../context/hooks/link-object.ts';
import { moduleOf } from '../context/load-module.ts';
import type { ContextMap } from '../context/map-object.ts';
import type { ContextProgram } from '../context/program-object.ts';
import { usedMaps } from '../context/tag.ts';
import { SLOT_SIZE } from '../isa/insn.ts';
import { WIDE_OPCODE } from '../isa/opcodes.ts';
import type { ExternSpec, MapSpec, ObjectSpec, ProgramSpec } from '../spec/object.ts';
import type { AttachTarget, ExecutionType, Id, ObjectKind } from '../spec/session.ts';
import type { AttachTypeName } from '../spec/program-types.ts';
import { bitsOf } from './contents.ts';
import type { Described } from './durable.ts';
import { evidenceDigest, verdictRecord } from './evidence.ts';
import type { ObjectRecord } from './journal-entries.ts';
import type { Plain } from './plain.ts';

export interface BtfMade {
  readonly name: string;
  /** Of its bytes. */
  readonly digest: string;
}

export interface MapMade {
  /** As it is; without contents. */
  readonly spec: MapSpec;
  readonly dialect: ObjectSpec['dialect'];
  readonly btfId: Id;
  readonly innerMapId: Id;
  /** Bloom filters. */
  readonly bits?: { readonly seed: number; readonly bits: Uint8Array };
}

export interface ProgramMade {
  /** Its code names maps by their places in `maps`. */
  readonly spec: ProgramSpec;
  readonly object: {
    readonly name: string;
    readonly license: string;
    readonly externs: readonly ExternSpec[];
    /** The names that the object gives to maps. */
    readonly names: readonly string[];
  };
  readonly maps: readonly Id[];
  /** Maps that it holds beside those. */
  readonly bound: readonly Id[];
  readonly btfId: Id;
  readonly execution: ExecutionType;
  readonly source: string;
  readonly uid: number;
  readonly pid?: number;
  readonly loadedAt: bigint;
  readonly verifiedInsns: number;
  readonly informationHash?: string;
  /** The verifier's verdict, and of what. Without it the program is verified again. */
  readonly evidence?: { readonly digest: string; readonly verdict: Plain };
}

export interface LinkMade {
  readonly progId: Id;
  readonly attachType: AttachTypeName;
  readonly target: AttachTarget;
  readonly flags: number;
  readonly cookie?: bigint;
}

/** A map or program of a module made ahead of time: all of the module is made again. */
export interface ModuleMade {
  readonly module: {
    /** Of its bytes. */
    readonly digest: string;
    readonly name: string;
    readonly maps: readonly Id[];
    readonly programs: readonly Id[];
  };
}

export const blobDigest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const NO_BLOBS: ReadonlyMap<string, Uint8Array> = new Map();

const described = (
  kind: ObjectKind,
  id: Id,
  of: BtfMade | MapMade | ProgramMade | LinkMade | ModuleMade,
  needs: ObjectRecord['needs'],
  rest: Partial<ObjectRecord> = {},
  blobs = NO_BLOBS,
): Described => ({ object: { kind, id, needs, ...rest, of: of as unknown as Plain }, blobs });

const needing = (kind: ObjectKind, ...ids: readonly Id[]): ObjectRecord['needs'] =>
  ids.filter((id) => id !== 0).map((id) => ({ kind, id }));

/** @param producer name and version of the AnyBPF whose verdicts are recorded */
export function describeObject(context: ExecutionContext, kind: ObjectKind, id: Id, producer: string): Described {
  const object = context.table(kind).get(id);
  if (object === undefined) return { refused: 'it is not there any more' };
  const describe: { readonly [K in ObjectKind]: () => Described } = {
    btf: () => describeBtf(object as unknown as ContextBtf),
    map: () => describeMap(context, object as unknown as ContextMap),
    prog: () => describeProgram(context, object as unknown as ContextProgram, producer),
    link: () => (object instanceof ContextLink ? describeLink(object) : { refused: 'it is no link of a hook' }),
  };
  return describe[kind]();
}

function describeBtf({ id, name, bytes }: ContextBtf): Described {
  const digest = blobDigest(bytes);
  return described('btf', id, { name, digest }, [], {}, new Map([[digest, bytes]]));
}

function describeMap(context: ExecutionContext, map: ContextMap): Described {
  const holds = map.holds === undefined ? {} : { holds: { kind: map.holds, at: map.holdsAt } };
  if (map.runtime !== context.runtime) return describeNative(map, [], holds);
  const { raw, dialect, id, btf } = map;
  const { innerMapId } = map.info([]);
  const { data: _data, ...spec } = raw.spec;
  const bits = bitsOf(map);
  const made: MapMade = {
    spec: { ...spec, slots: [] },
    dialect,
    btfId: btf?.id ?? 0,
    innerMapId,
    ...(bits === undefined ? {} : { bits }),
  };
  // The template of a map of maps is only told of: it may be gone.
  return described('map', id, made, needing('btf', made.btfId), holds);
}

function describeProgram(context: ExecutionContext, program: ContextProgram, producer: string): Described {
  if (program.runtime !== context.runtime) {
    const maps = [...program.maps].map((map) => map.id);
    return describeNative(program, needing('map', ...maps));
  }
  const { id, loaded, parts } = program;
  const { object } = parts;
  if (object === undefined) return { refused: 'nobody knows what it was loaded from' };
  const used = usedMaps(loaded.spec.code);
  const spec = { ...loaded.spec, code: renumbered(loaded.spec.code, used), core: [] };
  const maps = parts.maps.map((map) => map.id);
  const names = used.map((index) => object.maps[index].name);
  const { verify = 'require' } = context.options;
  const evidence =
    verify === 'require' && loaded.verdict !== undefined
      ? {
          digest: evidenceDigest(object, spec, parts.maps, context.platform(spec.dialect), producer),
          verdict: verdictRecord(loaded.verdict),
        }
      : undefined;
  const bound = [...program.maps].map((map) => map.id).filter((one) => !maps.includes(one));
  const { execution, source, uid, pid, loadedAt, verifiedInsns } = parts;
  const { informationHash } = program;
  const made: ProgramMade = {
    spec,
    object: { name: object.name, license: object.license, externs: object.externs, names },
    maps,
    bound,
    btfId: parts.btf?.id ?? 0,
    execution,
    source,
    uid,
    ...(pid === undefined ? {} : { pid }),
    loadedAt,
    verifiedInsns,
    ...(informationHash === undefined ? {} : { informationHash }),
    ...(evidence === undefined ? {} : { evidence }),
  };
  return described('prog', id, made, [...needing('map', ...maps, ...bound), ...needing('btf', made.btfId)]);
}

function describeNative(
  { kind, id, runtime }: ContextMap | ContextProgram,
  needs: ObjectRecord['needs'],
  rest: Partial<ObjectRecord> = {},
): Described {
  const module = moduleOf(runtime);
  if (module === undefined) return { refused: 'nobody knows what it was loaded from' };
  const { bytes, ...ids } = module;
  const digest = blobDigest(bytes);
  return described(kind, id, { module: { digest, ...ids } }, needs, rest, new Map([[digest, bytes]]));
}

/** The code with the place in `used` for the index of a map. */
function renumbered(code: Uint8Array, used: readonly number[]): Uint8Array {
  const copy = code.slice();
  const view = new DataView(copy.buffer);
  for (let at = 0; at < copy.length; at += SLOT_SIZE) {
    if (copy[at] !== WIDE_OPCODE) continue;
    const source = copy[at + 1] >> 4;
    // RFC 9669: map_by_idx, map_val(map_by_idx).
    if (source === 5 || source === 6) view.setInt32(at + 4, used.indexOf(view.getInt32(at + 4, true)), true);
    at += SLOT_SIZE;
  }
  return copy;
}

function describeLink(link: ContextLink): Described {
  const { id, program, attachment, hook, target, cookie, legacy } = link;
  if (program === undefined || attachment === undefined) return { refused: 'it is detached' };
  const made: LinkMade = {
    progId: program.id,
    attachType: hook.row.attachType,
    target,
    flags: attachment.flags,
    ...(cookie === undefined ? {} : { cookie }),
  };
  const map = target.mapFd;
  if (map !== undefined) return { refused: 'its target is a map' };
  return described('link', id, made, needing('prog', program.id), legacy ? { root: true } : {});
}
