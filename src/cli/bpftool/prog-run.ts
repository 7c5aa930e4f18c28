// `prog run`: BPF_PROG_TEST_RUN with files in and out.
import { writeFile } from 'node:fs/promises';
import { fail } from '../../base/diagnostic.ts';
import { wrongWords } from '../../base/messages/bpftool.ts';
import { ERRNO } from '../../spec/errno.ts';
import { strerror } from '../../spec/strerror.ts';
import type { Words } from './arguments.ts';
import { refuse, refuseFile, said } from './errors.ts';
import { programOf } from './objects.ts';
import { type Answer, dumpText, type Json } from './output.ts';
import { readBytes } from './read-file.ts';
import type { Tool } from './tool.ts';

type FileWord = 'data_in' | 'data_out' | 'ctx_in' | 'ctx_out';
type SizeWord = 'data_size_out' | 'ctx_size_out';

interface RunWords {
  readonly files: { readonly [W in FileWord]?: string };
  readonly sizes: { readonly [W in SizeWord]?: number };
  readonly repeat: number;
}

const FILES: readonly FileWord[] = ['data_in', 'data_out', 'ctx_in', 'ctx_out'];
const SIZES: readonly (readonly [word: SizeWord, what: string])[] = [
  ['data_size_out', 'output data size'],
  ['ctx_size_out', 'output context size'],
];

function runWords(words: Words): RunWords {
  let given: RunWords = { files: {}, sizes: {}, repeat: 1 };
  while (words.left > 0) {
    const file = FILES.find((word) => words.skip(word));
    const size = file === undefined ? SIZES.find(([word]) => words.skip(word)) : undefined;
    if (file !== undefined) {
      given = { ...given, files: { ...given.files, [file]: words.take() } };
    } else if (size !== undefined) {
      given = { ...given, sizes: { ...given.sizes, [size[0]]: words.u32(size[1]) } };
    } else if (words.skip('repeat')) {
      given = { ...given, repeat: words.u32('repeat number') };
    } else {
      fail(
        wrongWords(
          {},
          "expected no more arguments, 'data_in', 'data_out', 'data_size_out', 'ctx_in', 'ctx_out', " +
            `'ctx_size_out' or 'repeat', got: '${words.next}'?`,
        ),
      );
    }
  }
  return given;
}

const inputOf = async (file: string | undefined, { io }: Tool): Promise<Uint8Array | undefined> =>
  file === undefined ? undefined : readBytes(file, io, `failed to open ${file}`);

/** What is larger than the room that was asked for is refused, as the kernel does. */
function fits(data: Uint8Array | undefined, room: number | undefined): void {
  if (data !== undefined && room !== undefined && data.length > room) {
    refuse(`failed to run program: ${strerror(ERRNO.ENOSPC)}`, -ERRNO.ENOSPC);
  }
}

export async function runProgram(tool: Tool, words: Words): Promise<Answer> {
  const { fd } = await programOf(tool, words.need(4));
  const { files, sizes, repeat } = runWords(words);
  const data = await inputOf(files.data_in, tool);
  const ctx = await inputOf(files.ctx_in, tool);
  const result = await said(
    tool.call('prog.testRun', {
      fd,
      repeat,
      ...(data === undefined ? {} : { data }),
      ...(ctx === undefined ? {} : { ctx }),
    }),
    (why) => `failed to run program: ${why}`,
  );
  fits(result.data, sizes.data_size_out);
  fits(result.ctx, sizes.ctx_size_out);
  const shown = [
    { name: 'data_out', bytes: await put(files.data_out, result.data) },
    { name: 'ctx_out', bytes: await put(files.ctx_out, result.ctx) },
  ].flatMap(({ name, bytes }) => (bytes === undefined ? [] : [{ name, bytes }]));
  return {
    json: () => ({
      ...Object.fromEntries(shown.map(({ name, bytes }): [string, Json] => [name, Array.from(bytes)])),
      retval: result.retval >>> 0,
      duration: result.duration,
    }),
    text: () =>
      `${shown.map(({ bytes }) => dumpText(bytes)).join('')}` +
      `Return value: ${result.retval >>> 0}, duration${repeat > 1 ? ' (average)' : ''}: ${result.duration}ns\n`,
  };
}

/** Writes the bytes to a file; `-` gives them back, to be shown. */
async function put(file: string | undefined, bytes: Uint8Array | undefined): Promise<Uint8Array | undefined> {
  if (file === undefined || bytes === undefined) return undefined;
  if (file === '-') return bytes.length === 0 ? undefined : bytes;
  await writeFile(file, bytes).catch((error: NodeJS.ErrnoException) => refuseFile(`failed to open ${file}`, error));
  return undefined;
}
