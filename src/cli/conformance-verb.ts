// anybpf conformance: the command around the vectors and the plugin protocol of bpf_conformance.
import type { Command } from 'commander';
import { fromHex, text } from '../base/bytes.ts';
import { fail } from '../base/diagnostic.ts';
import { wrongUse } from '../base/messages/cli.ts';
import { concatBytes } from '../base/bytes.ts';
import type { EngineChoice } from '../spec/backend.ts';
import { runPlugin, runVectors } from './conformance.ts';
import { ENGINE_CHOICES } from '../run/engines.ts';
import { engineOption } from './engine.ts';
import { toJson } from './json.ts';
import { EXIT, type Verb } from './verb.ts';

interface ConformanceOptions {
  readonly engine: EngineChoice;
  readonly elf?: boolean;
  readonly json?: boolean;
}

export const conformanceVerb: Verb = (program: Command, io, finish) => {
  program
    .command('conformance')
    .description(
      'run vectors of bpf_conformance; without files speak its plugin protocol: memory as digits in the argument, the program on standard input',
    )
    .argument('[words...]', 'vector files, or the memory of the plugin protocol')
    .addOption(engineOption())
    .option('--elf', 'plugin protocol: the program is an ELF file')
    .option('--json', 'with files: outcomes as JSON')
    .action(async (words: readonly string[], { engine, elf, json }: ConformanceOptions) => {
      const backend = ENGINE_CHOICES[engine];
      // Digits alone are memory: a file that is named so can be given as ./name.
      const isMemory = words.length === 0 || (words.length === 1 && fromHex(words[0]) !== undefined);
      if (isMemory) {
        const chunks: Uint8Array[] = [];
        for await (const chunk of io.stdin) chunks.push(chunk);
        const answer = runPlugin([...words, ...(elf === true ? ['--elf'] : [])], text(concatBytes(chunks)), backend);
        io.stdout.write(`${answer.stdout}\n`);
        return finish(answer.exitCode);
      }
      if (elf === true) fail(wrongUse({}, '--elf belongs to the plugin protocol, which takes no files'));
      const outcomes = runVectors(words, backend);
      const passed = outcomes.filter((o) => o.passed).length;
      const failed = outcomes.length - passed;
      if (json === true) io.stdout.write(`${toJson({ passed, failed, outcomes }, 2)}\n`);
      else {
        for (const o of outcomes) if (!o.passed) io.stdout.write(`${o.name}: ${o.reason}\n`);
        io.stdout.write(`${passed} passed, ${failed} failed\n`);
      }
      finish(failed === 0 ? EXIT.done : EXIT.failed);
    });
};
