// show hash: the digest that an ahead-of-time module carries, as native images of Windows do theirs.
import { checkedRecord } from '../../aot/loader/check.ts';
import { AotError } from '../../aot/loader/errors.ts';
import { readWhole } from '../files.ts';
import { command, refuse } from './command.ts';
import { isAbsent } from './objects.ts';

/** Bytes in a line. */
const LINE = 16;

export const showHash = command({
  group: 'show',
  noun: 'hash',
  summary: 'Shows the hash of a module that was compiled ahead of time.',
  tags: { filename: { required: true }, hashonly: {} },
  async run(shell, { filename, hashonly }) {
    const bytes = await readWhole(filename).catch((error: unknown) =>
      isAbsent(error) ? refuse(`error: No such file or directory opening ${filename}`) : Promise.reject(error),
    );
    const digest = await digestIn(bytes, filename);
    if (hashonly !== undefined) return shell.write(`${digest.toUpperCase()}\n`);
    const pairs = digest.match(/../g) ?? [];
    const lines = Array.from({ length: Math.ceil(pairs.length / LINE) }, (_, i) =>
      pairs.slice(i * LINE, (i + 1) * LINE).join(' '),
    );
    shell.write(`Hash for ${filename}:\nSize: ${pairs.length} bytes\nData: ${lines.join(' \n      ')}\n`);
  },
});

/** Hexadecimal. */
async function digestIn(bytes: Uint8Array, file: string): Promise<string> {
  try {
    return (await checkedRecord(bytes)).digest ?? '';
  } catch (error) {
    if (!(error instanceof AotError)) throw error;
    const none = error.code === 'aot/not-a-module';
    return refuse(none ? `No hash section found in ${file}` : `Error reading hash from ${file}: ${error.message}`);
  }
}
