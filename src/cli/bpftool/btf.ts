// `anybpf btf`: types of objects, and of files.
import { AnyBpfError, fail } from '../../base/diagnostic.ts';
import { wrongWords } from '../../base/messages/bpftool.ts';
import type { Btf } from '../../btf/btf.ts';
import { decodeBtf } from '../../btf/decode.ts';
import { formatC } from '../../btf/format-c.ts';
import { formatRawType } from '../../btf/format-raw.ts';
import { ERRNO } from '../../spec/errno.ts';
import type { BtfInfo, Id } from '../../spec/session.ts';
import { strerror } from '../../spec/strerror.ts';
import type { Words } from './arguments.ts';
import { btfOf } from './btf-objects.ts';
import { typeJson } from './btf-json.ts';
import { refuse, ToolError } from './errors.ts';
import { all, byId, mapOf, programOf } from './objects.ts';
import { type Answer, type Json, listed } from './output.ts';
import { readBtf } from './read-file.ts';
import { type Group, needOrUsage, type Tool } from './tool.ts';

const btfJson = (info: BtfInfo): Json => ({
  id: info.id,
  size: info.size,
  prog_ids: info.progIds,
  map_ids: info.mapIds,
  kernel: info.kernel,
  name: info.name === '' ? undefined : info.name,
});

function btfText(info: BtfInfo): string {
  const name = info.name === '' ? '<anon>' : info.kernel ? `[${info.name}]` : info.name;
  const users = [
    ['prog_ids', info.progIds],
    ['map_ids', info.mapIds],
  ] as const;
  const used = users.map(([word, ids]) => (ids.length === 0 ? '' : `  ${word} ${ids.join(',')}`)).join('');
  return `${info.id}: name ${name}  size ${info.size}B${used}\n`;
}

const shown = (info: BtfInfo): Answer => ({ json: () => btfJson(info), text: () => btfText(info) });

async function show(tool: Tool, words: Words): Promise<Answer> {
  if (words.left === 2) {
    if (!words.skip('id')) words.unknown();
    return shown((await byId(tool, 'btf', words.u32('ID'))).info);
  }
  words.end();
  const answers: Answer[] = [];
  for await (const { info } of all(tool, 'btf')) answers.push(shown(info));
  return listed(answers);
}

/** Types, and which of them are meant: all of their own where `roots` is absent. */
interface Source {
  readonly btf: Btf;
  readonly roots?: readonly number[];
}

async function ofObject(tool: Tool, id: Id): Promise<Btf> {
  const btf = await btfOf(tool, id);
  if (btf !== undefined) return btf;
  const why = strerror(ERRNO.ENOENT);
  tool.note(`Error: can't get BTF object by id (${id}): ${why}\n`);
  return refuse(`get btf by id (${id}): ${why}`, -ERRNO.ENOENT);
}

/** BTF_SRC := { id BTF_ID | prog PROG | map MAP [{key | value | kv | all}] | file FILE } */
async function sourceOf(tool: Tool, words: Words): Promise<Source> {
  needOrUsage(words, 2);
  if (words.skip('map')) {
    const { info } = await mapOf(tool, words.need(2));
    const parts = { key: [info.keyTypeId], value: [info.valueTypeId], kv: [info.keyTypeId, info.valueTypeId] } as const;
    const part = (['key', 'value', 'kv'] as const).find((word) => words.skip(word));
    const everything = part === undefined && words.skip('all');
    const btf = await ofObject(tool, info.btfId);
    return everything ? { btf } : { btf, roots: parts[part ?? 'kv'].filter((id) => id !== 0) };
  }
  if (words.skip('prog')) return { btf: await ofObject(tool, (await programOf(tool, words.need(2))).info.btfId) };
  if (words.skip('id')) return { btf: await ofObject(tool, words.u32('ID')) };
  if (words.skip('file')) return { btf: await btfFile(words.take(), await baseOf(tool)) };
  return fail(wrongWords({}, `unrecognized BTF source specifier: '${words.next}'`));
}

const baseOf = async (tool: Tool): Promise<Btf | undefined> =>
  tool.options.baseBtf === undefined ? undefined : btfFile(tool.options.baseBtf, undefined);

async function btfFile(file: string, base: Btf | undefined): Promise<Btf> {
  const what = `failed to load BTF from ${file}`;
  try {
    const raw = await readBtf(file, what);
    return decodeBtf(raw, { place: { file }, ...(base === undefined ? {} : { base }) });
  } catch (error) {
    if (!(error instanceof AnyBpfError) || error instanceof ToolError) throw error;
    throw new ToolError(`${what}: ${error.diagnostic.message}`, -ERRNO.EINVAL, error);
  }
}

type Format = 'raw' | 'c';

function formatOf(words: Words): Format {
  let format: Format = 'raw';
  while (words.left > 0) {
    if (!words.skip('format')) return refuse(`unrecognized option: '${words.next}'`, -ERRNO.EINVAL);
    const found = (['c', 'raw'] as const).find((word) => word === words.next);
    if (found === undefined) {
      return refuse(`unrecognized format specifier: '${words.next ?? ''}', possible values: raw, c`, -ERRNO.EINVAL);
    }
    words.take();
    format = found;
  }
  return format;
}

async function dump(tool: Tool, words: Words): Promise<Answer> {
  const { btf, roots } = await sourceOf(tool, words);
  const format = formatOf(words);
  if (format === 'c') {
    if (tool.options.json) return refuse('JSON output for C-syntax dump is not supported', -ERRNO.EOPNOTSUPP);
    return { json: () => null, text: () => C_HEAD + formatC(btf, roots) + C_FOOT };
  }
  const ids = roots ?? Array.from({ length: btf.count - btf.firstId }, (_, i) => btf.firstId + i);
  return {
    json: () => ({ types: ids.map((id) => typeJson(btf, id)) }),
    text: () => ids.map((id) => `${formatRawType(btf, id)}\n`).join(''),
  };
}

/** What makes a header of the definitions, whose accesses clang then records for CO-RE. */
const C_HEAD = `#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)
#endif

`;
const C_FOOT = `#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute pop
#endif

#endif /* __VMLINUX_H__ */
`;

const HELP = `% btf { show | list } [id BTF_ID]
       % btf dump BTF_SRC [format FORMAT]
       % btf help

       BTF_SRC := { id BTF_ID | prog PROG | map MAP [{key | value | kv | all}] | file FILE }
       FORMAT  := { raw | c }
       MAP := { id MAP_ID | pinned FILE | name MAP_NAME }
       PROG := { id PROG_ID | pinned FILE | tag PROG_TAG | name PROG_NAME }
       With -B FILE, or --base-btf FILE, types that those of a file continue
`;

export const btfGroup: Group = {
  name: 'btf',
  about: "types of objects and files, in bpftool's grammar: show, dump",
  commands: [
    ['show', show],
    ['list', show],
    ['dump', dump],
  ],
  help: HELP,
};
