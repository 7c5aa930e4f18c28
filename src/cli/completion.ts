// anybpf completion: what shells need to complete the command's words, made of the command itself: its verbs and options, and the grammar
// of bpftool.
import { Argument, type Command } from 'commander';
import { bpftoolNodes } from './bpftool/completion.ts';
import type { Verb } from './verb.ts';

/** What may come at one place of the command line. */
export interface CompletionNode {
  readonly words: readonly string[];
  readonly options: readonly string[];
  /** Files, too. */
  readonly files: boolean;
}

interface Completions {
  /** By path: '' is the command itself, `map update` what follows these two words. */
  readonly nodes: ReadonlyMap<string, CompletionNode>;
  /** What follows an option: its choices; none where it is a file or something else. */
  readonly values: ReadonlyMap<string, readonly string[]>;
}

/** Where all of bpftool's grammar stands once more. */
const BPFTOOL = 'bpftool';

function collect(program: Command): Completions {
  const nodes = new Map<string, CompletionNode>();
  const values = new Map<string, readonly string[]>();
  const visit = (command: Command, path: string): void => {
    const options = command.options.filter(({ hidden }) => !hidden);
    for (const { long, short, argChoices, required, optional } of options) {
      if (!required && !optional) continue;
      for (const name of [long, short]) if (name !== undefined) values.set(name, argChoices ?? []);
    }
    const words = command.commands.map((inner) => inner.name());
    const choices = command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []);
    nodes.set(path, {
      words: [...words, ...choices],
      options: [...options.flatMap(({ long }) => long ?? []), '--help'],
      files: words.length === 0 && choices.length === 0,
    });
    for (const inner of command.commands) visit(inner, path === '' ? inner.name() : `${path} ${inner.name()}`);
  };
  visit(program, '');
  const grammar = bpftoolNodes();
  const objects = [...grammar.keys()].filter((path) => !path.includes(' '));
  nodes.set(BPFTOOL, { words: [...objects, 'batch', 'version', 'help'], options: [], files: false });
  for (const [path, node] of grammar) {
    nodes.set(path, node);
    nodes.set(`${BPFTOOL} ${path}`, node);
  }
  return { nodes, values };
}

/** Words of our own tables: letters, digits and -_./ only, so that no shell sees more in them. */
const list = (words: readonly string[]): string => words.filter((word) => /^[\w./-]+$/.test(word)).join(' ');

function bash({ nodes, values }: Completions): string {
  const cases = [...nodes].map(([path, { words, options, files }]) => {
    const own = `words='${list(words)}' options='${list(options)}'`;
    return `    '${path}') ${own}${files ? ' files=1' : ''} ;;`;
  });
  const known = [...nodes.keys()].filter((path) => path !== '').map((path) => `'${path}'`);
  const choices = [...values]
    .filter(([name]) => name.startsWith('-'))
    .map(
      ([name, found]) =>
        `    ${name}) ${found.length === 0 ? 'words= files=1' : `words='${list(found)}' files=`} options= ;;`,
    );
  return `# anybpf's words for bash: source it, or put it where bash-completion looks (/etc/bash_completion.d).
_anybpf() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} path= next i words= options= files=
  for ((i = 1; i < COMP_CWORD; i++)); do
    next=\${path:+$path }\${COMP_WORDS[i]}
    case $next in
    ${known.join(' | ')}) path=$next ;;
    esac
  done
  case $path in
${cases.join('\n')}
  esac
  case $prev in
${choices.join('\n')}
    pinned | file | data_in | data_out | ctx_in | ctx_out) words= options= files=1 ;;
  esac
  [[ $cur == -* ]] && words=$options files=
  local IFS=$' \\t\\n'
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  # Files where no word fits: what was typed may begin one.
  if [[ -n $files && \${#COMPREPLY[@]} -eq 0 ]]; then
    compopt -o filenames 2>/dev/null
    IFS=$'\\n'
    COMPREPLY=($(compgen -f -- "$cur"))
  fi
}
complete -F _anybpf anybpf
`;
}

/** zsh takes bash's functions. */
const zsh = (completions: Completions): string => `#compdef anybpf
autoload -U +X bashcompinit && bashcompinit
${bash(completions)}`;

function fish({ nodes, values }: Completions): string {
  const cases = [...nodes].map(([path, { words, options, files }]) => {
    const all = list([...words, ...options]);
    return `    case '${path}'\n      printf '%s\\n' ${all}${files ? '\n      __fish_complete_path (commandline -ct)' : ''}`;
  });
  const known = [...nodes.keys()].filter((path) => path !== '').map((path) => `'${path}'`);
  const choices = [...values]
    .filter(([, found]) => found.length > 0)
    .map(([name, found]) => `    case '${name}'\n      printf '%s\\n' ${list(found)}\n      return`);
  return `# anybpf's words for fish: put it into ~/.config/fish/completions/anybpf.fish.
function __anybpf_complete
  set -l done (commandline -opc)
  set -l path ''
  for word in $done[2..-1]
    set -l next (string trim -- "$path $word")
    if contains -- $next ${known.join(' ')}
      set path $next
    end
  end
  switch "$done[-1]"
${choices.join('\n')}
  end
  switch "$path"
${cases.join('\n')}
  end
end
complete -c anybpf -f -a '(__anybpf_complete)'
`;
}

const SHELLS = { bash, zsh, fish } as const satisfies Record<string, (completions: Completions) => string>;
type Shell = keyof typeof SHELLS;

export const completionVerb: Verb = (program, io) => {
  program
    .command('completion')
    .description('print what a shell needs to complete the words of anybpf')
    .addArgument(new Argument('<shell>').choices(Object.keys(SHELLS)))
    .addHelpText('after', '\n  source <(anybpf completion bash)')
    .action((shell: Shell) => {
      io.stdout.write(SHELLS[shell](collect(program)));
    });
};
