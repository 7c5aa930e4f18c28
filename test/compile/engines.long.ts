// As engines.test.ts, over every object and more packets.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { samplePackets } from '../support/packets.ts';
import { OTHER_ENGINES, objectFiles, trace } from './trace.ts';

const PACKETS = samplePackets(60, 11);
const FILES = objectFiles();

describe.each(OTHER_ENGINES)('%s', (engine) => {
  test.each(FILES.map((file) => [path.basename(path.dirname(file)), path.basename(file), file]))(
    '%s/%s',
    (_folder, _name, file) => {
      const bytes = readFileSync(file);
      expect(trace(bytes, engine, PACKETS)).toEqual(trace(bytes, 'reference', PACKETS));
    },
  );
});
