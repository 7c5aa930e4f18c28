// netsh's commands one after the other on a context of the test, as in one process of netsh.
import { existsSync } from 'node:fs';
import path from 'node:path';
import sample from '../../examples/sample-extension/extension.ts';
import { knowExtensions } from '../../src/cli/extensions.ts';
import { Failed, type AddedObject, type Shell } from '../../src/cli/netsh/command.ts';
import { runNetsh, wordsOf } from '../../src/cli/netsh/netsh.ts';
import type { ContextOptions } from '../../src/context/context.ts';
import { createRuntime } from '../../src/context/create.ts';
import type { ContextSession } from '../../src/context/session.ts';
import { memoryHost, type MemoryHostOptions } from '../../src/hosts/memory/host.ts';
import { PROJECT_ROOT } from '../support/shared.ts';

// Many of the programs are of the sample extension's type.
knowExtensions(sample);

const FOLDER = 'test/windows/programs';

/** A program of these tests, by the name that commands call it: `tail_call.o`. Relative to the project, as tests are run in it. */
export const programFile = (name: string): string => `${FOLDER}/${name.replace(/\.o$/, '.bpf.o')}`;

export interface NetshOutcome {
  /** Both streams. */
  readonly output: string;
  readonly failed: boolean;
}

export interface NetshShell extends Shell, Disposable {
  readonly runtime: ContextSession;
  run(line: string): Promise<NetshOutcome>;
}

/** `ids`: those that were given before. On Windows all kinds of objects share one count, and some are taken before a test begins. */
export function netshShell(ids: ContextOptions['lastIds'] = {}, host: MemoryHostOptions = {}): NetshShell {
  const runtime = createRuntime({ pinForm: 'windows', lastIds: ids, providers: sample, host: memoryHost(host) });
  let output = '';
  const shell: NetshShell = {
    runtime,
    objects: new Set<AddedObject>(),
    write: (text) => {
      output += text;
    },
    session: async () => runtime,
    async run(line) {
      output = '';
      let failed = false;
      try {
        await runNetsh(shell, ['ebpf', ...wordsOf(withFolders(line))]);
      } catch (error) {
        if (!(error instanceof Failed)) throw error;
        output += error.text;
        failed = true;
      }
      return { output: withoutFolders(output), failed };
    },
    [Symbol.dispose]: () => runtime.context[Symbol.dispose](),
  };
  return shell;
}

const withFolders = (line: string): string =>
  line.replace(/\w+\.o\b/g, (name) =>
    existsSync(path.join(PROJECT_ROOT, programFile(name))) ? programFile(name) : name,
  );

const withoutFolders = (text: string): string => text.replaceAll(`${FOLDER}/`, '').replaceAll('.bpf.o', '.o');
