// What the capture readers and writers may refuse.
import { message } from '../diagnostic.ts';

export const notCapture = message('capture/not-capture', (why: string) => `not a pcap or pcapng capture: ${why}`);

export const captureVersion = message(
  'capture/version',
  (format: string, major: number, minor: number, supported: string) =>
    `${format} version ${major}.${minor} is not read, only ${supported}`,
);

export const captureTruncated = message(
  'capture/truncated',
  (what: string, size: number, left: number) =>
    `the capture ends inside ${what}: ${size} bytes are announced and ${left} are left`,
);

export const captureTooLarge = message(
  'capture/too-large',
  (what: string, size: number, limit: number) => `${what} has ${size} bytes, above the limit of ${limit}`,
);

export const badBlock = message('capture/block', (what: string, why: string) => `${what} ${why}`);

export const unknownInterface = message(
  'capture/interface',
  (block: string, index: number, count: number) =>
    `${block} names interface ${index}, but its section describes ${count} so far`,
);

export const cannotWrite = message('capture/write', (why: string) => `the capture cannot be written: ${why}`);
