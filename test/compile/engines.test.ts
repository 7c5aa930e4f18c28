// Every engine gives what the reference interpreter gives: verdict, packet, context and all map contents, over objects of the
// examples and the smaller ones of the corpus and packets of every shape. All objects: engines.long.ts.
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { samplePackets } from '../support/packets.ts';
import { objectFiles, ofSame, OTHER_WAYS, REFERENCE, trace } from './trace.ts';

const PACKETS = samplePackets(20, 7);
const MOST_BYTES = 12_000;
const FILES = objectFiles().filter((file) => statSync(file).size <= MOST_BYTES);

// What the interpreter does with a proof is the long test's.
const QUICK = OTHER_WAYS.filter(([, verify]) => verify !== 'require');

describe.each(QUICK)('%s, verify: %s', (engine, verify) => {
  test.each(FILES.map((file) => [path.basename(path.dirname(file)), path.basename(file), file]))(
    '%s/%s',
    (_folder, _name, file) => {
      const bytes = readFileSync(file);
      const traces = trace(bytes, [engine, verify], PACKETS);
      const expected = trace(bytes, REFERENCE, PACKETS);
      expect(traces).toEqual(verify === 'require' ? ofSame(traces, expected) : expected);
    },
  );
});
