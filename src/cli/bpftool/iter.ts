// `anybpf iter`: iterators, where the context has them.
import { AnyBpfError } from '../../base/diagnostic.ts';
import { linkObject } from '../../link/link.ts';
import type { ObjectSpec } from '../../spec/object.ts';
import { readWhole } from '../files.ts';
import type { Words } from './arguments.ts';
import { noteOf, said, ToolError } from './errors.ts';
import { mapOf, pin } from './objects.ts';
import { type Answer, DONE } from './output.ts';
import { type Group, needOrUsage, type Tool, usage } from './tool.ts';
import { ERRNO } from '../../spec/errno.ts';

/** OBJ PATH [map MAP]: the object's first program, attached as an iterator and pinned. */
async function pinIterator(tool: Tool, words: Words): Promise<Answer> {
  needOrUsage(words, 2);
  const file = words.take();
  const path = words.take();
  const mapFd = words.skip('map') ? (await mapOf(tool, words.need(2))).fd : undefined;
  let object: Uint8Array;
  let spec: ObjectSpec;
  try {
    object = await readWhole(file);
    spec = linkObject(object, { name: file });
  } catch (error) {
    if (!(error instanceof AnyBpfError)) throw error;
    throw new ToolError(`can't open objfile ${file}`, -ERRNO.ENOENT, error, noteOf(error));
  }
  const loaded = await said(tool.call('object.load', { object, name: file }), () => `can't load objfile ${file}`);
  const [first] = loaded.programs;
  if (first === undefined) throw new ToolError(`can't find bpf program in objfile ${file}`, -ERRNO.ENOENT);
  const name = spec.programs.find((program) => program.name === first.name)?.attachTarget;
  const { fd } = await said(
    tool.call('link.create', {
      fd: first.fd,
      attachType: 'trace_iter',
      target: { ...(name === undefined ? {} : { name }), ...(mapFd === undefined ? {} : { mapFd }) },
    }),
    () => `attach_iter failed for program ${first.name}`,
  );
  await pin(tool, fd, path);
  return DONE;
}

const HELP = `% iter pin OBJ PATH [map MAP]
       % iter help

       MAP := { id MAP_ID | pinned FILE | name MAP_NAME }
`;

export const iterGroup: Group = {
  name: 'iter',
  about: "iterators, in bpftool's grammar: pin",
  commands: [
    ['help', usage],
    ['pin', pinIterator],
  ],
  help: HELP,
};
