// anybpf gen: TypeScript for objects, and the part of a kernel's BTF that they need.
import { basename } from 'node:path';
import { fail } from '../../base/diagnostic.ts';
import { noBtf } from '../../base/messages/cli.ts';
import { decodeBtf } from '../../btf/decode.ts';
import { type CoreNeeds, minimalBtf } from '../../btf/minimal.ts';
import { sectionByName } from '../../elf/lookup.ts';
import { isElf, readElfSections } from '../../elf/read.ts';
import { linkObject } from '../../link/link.ts';
import { generateSkeleton } from '../../skeleton/generate/file.ts';
import { readWhole } from '../files.ts';
import { OutputFile } from '../output-file.ts';
import { version } from '../version.ts';
import { isPrefix, type Words } from './arguments.ts';
import { refuse } from './errors.ts';
import { type Answer, DONE } from './output.ts';
import { type Group, type Tool, usage } from './tool.ts';

/** As in bpftool: MAX_OBJ_NAME_LEN with its NUL. */
const LONGEST_NAME = 63;

/** `skeleton FILE [name NAME] [external]` */
async function skeleton(_: Tool, words: Words): Promise<Answer> {
  words.need(1);
  const file = words.take();
  let name: string | undefined;
  let embed = true;
  while (words.left > 0) {
    if (isPrefix(words.next, 'name')) {
      words.take();
      if (words.left === 0 || name !== undefined) usage();
      name = words.take();
      if (name.length > LONGEST_NAME) refuse(`object name '${name}' is too long`);
      if (!/^[A-Za-z_$][\w$]*$/.test(name)) refuse(`object name '${name}' is no identifier`);
    } else if (words.skip('external')) {
      embed = false;
    } else {
      words.unknown();
    }
  }
  const text = await generateSkeleton(await readWhole(file), {
    file,
    embed,
    producer: `anybpf ${version} gen skeleton`,
    ...(name === undefined ? {} : { name }),
  });
  return { json: () => ({ file: basename(file), skeleton: text }), text: () => text };
}

/** `min_core_btf INPUT OUTPUT OBJECT...`: BTF as raw bytes or in an ELF file's .BTF. */
async function minCoreBtf(_: Tool, words: Words): Promise<Answer> {
  words.need(3);
  const [input, output] = [words.take(), words.take()];
  const target = decodeBtf(btfBytes(await readWhole(input), input), { place: { file: input } });
  const objects: CoreNeeds[] = [];
  while (words.left > 0) {
    const file = words.take();
    const { btf, programs } = linkObject(await readWhole(file), { name: file });
    if (btf === undefined) fail(noBtf({ file }));
    else objects.push({ btf, relocations: programs.flatMap(({ core }) => core.map(({ relocation }) => relocation)) });
  }
  const bytes = minimalBtf(target, objects);
  using out = new OutputFile(output);
  out.write(bytes);
  out.commit();
  return DONE;
}

function btfBytes(bytes: Uint8Array, file: string): Uint8Array {
  if (!isElf(bytes)) return bytes;
  return sectionByName(readElfSections(bytes), '.BTF')?.data ?? fail(noBtf({ file }));
}

const notBuilt = (what: string, instead: string) => (): never => refuse(`gen ${what} is not there: ${instead}`);

export const genGroup: Group = {
  name: 'gen',
  about: 'TypeScript for objects: typed programs, maps and globals',
  commands: [
    [
      'object',
      notBuilt('object', "objects are linked by clang or bpftool; anybpf takes the outcome of 'bpftool gen object'"),
    ],
    ['skeleton', skeleton],
    [
      'subskeleton',
      notBuilt('subskeleton', 'a subskeleton is for C libraries inside of an object; a skeleton has all that is in it'),
    ],
    ['min_core_btf', minCoreBtf],
    ['help', usage],
  ],
  help: `% gen skeleton FILE [name OBJECT_NAME] [external]
       % gen object OUTPUT_FILE INPUT_FILE [INPUT_FILE...]
       % gen subskeleton FILE [name OBJECT_NAME]
       % gen min_core_btf INPUT OUTPUT OBJECT [OBJECT...]
       % gen help

       skeleton writes TypeScript to standard output; with external it does not
       carry the object, and open() takes its bytes.
`,
};
