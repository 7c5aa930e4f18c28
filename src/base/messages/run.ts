// Messages of running programs: memory, typed aborts, test-run input.
import { message } from '../diagnostic.ts';

export const outOfMemory = message(
  'run/out-of-memory',
  (size: number, used: number, limit: number) =>
    `${size} more bytes do not fit in the linear memory: ${used} of ${limit} bytes are in use`,
);
