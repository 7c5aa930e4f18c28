import { describe, expect, it } from 'vitest';
import { ERRNO } from '../../src/spec/errno.ts';
import { MAP_FLAGS, UPDATE_FLAGS } from '../../src/spec/map-types.ts';
import {
  btfLoad,
  close,
  mapCreate,
  mapDelete,
  mapFdById,
  mapFreeze,
  mapLookup,
  mapLookupAndDelete,
  mapLookupBatch,
  mapNextKey,
  mapUpdate,
  mapUpdateBatch,
  objectId,
  pinToCpu,
  possibleCpus,
  progLoad,
  progTestRun,
  translatedCode,
} from '../support/bpf.ts';
import { requireCapability } from '../support/capability.ts';

const u32 = (...values: readonly number[]): Uint8Array => new Uint8Array(Uint32Array.from(values).buffer);

describe.skipIf(requireCapability('kernel-bpf') !== undefined)('bpf(2) binding', () => {
  it('creates a hash map and works on its elements', () => {
    const fd = mapCreate({ type: 'hash', keySize: 4, valueSize: 8, maxEntries: 4, name: 'elements' });
    expect(fd).toBeGreaterThan(0);
    expect(mapLookup(fd, u32(1), 8)).toBe(-ERRNO.ENOENT);
    expect(mapUpdate(fd, u32(1), u32(5, 6), UPDATE_FLAGS.EXIST)).toBe(-ERRNO.ENOENT);
    expect(mapUpdate(fd, u32(1), u32(5, 6), UPDATE_FLAGS.NOEXIST)).toBe(0);
    expect(mapUpdate(fd, u32(1), u32(5, 6), UPDATE_FLAGS.NOEXIST)).toBe(-ERRNO.EEXIST);
    expect(mapLookup(fd, u32(1), 8)).toEqual(u32(5, 6));
    expect(mapNextKey(fd, undefined, 4)).toEqual(u32(1));
    expect(mapNextKey(fd, u32(1), 4)).toBe(-ERRNO.ENOENT);
    expect(mapUpdateBatch(fd, u32(2, 3), u32(7, 0, 8, 0), 2)).toEqual({ status: 0, count: 2 });
    const all = mapLookupBatch(fd, { keySize: 4, valueSize: 8, count: 8 });
    expect({ status: all.status, count: all.count }).toEqual({ status: -ERRNO.ENOENT, count: 3 });
    expect([...new Uint32Array(all.keys.buffer)].sort()).toEqual([1, 2, 3]);
    expect(mapLookupAndDelete(fd, u32(2), 8)).toEqual(u32(7, 0));
    expect(mapDelete(fd, u32(3))).toBe(0);
    expect(mapDelete(fd, u32(3))).toBe(-ERRNO.ENOENT);
    const again = mapFdById(objectId(fd));
    expect(mapLookup(again, u32(1), 8)).toEqual(u32(5, 6));
    close(again);
    close(fd);
    expect(mapLookup(fd, u32(1), 8)).toBe(-ERRNO.EBADF);
  });

  it('gives per-CPU values, frozen maps and inner maps as the kernel does', () => {
    const perCpu = mapCreate({ type: 'percpu_array', keySize: 4, valueSize: 4, maxEntries: 1 });
    expect(mapLookup(perCpu, u32(0), 8 * possibleCpus())).toEqual(new Uint8Array(8 * possibleCpus()));
    const array = mapCreate({ type: 'array', keySize: 4, valueSize: 4, maxEntries: 1, flags: MAP_FLAGS.RDONLY_PROG });
    expect(mapFreeze(array)).toBe(0);
    expect(mapUpdate(array, u32(0), u32(1))).toBe(-ERRNO.EPERM);
    const outer = mapCreate({ type: 'array_of_maps', keySize: 4, valueSize: 4, maxEntries: 2, innerFd: array });
    expect(outer).toBeGreaterThan(0);
    const queue = mapCreate({ type: 'queue', keySize: 0, valueSize: 4, maxEntries: 2 });
    expect(mapUpdate(queue, undefined, u32(9))).toBe(0);
    expect(mapLookupAndDelete(queue, undefined, 4)).toEqual(u32(9));
    for (const fd of [perCpu, array, outer, queue]) close(fd);
  });

  it('refuses wrong attributes with an errno', () => {
    expect(mapCreate({ type: 'hash', keySize: 4, valueSize: 0, maxEntries: 1 })).toBe(-ERRNO.EINVAL);
    expect(btfLoad(Uint8Array.of(1, 2, 3)).fd).toBeLessThan(0);
  });

  it('loads a program, runs it on a packet and reads its code back', () => {
    pinToCpu(0);
    // r0 = *(u32 *)(r1 + 4) - *(u32 *)(r1 + 0): packet length.
    // biome-ignore format: an instruction a line
    const code = Uint8Array.of(
      0x61, 0x10, 4, 0, 0, 0, 0, 0,
      0x61, 0x12, 0, 0, 0, 0, 0, 0,
      0x1f, 0x20, 0, 0, 0, 0, 0, 0,
      0x95, 0x00, 0, 0, 0, 0, 0, 0,
    );
    const { fd, log } = progLoad({ type: 'xdp', code, license: 'GPL', name: 'length', logLevel: 1 });
    expect(fd).toBeGreaterThan(0);
    expect(log).toContain('processed 4 insns');
    const packet = Uint8Array.from({ length: 77 }, (_, i) => i);
    const run = progTestRun(fd, { data: packet });
    expect(run).toMatchObject({ status: 0, retval: 77 });
    expect(run.data).toEqual(packet);
    expect((translatedCode(fd) as Uint8Array).length).toBe(32);
    close(fd);
    const refused = progLoad({ type: 'xdp', code: code.subarray(0, 24), license: 'GPL', logLevel: 1 });
    expect(refused.fd).toBe(-ERRNO.EINVAL);
    expect(refused.log).not.toBe('');
  });
});
