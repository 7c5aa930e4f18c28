// Records on the wire: what is packed comes out as it was, and what is not so packed is refused.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { decode, encode, CodecError } from '../../src/service/codec.ts';
import { type PackedRecords, packRecords, unpackRecords } from '../../src/service/records.ts';
import { concatBytes } from '../../src/base/bytes.ts';
import { PROJECT_ROOT } from '../support/shared.ts';
import { served } from './support.ts';

const record = fc.record({
  cpu: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat({ max: 511 }) }),
  data: fc.uint8Array({ maxLength: 60 }),
});
const event = fc.record({ fd: fc.nat(), lost: fc.nat(), records: fc.array(record, { maxLength: 40 }) });

const plain = ({ cpu, data }: { readonly cpu: number; readonly data: Uint8Array }) => [cpu, [...data]];

it('gives back what was packed, over the codec', () => {
  fc.assert(
    fc.property(event, (records) => {
      const { json, tail } = encode(packRecords(records));
      const seen = unpackRecords(decode(json, concatBytes(tail)) as PackedRecords);
      expect({ ...seen, records: seen.records.map(plain) }).toEqual({
        ...records,
        records: records.records.map(plain),
      });
    }),
  );
});

it.each<[string, Partial<PackedRecords>]>([
  ['sizes that are cut', { sizes: new Uint8Array(7) }],
  ['more bytes than sizes', { data: new Uint8Array(9) }],
  ['fewer bytes than sizes', { data: new Uint8Array(7) }],
  ['CPUs of other records', { cpus: new Uint8Array(4) }],
  ['a size beyond everything', { sizes: Uint8Array.of(255, 255, 255, 255, 0, 0, 0, 0) }],
])('refuses %s', (_, change) => {
  const data = new Uint8Array(4);
  const good = packRecords({
    fd: 3,
    lost: 0,
    records: [
      { cpu: 0, data },
      { cpu: 0, data },
    ],
  });
  expect(unpackRecords(good).records).toHaveLength(2);
  expect(() => unpackRecords({ ...good, ...change })).toThrow(CodecError);
});

it('brings every record of a ring to a client, in order, while a program fills it', async () => {
  const { connect } = await served();
  const [reader, writer] = [await connect(), await connect()];
  const object = new Uint8Array(readFileSync(path.join(PROJECT_ROOT, 'examples/sampler/sampler.bpf.o')));
  const { programs, maps } = await writer.call('object.load', {
    object,
    name: 'sampler.bpf.o',
    maps: { 'sampler.rodata': { data: Uint8Array.of(1, 0, 0, 0) }, events: { maxEntries: 1 << 19 } },
  });
  const target = { ifindex: 4 };
  await writer.call('link.create', { fd: programs[0].fd, attachType: 'xdp', target });
  const id = maps.find(({ name }) => name === 'events')?.id ?? 0;
  const { fd } = await reader.call('object.open', { kind: 'map', id });
  const numbers: bigint[] = [];
  let lost = 0;
  reader.on('records', (heard) => {
    expect(heard.fd).toBe(fd);
    lost += heard.lost;
    for (const { data } of heard.records)
      numbers.push(new DataView(data.buffer, data.byteOffset).getBigUint64(8, true));
  });
  await reader.call('map.subscribe', { fd });
  const data = new Uint8Array(64);
  for (let i = 0; i < 20; i++) await writer.call('hook.fire', { attachType: 'xdp', target, data, repeat: 1000 });
  while (numbers.length < 20_000) await new Promise((resolve) => setTimeout(resolve, 1));
  expect(lost).toBe(0);
  expect(numbers).toEqual(Array.from({ length: 20_000 }, (_, i) => BigInt(i + 1)));
});
