// What macOS' utun and /dev/bpf take and give, beside the numbers of its headers.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BPF_IOCTLS, capturedFrames, interfaceRequest } from '../../../src/hosts/darwin/bpf-device.ts';
import {
  controlAddress,
  controlId,
  controlInfo,
  CTLIOCGINFO,
  etherTypeOf,
  familyHeader,
  UTUN_CONTROL_NAME,
} from '../../../src/hosts/darwin/utun.ts';

/** One read of the device with these frames. */
function buffer(frames: readonly Uint8Array[]): Uint8Array {
  const bytes: number[] = [];
  for (const [i, data] of frames.entries()) {
    while (bytes.length % 4 !== 0) bytes.push(0);
    const header = new DataView(new ArrayBuffer(20));
    header.setUint32(0, 1_700_000_000 + i, true);
    header.setUint32(4, 5, true);
    header.setUint32(8, data.length, true);
    header.setUint32(12, data.length + i, true);
    header.setUint16(16, 20, true);
    bytes.push(...new Uint8Array(header.buffer), ...data);
  }
  return Uint8Array.from(bytes);
}

describe('utun', () => {
  it('asks for the control by its name', () => {
    // As the preprocessor gives them: _IOWR('N', 3, struct ctl_info) with 100 bytes.
    expect(CTLIOCGINFO).toBe(0xc064_4e03);
    const info = controlInfo(UTUN_CONTROL_NAME);
    expect(info.length).toBe(100);
    expect(new TextDecoder().decode(info.subarray(4, 30))).toBe('com.apple.net.utun_control');
    info.set([7, 0, 0, 0]);
    expect(controlId(info)).toBe(7);
  });

  it('connects to a unit', () => {
    expect([...controlAddress(7, 3).subarray(0, 12)]).toEqual([32, 32, 2, 0, 7, 0, 0, 0, 3, 0, 0, 0]);
    expect(controlAddress(7, 3).length).toBe(32);
  });

  it('has the family in front of each packet', () => {
    expect(familyHeader(Uint8Array.of(0x45))).toEqual(Uint8Array.of(0, 0, 0, 2));
    expect(familyHeader(Uint8Array.of(0x60))).toEqual(Uint8Array.of(0, 0, 0, 30));
    expect(familyHeader(Uint8Array.of(0x10))).toBeUndefined();
    expect(familyHeader(new Uint8Array(0))).toBeUndefined();
    expect(etherTypeOf(Uint8Array.of(0, 0, 0, 2, 0x45))).toBe(0x0800);
    expect(etherTypeOf(Uint8Array.of(0, 0, 0, 30, 0x60))).toBe(0x86dd);
    expect(etherTypeOf(Uint8Array.of(0, 0, 0, 18))).toBeUndefined();
    expect(etherTypeOf(Uint8Array.of(0, 0))).toBeUndefined();
  });
});

describe('/dev/bpf', () => {
  it('has the numbers of net/bpf.h', () => {
    expect(BPF_IOCTLS).toEqual({
      BIOCSBLEN: 0xc004_4266,
      BIOCSETIF: 0x8020_426c,
      BIOCIMMEDIATE: 0x8004_4270,
      BIOCPROMISC: 0x2000_4269,
      BIOCGDLT: 0x4004_426a,
      BIOCGSTATS: 0x4008_426f,
    });
    expect(new TextDecoder().decode(interfaceRequest('en0').subarray(0, 4))).toBe('en0\0');
  });

  const frame = fc.uint8Array({ minLength: 1, maxLength: 70 });
  it('gives the frames of a read, each at a multiple of 4', () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 8 }), (frames) => {
        const found = [...capturedFrames(buffer(frames))];
        expect(found.map(({ data }) => data)).toEqual(frames);
        for (const [i, { time, length, data }] of found.entries()) {
          expect(length).toBe(data.length + i);
          expect(time).toBe(BigInt(1_700_000_000 + i) * 1_000_000_000n + 5000n);
        }
      }),
    );
  });

  it('ends with what is cut short, whatever the bytes say', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        for (const { data } of capturedFrames(bytes)) expect(data.length).toBeLessThanOrEqual(bytes.length);
      }),
    );
  });
});
