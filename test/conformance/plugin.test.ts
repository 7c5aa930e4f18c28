import { describe, expect, test } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { parseVector, runPlugin, runVector, runVectors } from '../../src/cli/conformance.ts';
import { referenceBackend } from '../../src/compile/reference/backend.ts';
import { buildElf } from '../../src/elf/build.ts';
import { SHF, STB, STT } from '../../src/elf/format.ts';
import { assemble } from '../../src/isa/assembler.ts';

/** A program as the runner gives it: hexadecimal bytes between blanks. */
const stdin = (text: string): string => toHex(assemble(text).code).replace(/../g, '$& ');
const plugin = (argv: string[], input: string) => runPlugin(argv, input, referenceBackend);

describe('the plugin protocol', () => {
  test('answers r0 in hexadecimal', () => {
    expect(plugin([], stdin('r0 = -1\nexit'))).toEqual({ stdout: 'ffffffffffffffff', exitCode: 0 });
  });
  test('gives the memory in r1 and its length in r2', () => {
    const program = stdin('r0 = *(u16 *)(r1 + 1)\nr2 <<= 32\nr0 |= r2\nexit');
    expect(plugin(['11  22  33  44  '], program)).toEqual({ stdout: '400003322', exitCode: 0 });
    expect(plugin([], stdin('r0 = r1\nr0 |= r2\nexit'))).toEqual({ stdout: '0', exitCode: 0 });
  });
  test.each([
    ['a program that aborts', [], stdin('r0 = *(u8 *)(r10 + 0)\nexit'), 'run/bad-access'],
    ['a program that is no program', [], 'ff 00 00 00 00 00 00 00', 'isa/unknown-opcode'],
    ['no program', [], '', 'run/empty-program'],
    ['digits that are none', [], 'zz', 'conformance/plugin-input'],
    ['memory that is none', ['1'], stdin('exit'), 'conformance/vector'],
    ['two memories', ['11', '22'], stdin('exit'), 'conformance/plugin-input'],
    ['an ELF file that is none', ['--elf'], '7f 45 4c', 'elf/'],
  ])('%s is an error', (_, argv, input, code) => {
    const { stdout, exitCode } = plugin(argv, input);
    expect(exitCode).toBe(1);
    expect(stdout).toContain(`[${code}`);
  });
});

describe('an ELF program', () => {
  const { code, labels } = assemble('helper:\n r0 = r2\n r0 += 1\n exit\nmain:\n call helper\n exit');
  const main = (labels.get('main') ?? 0) * 8;
  const elf = (section: string, value: number): string =>
    toHex(
      buildElf({
        sections: [{ name: section, flags: SHF.ALLOC | SHF.EXECINSTR, align: 8, data: code }],
        symbols: [{ name: 'main', section, value, size: code.length - value, type: STT.FUNC, binding: STB.GLOBAL }],
      }),
    );
  test('starts at main, wherever that is', () => {
    expect(plugin(['aa bb', '--elf'], elf('.text', main))).toEqual({ stdout: '3', exitCode: 0 });
    expect(plugin(['aa bb', '--elf'], elf('xdp', 0))).toEqual({ stdout: '3', exitCode: 0 });
  });
  test('has main in .text or xdp', () => {
    expect(plugin(['--elf'], elf('other', 0)).stdout).toContain('conformance/elf');
  });
});

const outcome = (text: string) => runVector('x', parseVector(text), referenceBackend);

describe('vectors', () => {
  test.each([
    ['another result', '-- asm\nmov %r0, 1\nexit\n-- result\n0x2', /r0 is 0x1, expected 0x2/],
    ['an error where a result is expected', '-- asm\nldxb %r0, [%r10]\nexit\n-- result\n0', /run\/bad-access/],
    [
      'a result where an error is expected',
      '-- asm\nmov %r0, 1\nexit\n-- error\nrun/bad-access',
      /r0 is 0x1, expected the error/,
    ],
    ['another error', '-- asm\nmov %r0\n-- error\nrun/bad-access', /failed otherwise than expected/],
    ['asm and raw that differ', '-- asm\nexit\n-- raw\n0x00000007000000b7\n-- result\n0', /different programs/],
  ])('%s fails', (_, text, reason) => {
    const result = outcome(text);
    expect(result.passed).toBe(false);
    expect(result.reason).toMatch(reason);
  });
  test.each([
    ['-- result\n0', 'conformance/vector'],
    ['-- asm\nexit', 'conformance/no-expectation'],
    ['-- asm\nexit\n-- result\nzero', 'conformance/vector'],
    ['-- asm\nexit\n-- mem\n1\n-- result\n0', 'conformance/vector'],
    ['-- raw\n0xzz\n-- result\n0', 'conformance/vector'],
    [`-- asm\nexit\n-- mem\n${'00'.repeat((1 << 20) + 1)}\n-- result\n0`, 'input/too-large'],
  ])('what is not a vector is refused (%#)', (text, code) => {
    expect(() => parseVector(text)).toThrow(AnyBpfError);
    expect(() => parseVector(text)).toThrow(code);
  });
  test('a file that is not there has failed', () => {
    expect(runVectors(['/nowhere/x.data'], referenceBackend)).toMatchObject([
      { name: '/nowhere/x.data', passed: false },
    ]);
  });
});
