// What the test files of one run have found out about this machine, as a table at the end of `npm test`. Each finding is a file in a folder
// of the run, written by whoever looked first; the others take it from there.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';

/** Of one run of vitest, whose process is the parent of those that run test files. */
const folderOf = (runner: number): string => path.join(tmpdir(), `anybpf-capabilities-${runner}`);

const HERE = 'there';

/** Notes what a capability's name stands for here: a reason, or undefined where it is there. */
export function note(name: string, reason: string | undefined): void {
  const folder = folderOf(process.ppid);
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, encodeURIComponent(name)), reason ?? HERE);
}

/** What another file of this run has found. */
export function noted(name: string): { readonly reason: string | undefined } | undefined {
  try {
    const text = readFileSync(path.join(folderOf(process.ppid), encodeURIComponent(name)), 'utf8');
    return text === '' ? undefined : { reason: text === HERE ? undefined : text };
  } catch {
    return undefined;
  }
}

const COLUMNS = 100;

/** A line a finding, by name; empty where nothing was asked. */
export function capabilityTable(findings: readonly (readonly [name: string, text: string])[]): string {
  if (findings.length === 0) return '';
  const width = Math.max(...findings.map(([name]) => name.length));
  const rows = findings
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, text]) => {
      const line = `${name.padEnd(width)}  ${text.replaceAll(/\s+/g, ' ')}`;
      return line.length > COLUMNS ? `${line.slice(0, COLUMNS - 1)}…` : line;
    });
  return `\nWhat this machine has for the tests\n${rows.map((row) => `  ${row}\n`).join('')}`;
}

/** Prints the table of a run and takes its folder away; for vitest's own process. */
export function printCapabilities(): void {
  const folder = folderOf(process.pid);
  let names: readonly string[];
  try {
    names = readdirSync(folder);
  } catch {
    return;
  }
  const findings = names.map(
    (name) => [decodeURIComponent(name), readFileSync(path.join(folder, name), 'utf8')] as const,
  );
  process.stdout.write(capabilityTable(findings));
  rmSync(folder, { recursive: true, force: true });
}
