// `anybpf map`: maps as bpftool shows and makes them.
import { fail } from '../../base/diagnostic.ts';
import { wrongWords } from '../../base/messages/bpftool.ts';
import { MAP_TYPES, type MapTypeName } from '../../spec/map-types.ts';
import type { MapCreate, MapInfo } from '../../spec/session.ts';
import type { Words } from './arguments.ts';
import { ToolError, said } from './errors.ts';
import { deviceIndex } from './devices.ts';
import { eventPipe } from './event-pipe.ts';
import { dumpMaps } from './map-dump.ts';
import { deleteElement, lookupElement, nextKey, popElement, updateElement } from './map-elements.ts';
import { all, mapOf, mapsOf, pin, pinOf } from './objects.ts';
import { alternatives, type Answer, DONE, type Json, listed } from './output.ts';
import type { Group, Run, Tool } from './tool.ts';

const mapJson = (tool: Tool, info: MapInfo, pins: boolean): Json => ({
  id: info.id,
  type: info.type,
  name: info.name === '' ? undefined : info.name,
  flags: info.flags,
  bytes_key: info.keySize,
  bytes_value: info.valueSize,
  max_entries: info.maxEntries,
  ...(tool.windows
    ? {}
    : {
        bytes_memlock: info.memory,
        frozen: info.frozen ? 1 : 0,
        btf_id: info.btfId === 0 ? undefined : info.btfId,
      }),
  pinned: pins ? info.pins : undefined,
});

function mapText(tool: Tool, info: MapInfo, pins: boolean): string {
  const name = info.name === '' ? '' : `name ${info.name}  `;
  const memory = tool.windows ? '' : `  memlock ${info.memory}B`;
  const marks = tool.windows
    ? []
    : [...(info.btfId === 0 ? [] : [`btf_id ${info.btfId}`]), ...(info.frozen ? ['frozen'] : [])];
  return [
    `${info.id}: ${info.type}  ${name}flags 0x${info.flags.toString(16)}`,
    `\tkey ${info.keySize}B  value ${info.valueSize}B  max_entries ${info.maxEntries}${memory}`,
    ...(pins ? info.pins.map((path) => `\tpinned ${path}`) : []),
    ...(marks.length === 0 ? [] : [`\t${marks.join('  ')}`]),
    '',
  ].join('\n');
}

/** `pins`: whether any map of the context is pinned, which is when bpftool's -f shows them. */
const shownMap = (tool: Tool, info: MapInfo, pins: boolean): Answer => ({
  json: () => mapJson(tool, info, pins),
  text: () => mapText(tool, info, pins),
});

async function anyPinned(tool: Tool): Promise<boolean> {
  if (!tool.options.bpffs) return false;
  const { pins } = await tool.call('object.pins', {});
  return pins.some(({ kind }) => kind === 'map');
}

async function show(tool: Tool, words: Words): Promise<Answer> {
  const pins = await anyPinned(tool);
  if (words.left === 2) {
    const found = await mapsOf(tool, words);
    const answers = found.map(({ info }) => shownMap(tool, info, pins));
    return answers.length === 1 ? answers[0] : listed(answers);
  }
  words.end();
  const answers: Answer[] = [];
  for await (const { info } of all(tool, 'map')) answers.push(shownMap(tool, info, pins));
  return listed(answers);
}

/** bpftool's names, and the kernel's numbers in decimal. */
function typeOf(word: string): MapTypeName {
  const names = Object.keys(MAP_TYPES) as MapTypeName[];
  const found = names.find((name) => name === word);
  return found ?? fail(wrongWords({}, `unrecognized map type: ${word}`));
}

type Attributes = { -readonly [A in keyof MapCreate]?: MapCreate[A] };

type Attribute = (attributes: Attributes, words: Words, tool: Tool) => void | Promise<void>;

/** A number that may be said only once; 0 stands for not yet, as in bpftool. */
const numberOnce =
  (name: 'keySize' | 'valueSize' | 'maxEntries' | 'flags', what: string): Attribute =>
  (attributes, words) => {
    if ((attributes[name] ?? 0) !== 0) fail(wrongWords({}, `${what} already specified`));
    attributes[name] = words.u32(what);
  };

const ATTRIBUTES: readonly (readonly [keyword: string, read: Attribute])[] = [
  [
    'type',
    (attributes, words) => {
      if (attributes.type !== undefined) fail(wrongWords({}, 'map type already specified'));
      attributes.type = typeOf(words.take());
    },
  ],
  [
    'name',
    (attributes, words) => {
      attributes.name = words.take();
    },
  ],
  ['key', numberOnce('keySize', 'key size')],
  ['value', numberOnce('valueSize', 'value size')],
  ['entries', numberOnce('maxEntries', 'max entries')],
  ['flags', numberOnce('flags', 'flags')],
  [
    'dev',
    (_, words) => {
      const name = words.take();
      if (deviceIndex(name) === undefined) fail(wrongWords({}, `unrecognized netdevice '${name}': No such device`));
      throw new ToolError('offload of maps to a device has no meaning here');
    },
  ],
  [
    'inner_map',
    async (attributes, words, tool) => {
      attributes.innerFd = (await mapOf(tool, words.need(2))).fd;
    },
  ],
];

async function create(tool: Tool, words: Words): Promise<Answer> {
  const path = words.need(7).take();
  const attributes: Attributes = {};
  while (words.left > 0) {
    words.need(2);
    const attribute = ATTRIBUTES.find(([keyword]) => words.skip(keyword));
    if (attribute === undefined) fail(wrongWords({}, `unknown arg ${words.next}`));
    await attribute[1](attributes, words, tool);
  }
  const { name, type, ...sizes } = attributes;
  if (name === undefined) return fail(wrongWords({}, 'map name not specified'));
  if (type === undefined) return fail(wrongWords({}, 'map type not specified'));
  const { fd } = await said(
    tool.call('map.create', {
      keySize: 0,
      valueSize: 0,
      maxEntries: 0,
      ...sizes,
      name,
      type,
      ...(tool.windows ? { dialect: 'windows' } : {}),
    }),
    (why) => `map create failed: ${why}`,
    -1,
  );
  await pin(tool, fd, path);
  return DONE;
}

const freeze: Run = async (tool, words) => {
  const { fd } = await mapOf(tool, words.need(2));
  words.end();
  await said(tool.call('map.freeze', { fd }), (why) => `failed to freeze map: ${why}`);
  return DONE;
};

const HELP = `% map { show | list }   [MAP]
       % map create     FILE type TYPE key KEY_SIZE value VALUE_SIZE \\
                                  entries MAX_ENTRIES name NAME [flags FLAGS] \\
                                  [inner_map MAP] [dev NAME]
       % map dump       MAP
       % map update     MAP [key DATA] [value VALUE] [UPDATE_FLAGS]
       % map lookup     MAP [key DATA]
       % map getnext    MAP [key DATA]
       % map delete     MAP  key DATA
       % map pin        MAP  FILE
       % map event_pipe MAP [cpu N index M]
       % map peek       MAP
       % map push       MAP value VALUE
       % map pop        MAP
       % map enqueue    MAP value VALUE
       % map dequeue    MAP
       % map freeze     MAP
       % map help

       MAP := { id MAP_ID | pinned FILE | name MAP_NAME }
       DATA := { [hex] BYTES }
       PROG := { id PROG_ID | pinned FILE | tag PROG_TAG | name PROG_NAME }
       VALUE := { DATA | MAP | PROG }
       UPDATE_FLAGS := { any | exist | noexist }
       TYPE := { ${alternatives(Object.keys(MAP_TYPES))} }
`;

export const mapGroup: Group = {
  name: 'map',
  about: "maps, in bpftool's grammar: show, create, dump, update, lookup, pin, ...",
  commands: [
    ['show', show],
    ['list', show],
    ['dump', dumpMaps],
    ['update', updateElement],
    ['lookup', lookupElement],
    ['getnext', nextKey],
    ['delete', deleteElement],
    ['pin', pinOf(mapOf)],
    ['event_pipe', eventPipe],
    ['create', create],
    ['peek', lookupElement],
    ['push', updateElement],
    ['enqueue', updateElement],
    ['pop', popElement],
    ['dequeue', popElement],
    ['freeze', freeze],
  ],
  help: HELP,
};
