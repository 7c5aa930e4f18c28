import { describe, expect, it } from 'vitest';
import { completeChecksum, type Partial, partialChecksum } from '../../src/live/checksum.ts';
import { checksum16 } from '../support/packets.ts';

const u16 = (bytes: Uint8Array, at: number): number => new DataView(bytes.buffer).getUint16(at);
const setU16 = (bytes: Uint8Array, at: number, value: number): void => new DataView(bytes.buffer).setUint16(at, value);

/** A frame with a whole checksum, where its header is, and the pseudo header. */
function frame(version: 4 | 6, protocol: 6 | 17, tagged: boolean, payload: Uint8Array) {
  const link = tagged ? 18 : 14;
  const network = version === 4 ? 20 : 40;
  const transport = protocol === 6 ? 20 : 8;
  const segment = transport + payload.length;
  const bytes = new Uint8Array(link + network + segment);
  if (tagged) setU16(bytes, 12, 0x8100);
  setU16(bytes, link - 2, version === 4 ? 0x0800 : 0x86dd);
  const ip = bytes.subarray(link, link + network);
  ip[0] = version === 4 ? 0x45 : 0x60;
  if (version === 4) {
    setU16(bytes, link + 2, network + segment);
    ip[9] = protocol;
    ip.set([10, 0, 0, 1, 10, 0, 0, 2], 12);
  } else {
    setU16(bytes, link + 4, segment);
    ip[6] = protocol;
    ip.set(
      Array.from({ length: 32 }, (_, i) => i * 3),
      8,
    );
  }
  const at = link + network;
  setU16(bytes, at, 4321);
  setU16(bytes, at + 2, 80);
  if (protocol === 17) setU16(bytes, at + 4, segment);
  else bytes[at + 12] = 0x50;
  bytes.set(payload, at + transport);
  const addresses = version === 4 ? ip.slice(12, 20) : ip.slice(8, 40);
  const pseudo = Uint8Array.of(...addresses, 0, 0, segment >> 8, segment & 0xff, 0, protocol);
  const field = at + (protocol === 6 ? 16 : 6);
  setU16(bytes, field, checksum16(pseudo, bytes.subarray(at)));
  return { bytes, at, field, pseudo };
}

const CASES = ([4, 6] as const).flatMap((version) =>
  ([6, 17] as const).flatMap((protocol) => [false, true].map((tagged) => ({ version, protocol, tagged }))),
);

describe('checksums that are to be completed', () => {
  it.each(CASES)('IPv$version, protocol $protocol, tagged $tagged', ({ version, protocol, tagged }) => {
    for (const length of [0, 1, 2, 33, 1000]) {
      const payload = Uint8Array.from({ length }, (_, i) => (i * 151 + 7) & 0xff);
      const { bytes, at, field, pseudo } = frame(version, protocol, tagged, payload);
      const whole = u16(bytes, field);
      const found: Partial = { start: 0, offset: 0 };
      // In larger memory, as frames of drivers are.
      const memory = new Uint8Array(bytes.length + 21);
      memory.set(bytes, 9);
      expect(partialChecksum(memory, 9, bytes.length, found)).toBe(false);
      // As the stack leaves it to the card: the sum of the pseudo header, not complemented.
      setU16(memory, 9 + field, ~checksum16(pseudo) & 0xffff);
      expect(partialChecksum(memory, 9, bytes.length, found)).toBe(true);
      expect(found).toEqual({ start: at, offset: field - at });
      completeChecksum(memory, 9, bytes.length, found);
      expect(memory.slice(9, 9 + bytes.length)).toEqual(bytes);
      expect(u16(memory, 9 + field)).toBe(whole);
    }
  });

  it('are none of fragments, of other protocols, and of what is cut short', () => {
    const found: Partial = { start: 0, offset: 0 };
    const { bytes, field, pseudo } = frame(4, 17, false, new Uint8Array(10));
    setU16(bytes, field, ~checksum16(pseudo) & 0xffff);
    expect(partialChecksum(bytes, 0, bytes.length, found)).toBe(true);
    for (let length = 14; length < field + 2; length++) expect(partialChecksum(bytes, 0, length, found)).toBe(false);
    const fragment = bytes.slice();
    setU16(fragment, 20, 0x2000);
    expect(partialChecksum(fragment, 0, fragment.length, found)).toBe(false);
    const other = bytes.slice();
    other[23] = 132;
    expect(partialChecksum(other, 0, other.length, found)).toBe(false);
  });
});
