// anybpf verify: text, JSON against its schema, SARIF, states, graph, exit codes.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import * as catalogue from '../../src/base/messages/verify.ts';
import { violations } from '../support/json-schema.ts';
import { PROJECT_ROOT } from '../support/shared.ts';
import { anybpf, example, expectGolden, FOLDERS } from './support.ts';

const SCHEMA = JSON.parse(readFileSync(path.join(PROJECT_ROOT, 'docs/schema/verify.schema.json'), 'utf8'));
const refusal = (name: string): string => `test/verify/refusals/${name}.bpf.o`;
const REFUSED = [
  'wide-index',
  'wrong-pointer',
  'stale-packet',
  'leaked-record',
  'endless-loop',
  'padding',
  'large-stack',
];
/** The clock stands still. */
const still = { times: [0] };

const folder = mkdtempSync(path.join(tmpdir(), 'anybpf-verify-'));
afterAll(() => rmSync(folder, { recursive: true }));

test.each(FOLDERS)('the example %s is accepted', async (name) => {
  const { code, out, err } = await anybpf(['verify', example(name)], still);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(out).toMatch(/: (\d+) of \1 programs? accepted\n$/);
});

test('a refusal: the cause and the fix, and with --explain what led to it', async () => {
  const short = await anybpf(['verify', refusal('wide-index')], still);
  expect(short.code).toBe(1);
  expect(short.err).toBe('');
  expectGolden('verify-wide-index.txt', short.out);
  const long = await anybpf(['verify', refusal('wide-index'), '--explain'], still);
  expect(long.code).toBe(1);
  expectGolden('verify-wide-index-explain.txt', long.out);
});

test.each([...REFUSED.map(refusal), ...FOLDERS.map(example)])('JSON of %s is what the schema says', async (file) => {
  const { code, out } = await anybpf(['verify', file, '--json'], still);
  const data = JSON.parse(out);
  expect(violations(data, SCHEMA)).toEqual([]);
  expect(data.passed).toBe(code === 0);
  for (const record of data.programs) {
    if (record.verdict === 'accepted') continue;
    expect(record).toMatchObject({ code: expect.any(String), message: expect.any(String) });
  }
});

test('the schema check finds what is wrong', () => {
  expect(violations({ object: 'x', passed: 1, programs: [{}], more: 0 }, SCHEMA)).toEqual(
    expect.arrayContaining([
      '$.passed: is not of type boolean',
      '$.programs[0]: lacks verdict',
      '$: has more, which is not described',
    ]),
  );
});

test('JSON: source, instruction and figures of a refusal', async () => {
  const { out } = await anybpf(['verify', refusal('wide-index'), '--json'], { times: [0, 2] });
  const [record] = JSON.parse(out).programs;
  expect(record).toMatchObject({
    object: refusal('wide-index'),
    section: 'xdp',
    program: 'wide_index',
    type: 'xdp',
    verdict: 'refused',
    code: 'verify/bounds',
    instruction: { text: 'r6 = *(u32 *)(r0 + 0)' },
    source: { file: './wide-index.bpf.c', line: 33, text: 'return table->weight[class];' },
    explanation: { fix: { kind: 'check-too-small', at: { source: { line: 31 } } } },
    microseconds: 2000,
  });
  expect(record.visited).toBeGreaterThan(10);
});

test('SARIF: one run, rules of the catalogue, a result with its place, path and fingerprint', async () => {
  const { code, out } = await anybpf(['verify', refusal('wide-index'), '--sarif'], still);
  expect(code).toBe(1);
  const log = JSON.parse(out);
  expect(log.version).toBe('2.1.0');
  expect(log.runs).toHaveLength(1);
  const [{ tool, results }] = log.runs;
  const rules: readonly { id: string }[] = tool.driver.rules;
  const codes = new Set(Object.values(catalogue).map((m) => m.of.code));
  expect(new Set(rules.map((r) => r.id))).toEqual(codes);
  expect(new Set(rules.map((r) => r.id)).size).toBe(rules.length);
  expect(results).toHaveLength(1);
  const [result] = results;
  expect(rules[result.ruleIndex].id).toBe('verify/bounds');
  expect(result).toMatchObject({
    ruleId: 'verify/bounds',
    level: 'error',
    locations: [
      {
        physicalLocation: {
          artifactLocation: { uri: 'wide-index.bpf.c' },
          region: { startLine: 33, startColumn: 9, snippet: { text: 'return table->weight[class];' } },
        },
        logicalLocations: [{ name: 'wide_index', kind: 'function' }],
      },
    ],
    partialFingerprints: { 'anybpf/v1': 'verify/bounds wide_index return table->weight[class];' },
  });
  expect(result.codeFlows[0].threadFlows[0].locations.length).toBeGreaterThan(2);
  const none = JSON.parse((await anybpf(['verify', example('drop-port'), '--sarif'], still)).out);
  expect(none.runs[0].results).toEqual([]);
});

test('--states: what is known before each instruction', async () => {
  const { out } = await anybpf(['verify', refusal('wide-index'), '--states'], still);
  expectGolden('verify-wide-index-states.txt', out);
});

test('--cfg: the graph, with the refused block marked', async () => {
  const file = path.join(folder, 'graph.dot');
  await anybpf(['verify', refusal('in-function'), '--cfg', file], still);
  const text = readFileSync(file, 'utf8');
  expectGolden('verify-in-function.dot', text);
  expect(text.match(/color=red/g)).toHaveLength(1);
});

test('--program chooses; an unknown name, and what does not go together, is wrong use', async () => {
  const one = await anybpf(['verify', example('tail-parser'), '--program', 'parse_ip6', '--json'], still);
  expect(JSON.parse(one.out).programs.map((p: { program: string }) => p.program)).toEqual(['parse_ip6']);
  expect((await anybpf(['verify', example('tail-parser'), '--program', 'none'])).code).toBe(2);
  expect((await anybpf(['verify', example('tail-parser'), '--json', '--sarif'])).code).toBe(2);
  expect((await anybpf(['verify', example('tail-parser'), '--states', '--json'])).code).toBe(2);
  expect((await anybpf(['verify', 'examples/none.o'])).code).toBe(2);
});

test('--budget: given up, which is no acceptance', async () => {
  const { code, out } = await anybpf(['verify', example('drop-port'), '--budget', '5', '--json'], still);
  expect(code).toBe(1);
  const data = JSON.parse(out);
  expect(violations(data, SCHEMA)).toEqual([]);
  expect(data.programs[0]).toMatchObject({ verdict: 'budget', code: 'verify/budget' });
});

test("--kernel-log: a log of Linux's verifier in the same form, from a file or standard input", async () => {
  const file = 'test/verify/kernel-logs/linux-6.18-wide-index.log';
  const { code, out, err } = await anybpf(['verify', '--kernel-log', file, '--explain'], still);
  expect({ code, err }).toEqual({ code: 1, err: '' });
  expectGolden('verify-kernel-log.txt', out);
  const piped = await anybpf(['verify', '--kernel-log', '-', '--json'], {
    ...still,
    stdin: readFileSync(path.join(PROJECT_ROOT, file)),
  });
  const data = JSON.parse(piped.out);
  expect(violations(data, SCHEMA)).toEqual([]);
  expect(data.programs).toMatchObject([
    {
      program: 'wide_index',
      verdict: 'refused',
      code: 'verify/bounds',
      source: { line: 33 },
      kernel: [expect.any(String), expect.any(String)],
    },
  ]);
  const accepted = await anybpf(['verify', '--kernel-log', 'test/verify/kernel-logs/linux-6.18-accepted.log'], still);
  expect(accepted.code).toBe(0);
});

test('--kernel-log: what is no log, and an object beside it, are wrong use', async () => {
  const none = await anybpf(['verify', '--kernel-log', 'README.md']);
  expect(none).toMatchObject({ code: 2, out: '' });
  expect(none.err).toMatch(/cli\/kernel-log/);
  expect((await anybpf(['verify', example('drop-port'), '--kernel-log', 'README.md'])).code).toBe(2);
  expect((await anybpf(['verify'])).code).toBe(2);
});

test('messages and codes of all kernel logs are what the schema says', async () => {
  for (const name of readdirSync(path.join(PROJECT_ROOT, 'test/verify/kernel-logs')).filter((f) =>
    f.endsWith('.log'),
  )) {
    const { out } = await anybpf(['verify', '--kernel-log', `test/verify/kernel-logs/${name}`, '--json'], still);
    expect(violations(JSON.parse(out), SCHEMA), name).toEqual([]);
  }
});

test('--witness: a run that shows the refusal, and none where there is none', async () => {
  const { code, out } = await anybpf(['verify', refusal('in-function'), '--witness'], still);
  expect(code).toBe(1);
  expectGolden('verify-witness.txt', out);
  for (const name of ['endless-loop', 'wide-index', 'leaked-record']) {
    const data = JSON.parse((await anybpf(['verify', refusal(name), '--witness', '--json'], still)).out);
    expect(violations(data, SCHEMA)).toEqual([]);
    expect(data.programs[0].witness !== undefined, name).toBe(name !== 'leaked-record');
  }
});

test('--strict: what is a warning otherwise is refused', async () => {
  const file = refusal('padding');
  const lax = await anybpf(['verify', file], still);
  expect(lax.code).toBe(0);
  expectGolden('verify-warning.txt', lax.out);
  const warned = JSON.parse((await anybpf(['verify', file, '--sarif'], still)).out).runs[0].results;
  expect(warned).toMatchObject([
    { level: 'warning', locations: [{ physicalLocation: { region: { startLine: 24 } } }] },
  ]);
  const strict = await anybpf(['verify', file, '--strict', '--json'], still);
  expect(strict.code).toBe(1);
  expect(JSON.parse(strict.out).programs[0]).toMatchObject({ verdict: 'refused', code: 'verify/uninitialised-stack' });
});
