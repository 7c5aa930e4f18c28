// Parameters as they come from outside: one schema for each method, so that what a handler gets is what its type says.
import * as v from 'valibot';
import { fail } from '../base/diagnostic.ts';
import { badParams } from '../base/messages/service.ts';
import { ATTACH_TYPES, type AttachTypeName, PROGRAM_TYPES, type ProgramTypeName } from '../spec/program-types.ts';
import { MAP_TYPES, type MapTypeName } from '../spec/map-types.ts';
import {
  type AttachTarget,
  EXECUTION_TYPES,
  type MapChange,
  type MethodName,
  type Params,
  type ProgramChange,
} from '../spec/session.ts';

const MOST_PATH = 4096;
const MOST_NAME = 1024;
const MOST_NAMES = 10_000;
const U32 = 2 ** 32 - 1;
const MOST_WHY = 300;
/** Of a test run or a hook's event: nobody else has an answer meanwhile. */
const MOST_REPEATS = 10_000_000;
/** Registers that arguments go in. */
const MOST_ARGS = 12;
const INT_MAX = 2 ** 31 - 1;

type Schema<T> = v.GenericSchema<unknown, T>;

/** A schema of exactly the fields of T: one that is missing here, optional or not, is a type error. */
const shape = <T>(entries: { readonly [K in keyof Required<T>]: Schema<T[K]> }): Schema<T> =>
  v.strictObject(entries) as unknown as Schema<T>;

const oneOf = <T extends string>(table: { readonly [N in T]: unknown }): Schema<T> =>
  v.picklist(Object.keys(table) as [T, ...T[]]);

const whole = (least: number, most: number) => v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most));
const u32 = whole(0, U32);
/** Whether it is one is said by the context, with bpf(2)'s errno. */
const fd = whole(-1, INT_MAX);
const bytes: Schema<Uint8Array> = v.instance(Uint8Array);
/** 64 bits, signed or not. */
const u64 = v.pipe(v.bigint(), v.minValue(-(2n ** 63n)), v.maxValue(2n ** 64n - 1n));
const name = v.pipe(v.string(), v.maxLength(MOST_NAME));
const path = v.pipe(v.string(), v.maxLength(MOST_PATH));
const kind = v.picklist(['map', 'prog', 'link', 'btf']);
const mapType = oneOf<MapTypeName>(MAP_TYPES);
const programType = oneOf<ProgramTypeName>(PROGRAM_TYPES);
const attachType = oneOf<AttachTypeName>(ATTACH_TYPES);
const dialect = v.optional(v.picklist(['linux', 'windows']));
const execution = v.optional(v.picklist(EXECUTION_TYPES));
const flags = v.optional(u32);
const repeat = v.optional(whole(0, MOST_REPEATS));
const maybe = { u32: v.optional(u32), u64: v.optional(u64), fd: v.optional(fd), bytes: v.optional(bytes) };
const maybeText = { name: v.optional(name), path: v.optional(path) };

const none: Schema<Record<never, never>> = v.strictObject({});
const byFd = shape<{ readonly fd: number }>({ fd });
const byId = shape<Params<'object.open'>>({ kind, id: u32 });

const targetFields: { readonly [K in keyof Required<AttachTarget>]: Schema<AttachTarget[K]> } = {
  ifindex: maybe.u32,
  compartment: maybe.u32,
  cgroup: maybeText.path,
  netns: maybeText.path,
  name: maybeText.path,
  mapFd: maybe.fd,
  pid: v.optional(whole(-1, INT_MAX)),
  priority: v.optional(whole(-INT_MAX - 1, INT_MAX)),
};
const target = shape<AttachTarget>(targetFields);

const programChange = shape<ProgramChange>({
  type: v.optional(programType),
  attachType: v.optional(attachType),
  attachTarget: maybeText.path,
});
const mapChange = shape<MapChange>({
  type: v.optional(mapType),
  keySize: maybe.u32,
  valueSize: maybe.u32,
  maxEntries: maybe.u32,
  flags,
  numaNode: maybe.u32,
  extra: maybe.u64,
  reuseFd: maybe.fd,
  pinPath: maybeText.path,
  data: maybe.bytes,
});

/** What each method takes. */
export const PARAMS: { readonly [M in MethodName]: Schema<Params<M>> } = {
  'object.load': shape<Params<'object.load'>>({
    object: bytes,
    name: path,
    execution,
    engine: v.optional(v.picklist(['reference', 'interpret', 'compile', 'auto'])),
    programs: v.optional(v.pipe(v.array(name), v.maxLength(MOST_NAMES))),
    types: v.optional(v.record(name, programChange)),
    maps: v.optional(v.record(name, mapChange)),
    pinRoot: maybeText.path,
    btf: maybe.bytes,
  }),
  'object.nextId': byId,
  'object.open': byId,
  'object.info': shape<Params<'object.info'>>({ fd, holders: v.optional(v.boolean()) }),
  'object.close': byFd,
  'object.duplicate': byFd,
  'object.pin': shape<Params<'object.pin'>>({ fd, path }),
  'object.get': shape<Params<'object.get'>>({ path }),
  'object.unpin': shape<Params<'object.unpin'>>({ path }),
  'object.pins': shape<Params<'object.pins'>>({ below: maybeText.path }),
  'map.create': shape<Params<'map.create'>>({
    name,
    type: mapType,
    keySize: u32,
    valueSize: u32,
    maxEntries: u32,
    flags,
    extra: maybe.u64,
    numaNode: maybe.u32,
    innerFd: maybe.fd,
    btfFd: maybe.fd,
    keyTypeId: maybe.u32,
    valueTypeId: maybe.u32,
    dialect,
  }),
  'map.lookup': shape<Params<'map.lookup'>>({ fd, key: bytes, flags }),
  'map.update': shape<Params<'map.update'>>({ fd, key: bytes, value: bytes, flags }),
  'map.delete': shape<Params<'map.delete'>>({ fd, key: bytes }),
  'map.lookupAndDelete': shape<Params<'map.lookupAndDelete'>>({ fd, key: bytes, flags }),
  'map.nextKey': shape<Params<'map.nextKey'>>({ fd, key: maybe.bytes }),
  'map.lookupBatch': shape<Params<'map.lookupBatch'>>({
    fd,
    cursor: maybe.bytes,
    count: u32,
    remove: v.optional(v.boolean()),
    flags,
  }),
  'map.updateBatch': shape<Params<'map.updateBatch'>>({ fd, keys: bytes, values: bytes, count: u32, flags }),
  'map.deleteBatch': shape<Params<'map.deleteBatch'>>({ fd, keys: bytes, count: u32 }),
  'map.freeze': byFd,
  'map.consume': shape<Params<'map.consume'>>({ fd, most: maybe.u32 }),
  'map.subscribe': shape<Params<'map.subscribe'>>({ fd, perCpuBytes: maybe.u32 }),
  'map.produce': shape<Params<'map.produce'>>({ fd, records: v.array(bytes) }),
  'map.write': shape<Params<'map.write'>>({ fd, data: bytes }),
  'prog.load': shape<Params<'prog.load'>>({
    name,
    type: programType,
    attachType: v.optional(attachType),
    code: bytes,
    license: name,
    dialect,
    flags,
    btfFd: maybe.fd,
    functions: maybe.bytes,
    lines: maybe.bytes,
    execution,
  }),
  'prog.testRun': shape<Params<'prog.testRun'>>({
    fd,
    data: maybe.bytes,
    ctx: maybe.bytes,
    args: v.optional(v.pipe(v.array(u64), v.maxLength(MOST_ARGS))),
    repeat,
  }),
  'prog.bindMap': shape<Params<'prog.bindMap'>>({ fd, mapFd: fd }),
  'prog.attach': shape<Params<'prog.attach'>>({
    fd,
    attachType,
    target,
    flags,
    replaceFd: maybe.fd,
    relativeFd: maybe.fd,
  }),
  'prog.detach': shape<Params<'prog.detach'>>({ fd: maybe.fd, attachType, target }),
  'prog.query': shape<Params<'prog.query'>>({ attachType, target }),
  'prog.code': byFd,
  'link.create': shape<Params<'link.create'>>({
    fd,
    attachType,
    target,
    flags,
    cookie: maybe.u64,
    relativeFd: maybe.fd,
  }),
  'link.update': shape<Params<'link.update'>>({ fd, progFd: fd, oldProgFd: maybe.fd }),
  'link.detach': byFd,
  'btf.load': shape<Params<'btf.load'>>({ btf: bytes, name: maybeText.name }),
  'btf.data': byFd,
  'stats.enable': none,
  'context.synchronize': none,
  'hook.fire': shape<Params<'hook.fire'>>({
    attachType,
    dialect,
    target: v.optional(target),
    data: maybe.bytes,
    ctx: v.optional(v.union([bytes, v.record(name, v.union([v.number(), u64, bytes]))])),
    pid: v.optional(whole(-1, INT_MAX)),
    repeat,
  }),
  'hook.list': none,
  'trace.subscribe': none,
  'feature.probe': none,
};

/** The first thing that is wrong, with its field: `key: Expected Uint8Array but received "a"`. */
function firstIssue([issue]: readonly v.BaseIssue<unknown>[]): string {
  const where = v.getDotPath(issue);
  // What was received is in it, however long it was.
  const why = issue.message.slice(0, MOST_WHY);
  return where === null ? why : `${where.slice(0, MOST_WHY)}: ${why}`;
}

/** @throws AnyBpfError service/params */
export function checked<T>(method: string, schema: Schema<T>, params: unknown): T {
  const { success, output, issues } = v.safeParse(schema, params, { abortEarly: true });
  return success ? output : fail(badParams({}, method, firstIssue(issues)));
}
