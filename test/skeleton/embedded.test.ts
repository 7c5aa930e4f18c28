// Skeletons at work on the context of this process: globals set before loading, typed maps, rings, links, and what happens to handles.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import type { ContextSession } from '../../src/context/session.ts';
import { createRuntime } from '../../src/context/create.ts';
import type { Codec } from '../../src/skeleton/codec.ts';
import { generateSkeleton } from '../../src/skeleton/generate/file.ts';
import type { SectionRow, Variable } from '../../src/skeleton/globals.ts';
import type { MapRow } from '../../src/skeleton/map-rows.ts';
import type { ObjectMap, PerCpuMap, ValueMap } from '../../src/skeleton/maps.ts';
import type { ProgramRow } from '../../src/skeleton/programs.ts';
import type { RingMap } from '../../src/skeleton/rings.ts';
import type { Skeleton } from '../../src/skeleton/skeleton.ts';
import { PROJECT_ROOT } from '../support/shared.ts';
import { importSkeleton } from './support.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'anybpf-skeleton-'));
afterAll(() => rmSync(folder, { recursive: true }));

async function generated(
  example: string,
  options: { readonly embed?: boolean } = {},
): Promise<Record<string, unknown>> {
  const file = path.join(PROJECT_ROOT, 'examples', example.replaceAll('_', '-'), `${example}.bpf.o`);
  const object = new Uint8Array(readFileSync(file));
  const text = await generateSkeleton(object, { file, name: example, producer: 'a test', ...options });
  return importSkeleton(text, folder, example + (options.embed === false ? '_external' : ''));
}

let session: ContextSession;
beforeEach(() => {
  session = createRuntime();
});
afterEach(() => session.context[Symbol.dispose]());

const handles = (): number => session.handles.size;
const refusal = async (body: Promise<unknown>): Promise<string> =>
  body.then(
    () => 'done',
    (error: AnyBpfError) => error.code,
  );

/** A frame of Ethernet and IPv4 from 10.1.2.3, of this protocol. */
function frame(protocol: number, size = 60): Uint8Array {
  const bytes = new Uint8Array(size);
  bytes.set([0x08, 0x00, 0x45, 0, 0, size - 14, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 1, 2, 3], 12);
  return bytes;
}

interface Event {
  readonly number: bigint;
  readonly length: number;
  readonly captured: number;
  readonly ethertype: number;
  readonly header: Uint8Array;
}
type U64 = Variable<bigint>;
type Sampler = Skeleton<
  { sample: ProgramRow },
  { events: MapRow<RingMap> },
  { rodata: SectionRow<{ every: Variable<number> }>; bss: SectionRow<{ packets: U64; lost: U64 }> }
>;

describe('a sampler', () => {
  it('takes a global that is set before it is loaded, and its records and counters are typed', async () => {
    const module = await generated('sampler');
    const Event = module.Event as Codec<Event>;
    const opened = (module.sampler as Sampler).open();
    expect(opened.globals.rodata.get('every')).toBe(10);
    opened.globals.rodata.set({ every: 3 });
    expect(opened.globals.rodata.read()).toEqual({ every: 3 });
    opened.maps.events.maxEntries = 4096;
    {
      await using sampler = await opened.load(session);
      expect((await sampler.maps.events.info()).maxEntries).toBe(4096);
      const seen: Event[] = [];
      const end = await sampler.maps.events.subscribe(Event, (event) => seen.push(event));
      for (let i = 0; i < 7; i++) {
        const { retval } = await sampler.programs.sample.run({ data: frame(17, 60 + i) });
        expect(retval).toBe(2);
      }
      expect(seen.map(({ number, length }) => [number, length])).toEqual([
        [3n, 62],
        [6n, 65],
      ]);
      expect(seen[0].ethertype).toBe(0x0800);
      expect(seen[0].header).toEqual(frame(17, 62).subarray(0, 32));
      await end();
      expect(await sampler.globals.bss.read()).toMatchObject({ packets: 7n, lost: 0n });
      await sampler.globals.bss.set({ packets: 11n });
      await sampler.programs.sample.run({ data: frame(6) });
      expect(await sampler.globals.bss.get('packets')).toBe(12n);
      expect((await sampler.maps.events.consume(Event)).records.map(({ value }) => value.number)).toEqual([12n]);
      // Constants are frozen.
      expect(await refusal(sampler.globals.rodata.set({ every: 1 }))).toBe('session/refused');
      expect(await sampler.globals.rodata.get('every')).toBe(3);
    }
    expect(handles()).toBe(0);
  });

  it('gives records as they come, until the loop is left', async () => {
    const module = await generated('sampler');
    const opened = (module.sampler as Sampler).open();
    opened.globals.rodata.set({ every: 1 });
    await using sampler = await opened.load(session);
    const before = handles();
    const numbers: bigint[] = [];
    const feed = setInterval(() => void sampler.programs.sample.run({ data: frame(17) }), 1);
    for await (const { value, lost } of sampler.maps.events.records(module.Event as Codec<Event>)) {
      expect(lost).toBe(0);
      if (numbers.push(value.number) === 5) break;
    }
    clearInterval(feed);
    expect(numbers).toEqual([1n, 2n, 3n, 4n, 5n]);
    expect(handles()).toBe(before);
  });

  it('attaches and detaches by name, is disposed of without waiting, and says what was not loaded', async () => {
    const module = await generated('sampler');
    const opened = (module.sampler as Sampler).open();
    const loaded = await opened.load(session);
    await loaded.attach({ sample: { ifindex: 7 } });
    expect(loaded.links.sample?.loaded).toBe(true);
    const target = { ifindex: 7 };
    const fire = await session.call('hook.fire', { attachType: 'xdp', target, data: frame(17) });
    expect(fire).toMatchObject({ verdict: 2, name: 'XDP_PASS' });
    expect(fire.ran).toHaveLength(1);
    expect(await loaded.globals.bss.get('packets')).toBe(1n);
    await loaded.detach();
    expect(loaded.links).toEqual({});
    expect((await session.call('hook.fire', { attachType: 'xdp', target, data: frame(17) })).ran).toEqual([]);
    loaded[Symbol.dispose]();
    await new Promise(setImmediate);
    expect(handles()).toBe(0);
    expect(await refusal(loaded.programs.sample.run())).toBe('skeleton/not-loaded');
    opened.programs.sample.autoload = false;
    await using without = await opened.load(session);
    expect(without.programs.sample.loaded).toBe(false);
    expect(await refusal(without.programs.sample.run())).toBe('skeleton/not-loaded');
    expect(without.maps.events.loaded).toBe(true);
  });

  it('is only what it was made of', async () => {
    const module = await generated('sampler', { embed: false });
    const skeleton = module.sampler as Sampler;
    expect(() => skeleton.open()).toThrow('needs the object');
    const file = path.join(PROJECT_ROOT, 'examples/sampler/sampler.bpf.o');
    const bytes = new Uint8Array(readFileSync(file));
    await using loaded = await skeleton.open(bytes).load(session);
    expect(loaded.programs.sample.loaded).toBe(true);
    bytes[bytes.length - 1] ^= 1;
    expect(await refusal(skeleton.open(bytes).load(session))).toBe('skeleton/object');
  });
});

interface Hits {
  readonly packets: bigint;
  readonly bytes: bigint;
}

describe('maps', () => {
  it('of one value: tries with typed keys, in batches and singly', async () => {
    const module = await generated('lpm_block');
    type Network = { prefix: number; address: Uint8Array };
    type Blocked = MapRow<ValueMap<Network, Network, Hits, Hits>>;
    const skeleton = module.lpm_block as Skeleton<{ lpm_block: ProgramRow }, { blocked4: Blocked }, {}>;
    const opened = skeleton.open();
    await using loaded = await opened.load(session);
    const { blocked4 } = loaded.maps;
    const key = { prefix: 8, address: Uint8Array.of(10, 0, 0, 0) };
    const none = { packets: 0n, bytes: 0n };
    await blocked4.update(key, none);
    expect((await loaded.programs.lpm_block.run({ data: frame(17) })).retval).toBe(1);
    expect(await blocked4.lookup(key)).toEqual({ packets: 1n, bytes: 60n });
    const many = Array.from({ length: 5000 }, (_, i): [Network, Hits] => [
      { prefix: 32, address: Uint8Array.of(11, 0, i >> 8, i & 255) },
      { packets: BigInt(i), bytes: 0n },
    ]);
    await blocked4.updateAll(many);
    const all = new Map<string, bigint>();
    for await (const [network, hits] of blocked4) all.set(network.address.join('.'), hits.packets);
    expect(all.size).toBe(5001);
    expect(all.get('11.0.1.4')).toBe(260n);
    let keys = 0;
    for await (const network of blocked4.keys()) keys += network.prefix === 32 ? 1 : 0;
    expect(keys).toBe(5000);
    expect(await blocked4.delete(key)).toBe(true);
    expect(await blocked4.delete(key)).toBe(false);
    expect(await blocked4.lookup(key)).toBeUndefined();
    await expect(blocked4.update({ prefix: 8, address: Uint8Array.of(1) }, none)).rejects.toThrow(
      'key of blocked4.address is 1 bytes, not 4 bytes',
    );
  });

  it('of a value for each CPU', async () => {
    const module = await generated('counters');
    type Protocols = MapRow<PerCpuMap<number, number, Hits, Hits>>;
    type Counters = Skeleton<{ count_protocols: ProgramRow }, { protocols: Protocols }, {}>;
    await using loaded = await (module.counters as Counters).open().load(session);
    const { protocols } = loaded.maps;
    for (let i = 0; i < 3; i++) await loaded.programs.count_protocols.run({ data: frame(17) });
    const cpus = await protocols.cpus();
    const values = (await protocols.lookup(17)) ?? [];
    expect(values).toHaveLength(cpus);
    expect(values.reduce((sum, { packets }) => sum + packets, 0n)).toBe(3n);
    await protocols.update(
      6,
      Array.from({ length: cpus }, (_, i) => ({ packets: BigInt(i), bytes: 1n })),
    );
    const found: [number, Hits[]][] = [];
    for await (const [protocol, each] of protocols) if (each[0].bytes > 0n) found.push([protocol, each]);
    expect(found.map(([protocol]) => protocol)).toEqual(cpus > 0 ? [6, 17] : []);
    expect(await refusal(protocols.update(6, []))).toBe('skeleton/value');
    expect(await refusal(loaded.attach({ count_protocols: { ifindex: 1 } }))).toBe('skeleton/attach');
    await loaded.attach({ count_protocols: { ifindex: 1, attachType: 'tcx_ingress' } });
    expect(await loaded.links.count_protocols?.info()).toMatchObject({ attachType: 'tcx_ingress', type: 'tcx' });
  });

  it('of programs', async () => {
    const module = await generated('tail_parser');
    type Parser = Skeleton<
      Record<'parse_ethernet' | 'parse_ip4', ProgramRow>,
      { layers: MapRow<ObjectMap<number, number>> },
      {}
    >;
    await using loaded = await (module.tail_parser as Parser).open().load(session);
    const { layers } = loaded.maps;
    const id = (await loaded.programs.parse_ip4.info()).id;
    expect(await layers.id(1)).toBe(id);
    expect(await layers.delete(1)).toBe(true);
    expect(await layers.id(1)).toBeUndefined();
    await layers.set(1, loaded.programs.parse_ip4);
    expect(await layers.id(1)).toBe(id);
  });
});
