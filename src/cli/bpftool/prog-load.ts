// `prog load` and `prog loadall`: an object's programs, pinned or attached.
import path from 'node:path';
import { AnyBpfError, fail } from '../../base/diagnostic.ts';
import { wrongWords } from '../../base/messages/bpftool.ts';
import { linkObject } from '../../link/link.ts';
import { LIBBPF_SECTIONS, rulePrefix, sectionRule, WINDOWS_SECTIONS } from '../../link/sections.ts';
import type { ObjectSpec } from '../../spec/object.ts';
import type { Fd, LoadedObjectInfo, ProgramChange } from '../../spec/session.ts';
import { readWhole } from '../files.ts';
import { attachSpec } from './attach.ts';
import type { Words } from './arguments.ts';
import { deviceIndex } from './devices.ts';
import { noteOf, refuse, said, ToolError } from './errors.ts';
import { mapOf } from './objects.ts';
import { type Answer, DONE } from './output.ts';
import { readBtf } from './read-file.ts';
import type { Tool } from './tool.ts';

/** What `type` takes: section names, as libbpf and eBPF for Windows know them. */
export const SECTION_TYPES: readonly string[] = [
  ...new Set([...LIBBPF_SECTIONS, ...WINDOWS_SECTIONS].map((rule) => rulePrefix(rule))),
];

/** A map of the session in the place of one of the object's. */
type Replacement = ({ readonly name: string } | { readonly index: number }) & { readonly fd: Fd };

interface LoadWords {
  readonly file: string;
  readonly target: string;
  readonly type?: string;
  readonly maps: readonly Replacement[];
  readonly pinMaps?: string;
  readonly autoAttach: boolean;
  readonly kernelBtf?: string;
}

async function loadWords(tool: Tool, words: Words): Promise<LoadWords> {
  const file = words.need(2).take();
  const target = words.take();
  let rest: Omit<LoadWords, 'file' | 'target'> = { maps: [], autoAttach: false };
  while (words.left > 0) {
    if (words.skip('type')) {
      if (rest.type !== undefined) fail(wrongWords({}, 'program type already specified'));
      rest = { ...rest, type: words.take() };
    } else if (words.skip('map')) {
      rest = { ...rest, maps: [...rest.maps, await replacementOf(tool, words, rest.maps)] };
    } else if (words.skip('dev')) {
      const name = words.take();
      if (deviceIndex(name) === undefined) fail(wrongWords({}, `unrecognized netdevice '${name}': No such device`));
      refuse('offload of programs to a device has no meaning here');
    } else if (words.skip('pinmaps')) {
      rest = { ...rest, pinMaps: words.take() };
    } else if (words.skip('autoattach')) {
      rest = { ...rest, autoAttach: true };
    } else if (words.skip('kernel_btf')) {
      rest = { ...rest, kernelBtf: words.take() };
    } else {
      fail(wrongWords({}, `expected no more arguments, 'type', 'map' or 'dev', got: '${words.next}'?`));
    }
  }
  return { file, target, ...rest };
}

/** { idx IDX | name NAME } MAP */
async function replacementOf(tool: Tool, words: Words, before: readonly Replacement[]): Promise<Replacement> {
  words.need(4);
  if (words.skip('idx')) {
    const index = words.u32('idx');
    if (before.some((other) => 'index' in other && other.index === index)) {
      fail(wrongWords({}, `duplicate map replacement for idx ${index}`));
    }
    return { index, fd: (await mapOf(tool, words)).fd };
  }
  if (words.skip('name')) {
    const name = words.take();
    if (before.some((other) => 'name' in other && other.name === name)) {
      fail(wrongWords({}, `duplicate map replacement for name '${name}'`));
    }
    return { name, fd: (await mapOf(tool, words)).fd };
  }
  return fail(wrongWords({}, `expected 'idx' or 'name', got: '${words.next}'?`));
}

/** bpftool's sentence, and ours about the object before it. */
const failed = (sentence: string, error: unknown): never => {
  if (!(error instanceof AnyBpfError)) throw error;
  throw new ToolError(sentence, -1, error, noteOf(error));
};

async function open(file: string): Promise<{ readonly object: Uint8Array; readonly spec: ObjectSpec }> {
  try {
    const object = await readWhole(file);
    return { object, spec: linkObject(object, { name: file }) };
  } catch (error) {
    return failed('failed to open object file', error);
  }
}

function mapChanges(spec: ObjectSpec, replacements: readonly Replacement[]): Record<string, { reuseFd: Fd }> {
  return Object.fromEntries(
    replacements.map((replacement): [string, { reuseFd: Fd }] => {
      const { fd } = replacement;
      if ('name' in replacement) {
        const known = spec.maps.some(({ name }) => name === replacement.name);
        return known ? [replacement.name, { reuseFd: fd }] : refuse(`unable to find map '${replacement.name}'`);
      }
      const map = spec.maps.at(replacement.index);
      return map === undefined ? refuse(`map idx '${replacement.index}' not used`) : [map.name, { reuseFd: fd }];
    }),
  );
}

/** One type for all programs of the object. */
function typeChanges(spec: ObjectSpec, type: string | undefined): Record<string, ProgramChange> {
  if (type === undefined) return {};
  const rule = sectionRule(type, spec.dialect)?.rule;
  if (rule === undefined) return refuse(`failed to guess program type from section '${type}'`);
  const change: ProgramChange = {
    type: rule.type,
    ...(rule.attachType === undefined ? {} : { attachType: rule.attachType }),
  };
  return Object.fromEntries(spec.programs.map(({ name }) => [name, change]));
}

/** Names in the file system of pins have no points. */
const pinName = (name: string): string => name.replaceAll('.', '_');

interface Pin {
  readonly fd: Fd;
  readonly path: string;
  /** Said where it is refused. */
  readonly sentence: string;
}

/** Pins all or none. */
async function pinAll(tool: Tool, pins: readonly Pin[]): Promise<void> {
  const done: string[] = [];
  for (const { fd, path, sentence } of pins) {
    try {
      await tool.call('object.pin', { fd, path });
      done.push(path);
    } catch (error) {
      for (const path of done) await tool.call('object.unpin', { path }).catch(() => undefined);
      failed(sentence, error);
    }
  }
}

async function load(tool: Tool, words: Words, firstOnly: boolean): Promise<Answer> {
  const given = await loadWords(tool, words);
  const { object, spec } = await open(given.file);
  const types = typeChanges(spec, given.type);
  const maps = mapChanges(spec, given.maps);
  let loaded: LoadedObjectInfo;
  try {
    loaded = await tool.call('object.load', {
      object,
      name: given.file,
      types,
      maps,
      ...(given.kernelBtf === undefined ? {} : { btf: await readBtf(given.kernelBtf, 'failed to parse kernel BTF') }),
    });
  } catch (error) {
    return failed('failed to load object file', error);
  }
  const [first] = loaded.programs;
  if (first === undefined) return refuse("object file doesn't contain any bpf program");
  const programs = firstOnly ? [first] : loaded.programs;
  const pathOf = (name: string): string => (firstOnly ? given.target : `${given.target}/${pinName(name)}`);
  const sentence = firstOnly ? `failed to pin program ${first.section}` : 'failed to pin all programs';
  const attached = given.autoAttach ? await attachAll(tool, spec, programs) : programs;
  const pins = attached.map(({ fd, name }) => ({ fd, path: pathOf(name), sentence }));
  await pinAll(tool, [...pins, ...mapPins(loaded, given.pinMaps, new Set(Object.keys(maps)))]);
  return DONE;
}

/** The object's maps in a folder, but for those that were there before. */
function mapPins(loaded: LoadedObjectInfo, folder: string | undefined, reused: ReadonlySet<string>): Pin[] {
  if (folder === undefined) return [];
  return loaded.maps
    .filter(({ name }) => !reused.has(name))
    .map(({ fd, name }) => ({
      fd,
      path: path.posix.join(folder, pinName(name)),
      sentence: 'failed to pin all maps',
    }));
}

/** Links of the programs, to be pinned in their place; programs whose section says no target stay themselves. */
async function attachAll(
  tool: Tool,
  spec: ObjectSpec,
  programs: LoadedObjectInfo['programs'],
): Promise<{ readonly name: string; readonly fd: Fd }[]> {
  const attached: { readonly name: string; readonly fd: Fd }[] = [];
  for (const { name, fd } of programs) {
    const program = spec.programs.find((each) => each.name === name);
    const attachment = program === undefined ? undefined : attachSpec(program);
    if (attachment === undefined) {
      tool.note(`Program ${name} does not support autoattach, falling back to pinning\n`);
      attached.push({ name, fd });
      continue;
    }
    const link = await said(
      tool.call('link.create', { fd, ...attachment }),
      (why) => `failed to autoattach program ${name}: ${why}`,
    );
    attached.push({ name, fd: link.fd });
  }
  return attached;
}

export const loadFirst = (tool: Tool, words: Words): Promise<Answer> => load(tool, words, true);
export const loadAll = (tool: Tool, words: Words): Promise<Answer> => load(tool, words, false);
