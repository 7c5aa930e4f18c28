// Verdicts as SARIF 2.1.0 (OASIS), for editors and continuous integration: one run, one result a program that is not accepted.
import type { Diagnostic, MessageClass } from '../../base/diagnostic.ts';
import * as catalogue from '../../base/messages/verify.ts';
import type { Fact, SourceLine } from '../explain/explanation.ts';
import type { VerifyRecord } from './record.ts';

const SCHEMA = 'https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json';

interface Rule {
  readonly id: string;
  readonly name: string;
  readonly shortDescription: { readonly text: string };
  readonly help?: { readonly text: string };
}

/** One log with one run. `version`: of AnyBPF. */
export function sarifOf(records: readonly VerifyRecord[], version: string): object {
  const rules = rulesOf(records);
  const index = new Map(rules.map((rule, i) => [rule.id, i]));
  const results = records.flatMap((record) => [
    ...(record.verdict === 'accepted' ? [] : [refusal(record, index)]),
    ...record.warnings.map((warning) => noted(record, warning, index)),
  ]);
  const driver = { name: 'anybpf', version, rules };
  return { $schema: SCHEMA, version: '2.1.0', runs: [{ tool: { driver }, columnKind: 'utf16CodeUnits', results }] };
}

/** The whole catalogue of the verifier, and what other stages found in these programs. */
function rulesOf(records: readonly VerifyRecord[]): Rule[] {
  const classes = new Map<string, MessageClass>();
  for (const { of } of Object.values(catalogue)) if (!classes.has(of.code)) classes.set(of.code, of);
  for (const { code, warnings } of records) {
    for (const found of [code, ...warnings.map((w) => w.code)]) {
      if (found !== undefined && !classes.has(found)) classes.set(found, { code: found, severity: 'error' });
    }
  }
  return [...classes.values()].map(({ code, hint }) => {
    const words = code.slice(code.indexOf('/') + 1).replaceAll('-', ' ');
    return {
      id: code,
      name: words.replace(/(?:^| )(\w)/g, (_, letter: string) => letter.toUpperCase()),
      shortDescription: { text: words },
      ...(hint === undefined ? {} : { help: { text: hint } }),
    };
  });
}

function refusal(record: VerifyRecord, index: ReadonlyMap<string, number>): object {
  const { code = '', message = '', source, explanation, instruction } = record;
  const facts = [...(explanation?.chain ?? []), ...(explanation?.path ?? [])].sort((a, b) => a.step - b.step);
  const fix = explanation?.fix;
  return {
    ruleId: code,
    ruleIndex: index.get(code),
    level: 'error',
    message: { text: `${message}${fix === undefined ? '' : `. Fix: ${fix.text}`}` },
    locations: [location(record, source, instruction?.slot)],
    partialFingerprints: { 'anybpf/v1': fingerprint(record) },
    ...(facts.length === 0 ? {} : { codeFlows: [flow(record, facts)] }),
    properties: { verdict: record.verdict, program: record.program, section: record.section },
  };
}

const noted = (
  record: VerifyRecord,
  { code, message, hint, place }: Diagnostic,
  index: ReadonlyMap<string, number>,
): object => ({
  ruleId: code,
  ruleIndex: index.get(code),
  level: 'warning',
  message: { text: `${message}${hint === undefined ? '' : ` (${hint})`}` },
  locations: [location(record, place.source, place.insn)],
  partialFingerprints: { 'anybpf/v1': `${code} ${record.program} ${place.source?.text ?? ''}`.trimEnd() },
});

const flow = (record: VerifyRecord, facts: readonly Fact[]): object => ({
  threadFlows: [
    {
      locations: facts.map((fact) => ({
        location: { ...location(record, fact.source, fact.insn), message: { text: fact.text } },
      })),
    },
  ],
});

/** The source line where it is known, else the object file; and the program, in either case. */
function location(
  record: VerifyRecord,
  source: Diagnostic['place']['source'] | SourceLine,
  slot: number | undefined,
): object {
  const name = `${record.section}/${record.program}`;
  const region = source === undefined || source.line === 0 ? undefined : regionOf(source);
  return {
    physicalLocation: {
      artifactLocation: { uri: uriOf(source === undefined || source.file === '' ? record.object : source.file) },
      ...(region === undefined ? {} : { region }),
    },
    logicalLocations: [
      {
        name: record.program,
        fullyQualifiedName: slot === undefined ? name : `${name}:${slot}`,
        kind: 'function',
      },
    ],
  };
}

const regionOf = ({ line, column = 0, text = '' }: Required<Diagnostic['place']>['source']): object => ({
  startLine: line,
  ...(column > 0 ? { startColumn: column } : {}),
  ...(text === '' ? {} : { snippet: { text } }),
});

/** A path as the compiler wrote it: absolute ones as file URIs, others relative to where it was called. */
function uriOf(path: string): string {
  const plain = path.replaceAll('\\', '/').replace(/^(?:\.\/)+/, '');
  const escaped = encodeURI(plain).replaceAll('#', '%23').replaceAll('?', '%3F');
  if (/^[A-Za-z]:\//.test(plain)) return `file:///${escaped}`;
  return plain.startsWith('/') ? `file://${escaped}` : escaped;
}

/** The same for the same fault when lines move: what is wrong, in which function, in which text. */
function fingerprint({ code = '', program, source, instruction }: VerifyRecord): string {
  const where = source === undefined ? `instruction ${instruction?.slot ?? ''}` : source.text.replace(/\s+/g, ' ');
  return `${code} ${program} ${where}`;
}
