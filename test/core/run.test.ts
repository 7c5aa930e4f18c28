// The whole pipeline in every runtime: object bytes, capture bytes, verdicts and maps, on every engine.
import { describe, expect, test } from 'vitest';
import { readCapture } from '../../src/capture/read.ts';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { ENGINES } from '../../src/run/engines.ts';
import { loadObject } from '../../src/run/loader.ts';
import type { EngineName } from '../../src/spec/backend.ts';
import { fixture } from './fixture.ts';

const ENGINE_NAMES = Object.keys(ENGINES) as EngineName[];

/** Verdicts of the committed capture, for the first program that runs packets. */
const EXPECTED: readonly { readonly object: string; readonly verdicts: Record<string, number> }[] = [
  { object: 'drop-port/drop_port', verdicts: { XDP_DROP: 46, XDP_PASS: 152 } },
  { object: 'counters/counters', verdicts: { TC_ACT_OK: 198 } },
];

describe.each(ENGINE_NAMES)('%s', (engine) => {
  test.each(EXPECTED)('$object', async ({ object, verdicts }) => {
    const bytes = await fixture(`examples/${object}.bpf.o`);
    const capture = await fixture('examples/captures/mixed.pcap');
    using loaded = loadObject(bytes, { host: memoryHost(), engine });
    const [program] = loaded.programs;
    const seen: Record<string, number> = {};
    for (const { data } of readCapture(capture)) {
      if (data.length < 14) continue;
      const { verdict = '?' } = program.run({ data, limits: 'device' });
      seen[verdict] = (seen[verdict] ?? 0) + 1;
    }
    expect(seen).toEqual(verdicts);
  });
});
