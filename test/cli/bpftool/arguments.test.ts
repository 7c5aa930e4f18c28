// Words, numbers and options of bpftool's grammar.
import { describe, expect, test } from 'vitest';
import { AnyBpfError } from '../../../src/base/diagnostic.ts';
import { isPrefix, parseNumber, parseOptions, Words } from '../../../src/cli/bpftool/arguments.ts';
import { optionsLast } from '../../../src/cli/bpftool/verb.ts';

describe('numbers are those of strtoul', () => {
  test.each<[string, bigint | undefined]>([
    ['0', 0n],
    ['10', 10n],
    ['0x1f', 31n],
    ['0XfF', 255n],
    ['010', 8n],
    ['08', undefined],
    ['0x', undefined],
    ['', undefined],
    ['-1', undefined],
    ['1x', undefined],
    ['18446744073709551616', 18446744073709551616n],
  ])('%s', (word, value) => {
    expect(parseNumber(word)).toBe(value);
  });
});

describe('bytes', () => {
  test.each<[string, readonly string[], number, readonly number[]]>([
    ['decimal, octal, hexadecimal', ['1', '010', '0xff'], 3, [1, 8, 255]],
    ['hexadecimal after the keyword', ['hex', '10', 'ff', '0x0a'], 3, [16, 255, 10]],
    ['no more than asked for', ['1', '2', '3'], 2, [1, 2]],
    ['none', [], 0, []],
  ])('%s', (_, words, count, bytes) => {
    expect([...new Words(words).bytes('key', count)]).toEqual(bytes);
  });

  test.each<[string, readonly string[], number, string]>([
    ['too few', ['1', '2'], 3, 'key expected 3 bytes got 2'],
    ['too large a number', ['256'], 1, 'error parsing byte: 256'],
    ['no number', ['1', 'x'], 2, 'error parsing byte: x'],
    ['no digits after hex', ['hex', 'zz'], 1, 'error parsing byte: zz'],
  ])('%s', (_, words, count, sentence) => {
    expect(() => new Words(words).bytes('key', count)).toThrow(sentence);
  });
});

test('keywords may be cut short', () => {
  expect([isPrefix('', 'show'), isPrefix('s', 'show'), isPrefix('show', 'show')]).toEqual([true, true, true]);
  expect([isPrefix('shows', 'show'), isPrefix('list', 'show'), isPrefix(undefined, 'show')]).toEqual([
    false,
    false,
    false,
  ]);
});

describe('options', () => {
  test.each<[string, readonly string[], object, readonly string[]]>([
    ['none', ['map', 'show'], { json: false, pretty: false, dialect: 'linux' }, ['map', 'show']],
    ['anywhere', ['map', '-j', 'show'], { json: true }, ['map', 'show']],
    ['joined', ['-jfd', 'map'], { json: true, bpffs: true, debug: true }, ['map']],
    ['pretty is JSON', ['--pretty'], { json: true, pretty: true }, []],
    ['the engine', ['--host', 'engine', '--driver', 'tap'], { host: 'service', engine: true, driver: 'tap' }, []],
    ['with values', ['--host', 'embedded', '--socket=/x'], { host: 'embedded', socket: '/x' }, []],
    ['words after --', ['map', '--', '-j'], { json: false }, ['map', '-j']],
    ['those that change nothing', ['-l', '-n', '-m', '-L', 'x'], {}, ['x']],
    ['a word of one sign', ['prog', 'run', '-'], {}, ['prog', 'run', '-']],
  ])('%s', (_, argv, options, words) => {
    const found = parseOptions(argv);
    expect(found.options).toMatchObject(options);
    expect(found.words).toEqual(words);
  });

  test.each<[readonly string[], RegExp]>([
    [['-z'], /unrecognized option '-z'/],
    [['-jz'], /unrecognized option '-z'/],
    [['--json=1'], /unrecognized option '--json=1'/],
    [['--host'], /option '--host' requires an argument/],
    [['--host', 'mars'], /--host is one of service, embedded, linux, engine, not 'mars'/],
    [['--driver', 'wire'], /--driver is one of af_xdp, af_packet, tap, pcap, not 'wire'/],
    [['--dialect', 'x'], /--dialect is one of linux, windows/],
    [['--__proto__'], /unrecognized option/],
  ])('%j is refused', (argv, sentence) => {
    expect(() => parseOptions(argv)).toThrow(AnyBpfError);
    expect(() => parseOptions(argv)).toThrow(sentence);
  });

  test('may come before the object', () => {
    expect(optionsLast(['-jp', '-f', 'map', 'show'])).toEqual(['map', 'show', '-jp', '-f']);
    expect(optionsLast(['-h'])).toEqual(['-h']);
    expect(optionsLast(['--version', 'dump', 'x'])).toEqual(['--version', 'dump', 'x']);
    expect(optionsLast(['map', '-j', 'show'])).toEqual(['map', '-j', 'show']);
  });
});
