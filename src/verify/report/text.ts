// A refusal in at most fifteen lines: what is wrong, where, how it came to that, and what helps.
import type { Explanation, Fact, SourceLine } from '../explain/explanation.ts';
import type { VerifyRecord } from './record.ts';

/** Facts shown; the first and the last say most. */
const MOST_FACTS = 8;
/** Characters of a source line or instruction beside the words about it. */
const CODE_WIDTH = 46;

export interface TextOptions {
  /** With the facts that led to the refusal. */
  readonly facts: boolean;
}

const fileName = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
const position = ({ file, line, column }: SourceLine): string =>
  `${file.replace(/^\.\//, '')}:${line}${column > 0 ? `:${column}` : ''}`;

/** The lines about a program that is not accepted, without a head. */
export function refusalLines(record: VerifyRecord, { facts }: TextOptions): string[] {
  const { code = '', message = '', instruction, source, explanation, witness } = record;
  const lines = [`  ${message} [${code}]`];
  if (record.kernel !== undefined) lines.push(`  Linux says: ${record.kernel.slice(0, 2).join('; ')}`);
  const insn =
    instruction === undefined
      ? ''
      : `instruction ${instruction.slot}${instruction.text === undefined ? '' : `: ${instruction.text}`}`;
  if (source !== undefined && source.line > 0)
    lines.push(`  at ${position(source)}, ${insn}`, `    ${source.line} | ${source.text}`);
  else if (insn !== '') lines.push(`  at ${insn}`, ...(source === undefined ? [] : [`    ${source.text}`]));
  if (explanation === undefined) return lines;
  if (facts) lines.push(...factLines(inOrder(explanation), source?.file));
  if (witness !== undefined) lines.push(`  shown by a run: ${witness.text}`);
  if (explanation.fix !== undefined) lines.push(`  fix: ${explanation.fix.text}`);
  return lines;
}

/** All facts, as they come on the path. */
const inOrder = ({ chain, path }: Pick<Explanation, 'chain' | 'path'>): Fact[] =>
  [...chain, ...path].sort((a, b) => a.step - b.step);

function factLines(all: readonly Fact[], file: string | undefined): string[] {
  if (all.length === 0) return [];
  const facts = all.length <= MOST_FACTS ? all : [all[0], ...all.slice(all.length - MOST_FACTS + 1)];
  const marks = facts.map((f) => mark(f, file));
  const width = Math.max(...marks.map((m) => m.length));
  // What several instructions of one line did is told by the instructions; so is assembler, whose line is all of it.
  const again = facts.map((f, i) => i > 0 && f.source !== undefined && marks[i] === marks[i - 1]);
  const codes = facts.map((f, i) =>
    cut(again[i] || ASSEMBLER.test(f.source?.text ?? '') ? f.instruction : (f.source?.text ?? f.instruction)),
  );
  const codeWidth = Math.max(...codes.map((c) => c.length));
  return [
    '  how it comes to this:',
    ...facts.map((f, i) =>
      `    ${(again[i] ? '' : marks[i]).padStart(width)} | ${codes[i].padEnd(codeWidth)}  ${f.text}`.trimEnd(),
    ),
  ];
}

const ASSEMBLER = /^(?:__)?asm\b/;

/** The line, with its file where that is another than the refusal's; or the instruction. */
const mark = ({ insn, source }: Fact, file: string | undefined): string =>
  source === undefined || source.line === 0
    ? `[${insn}]`
    : source.file === file
      ? `${source.line}`
      : `${fileName(source.file)}:${source.line}`;

const cut = (text: string): string => (text.length <= CODE_WIDTH ? text : `${text.slice(0, CODE_WIDTH - 1)}…`);
