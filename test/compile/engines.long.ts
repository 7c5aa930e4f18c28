// As engines.test.ts, over every object and more packets.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { samplePackets } from '../support/packets.ts';
import { objectFiles, ofSame, OTHER_WAYS, REFERENCE, trace } from './trace.ts';

const PACKETS = samplePackets(60, 11);
const FILES = objectFiles();

describe.each(OTHER_WAYS)('%s, verify: %s', (engine, verify) => {
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
