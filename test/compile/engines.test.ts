// Every engine gives what the reference interpreter gives: verdict, packet, context and all map contents, over objects of the
// examples and the smaller ones of the corpus and packets of every shape. All objects: engines.long.ts.
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { samplePackets } from '../support/packets.ts';
import { OTHER_ENGINES, objectFiles, trace } from './trace.ts';

const PACKETS = samplePackets(20, 7);
const MOST_BYTES = 12_000;
const FILES = objectFiles().filter((file) => statSync(file).size <= MOST_BYTES);

describe.each(OTHER_ENGINES)('%s', (engine) => {
  test.each(FILES.map((file) => [path.basename(path.dirname(file)), path.basename(file), file]))(
    '%s/%s',
    (_folder, _name, file) => {
      const bytes = readFileSync(file);
      expect(trace(bytes, engine, PACKETS)).toEqual(trace(bytes, 'reference', PACKETS));
    },
  );
});
