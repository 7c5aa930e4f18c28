// The same skeleton over a service: what is another process's is used as what is this one's.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import type { Codec } from '../../src/skeleton/codec.ts';
import { generateSkeleton } from '../../src/skeleton/generate/file.ts';
import type { SectionRow, Variable } from '../../src/skeleton/globals.ts';
import type { MapRow } from '../../src/skeleton/map-rows.ts';
import type { ProgramRow } from '../../src/skeleton/programs.ts';
import type { RingMap } from '../../src/skeleton/rings.ts';
import type { Skeleton } from '../../src/skeleton/skeleton.ts';
import { served, temporaryFolder } from '../service/support.ts';
import { PROJECT_ROOT } from '../support/shared.ts';
import { importSkeleton } from './support.ts';

type Sampler = Skeleton<
  { sample: ProgramRow },
  { events: MapRow<RingMap> },
  { rodata: SectionRow<{ every: Variable<number> }>; bss: SectionRow<{ packets: Variable<bigint> }> }
>;

it('loads, attaches, hears records and leaves nothing behind', async () => {
  const file = path.join(PROJECT_ROOT, 'examples/sampler/sampler.bpf.o');
  const text = await generateSkeleton(new Uint8Array(readFileSync(file)), { file, name: 'it', producer: 'a test' });
  const module = await importSkeleton(text, temporaryFolder(), 'sampler');
  const Event = module.Event as Codec<{ readonly number: bigint; readonly length: number }>;
  const { connect, context } = await served();
  const session = await connect();
  const opened = (module.it as Sampler).open();
  opened.globals.rodata.set({ every: 2 });
  {
    await using loaded = await opened.load(session);
    await loaded.attach({ sample: { ifindex: 9 } });
    const event = { attachType: 'xdp', target: { ifindex: 9 }, data: new Uint8Array(80) } as const;
    const feed = setInterval(() => void session.call('hook.fire', event), 1);
    const numbers: bigint[] = [];
    for await (const { value } of loaded.maps.events.records(Event)) {
      expect(value.length).toBe(80);
      if (numbers.push(value.number) === 4) break;
    }
    clearInterval(feed);
    expect(numbers).toEqual([2n, 4n, 6n, 8n]);
    expect(await loaded.globals.bss.get('packets')).toBeGreaterThanOrEqual(8n);
  }
  expect([context.programs.size, context.maps.size, context.links.size]).toEqual([0, 0, 0]);
  await session.close();
});
