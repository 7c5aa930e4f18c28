// `anybpf struct_ops`: maps of that type. Nothing here calls their functions as a kernel does.
import type { MapInfo } from '../../spec/session.ts';
import { linkObject } from '../../link/link.ts';
import { readWhole } from '../files.ts';
import type { Words } from './arguments.ts';
import { refuse } from './errors.ts';
import { dumpOf } from './map-dump.ts';
import { all, byId, type Opened } from './objects.ts';
import { type Answer, type Json, listed } from './output.ts';
import type { Group, Run, Tool } from './tool.ts';

const isStructOps = (info: MapInfo): boolean => info.type === 'struct_ops';

/** [ id ID | name NAME ]; all where nothing is said. */
async function wanted(tool: Tool, words: Words): Promise<Opened<MapInfo>[]> {
  if (words.skip('id')) {
    const map = await byId(tool, 'map', words.u32('ID'), "can't get map by id");
    return isStructOps(map.info) ? [map] : refuse(`${map.info.name} id ${map.info.id} is not a struct_ops map`);
  }
  const name = words.left === 0 ? undefined : words.skip('name') ? words.take() : words.unknown();
  const found: Opened<MapInfo>[] = [];
  for await (const { fd, info } of all(tool, 'map')) {
    if (!isStructOps(info) || (name !== undefined && info.name !== name)) continue;
    found.push({ ...(await tool.call('object.duplicate', { fd })), info });
  }
  return found;
}

const mapJson = ({ id, name }: MapInfo): Json => ({ id, name });

async function show(tool: Tool, words: Words): Promise<Answer> {
  const one = words.left > 0;
  const answers = (await wanted(tool, words)).map(
    ({ info }): Answer => ({ json: () => mapJson(info), text: () => `${info.id}: ${info.name}\n` }),
  );
  return one && answers.length === 1 ? answers[0] : listed(answers);
}

async function dump(tool: Tool, words: Words): Promise<Answer> {
  const answers: Answer[] = [];
  for (const map of await wanted(tool, words)) answers.push(await dumpOf(tool, [map]));
  return {
    json: () => answers.map((answer) => answer.json() ?? null),
    text: () => (answers.length === 0 ? '[]\n' : listed(answers).text()),
  };
}

const NO_KERNEL = 'struct_ops are functions that a kernel calls; there is none here to register them with';

/** Says first what is wrong with the object, as bpftool would. */
const register: Run = async (_, words) => {
  const file = words.need(1).take();
  const { maps } = linkObject(await readWhole(file), { name: file });
  return refuse(maps.some(({ type }) => type === 'struct_ops') ? NO_KERNEL : `no struct_ops found in ${file}`);
};

const unregister: Run = async (tool, words) => {
  await wanted(tool, words);
  return refuse(NO_KERNEL);
};

const HELP = `% struct_ops { show | list } [STRUCT_OPS_MAP]
       % struct_ops dump [STRUCT_OPS_MAP]
       % struct_ops register OBJ
       % struct_ops unregister STRUCT_OPS_MAP
       % struct_ops help

       STRUCT_OPS_MAP := [ id STRUCT_OPS_MAP_ID | name STRUCT_OPS_MAP_NAME ]
`;

export const structOpsGroup: Group = {
  name: 'struct_ops',
  about: "maps of functions, in bpftool's grammar: show, dump",
  commands: [
    ['show', show],
    ['list', show],
    ['register', register],
    ['unregister', unregister],
    ['dump', dump],
  ],
  help: HELP,
};
