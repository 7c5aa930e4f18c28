// `map dump`: all elements of maps.
import { AnyBpfError } from '../../base/diagnostic.ts';
import type { Btf } from '../../btf/btf.ts';
import { ERRNO } from '../../spec/errno.ts';
import type { Fd, MapInfo } from '../../spec/session.ts';
import { strerror } from '../../spec/strerror.ts';
import type { Words } from './arguments.ts';
import { statusOf } from './errors.ts';
import { isMapOfMaps, isMapOfPrograms } from './map-elements.ts';
import { elementJson, elementText, LONG, ONE_LINE, plainElement, typesOf } from './map-values.ts';
import { mapsOf, type Opened } from './objects.ts';
import { type Answer, hexJson, hexText, type Json, jsonText, prettyJson } from './output.ts';
import type { Tool } from './tool.ts';

/** An element of a dump, or why it could not be read. */
interface Dumped {
  readonly key: Uint8Array;
  readonly value: Uint8Array | string;
}

interface Elements {
  readonly elements: readonly Dumped[];
  readonly status: number;
}

/** Elements of one batch. */
const BATCH = 1024;

/** Many at a time, where the map's type has batches; undefined where it has not, or a batch is too small for it. */
async function inBatches(tool: Tool, fd: Fd, info: MapInfo): Promise<Elements | undefined> {
  const { keySize, userValueSize } = info;
  if (keySize === 0) return undefined;
  const elements: Dumped[] = [];
  try {
    for (let cursor: Uint8Array | undefined; ; ) {
      const batch = await tool.call('map.lookupBatch', {
        fd,
        count: BATCH,
        ...(cursor === undefined ? {} : { cursor }),
      });
      for (let i = 0; i < batch.count; i++) {
        elements.push({
          key: batch.keys.subarray(i * keySize, (i + 1) * keySize),
          value: batch.values.subarray(i * userValueSize, (i + 1) * userValueSize),
        });
      }
      if (batch.cursor === undefined) return { elements, status: 0 };
      cursor = batch.cursor;
    }
  } catch (error) {
    if (error instanceof AnyBpfError) return undefined;
    throw error;
  }
}

/** All elements. Those that go meanwhile are left out where the map's kind has holes. `status`: why the keys ended. */
async function elementsOf(tool: Tool, fd: Fd, info: MapInfo): Promise<Elements> {
  const batched = await inBatches(tool, fd, info);
  if (batched !== undefined) return batched;
  const elements: Dumped[] = [];
  const holes = isMapOfMaps(info.type) || isMapOfPrograms(info.type);
  for (let key: Uint8Array | undefined; ; ) {
    const next = await ended(tool.call('map.nextKey', { fd, ...(key === undefined ? {} : { key }) }));
    if ('status' in next) return { elements, status: next.status === -ERRNO.ENOENT ? 0 : next.status };
    key = next.value.key;
    const found = await ended(tool.call('map.lookup', { fd, key }));
    if ('value' in found) elements.push({ key, value: found.value.value });
    else if (!holes || found.status !== -ERRNO.ENOENT) elements.push({ key, value: strerror(-found.status) });
  }
}

/** What an operation gave, or the status of its refusal. */
async function ended<T>(operation: Promise<T>): Promise<{ readonly value: T } | { readonly status: number }> {
  try {
    return { value: await operation };
  } catch (error) {
    return { status: statusOf(error) };
  }
}

/** A dumped map. */
interface MapDump {
  readonly info: MapInfo;
  readonly btf: Btf | undefined;
  readonly elements: readonly Dumped[];
  readonly status: number;
}

async function dumpOne(tool: Tool, { fd, info }: Opened<MapInfo>): Promise<MapDump> {
  return { info, btf: await typesOf(tool, info), ...(await elementsOf(tool, fd, info)) };
}

const failedJson = (key: Uint8Array, why: string): Json => ({ key: hexJson(key), value: { error: why } });

function failedText(key: Uint8Array, why: string): string {
  const message = why === NO_ENTRY ? '<no entry>' : why;
  const long = key.length > LONG || message.length > LONG;
  const gap = long ? '\n' : ' ';
  const between = !long && key.length + message.length <= ONE_LINE ? '  ' : '\n';
  return `key:${gap}${hexText(key)}${between}value:${gap}${message}\n`;
}

const NO_ENTRY = strerror(ERRNO.ENOENT);

const dumpJson = ({ info, btf, elements }: MapDump): Json =>
  elements.map(({ key, value }) =>
    typeof value === 'string' ? failedJson(key, value) : elementJson(info, btf, key, value),
  );

const typedDump = ({ info, elements }: MapDump, btf: Btf): Json =>
  elements.map(({ key, value }) =>
    typeof value === 'string' ? failedJson(key, value) : plainElement(info, btf, key, value),
  );

function dumpText({ info, elements }: MapDump): string {
  const lines = elements.map(({ key, value }) =>
    typeof value === 'string' ? failedText(key, value) : elementText(info, key, value),
  );
  const found = elements.filter(({ value }) => typeof value !== 'string').length;
  return `${lines.join('')}Found ${found} element${found === 1 ? '' : 's'}\n`;
}

/** Which of several maps the elements are of. */
const withHead = ({ info: { id, type, name, flags } }: MapDump, elements: Json): Json => ({
  id,
  type,
  name,
  flags,
  elements,
});
const headText = ({ info: { id, type, name, flags } }: MapDump): string =>
  `${id}: ${type}  name ${name}  flags 0x${flags.toString(16)}\n`;

export async function dumpMaps(tool: Tool, words: Words): Promise<Answer> {
  const maps = await mapsOf(tool, words.need(2));
  words.end();
  return dumpOf(tool, maps);
}

/** All elements of these maps. */
export async function dumpOf(tool: Tool, maps: readonly Opened<MapInfo>[]): Promise<Answer> {
  const dumps: MapDump[] = [];
  for (const map of maps) dumps.push(await dumpOne(tool, map));
  const status = dumps.find((dump) => dump.status !== 0)?.status ?? 0;
  const [one] = dumps;
  const many = dumps.length > 1;
  return {
    status,
    json: () => (many ? dumps.map((dump) => withHead(dump, dumpJson(dump))) : dumpJson(one)),
    text: () => {
      const typed = dumps.flatMap((dump) =>
        dump.btf === undefined ? [] : [{ dump, json: typedDump(dump, dump.btf) }],
      );
      // Through BTF only where all of them have some.
      if (typed.length < dumps.length) {
        return dumps.map((dump) => (many ? headText(dump) : '') + dumpText(dump)).join('\n');
      }
      const json = many ? typed.map((each) => withHead(each.dump, each.json)) : typed[0].json;
      return `${prettyJson(jsonText(json))}\n`;
    },
  };
}
