// What may come next in bpftool's grammar, read out of the help texts that say it: words in small letters are keywords, those in
// capitals stand for what a line `NAME := { ... }` lists, or for a file.
import type { CompletionNode } from '../completion.ts';
import { GROUPS } from './groups.ts';
import type { Group } from './tool.ts';

/** Names in capitals that stand for files. */
const FILES = /^(FILE|OBJ|OBJECT|PATH|MAP_DIR|BTF_FILE|INPUT|OUTPUT|INPUT_FILE|OUTPUT_FILE)$/;
/** bpftool's options that scripts use. */
const OPTIONS = ['--json', '--pretty', '--debug', '--bpffs', '--host', '--socket', '--dialect'] as const;

interface Grammar {
  /** What follows each command. */
  readonly usages: readonly { readonly commands: readonly string[]; readonly rest: string }[];
  readonly definitions: ReadonlyMap<string, string>;
}

/** Lines that belong together are one: after a backslash, and inside of braces. */
function statements(help: string): string[] {
  const out: string[] = [];
  let open = 0;
  for (const line of help.replaceAll(/\\+\n/g, ' ').split('\n')) {
    if (open > 0) out[out.length - 1] += ` ${line.trim()}`;
    else out.push(line.trim());
    open = Math.max(0, open + line.split('{').length - line.split('}').length);
  }
  return out.filter((line) => line !== '');
}

function read({ name, help }: Group): Grammar {
  const usages: Grammar['usages'][number][] = [];
  const definitions = new Map<string, string>();
  for (const line of statements(help)) {
    const defined = /^([A-Z_]+) := (.*)$/.exec(line);
    const used = /^%\s+(\S+)\s+(\{[^}]*\}|[a-z_]+)(.*)$/.exec(line);
    if (defined !== null) definitions.set(defined[1], defined[2]);
    else if (used !== null && used[1] === name)
      usages.push({ commands: used[2].match(/[a-z_]+/g) ?? [], rest: used[3] });
  }
  return { usages, definitions };
}

/** Keywords of a part of the grammar, and whether it names a file. */
function wordsOf(text: string, definitions: ReadonlyMap<string, string>, seen: Set<string>): CompletionNode {
  const words = new Set<string>();
  let files = false;
  for (const token of text.match(/[A-Za-z][\w/.-]*/g) ?? []) {
    // `METRICs` are several of METRIC.
    const [, capitals] = /^([A-Z][A-Z_]*)s?$/.exec(token) ?? [];
    if (capitals === undefined) words.add(token);
    else if (FILES.test(capitals)) files = true;
    else if (!seen.has(capitals)) {
      seen.add(capitals);
      const inner = wordsOf(definitions.get(capitals) ?? '', definitions, seen);
      for (const word of inner.words) words.add(word);
      files ||= inner.files;
    }
  }
  return { words: [...words], options: [], files };
}

/** Each object and command of the grammar, by its path (`map`, `map update`). */
export function bpftoolNodes(): Map<string, CompletionNode> {
  const nodes = new Map<string, CompletionNode>();
  for (const group of GROUPS) {
    const { usages, definitions } = read(group);
    const commands = [...new Set([...group.commands.map(([keyword]) => keyword), 'help'])];
    nodes.set(group.name, { words: commands, options: OPTIONS, files: false });
    for (const command of commands) {
      const rests = usages.filter((usage) => usage.commands.includes(command)).map(({ rest }) => rest);
      nodes.set(`${group.name} ${command}`, { ...wordsOf(rests.join(' '), definitions, new Set()), options: OPTIONS });
    }
  }
  return nodes;
}
