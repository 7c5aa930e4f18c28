// Messages that any reader of bytes may give.
import { message } from '../diagnostic.ts';

export const truncated = message(
  'input/truncated',
  (what: string, size: number, length: number) =>
    `${what} of ${size} bytes does not fit: the input has only ${length} bytes here`,
);

export const tooLarge = message(
  'input/too-large',
  (what: string, size: number | bigint, limit: number | bigint) => `${what} is ${size}, above the limit of ${limit}`,
);
