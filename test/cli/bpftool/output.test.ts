// JSON as bpftool's writer lays it out; the whole of it is compared with the real one in clients.test.ts.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dumpText, hexText, jsonText, prettyJson, RawJson } from '../../../src/cli/bpftool/output.ts';

describe('JSON', () => {
  test('64-bit integers keep all their digits, absent members do not appear, raw text goes through', () => {
    const value = {
      a: 18446744073709551615n,
      b: undefined,
      c: new RawJson('{"":[0x1,(nil)]}'),
      d: [null, true, 'x"y'],
    };
    expect(jsonText(value)).toBe(String.raw`{"a":18446744073709551615,"c":{"":[0x1,(nil)]},"d":[null,true,"x\"y"]}`);
  });

  test('pretty as bpftool', () => {
    expect(prettyJson('[{"a":[],"b":{},"c":["0x01","0x02"]},{"d":"{,}"}]')).toBe(
      [
        '[{',
        '        "a": [],',
        '        "b": {},',
        '        "c": ["0x01","0x02"',
        '        ]',
        '    },{',
        '        "d": "{,}"',
        '    }',
        ']',
      ].join('\n'),
    );
  });

  test('pretty or not, it is the same value', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(JSON.parse(prettyJson(text))).toEqual(JSON.parse(text));
      }),
    );
  });
});

test('bytes: 16 a line, wider in the middle', () => {
  const bytes = Uint8Array.from({ length: 18 }, (_, i) => i);
  expect(hexText(bytes)).toBe('00 01 02 03 04 05 06 07  08 09 0a 0b 0c 0d 0e 0f\n10 11');
});

test('a dump: words of two bytes, and their characters', () => {
  expect(dumpText(Buffer.from('abc def\n~'))).toBe('0000000\t6162 6320 6465 660a 7e                  | abc def. ~\n');
});
