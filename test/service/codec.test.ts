import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CodecError, decode, encode, MAX_DEPTH, TAIL_FROM } from '../../src/service/codec.ts';
import { encodeFrame, FrameError, FrameReader } from '../../src/service/frames.ts';

const joined = (parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));
const through = (value: unknown): unknown => {
  const { json, tail } = encode(value);
  return decode(json, joined(tail));
};

const bytes = fc.uint8Array({ maxLength: 3 * TAIL_FROM });
const key = fc.oneof(
  fc.string({ maxLength: 6 }),
  fc.constantFrom('$bytes', '$int', '$tail', '$', '$$', '__proto__', 'constructor', '0', '1'),
);
const plain = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.string(),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
    bytes,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(key, tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
}));

describe('plain data with bytes and 64-bit integers', () => {
  test('comes back as it was', () => {
    fc.assert(
      fc.property(plain.value, (value) => {
        expect(through(value)).toEqual(value);
      }),
      { numRuns: 2000 },
    );
  });

  test('short bytes are text, long ones follow', () => {
    expect(encode({ a: Uint8Array.of(1, 2, 255), b: -1n })).toEqual({
      json: '{"a":{"$bytes":"AQL/"},"b":{"$int":"-1"}}',
      tail: [],
    });
    const long = new Uint8Array(TAIL_FROM);
    expect(encode([long])).toEqual({ json: `[{"$tail":${TAIL_FROM}}]`, tail: [long] });
  });

  test('what is decoded is its own memory', () => {
    const tail = new Uint8Array(TAIL_FROM).fill(1);
    const [copy] = decode(`[{"$tail":${TAIL_FROM}}]`, tail) as [Uint8Array];
    tail.fill(2);
    expect(copy[0]).toBe(1);
    expect(copy.buffer.byteLength).toBe(TAIL_FROM);
  });

  test.each([
    ['no JSON', '{'],
    ['no base64', '{"$bytes":"A*"}'],
    ['half a group of base64', '{"$bytes":"AQL"}'],
    ['bytes of another kind', '{"$bytes":1}'],
    ['no integer', '{"$int":"0x1"}'],
    ['too many digits', `{"$int":"${'1'.repeat(30)}"}`],
    ['an unknown tag', '{"$date":"x"}'],
    ['a tag beside keys', '{"$bytes":"","a":1}'],
    ['a tail that is longer than what follows', '{"$tail":5}'],
    ['a negative tail', '{"$tail":-1}'],
    ['half a byte', '{"$tail":0.5}'],
    ['bytes that belong to nothing', '[{"$tail":1}]'],
    ['too deep', `${'['.repeat(MAX_DEPTH + 1)}${']'.repeat(MAX_DEPTH + 1)}`],
    ['far too deep', '['.repeat(1_000_000)],
  ])('%s', (_what, json) => {
    expect(() => decode(json, Uint8Array.of(1, 2, 3, 4))).toThrow(CodecError);
  });
});

const LIMITS = { json: 1000, tail: 2000 };

describe('frames', () => {
  test('in pieces of any size, the same messages come', () => {
    const messages = fc.array(fc.record({ id: fc.nat(), data: fc.uint8Array({ maxLength: 600 }) }), { maxLength: 6 });
    fc.assert(
      fc.property(messages, fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1 }), (sent, sizes) => {
        const stream = Buffer.concat(sent.flatMap((message) => encodeFrame(message)));
        const reader = new FrameReader({ json: 1000, tail: 10_000 });
        const got: unknown[] = [];
        let at = 0;
        for (let i = 0; at < stream.length; i++) {
          const size = sizes[i % sizes.length];
          reader.push(Buffer.from(stream.subarray(at, at + size)));
          at += size;
          for (let message = reader.next(); message !== undefined; message = reader.next()) got.push(message);
        }
        expect(got).toEqual(sent);
        expect(reader.kept).toBe(0);
      }),
    );
  });

  test.each([
    ['no header', 'GET / HTTP/1.1\r\n\r\n'],
    ['no length', 'Content-Type: x\r\n\r\n'],
    ['a negative length', 'Content-Length: -1\r\n\r\n'],
    ['a length that is none', 'Content-Length: 1e3\r\n\r\n'],
    ['two lengths', 'Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}'],
    ['a tail that is longer than all', 'Content-Length: 2\r\nTail-Length: 3\r\n\r\n{}'],
    ['JSON that is too long', 'Content-Length: 1001\r\n\r\n'],
    ['a tail that is too long', 'Content-Length: 2003\r\nTail-Length: 2001\r\n\r\n'],
    ['far too long', 'Content-Length: 9999999999\r\n\r\n'],
    ['a header without end', 'Content-Length: 2\r\nX: '.padEnd(300, 'a')],
  ])('%s', (_what, text) => {
    const reader = new FrameReader(LIMITS);
    reader.push(Buffer.from(text));
    expect(() => reader.next()).toThrow(FrameError);
  });

  test('what was promised takes no memory before it comes', () => {
    const reader = new FrameReader({ json: 2 ** 30, tail: 0 });
    reader.push(Buffer.from(`Content-Length: ${2 ** 30}\r\n\r\n`));
    expect(reader.next()).toBeUndefined();
    for (let i = 0; i < 100; i++) reader.push(Buffer.from('['));
    expect(reader.kept).toBeLessThan(10_000);
  });

  test('limits hold from the next header', () => {
    const reader = new FrameReader({ json: 10, tail: 0 });
    reader.push(Buffer.concat([...encodeFrame({ a: 1 }), ...encodeFrame({ text: 'x'.repeat(50) })]));
    expect(reader.next()).toEqual({ a: 1 });
    reader.limits = LIMITS;
    expect(reader.next()).toEqual({ text: 'x'.repeat(50) });
  });
});
