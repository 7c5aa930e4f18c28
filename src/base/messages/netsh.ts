// Lines that are none of netsh's; the sentences are netsh's own.
import { message } from '../diagnostic.ts';

const HINT = { hint: 'see anybpf netsh ebpf help' } as const;

export const commandNotFound = message(
  'cli/netsh-command',
  (line: string) => `the following command was not found: ${line}`,
  HINT,
);

export const ambiguousCommand = message(
  'cli/netsh-command',
  (word: string, choices: readonly string[]) => `${word} is short for more than one: ${choices.join(', ')}`,
  HINT,
);

export const notATag = message(
  'cli/netsh-syntax',
  (word: string, usage: string) => `${word} is not a valid argument for this command: ${usage}`,
  HINT,
);

export const missingTag = message(
  'cli/netsh-syntax',
  (tag: string, usage: string) => `one or more essential parameters were not entered (${tag}): ${usage}`,
  HINT,
);

export const tagTwice = message(
  'cli/netsh-syntax',
  (tag: string, usage: string) => `the parameter ${tag} is given twice: ${usage}`,
  HINT,
);

export const notAValue = message(
  'cli/netsh-syntax',
  (value: string, tag: string, values: string) => `${value} is not an acceptable value for ${tag}: ${values}`,
  HINT,
);
