// anybpf compile: an object as a WebAssembly module that needs no AnyBPF to run.
import { basename } from 'node:path';
import type { Command } from 'commander';
import { fail, formatDiagnostic } from '../base/diagnostic.ts';
import { badOption } from '../base/messages/cli.ts';
import { compileAhead, type CompiledModule } from '../aot/compile.ts';
import { moduleFiles } from '../aot/files.ts';
import { memoryHost } from '../hosts/memory/host.ts';
import { count } from './count.ts';
import type { Io } from './io.ts';
import { toJson } from './json.ts';
import { openObject, programNamed } from './object.ts';
import { OutputFile } from './output-file.ts';
import { readPresets, withSettings } from './presets.ts';
import { readSigningKey, signModule } from './sign.ts';
import { painter } from './style.ts';
import type { Verb } from './verb.ts';
import { verifyOption } from './verify-option.ts';
import { version } from './version.ts';
import type { VerifyMode } from '../run/verification.ts';

interface CompileVerbOptions {
  readonly out: string;
  readonly program?: readonly string[];
  readonly map?: readonly string[];
  readonly set?: readonly string[];
  readonly budget?: number;
  readonly cpus: number;
  readonly verify: VerifyMode;
  readonly certificates?: boolean;
  readonly trusted?: boolean;
  readonly sign?: string;
  readonly json?: boolean;
}

const ENDING = '.wasm';
const NO_KEY = new Uint8Array();

const collected = (value: string, earlier: readonly string[] = []): readonly string[] => [...earlier, value];

export const compileVerb: Verb = (program: Command, io) => {
  program
    .command('compile')
    .description('compile an object ahead of time: a WebAssembly module, and a loader that runs it without AnyBPF')
    .argument('<object>', 'eBPF object file')
    .requiredOption('-o, --out <file>', `module to write, NAME${ENDING}; its loader is NAME.mjs, with its types`)
    .option('--program <name>', 'program to compile, by function or section name (repeatable); all without', collected)
    .option('--map <name=entries>', 'entries that a map has at first, as for anybpf run (repeatable)', collected)
    .option('--set <global=value>', 'value of a global variable (repeatable)', collected)
    .option('--budget <n>', 'instructions that one run may take', count)
    .option('--cpus <n>', 'CPUs that per-CPU maps have a value for', count, 1)
    .addOption(verifyOption('what is accepted becomes code without checks of accesses'))
    .option('--certificates', 'let the module carry what shows that its programs may run: see anybpf/aot/open')
    .option('--trusted', 'the object was verified elsewhere: leave out the checks of accesses')
    .option('--sign <key.pem>', 'sign the module with this private key (Ed25519, PEM)')
    .option('--json', 'print the record that the module carries')
    .action(async (file: string, options: CompileVerbOptions) => {
      const { out } = options;
      if (!out.endsWith(ENDING) || basename(out) === ENDING)
        fail(badOption({}, '--out', out, `the name of a module ends in ${ENDING}`));
      // Before the work: a key that is none.
      const key = options.sign === undefined ? undefined : readSigningKey(options.sign);
      const unsigned = await compiledObject(file, options);
      const compiled = key === undefined ? unsigned : { ...unsigned, wasm: signModule(unsigned.wasm, key) };
      writeAll(compiled, out);
      for (const notice of compiled.diagnostics) {
        if (notice.severity !== 'note') io.stderr.write(`anybpf: ${notice.severity}: ${formatDiagnostic(notice)}\n`);
      }
      io.stdout.write(options.json === true ? `${toJson(compiled.record, 2)}\n` : summary(compiled, out, io));
    });
};

async function compiledObject(file: string, options: CompileVerbOptions): Promise<CompiledModule> {
  const opened = await openObject(file);
  const spec = withSettings({ ...opened.spec, name: basename(file) }, options.set ?? []);
  const presets = await Promise.all((options.map ?? []).map((argument) => readPresets(spec, argument)));
  const entries = Object.fromEntries(
    presets.map(({ map, entries }) => [map.name, entries.map(({ key = NO_KEY, value }) => [key, value] as const)]),
  );
  return compileAhead(spec, {
    entries,
    host: memoryHost({ cpus: options.cpus }),
    verify: options.verify,
    trusted: options.trusted === true,
    certificates: options.certificates === true,
    producer: `anybpf ${version}`,
    ...(options.budget === undefined ? {} : { budget: options.budget }),
    ...(options.program === undefined
      ? {}
      : { programs: options.program.map((name) => programNamed(opened, name).name) }),
  });
}

/**
 * Each file is whole before the first takes its place, and the module comes last: whatever fails before, an older one stays with its
 * loader. Should only the last fail, the new loader refuses the old module.
 */
function writeAll(compiled: CompiledModule, out: string): void {
  const stem = out.slice(0, -ENDING.length);
  const encoder = new TextEncoder();
  const contents = [
    ...Object.entries(moduleFiles(compiled, basename(out))).map(
      ([ending, text]) => [stem + ending, encoder.encode(text)] as const,
    ),
    [out, compiled.wasm] as const,
  ];
  const files: OutputFile[] = [];
  try {
    for (const [name, bytes] of contents) {
      const file = new OutputFile(name);
      files.push(file);
      file.write(bytes);
    }
    for (const file of files) file.commit();
  } finally {
    for (const file of files) file[Symbol.dispose]();
  }
}

function summary({ wasm, record }: CompiledModule, out: string, io: Io): string {
  const paint = painter(io, io.stdout);
  const needed = [
    ...new Set(
      record.platform.imports
        .filter(({ number, intrinsic }) => number !== undefined && intrinsic === undefined)
        .map(({ name }) => name.replace(/^helper\./, '')),
    ),
  ];
  const helpers = needed.length === 0 ? 'none' : needed.join(', ');
  const checked = record.programs.filter(({ checkedAt }) => checkedAt === undefined).map(({ name }) => name);
  const none = record.options.trusted ? 'none, all are trusted' : 'none, all are verified';
  const checks = record.options.trusted || checked.length === 0 ? none : checked.join(', ');
  return `${paint('bold', out)}: ${wasm.length} bytes, ${record.programs.map(({ name }) => name).join(', ')}
  programs with checks of accesses: ${checks}
  helpers it asks its host for: ${helpers}
  digest ${record.digest}
`;
}
