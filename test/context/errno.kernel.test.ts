// What the running kernel refuses, a context refuses with the same errno; and both give programs the same tag.
import { release } from 'node:os';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createHash } from 'node:crypto';
import { assemble } from '../../src/isa/assembler.ts';
import { toHex } from '../../src/base/bytes.ts';
import { programTag, sha256 } from '../../src/context/tag.ts';
import { linkObject } from '../../src/link/link.ts';
import { errnoName } from '../../src/spec/errno.ts';
import type { MapTypeName } from '../../src/spec/map-types.ts';
import type { AttachTypeName, ProgramTypeName } from '../../src/spec/program-types.ts';
import {
  close,
  mapCreate,
  mapDelete,
  mapDeleteBatch,
  mapFdById,
  mapFreeze,
  mapLookup,
  mapLookupAndDelete,
  mapLookupBatch,
  mapNextKey,
  mapUpdate,
  mapUpdateBatch,
  objectInfo,
  progFdById,
  progLoad,
  progTestRun,
} from '../support/bpf.ts';
import { requireCapability } from '../support/capability.ts';
import { KernelObject } from '../support/kernel-object.ts';
import { type ContextSession, example, fresh, outcome, u32 } from './support.ts';

interface MapShape {
  readonly type: MapTypeName;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags?: number;
  readonly innerFd?: number;
}
interface Load {
  readonly type: ProgramTypeName;
  readonly text: string;
  readonly license?: string;
  readonly attachType?: AttachTypeName;
}

/** The same operations of both; each gives `ok` or the errno's name, those that make something a handle. */
interface Side {
  map(shape: MapShape): Promise<number>;
  program(load: Load): Promise<number>;
  tryMap(shape: MapShape): Promise<string>;
  tryProgram(load: Load): Promise<string>;
  lookup(fd: number, key: Uint8Array): Promise<string>;
  update(fd: number, key: Uint8Array, value: Uint8Array, flags?: number): Promise<string>;
  remove(fd: number, key: Uint8Array): Promise<string>;
  take(fd: number, key: Uint8Array): Promise<string>;
  nextKey(fd: number, key: Uint8Array): Promise<string>;
  freeze(fd: number): Promise<string>;
  lookupBatch(fd: number, count: number, flags?: number): Promise<string>;
  updateBatch(fd: number, keys: Uint8Array, values: Uint8Array, count: number): Promise<string>;
  deleteBatch(fd: number, keys: Uint8Array, count: number): Promise<string>;
  info(fd: number): Promise<string>;
  byId(kind: 'map' | 'prog', id: number): Promise<string>;
  run(fd: number, data: Uint8Array): Promise<string>;
}

const mapParams = (shape: MapShape) => ({ name: 'm', ...shape });
const loadParams = ({ text, license = 'GPL', ...rest }: Load) => ({
  name: 'p',
  license,
  code: assemble(text).code,
  ...rest,
});

function contextSide(session: ContextSession): Side {
  return {
    map: async (shape) => (await session.call('map.create', mapParams(shape))).fd,
    program: async (load) => (await session.call('prog.load', loadParams(load))).fd,
    tryMap: (shape) => outcome(session, 'map.create', mapParams(shape)),
    tryProgram: (load) => outcome(session, 'prog.load', loadParams(load)),
    lookup: (fd, key) => outcome(session, 'map.lookup', { fd, key }),
    update: (fd, key, value, flags = 0) => outcome(session, 'map.update', { fd, key, value, flags }),
    remove: (fd, key) => outcome(session, 'map.delete', { fd, key }),
    take: (fd, key) => outcome(session, 'map.lookupAndDelete', { fd, key }),
    nextKey: (fd, key) => outcome(session, 'map.nextKey', { fd, key }),
    freeze: (fd) => outcome(session, 'map.freeze', { fd }),
    lookupBatch: async (fd, count, flags = 0) => outcome(session, 'map.lookupBatch', { fd, count, flags }),
    updateBatch: (fd, keys, values, count) => batch(session.call('map.updateBatch', { fd, keys, values, count })),
    deleteBatch: (fd, keys, count) => batch(session.call('map.deleteBatch', { fd, keys, count })),
    info: (fd) => outcome(session, 'object.info', { fd }),
    byId: (kind, id) => outcome(session, 'object.open', { kind, id }),
    run: (fd, data) => outcome(session, 'prog.testRun', { fd, data }),
  };
}

async function batch(call: Promise<{ readonly errno?: number }>): Promise<string> {
  try {
    const { errno } = await call;
    return errno === undefined ? 'ok' : errnoName(-errno);
  } catch (error) {
    return errnoName(-(error as { diagnostic: { errno: number } }).diagnostic.errno);
  }
}

const named = (status: number | Uint8Array): Promise<string> =>
  Promise.resolve(typeof status === 'number' && status < 0 ? errnoName(status) : 'ok');

const made = (fd: number): Promise<number> => {
  expect(fd).toBeGreaterThanOrEqual(0);
  return Promise.resolve(fd);
};

function kernelSide(opened: number[]): Side {
  const keep = (fd: number): number => {
    if (fd >= 0) opened.push(fd);
    return fd;
  };
  const create = (shape: MapShape): number => keep(mapCreate({ name: 'm', ...shape }));
  const load = ({ type, text, license = 'GPL', attachType }: Load): number =>
    keep(
      progLoad({ type, code: assemble(text).code, license, ...(attachType === undefined ? {} : { attachType }) }).fd,
    );
  const KEY = 4;
  const VALUE = 64;
  return {
    map: (shape) => made(create(shape)),
    program: (one) => made(load(one)),
    tryMap: (shape) => named(create(shape)),
    tryProgram: (one) => named(load(one)),
    lookup: (fd, key) => named(mapLookup(fd, key, VALUE)),
    update: (fd, key, value, flags) => named(mapUpdate(fd, key, value, flags)),
    remove: (fd, key) => named(mapDelete(fd, key)),
    take: (fd, key) => named(mapLookupAndDelete(fd, key, VALUE)),
    nextKey: (fd, key) => named(mapNextKey(fd, key, KEY)),
    freeze: (fd) => named(mapFreeze(fd)),
    // A walk's end is none of its failures.
    lookupBatch: async (fd, count, flags = 0) => {
      const { status, count: found } = mapLookupBatch(fd, { keySize: KEY, valueSize: VALUE, count, flags });
      return errnoName(status) === 'ENOENT' && found <= count ? 'ok' : named(status);
    },
    updateBatch: (fd, keys, values, count) => named(mapUpdateBatch(fd, keys, values, count).status),
    deleteBatch: (fd, keys, count) => named(mapDeleteBatch(fd, keys, count).status),
    info: (fd) => named(objectInfo(fd, 64)),
    byId: (kind, id) => named(kind === 'map' ? mapFdById(id) : progFdById(id)),
    run: (fd, data) => named(progTestRun(fd, { data }).status),
  };
}

const HASH: MapShape = { type: 'hash', keySize: 4, valueSize: 4, maxEntries: 2 };
const ARRAY: MapShape = { type: 'array', keySize: 4, valueSize: 4, maxEntries: 2 };
const NO_HANDLE = 900;
const NO_ID = 0x7fff_fff0;

const CASES: Readonly<Record<string, (side: Side) => Promise<string>>> = {
  'a map without elements': (s) => s.tryMap({ ...HASH, maxEntries: 0 }),
  'a map without keys': (s) => s.tryMap({ ...HASH, keySize: 0 }),
  'a map with values too large': (s) => s.tryMap({ ...HASH, valueSize: 0x7fff_ffff }),
  'a map with flags unknown': (s) => s.tryMap({ ...HASH, flags: 1 << 30 }),
  'a map read-only and write-only': (s) => s.tryMap({ ...HASH, flags: 24 }),
  'a ring of no power of two': (s) => s.tryMap({ type: 'ringbuf', keySize: 0, valueSize: 0, maxEntries: 5000 }),
  'a trie without NO_PREALLOC': (s) => s.tryMap({ type: 'lpm_trie', keySize: 8, valueSize: 4, maxEntries: 2 }),
  'a map of maps without a template': (s) =>
    s.tryMap({ type: 'hash_of_maps', keySize: 4, valueSize: 4, maxEntries: 2, innerFd: NO_HANDLE }),
  'a map of maps of maps': async (s) => {
    const innerFd = await s.map({
      type: 'array_of_maps',
      keySize: 4,
      valueSize: 4,
      maxEntries: 2,
      innerFd: await s.map(ARRAY),
    });
    return s.tryMap({ type: 'hash_of_maps', keySize: 4, valueSize: 4, maxEntries: 2, innerFd });
  },
  'a template that is a program': async (s) => {
    const innerFd = await s.program({ type: 'xdp', text: 'r0 = 0\nexit' });
    return s.tryMap({ type: 'hash_of_maps', keySize: 4, valueSize: 4, maxEntries: 2, innerFd });
  },

  'lookup without a map': (s) => s.lookup(NO_HANDLE, u32(0)),
  'lookup in a program': async (s) => s.lookup(await s.program({ type: 'xdp', text: 'r0 = 0\nexit' }), u32(0)),
  'lookup of what is not there': async (s) => s.lookup(await s.map(HASH), u32(0)),
  'lookup outside of an array': async (s) => s.lookup(await s.map(ARRAY), u32(2)),
  'update outside of an array': async (s) => s.update(await s.map(ARRAY), u32(2), u32(0)),
  'update of a new element of an array': async (s) => s.update(await s.map(ARRAY), u32(1), u32(0), 1),
  'update with flags unknown': async (s) => s.update(await s.map(HASH), u32(1), u32(0), 77),
  'update of what is not there': async (s) => s.update(await s.map(HASH), u32(1), u32(0), 2),
  'update of a full map': async (s) => {
    const fd = await s.map(HASH);
    for (const key of [1, 2]) await s.update(fd, u32(key), u32(0));
    return s.update(fd, u32(3), u32(0));
  },
  'delete from an array': async (s) => s.remove(await s.map(ARRAY), u32(0)),
  'delete of what is not there': async (s) => s.remove(await s.map(HASH), u32(0)),
  'take from an array': async (s) => s.take(await s.map(ARRAY), u32(0)),
  'take of what is not there': async (s) => s.take(await s.map(HASH), u32(0)),
  'the key after the last of an array': async (s) => s.nextKey(await s.map(ARRAY), u32(1)),
  'the first key of nothing': async (s) => s.nextKey(await s.map(HASH), u32(1)),
  'keys of a queue': async (s) =>
    s.nextKey(await s.map({ type: 'queue', keySize: 0, valueSize: 4, maxEntries: 2 }), new Uint8Array(0)),
  'update of a frozen map': async (s) => {
    const fd = await s.map(HASH);
    await s.freeze(fd);
    return s.update(fd, u32(1), u32(0));
  },
  'delete from a frozen map': async (s) => {
    const fd = await s.map(HASH);
    await s.freeze(fd);
    return s.remove(fd, u32(1));
  },
  'freeze of a program': async (s) => s.freeze(await s.program({ type: 'xdp', text: 'r0 = 0\nexit' })),
  'freeze of nothing': (s) => s.freeze(NO_HANDLE),

  'a batch of a queue': async (s) =>
    s.lookupBatch(await s.map({ type: 'queue', keySize: 0, valueSize: 4, maxEntries: 2 }), 1),
  'a batch with flags unknown': async (s) => s.lookupBatch(await s.map(HASH), 1, 1),
  'a batch of nothing': (s) => s.lookupBatch(NO_HANDLE, 1),
  'a batch that deletes from an array': async (s) => s.deleteBatch(await s.map(ARRAY), u32(0), 1),
  'a batch that deletes what is not there': async (s) => s.deleteBatch(await s.map(HASH), u32(0), 1),
  'a batch that is too much': async (s) => s.updateBatch(await s.map(HASH), u32(1, 2, 3), u32(1, 2, 3), 3),
  'a batch for a frozen map': async (s) => {
    const fd = await s.map(HASH);
    await s.freeze(fd);
    return s.updateBatch(fd, u32(1), u32(1), 1);
  },

  'an inner map that is not there': async (s) => {
    const fd = await s.map({
      type: 'array_of_maps',
      keySize: 4,
      valueSize: 4,
      maxEntries: 2,
      innerFd: await s.map(ARRAY),
    });
    return s.update(fd, u32(0), u32(NO_HANDLE));
  },
  'an inner map that is a program': async (s) => {
    const fd = await s.map({
      type: 'array_of_maps',
      keySize: 4,
      valueSize: 4,
      maxEntries: 2,
      innerFd: await s.map(ARRAY),
    });
    return s.update(fd, u32(0), u32(await s.program({ type: 'xdp', text: 'r0 = 0\nexit' })));
  },
  'an inner map of another size': async (s) => {
    const fd = await s.map({
      type: 'hash_of_maps',
      keySize: 4,
      valueSize: 4,
      maxEntries: 2,
      innerFd: await s.map(ARRAY),
    });
    return s.update(fd, u32(0), u32(await s.map({ ...ARRAY, valueSize: 8 })));
  },
  'a tail call to nothing': async (s) => {
    const fd = await s.map({ type: 'prog_array', keySize: 4, valueSize: 4, maxEntries: 2 });
    return s.update(fd, u32(0), u32(NO_HANDLE));
  },
  'a tail call to a map': async (s) => {
    const fd = await s.map({ type: 'prog_array', keySize: 4, valueSize: 4, maxEntries: 2 });
    return s.update(fd, u32(0), u32(fd));
  },
  'a tail call to another type': async (s) => {
    const fd = await s.map({ type: 'prog_array', keySize: 4, valueSize: 4, maxEntries: 2 });
    await s.update(fd, u32(0), u32(await s.program({ type: 'xdp', text: 'r0 = 0\nexit' })));
    return s.update(fd, u32(1), u32(await s.program({ type: 'sched_cls', text: 'r0 = 0\nexit' })));
  },
  'no tail call to delete': async (s) =>
    s.remove(await s.map({ type: 'prog_array', keySize: 4, valueSize: 4, maxEntries: 2 }), u32(0)),

  'a program with a map that is not there': (s) =>
    s.tryProgram({ type: 'xdp', text: `r1 = map_by_fd(${NO_HANDLE}) ll\nr0 = 0\nexit` }),
  'a program with a program for a map': async (s) => {
    const fd = await s.program({ type: 'xdp', text: 'r0 = 0\nexit' });
    return s.tryProgram({ type: 'xdp', text: `r1 = map_by_fd(${fd}) ll\nr0 = 0\nexit` });
  },
  'values of a map that has no addresses': async (s) =>
    s.tryProgram({ type: 'xdp', text: `r1 = map_val(map_by_fd(${await s.map(HASH)})) + 0 ll\nr0 = 0\nexit` }),
  'a register that was never set': (s) => s.tryProgram({ type: 'xdp', text: 'r0 = r3\nexit' }),
  'a store above the stack': (s) => s.tryProgram({ type: 'xdp', text: 'r0 = 0\n*(u64 *)(r10 + 8) = r0\nexit' }),
  'a load of no pointer': (s) => s.tryProgram({ type: 'xdp', text: 'r1 = 5\nr0 = *(u64 *)(r1 + 0)\nexit' }),
  'a packet without a check': (s) =>
    s.tryProgram({ type: 'xdp', text: 'r1 = *(u32 *)(r1 + 0)\nr0 = *(u8 *)(r1 + 0)\nexit' }),
  'a field that the context has not': (s) => s.tryProgram({ type: 'xdp', text: 'r0 = *(u32 *)(r1 + 600)\nexit' }),
  'a loop without an end': (s) => s.tryProgram({ type: 'xdp', text: 'l:\nr0 = 0\ngoto l\nexit' }),
  'no exit': (s) => s.tryProgram({ type: 'xdp', text: 'r0 = 0' }),
  'a helper that is none': (s) => s.tryProgram({ type: 'xdp', text: 'call 99999\nexit' }),
  'a helper of another type': (s) => s.tryProgram({ type: 'xdp', text: 'call 26\nexit' }),
  'a helper for the GPL': (s) =>
    s.tryProgram({
      type: 'xdp',
      license: 'MIT',
      text: 'r1 = 0\n*(u64 *)(r10 - 8) = r1\nr1 = r10\nr1 += -8\nr2 = 8\ncall 6\nr0 = 0\nexit',
    }),
  'a helper without its pointer': (s) => s.tryProgram({ type: 'xdp', text: 'r1 = 0\nr2 = 0\ncall 1\nexit' }),
  'a map value that may be NULL': async (s) =>
    s.tryProgram({
      type: 'xdp',
      text: `r1 = 0\n*(u32 *)(r10 - 4) = r1\nr2 = r10\nr2 += -4\nr1 = map_by_fd(${await s.map(HASH)}) ll\ncall 1\nr0 = *(u32 *)(r0 + 0)\nexit`,
    }),
  'a return value that cgroups do not know': (s) =>
    s.tryProgram({ type: 'cgroup_skb', attachType: 'cgroup_inet_ingress', text: 'r0 = 7\nexit' }),

  'a map by an id that is none': (s) => s.byId('map', NO_ID),
  'a program by an id that is none': (s) => s.byId('prog', NO_ID),
  'a run without a packet': async (s) =>
    s.run(await s.program({ type: 'xdp', text: 'r0 = 2\nexit' }), new Uint8Array(3)),
  'a run of nothing': (s) => s.run(NO_HANDLE, new Uint8Array(64)),
};

describe.skipIf(requireCapability('kernel-bpf') !== undefined)('refusals, as the kernel', () => {
  it.each(Object.keys(CASES))('%s', async (name) => {
    const opened: number[] = [];
    try {
      const kernel = await CASES[name](kernelSide(opened));
      const ours = await CASES[name](contextSide(fresh()));
      expect(ours).toBe(kernel);
      expect(kernel).not.toBe('ok');
    } finally {
      for (const fd of opened) close(fd);
    }
  });
});

describe('tags', () => {
  const [major, minor] = release().split('.').map(Number);
  const digests = major > 6 || (major === 6 && minor >= 18);

  it
    .skipIf(!digests || requireCapability('kernel-bpf') !== undefined)
    .each(['counters/counters.bpf.o', 'drop-port/drop_port.bpf.o', 'lpm-block/lpm_block.bpf.o'])(
    'of %s are those of the kernel',
    (path) => {
      const object = linkObject(example(path), { name: path });
      const kernel = new KernelObject(object);
      try {
        for (const spec of object.programs) {
          const { fd } = kernel.load(spec);
          const info = objectInfo(fd, 16);
          expect(typeof info).not.toBe('number');
          // bpf_prog_info: type, id, tag[8].
          expect(programTag(spec.code)).toBe(toHex((info as Uint8Array).subarray(8, 16)));
        }
      } finally {
        kernel.dispose();
      }
    },
  );

  it('are of SHA-256', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(toHex(sha256(bytes))).toBe(createHash('sha256').update(bytes).digest('hex'));
      }),
    );
  });
});
