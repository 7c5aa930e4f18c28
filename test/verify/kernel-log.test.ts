// Logs of Linux's verifier, of several versions, explained: kernel-logs/NAME.log beside NAME.txt. The logs of 6.18 are what the
// kernel says of refusals/*.bpf.o; those of older versions are written in their form. UPDATE_GOLDEN=1 writes the texts anew.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import * as catalogue from '../../src/base/messages/verify.ts';
import { explainKernelLog } from '../../src/verify/kernel-log/explain.ts';
import { readMessages } from '../../src/verify/kernel-log/messages.ts';
import { parseKernelLog } from '../../src/verify/kernel-log/parse.ts';
import { stateInWords } from '../../src/verify/kernel-log/words.ts';
import { refusalLines } from '../../src/verify/report/text.ts';
import { PROJECT_ROOT } from '../support/shared.ts';

const FOLDER = path.join(PROJECT_ROOT, 'test/verify/kernel-logs');
const NAMES = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.log'))
  .map((file) => file.slice(0, -'.log'.length));

const movesPacket = (helper: string): boolean => helper === 'bpf_skb_vlan_push';
const textOf = (name: string): string => readFileSync(path.join(FOLDER, `${name}.log`), 'utf8');

function explained(text: string): string {
  return parseKernelLog(text)
    .map((log) => explainKernelLog(log, 'a.log', movesPacket))
    .map((record) => {
      const head = `${record.program}: ${record.verdict}, ${record.visited} instructions`;
      const lines = record.verdict === 'accepted' ? [] : refusalLines(record, { facts: true });
      return `${[head, ...lines].join('\n')}\n`;
    })
    .join('');
}

test.each(NAMES)('%s', (name) => {
  const text = explained(textOf(name));
  expect(text.split('\n').length).toBeLessThanOrEqual(17);
  const golden = path.join(FOLDER, `${name}.txt`);
  if (process.env.UPDATE_GOLDEN === '1') writeFileSync(golden, text);
  else if (!existsSync(golden)) throw new Error(`${golden} is missing: run with UPDATE_GOLDEN=1`);
  expect(text).toBe(readFileSync(golden, 'utf8'));
});

const body = (text: string): string => explained(text).split('\n').slice(1).join('\n');

test('the same log without libbpf around it, and with carriage returns, says the same', () => {
  const whole = textOf('linux-6.18-wide-index');
  const bare = /BEGIN PROG LOAD LOG --\n([^]*)-- END PROG/.exec(whole)?.[1] ?? '';
  expect(body(bare)).toBe(body(whole));
  expect(body(bare.replaceAll('\n', '\r\n'))).toBe(body(whole));
});

const SAID: readonly (readonly [message: string, code: string, register?: number])[] = [
  ["R0 invalid mem access 'map_value_or_null'", 'verify/null', 0],
  ["R3 invalid mem access 'inv'", 'verify/not-a-pointer', 3],
  ["R3 invalid mem access 'scalar'", 'verify/not-a-pointer', 3],
  ["R2 invalid mem access 'map_ptr'", 'verify/no-access', 2],
  ['R4 pointer arithmetic on map_value_or_null prohibited, null-check it first', 'verify/null', 4],
  ['R1 max value is outside of the array range', 'verify/bounds', 1],
  ['R1 min value is negative, either use unsigned index or do a if (index >=0) check.', 'verify/bounds', 1],
  ["R2 unbounded memory access, use 'var &= const' or 'if (var < const)'", 'verify/helper-argument', 2],
  ['R2 unbounded memory access, make sure to bounds check any such access', 'verify/bounds', 2],
  ['div by zero', 'verify/division-by-zero'],
  ['fp pointer offset 1073741822 is not allowed', 'verify/pointer-arithmetic'],
  ['negative offset ctx ptr R1 off=-612 disallowed', 'verify/context-access', 1],
  ['R0 invalid tcp_sock access off=96 size=8', 'verify/context-access', 0],
  ['invalid unbounded variable-offset write to stack R4', 'verify/stack-access', 4],
  ['same insn cannot be used with different pointers', 'verify/no-access'],
  ['missing btf func_info', 'verify/callback'],
  ['tracing progs cannot use bpf_spin_lock yet', 'verify/helper'],
  ['invalid access to map key, key_size=4 off=0 size=8', 'verify/bounds'],
  ['invalid indirect read from stack off -8+1 size 8', 'verify/uninitialised-stack'],
  ['invalid read from stack R2 off -8+1 size 8', 'verify/uninitialised-stack', 2],
  ['invalid stack type R2 off=-4 access_size=8', 'verify/stack-access', 2],
  ['combined stack size of 3 calls is 544. Too large', 'verify/stack-limit'],
  ['R7 !read_ok', 'verify/uninitialised-register', 7],
  ['invalid bpf_context access off=76 size=8', 'verify/context-access'],
  ['cannot write into packet', 'verify/read-only'],
  ['unknown func bpf_get_stackid#27', 'verify/helper'],
  ['program of this type cannot use helper bpf_skb_load_bytes#26', 'verify/helper'],
  ['invalid func unknown#195896080', 'verify/helper'],
  ['cannot call GPL only function from proprietary program', 'verify/kernel'],
  ['cannot call GPL-restricted function from non-GPL compatible program', 'verify/licence'],
  ['R1 type=inv expected=fp, pkt, pkt_meta, map_key, map_value', 'verify/helper-argument', 1],
  ['cannot pass map_type 3 into func bpf_map_lookup_elem#1', 'verify/helper-map'],
  ['Unreleased reference id=2 alloc_insn=5', 'verify/reference-leak'],
  ['bpf_spin_unlock of different lock', 'verify/lock'],
  ['infinite loop detected at insn 12', 'verify/unbounded-loop'],
  ['back-edge from insn 29 to 12', 'verify/unbounded-loop'],
  ['The sequence of 8193 jumps is too complex.', 'verify/budget'],
  ['At program exit the register R0 has smin=0 smax=9 should have been in [0, 1]', 'verify/return-value'],
  ['At program exit the register R0 has value (0x5; 0x0) should have been in (0x0; 0x1)', 'verify/return-value'],
  ['math between pkt pointer and register with unbounded min value is not allowed', 'verify/pointer-arithmetic'],
  ['R5 pointer arithmetic with <<= operator prohibited', 'verify/pointer-arithmetic', 5],
  ['R1 leaks addr into map', 'verify/pointer-arithmetic', 1],
  ['misaligned stack access off (0x0; 0x0)+-3+0 size 8', 'verify/misaligned'],
  ['attempt to corrupt spilled pointer on stack', 'verify/spilled-pointer'],
  ['the call stack of 9 frames is too deep !', 'verify/call-depth'],
];

test.each(SAID.map(([message, code, register]) => ({ message, code, register })))(
  '$message',
  ({ message, code, register }) => {
    const reading = readMessages([message]);
    expect(reading?.code ?? 'verify/kernel').toBe(code);
    expect(reading?.register).toBe(register);
    expect(reading?.text ?? '').not.toMatch(/undefined|the register/);
  },
);

test('every code that a kernel message is mapped to is in the catalogue', () => {
  const codes = new Set(Object.values(catalogue).map(({ of }) => of.code));
  for (const name of NAMES) {
    for (const log of parseKernelLog(textOf(name))) {
      const { code } = explainKernelLog(log, '', movesPacket);
      if (code !== undefined) expect(codes).toContain(code);
    }
  }
});

test.each([
  ['inv34984', 'is 34984'],
  ['imm-1', 'is -1'],
  ['invP(id=0,umax_value=60,var_off=(0x0; 0x3c))', 'is 0 to 60'],
  ['scalar(smin=umin=smin32=umin32=20,smax=umax=smax32=umax32=60,var_off=(0x0; 0x3c))', 'is 20 to 60'],
  ['scalar(id=6,smin=0,smax=umax=0xffffffff,smin32=-1,smax32=13,var_off=(0x0; 0xffffffff))', 'is 0 to 4294967295'],
  ['Pscalar()', 'is any number'],
  ['map_value_or_null(id=1,map=map,ks=16,vs=4)', "points to a map value of 'map' or NULL"],
  ['pkt(id=4,off=14,r=0,umax=60,var_off=(0x0; 0x3c))', 'points to the packet, offset 14 plus 0 to 60'],
  ['fp-16', 'points to the stack at r10-16'],
  ['fp0,call_-1', 'points to the stack at r10'],
  ['ctx(id=0,off=0,imm=0)', 'points to the context'],
])('%s', (state, words) => {
  expect(stateInWords(state)).toBe(words);
});

test('any text is read without a fault, however it is cut', () => {
  const lines = NAMES.flatMap((name) => textOf(name).split('\n'));
  const line = fc.oneof(
    fc.constantFrom(...lines),
    fc.string(),
    fc.constantFrom(...lines).map((l) => l.slice(0, l.length >> 1)),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 60 }), (some) => {
      explained(some.join('\n'));
    }),
    { numRuns: 300 },
  );
});
