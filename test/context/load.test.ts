// object.load: all of an object or nothing.
import { describe, expect, it } from 'vitest';
import { compileAhead } from '../../src/aot/compile.ts';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import type { LoadPipeline } from '../../src/context/pipeline.ts';
import type { ObjectLoad } from '../../src/spec/session.ts';
import { linkObject } from '../../src/link/link.ts';
import { verify } from '../../src/verify/verify.ts';
import {
  census,
  deferred,
  example,
  fresh,
  map,
  mapInfo,
  NOTHING,
  outcome,
  progInfo,
  program,
  run,
  u32,
  u32At,
} from './support.ts';

const COUNTERS = { object: example('counters/counters.bpf.o'), name: 'counters.bpf.o' };
const TAILS = { object: example('tail-parser/tail_parser.bpf.o'), name: 'tail_parser.bpf.o' };
const SAMPLER = { object: example('sampler/sampler.bpf.o'), name: 'sampler.bpf.o' };

describe('an object', () => {
  it('is loaded with its maps, programs and types', async () => {
    const session = fresh({ uid: 12, pid: 34 });
    const { programs, maps, btfFd, diagnostics } = await session.call('object.load', COUNTERS);
    expect(programs).toEqual([{ name: 'count_protocols', section: 'tc', fd: 6, id: 1 }]);
    expect(maps).toEqual([
      { name: 'protocols', fd: 4, id: 1 },
      { name: 'counters.bss', section: '.bss', fd: 5, id: 2 },
    ]);
    expect(diagnostics).toEqual([]);
    expect(await progInfo(session, 6)).toMatchObject({
      name: 'count_protocols',
      type: 'sched_cls',
      gplCompatible: true,
      uid: 12,
      pid: 34,
      mapIds: [1, 2],
      btfId: 1,
      source: 'counters.bpf.o',
      section: 'tc',
      usable: true,
      linkCount: 0,
    });
    expect((await progInfo(session, 6)).verifiedInsns).toBeGreaterThan(10);
    expect(await session.call('object.info', { fd: btfFd ?? 0 })).toMatchObject({
      kind: 'btf',
      progIds: [1],
      mapIds: [1, 2],
    });
    const code = await session.call('prog.code', { fd: 6 });
    expect(code.lines.some(({ text }) => text.includes('protocols'))).toBe(true);
    await session.close();
    expect(census(session)).toEqual(NOTHING);
    expect(session.context.runtime.memory.used).toBe(0);
  });

  it('brings initial elements of its maps, which hold them', async () => {
    const session = fresh();
    const { maps, programs } = await session.call('object.load', TAILS);
    const layers = maps.find(({ name }) => name === 'layers');
    const { value } = await session.call('map.lookup', { fd: layers?.fd ?? 0, key: u32(0) });
    expect(programs.map(({ id }) => id)).toContain(u32At(value));
    for (const { fd } of programs) await session.call('object.close', { fd });
    // Those in the array are held by it as long as it has a handle.
    expect(census(session).prog).toBe(4);
    await session.close();
    expect(census(session)).toEqual(NOTHING);
  });

  it('binds its constants to its programs', async () => {
    const session = fresh();
    const { maps, programs } = await session.call('object.load', SAMPLER);
    const rodata = maps.find(({ section }) => section === '.rodata');
    expect((await progInfo(session, programs[0].fd)).mapIds).toContain(rodata?.id);
    expect(await mapInfo(session, rodata?.fd ?? 0)).toMatchObject({ frozen: true });
  });

  it('is changed as the request says', async () => {
    const session = fresh();
    const data = u32(1);
    const { maps, programs } = await session.call('object.load', {
      ...SAMPLER,
      maps: { events: { maxEntries: 1 << 14 }, 'sampler.rodata': { data } },
      execution: 'interpret',
    });
    expect(await mapInfo(session, maps[0].fd)).toMatchObject({ name: 'events', maxEntries: 1 << 14 });
    const rodata = maps.find(({ name }) => name === 'sampler.rodata');
    expect((await session.call('map.lookup', { fd: rodata?.fd ?? 0, key: u32(0) })).value).toEqual(data);
    expect(await progInfo(session, programs[0].fd)).toMatchObject({ execution: 'interpret', engine: 'interpret' });
    await run(session, programs[0].fd);
    expect((await session.call('map.consume', { fd: maps[0].fd })).records).toHaveLength(1);
  });

  it('is loaded as another type', async () => {
    const session = fresh();
    const types = { count_protocols: { type: 'sched_act' } } as const;
    const { programs } = await session.call('object.load', { ...COUNTERS, types });
    expect(await progInfo(session, programs[0].fd)).toMatchObject({ type: 'sched_act' });
  });

  it('takes maps that are there', async () => {
    const session = fresh();
    const first = await session.call('object.load', COUNTERS);
    const { maps } = await session.call('object.load', {
      ...COUNTERS,
      maps: { protocols: { reuseFd: first.maps[0].fd } },
    });
    expect(maps.map(({ id }) => id)).toEqual([1, 3]);
    const other = await map(session);
    const wrong = { ...COUNTERS, maps: { protocols: { reuseFd: other } } };
    expect(await outcome(session, 'object.load', wrong)).toBe('EINVAL');
    expect(await outcome(session, 'object.load', { ...COUNTERS, maps: { protocols: { reuseFd: 99 } } })).toBe('EBADF');
  });

  it('pins maps where it is told, and takes them from there the next time', async () => {
    const session = fresh();
    const load = { ...COUNTERS, maps: { protocols: { pinPath: 'x/protocols' } } };
    const first = await session.call('object.load', load);
    const second = await session.call('object.load', load);
    expect([first.maps[0].id, second.maps[0].id]).toEqual([1, 1]);
    expect(await mapInfo(session, second.maps[0].fd)).toMatchObject({ pins: ['/sys/fs/bpf/x/protocols'] });
    await session.call('object.pin', { fd: await program(session), path: 'y' });
    const taken = { ...COUNTERS, maps: { protocols: { pinPath: 'y' } } };
    expect(await outcome(session, 'object.load', taken)).toBe('EINVAL');
  });
});

describe('LIBBPF_PIN_BY_NAME', () => {
  const pipeline: LoadPipeline = {
    link: ({ object, name }) => {
      const spec = linkObject(object, { name });
      return { ...spec, maps: spec.maps.map((one) => (one.kind === 'map' ? { ...one, pinning: 1 } : one)) };
    },
  };

  it('pins maps under their names, and the next object takes them', async () => {
    const session = fresh({ pipeline });
    const first = await session.call('object.load', COUNTERS);
    await session.call('object.load', { ...COUNTERS, pinRoot: '/ebpf/global/other' });
    const third = await session.call('object.load', COUNTERS);
    expect((await session.call('object.pins', {})).pins).toEqual([
      { path: '/sys/fs/bpf/other/protocols', kind: 'map', id: 3 },
      { path: '/sys/fs/bpf/protocols', kind: 'map', id: 1 },
    ]);
    expect([first.maps[0].id, third.maps[0].id]).toEqual([1, 1]);
    const elsewhere = { ...COUNTERS, maps: { protocols: { pinPath: '' } } };
    expect((await session.call('object.load', elsewhere)).maps[0].id).toBeGreaterThan(4);
  });

  it('refuses a map of another size that has the name', async () => {
    const session = fresh({ pipeline });
    await session.call('object.load', { ...COUNTERS, maps: { protocols: { maxEntries: 300 } } });
    expect(await outcome(session, 'object.load', COUNTERS)).toBe('EINVAL');
    expect(census(session)).toEqual({ map: 2, prog: 1, link: 0, btf: 1 });
  });
});

it('objects of both dialects live in one context', async () => {
  const session = fresh();
  for (const dialect of ['linux', 'windows']) {
    const path = `portable/drop_empty_udp.${dialect}.bpf.o`;
    const { programs } = await session.call('object.load', { object: example(path), name: path });
    expect(await progInfo(session, programs[0].fd)).toMatchObject({ type: 'xdp' });
    await run(session, programs[0].fd);
  }
  await session.close();
  expect(census(session)).toEqual(NOTHING);
});

describe('an object that cannot be loaded', () => {
  it.each<[string, Partial<ObjectLoad>, string]>([
    ['of no bytes', { object: new Uint8Array(0) }, 'EINVAL'],
    ['that is no ELF', { object: new Uint8Array(100) }, 'EINVAL'],
    ['that is cut', { object: COUNTERS.object.slice(0, 300) }, 'EINVAL'],
    ['of which a program is wanted that it does not have', { programs: ['nothing'] }, 'EINVAL'],
    ['of which a map is changed that it does not have', { maps: { nothing: {} } }, 'EINVAL'],
    ['with a type for a program that it does not have', { types: { nothing: { type: 'xdp' } } }, 'EINVAL'],
    ['as a type that does not fit', { types: { count_protocols: { type: 'xdp' } } }, 'EACCES'],
    ['as no type', { types: { count_protocols: { type: 'none' as 'xdp' } } }, 'EINVAL'],
    ['with a map of no size', { maps: { protocols: { maxEntries: 0 } } }, 'EINVAL'],
    ['with a map of another type', { maps: { protocols: { type: 'queue' } } }, 'EINVAL'],
    ['with contents that are too short', { maps: { 'counters.bss': { data: new Uint8Array(1) } } }, 'EINVAL'],
    ['with contents for a map without any', { maps: { protocols: { data: new Uint8Array(16) } } }, 'EINVAL'],
    ['pinned nowhere', { maps: { protocols: { pinPath: '..' } } }, 'EINVAL'],
    ['as a module that it is not', { execution: 'native' }, 'EINVAL'],
    ['against BTF that is none', { btf: new Uint8Array(4) }, 'EINVAL'],
  ])('%s leaves nothing', async (_what, change, expected) => {
    const session = fresh();
    const gone: string[] = [];
    session.context.observers.add({ created: (kind) => gone.push(kind), pinned: (path) => gone.push(path) });
    expect(await outcome(session, 'object.load', { ...COUNTERS, ...change })).toBe(expected);
    expect(census(session)).toEqual(NOTHING);
    expect(session.handles.size).toBe(0);
    expect(session.context.runtime.memory.used).toBe(0);
    expect(gone).toEqual([]);
  });

  it('because it is refused leaves nothing, and says which program', async () => {
    const session = fresh({ verifyLimits: { visits: 10, time: 1000 } });
    await expect(session.call('object.load', COUNTERS)).rejects.toMatchObject({
      diagnostic: { code: 'verify/budget', errno: 7, place: { program: 'count_protocols', section: 'tc' } },
    });
    expect([census(session), session.context.runtime.memory.used]).toEqual([NOTHING, 0]);
  });

  it('for want of handles leaves nothing', async () => {
    const session = fresh({ mostHandles: 3 });
    expect(await outcome(session, 'object.load', COUNTERS)).toBe('EMFILE');
    expect([census(session), session.context.runtime.memory.used]).toEqual([NOTHING, 0]);
  });

  it('for want of memory leaves nothing', async () => {
    const session = fresh({ memoryLimit: 1 << 17 });
    expect(await outcome(session, 'object.load', SAMPLER)).toBe('ENOMEM');
    expect([census(session), session.context.runtime.memory.used]).toEqual([NOTHING, 0]);
  });
});

describe('a module made ahead of time', () => {
  it('runs natively beside others, with maps of its own', async () => {
    const host = memoryHost();
    const { wasm } = await compileAhead(COUNTERS.object, { host, verify: 'require' } as never);
    const session = fresh({ host });
    await session.call('object.load', COUNTERS);
    const { programs, maps } = await session.call('object.load', { object: wasm, name: 'counters.wasm' });
    expect(programs).toMatchObject([{ name: 'count_protocols', id: 2 }]);
    expect(maps.map(({ id }) => id)).toEqual([3, 4]);
    const info = await progInfo(session, programs[0].fd);
    expect(info).toMatchObject({ execution: 'native', mapIds: [3, 4], source: 'counters.wasm' });
    const ipv4 = new Uint8Array(64);
    ipv4.set([0x08, 0x00, 0x45], 12);
    ipv4[23] = 17;
    expect(await run(session, programs[0].fd, ipv4)).toBe(0);
    const { value } = await session.call('map.lookup', { fd: maps[0].fd, key: u32(17) });
    expect(value.some((byte) => byte !== 0)).toBe(true);
    const named = await program(session, 'r0 = 0\nexit');
    await session.call('object.close', { fd: named });
    await session.close();
    expect(census(session)).toEqual(NOTHING);
  });

  it.each<[string, Partial<ObjectLoad>]>([
    ['interpreted', { execution: 'interpret' }],
    ['changed', { maps: { protocols: { maxEntries: 1 } } }],
  ])('is not %s', async (_what, change) => {
    const host = memoryHost();
    const { wasm } = await compileAhead(COUNTERS.object, { host });
    expect(await outcome(fresh({ host }), 'object.load', { object: wasm, name: 'm', ...change })).toBe('EINVAL');
  });

  it('that is cut is refused', async () => {
    const object = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
    expect(await outcome(fresh(), 'object.load', { object, name: 'm' })).toBe('EINVAL');
  });
});

describe('work beside the context', () => {
  it('is believed where it is a verdict, and waited for', async () => {
    const asked: string[] = [];
    const pipeline: LoadPipeline = {
      verify: async ({ object, programs }) => {
        asked.push(...programs);
        await new Promise((resolve) => setTimeout(resolve, 1));
        const platform = memoryHost().platform(object.dialect);
        return {
          verdicts: Object.fromEntries(object.programs.map((spec) => [spec.name, verify(object, spec, platform)])),
        };
      },
    };
    // No visits in the context: only what was found beside it can let programs pass.
    const session = fresh({ pipeline, verifyLimits: { visits: 1, time: 1 } });
    const { programs } = await session.call('object.load', COUNTERS);
    expect(await run(session, programs[0].fd)).toBe(0);
    expect(
      await outcome(session, 'prog.load', { name: 'q', type: 'xdp', license: '', code: u32(0x000000b7, 0, 0x95, 0) }),
    ).toBe('ok');
    expect(asked).toEqual(['count_protocols', 'q']);
  });

  it('that refuses, refuses', async () => {
    const diagnostic = { code: 'verify/bounds', severity: 'error', message: 'no', place: {} } as const;
    const verdicts = { count_protocols: { verdict: 'refused', visits: 1, states: 1, diagnostic } } as const;
    const session = fresh({ pipeline: { verify: () => ({ verdicts }) } });
    expect(await outcome(session, 'object.load', COUNTERS)).toBe('EACCES');
    expect(census(session)).toEqual(NOTHING);
  });

  it('for a session that has ended meanwhile is for nothing', async () => {
    const { promise, resolve: go } = deferred<object>();
    const session = fresh({ pipeline: { verify: () => promise } });
    const loading = outcome(session, 'object.load', COUNTERS);
    const fd = await map(session, { type: 'array', maxEntries: 1 });
    const other = outcome(session, 'prog.load', {
      name: 'q',
      type: 'xdp',
      license: '',
      code: u32(0x1118, fd, 0, 0, 0x000000b7, 0, 0x95, 0),
    });
    await session.close();
    // The program that is being loaded keeps its map.
    expect(census(session)).toEqual({ ...NOTHING, map: 1 });
    go({});
    expect(await other).toBe('EBADF');
    expect(census(session)).toEqual(NOTHING);
    void loading;
  });
});
