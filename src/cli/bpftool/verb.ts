// The verbs `prog`, `map`, ... and `bpftool`, which takes all of them with bpftool's own abbreviations.
import type { Command } from 'commander';
import type { Verb } from '../verb.ts';
import { isBpftoolFlag } from './arguments.ts';
import { GROUPS } from './groups.ts';
import { runBpftool } from './run.ts';

/** The words behind the verb are bpftool's, options and all. */
const passThrough = (command: Command): Command =>
  command.argument('[words...]').allowUnknownOption().helpOption(false).passThroughOptions();

export const bpftoolVerb: Verb = (program, io, finish) => {
  program.enablePositionalOptions();
  for (const { name, about } of GROUPS) {
    passThrough(program.command(name).description(about)).action(async (words: string[]) => {
      finish(await runBpftool([name, ...words], io));
    });
  }
  passThrough(
    program
      .command('bpftool')
      .description('the same, as scripts write them: OBJECT and COMMAND may be cut short, batch file FILE'),
  ).action(async (words: string[]) => {
    finish(await runBpftool(words, io));
  });
};

/** bpftool's options may come before its object: `anybpf -j map show`. This puts them behind it. */
export function optionsLast(argv: readonly string[]): readonly string[] {
  const first = argv.findIndex((word) => !isBpftoolFlag(word));
  const isGroup = first > 0 && GROUPS.some(({ name }) => name === argv[first]);
  return isGroup ? [...argv.slice(first), ...argv.slice(0, first)] : argv;
}
