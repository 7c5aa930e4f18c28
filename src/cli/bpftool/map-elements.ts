// `map dump|lookup|getnext|update|delete|push|pop|peek`: the elements of maps.
import { fail } from '../../base/diagnostic.ts';
import { wrongWords } from '../../base/messages/bpftool.ts';
import type { Btf } from '../../btf/btf.ts';
import { ERRNO } from '../../spec/errno.ts';
import { type MapTypeName, UPDATE_FLAGS } from '../../spec/map-types.ts';
import type { MapInfo } from '../../spec/session.ts';
import { isPrefix, type Words } from './arguments.ts';
import { attempted, said } from './errors.ts';
import { elementJson, elementText, forAllCpus, isPerCpu, plainElement, typesOf } from './map-values.ts';
import { mapOf, programOf } from './objects.ts';
import { type Answer, DONE, hexJson, hexText, jsonText, prettyJson } from './output.ts';
import type { Tool } from './tool.ts';

const MAPS_OF_MAPS: ReadonlySet<MapTypeName> = new Set(['array_of_maps', 'hash_of_maps']);
export const isMapOfMaps = (type: MapTypeName): boolean => MAPS_OF_MAPS.has(type);
export const isMapOfPrograms = (type: MapTypeName): boolean => type === 'prog_array';

/** What of an element the words have named so far, and what they may. */
interface Wanted {
  readonly key: boolean;
  readonly value: boolean;
  readonly flags: boolean;
}

interface Element {
  readonly key?: Uint8Array;
  readonly value?: Uint8Array;
  readonly flags?: number;
  /** Said beside the answer. */
  readonly notes?: string;
}

const FLAG_WORDS = [
  ['any', UPDATE_FLAGS.ANY],
  ['noexist', UPDATE_FLAGS.NOEXIST],
  ['exist', UPDATE_FLAGS.EXIST],
] as const;

/** `[key DATA] [value VALUE] [UPDATE_FLAGS]`, in any order, up to the last word. */
async function elementOf(tool: Tool, words: Words, info: MapInfo, wanted: Wanted): Promise<Element> {
  let element: Element = {};
  while (words.left > 0) {
    if (words.skip('key')) {
      if (!wanted.key || element.key !== undefined) {
        fail(wrongWords({}, info.keySize > 0 ? 'duplicate key' : 'unnecessary key'));
      }
      element = { ...element, key: words.bytes('key', info.keySize) };
    } else if (words.skip('value')) {
      if (!wanted.value || element.value !== undefined) {
        fail(wrongWords({}, wanted.value && info.valueSize > 0 ? 'duplicate value' : 'unnecessary value'));
      }
      element = { ...element, ...(await valueOf(tool, words, info)) };
    } else {
      const flag = FLAG_WORDS.find(([word]) => isPrefix(words.next, word));
      if (flag === undefined) fail(wrongWords({}, `expected key or value, got: ${words.next}`));
      if (!wanted.flags || element.flags !== undefined) {
        fail(wrongWords({}, `flags specified multiple times: ${words.next}`));
      }
      words.take();
      element = { ...element, flags: flag[1] };
    }
  }
  if (wanted.key && element.key === undefined) fail(wrongWords({}, 'did not find key'));
  if (wanted.value && element.value === undefined) fail(wrongWords({}, 'did not find value'));
  return element;
}

/** VALUE := { DATA | MAP | PROG }, by what the map holds. */
async function valueOf(tool: Tool, words: Words, info: MapInfo): Promise<Element> {
  const kind = isMapOfMaps(info.type) ? 'map in map' : isMapOfPrograms(info.type) ? 'map of progs' : undefined;
  if (kind === undefined) {
    const value = words.bytes('value', info.valueSize);
    return { value: isPerCpu(info.type) ? forAllCpus(info, value) : value };
  }
  if (info.valueSize !== 4) fail(wrongWords({}, `value smaller than 4B for ${kind}?`));
  if (words.left < 2) fail(wrongWords({}, `not enough value arguments for ${kind}`));
  const byId = isPrefix(words.next, 'id');
  const { fd } = isMapOfMaps(info.type) ? await mapOf(tool, words) : await programOf(tool, words);
  const value = new Uint8Array(4);
  new DataView(value.buffer).setUint32(0, fd, true);
  return {
    value,
    ...(byId && isMapOfPrograms(info.type)
      ? {
          notes:
            'Warning: updating program array via MAP_ID, make sure this map is kept open\n' +
            '         by some process or pinned otherwise update will be lost\n',
        }
      : {}),
  };
}

const keyWanted = (info: MapInfo): boolean => info.keySize > 0;

export async function updateElement(tool: Tool, words: Words): Promise<Answer> {
  const { fd, info } = await mapOf(tool, words.need(2));
  const element = await elementOf(tool, words, info, {
    key: keyWanted(info),
    value: info.valueSize > 0,
    flags: true,
  });
  const { key = new Uint8Array(0), value = new Uint8Array(0), flags = 0, notes } = element;
  await said(tool.call('map.update', { fd, key, value, flags }), (why) => `update failed: ${why}`);
  return notes === undefined ? DONE : { ...DONE, notes };
}

async function keyOnly(tool: Tool, words: Words, info: MapInfo): Promise<Uint8Array> {
  const { key } = await elementOf(tool, words, info, { key: keyWanted(info), value: false, flags: false });
  return key ?? new Uint8Array(0);
}

/** One element in the form of the command's output. */
const shown = (info: MapInfo, btf: Btf | undefined, key: Uint8Array, value: Uint8Array): Answer => ({
  json: () => elementJson(info, btf, key, value),
  text: () =>
    btf === undefined
      ? elementText(info, key, value)
      : `${prettyJson(jsonText(plainElement(info, btf, key, value)))}\n`,
});

const notFound = (key: Uint8Array): Answer => ({
  json: () => null,
  text: () => `key:\n${hexText(key)}\n\nNot found\n`,
  status: -ERRNO.ENOENT,
});

/** Also `peek`: queues and stacks have no keys. */
export async function lookupElement(tool: Tool, words: Words): Promise<Answer> {
  const { fd, info } = await mapOf(tool, words.need(2));
  const key = await keyOnly(tool, words, info);
  const found = await attempted(tool.call('map.lookup', { fd, key }), 'ENOENT', (why) => `lookup failed: ${why}`);
  if (found === undefined) return notFound(key);
  return shown(info, await typesOf(tool, info), key, found.value);
}

/** `pop` and `dequeue`. */
export async function popElement(tool: Tool, words: Words): Promise<Answer> {
  const { fd, info } = await mapOf(tool, words.need(2));
  words.end();
  const key = new Uint8Array(info.keySize);
  const found = await attempted(tool.call('map.lookupAndDelete', { fd, key }), 'ENOENT', (why) => `pop failed: ${why}`);
  if (found === undefined) {
    return { json: () => null, text: () => 'Error: empty map\n', status: -ERRNO.ENOENT };
  }
  return shown(info, await typesOf(tool, info), key, found.value);
}

export async function nextKey(tool: Tool, words: Words): Promise<Answer> {
  const { fd, info } = await mapOf(tool, words.need(2));
  const key = words.left === 0 ? undefined : await keyOnly(tool, words, info);
  const next = await said(
    tool.call('map.nextKey', { fd, ...(key === undefined ? {} : { key }) }),
    (why) => `can't get next key: ${why}`,
  );
  const given = key === undefined ? 'key: None\n' : `key:\n${hexText(key)}\n`;
  return {
    json: () => ({ key: key === undefined ? null : hexJson(key), next_key: hexJson(next.key) }),
    text: () => `${given}next key:\n${hexText(next.key)}\n`,
  };
}

export async function deleteElement(tool: Tool, words: Words): Promise<Answer> {
  const { fd, info } = await mapOf(tool, words.need(2));
  const key = await keyOnly(tool, words, info);
  await said(tool.call('map.delete', { fd, key }), (why) => `delete failed: ${why}`);
  return DONE;
}
