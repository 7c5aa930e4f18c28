// The sample extension: a program type with its context and helpers, a hook, a map type and a function that programs call by name.
// What it does is nothing of use; it shows each kind of provider. Context, numbers and prototypes are those of eBPF for Windows'
// sample extension (undocked/tests/sample/ext).
import {
  BASE,
  ERRNO,
  field,
  type FunctionProvider,
  helper,
  type HelperEnv,
  type HelperFamily,
  type HookProvider,
  type MapProvider,
  type ModuleProvider,
  packet,
  plainHarness,
  type ProgramInformationProvider,
  readField,
  WINDOWS_GLOBAL,
} from 'anybpf/extension';

const MODULE = 'sample_ebpf_ext';
const FAILED = -1;
type Address = HelperEnv['ctx'];

/** strstr within the two buffers: the offset of the second string in the first. */
function find({ memory }: HelperEnv, buffer: Address, size: number, wanted: Address, limit: number): number {
  const string = (at: Address, most: number): Uint8Array => {
    const bytes = memory.u8.subarray(at, at + most);
    const end = bytes.indexOf(0);
    return end < 0 ? bytes : bytes.subarray(0, end);
  };
  const text = string(buffer, size);
  const part = string(wanted, limit);
  for (let i = 0; i + part.length <= text.length; i++) if (part.every((byte, j) => text[i + j] === byte)) return i;
  return FAILED;
}

function replace(
  { memory }: HelperEnv,
  buffer: Address,
  size: number,
  position: bigint,
  by: Address,
  limit: number,
): number {
  const start = BigInt.asIntN(64, position);
  if (start < 0n || start >= BigInt(size)) return FAILED;
  const { u8 } = memory;
  // The last byte stays, as it ends the string.
  for (let i = Number(start), j = 0; i < size - 1 && j < limit && u8[by + j] !== 0; i++, j++)
    u8[buffer + i] = u8[by + j];
  return 0;
}

/** The type's own helpers: numbers begin at 0x10000. */
const helpers: HelperFamily = {
  family: 'sample',
  doc: 'the sample extension',
  helpers: [
    helper({
      name: 'sample_ext_helper_function1',
      numbers: {},
      programNumbers: { sample: 0x10000 },
      args: ['ctx'],
      returns: 'integer',
      doc: 'Does nothing; 0.',
      body: () => 0,
    }),
    helper({
      name: 'sample_ext_find',
      numbers: {},
      programNumbers: { sample: 0x10001 },
      args: ['mem', 'size', 'mem', 'size'],
      returns: 'integer',
      doc: 'Offset of the second string in the first, -1 where it is not in it.',
      body: find,
    }),
    helper({
      name: 'sample_ext_replace',
      numbers: {},
      programNumbers: { sample: 0x10002 },
      args: ['memInOut', 'size', 'scalar', 'mem', 'size'],
      returns: 'integer',
      doc: 'Writes a string over a buffer from a position on, its last byte excepted. 0, or -1 for a position outside.',
      body: replace,
    }),
    helper({
      name: 'sample_ext_helper_implicit_1',
      numbers: {},
      programNumbers: { sample: 0x10003 },
      args: [],
      returns: 'integer',
      doc: 'The context’s helper_data_1.',
      body: (env) => readField(env, 'helper_data_1') ?? 0,
    }),
    helper({
      name: 'sample_ext_helper_implicit_2',
      numbers: {},
      programNumbers: { sample: 0x10004 },
      args: ['u32'],
      returns: 'integer',
      doc: 'The context’s helper_data_2 and the argument added.',
      body: (env, argument) => (readField(env, 'helper_data_2') ?? 0) + argument,
    }),
    helper({
      name: 'sample_ext_helper_map_lookup_element',
      numbers: {},
      programNumbers: { sample: 0x10005 },
      args: ['map', 'key'],
      returns: 'mapValueOrNull',
      doc: 'An element of a map, as bpf_map_lookup_elem.',
      body: (_env, map, key) => map.lookupElem(key),
    }),
    helper({
      name: 'sample_ext_helper_map_get_value',
      numbers: {},
      programNumbers: { sample: 0x10006 },
      args: ['map', 'key', 'memOut', 'size'],
      returns: 'integer',
      doc: 'Copies an element of a map, filled with zeros or cut to the buffer. 0, or -1 where the map has none.',
      body: ({ memory }, map, key, out, size) => {
        const at = map.lookupElem(key);
        if (at === 0) return FAILED;
        const { u8 } = memory;
        u8.fill(0, out, out + size);
        u8.copyWithin(out, at, at + Math.min(size, map.spec.valueSize));
        return 0;
      },
    }),
  ],
};

/** sample_program_context_t. The program type admits Windows' common helpers, and its own. */
export const information: ProgramInformationProvider = {
  version: 1,
  kind: 'program-information',
  module: MODULE,
  type: {
    type: 'sample',
    contexts: {
      windows: {
        name: 'struct _sample_program_context',
        size: 32,
        fields: {
          data_start: packet(0, 8, 'packet'),
          data_end: packet(8, 8, 'packetEnd'),
          uint32_data: field(16, 4, 'read-write'),
          uint16_data: field(20, 2, 'read-write'),
          helper_data_1: field(24, 4, 'read-write'),
          helper_data_2: field(28, 4, 'read-write'),
        },
      },
    },
    attachTypes: ['sample'],
    returns: [],
    verdicts: {},
    families: [...BASE, ...WINDOWS_GLOBAL],
    harness: plainHarness({ writableData: true }),
    doc: 'The program type of the sample extension.',
  },
  helpers: [helpers],
};

/** Any number of programs, of which each is told of an event; what the last returns is told back. */
export const hook: HookProvider = {
  version: 1,
  kind: 'hook',
  module: MODULE,
  dialect: 'windows',
  attachType: 'sample',
  types: ['sample'],
  target: 'none',
  limit: 'many',
  chain: 'last',
  verdict: 0,
};

/** What the hash map of the sample has seen. */
export interface Seen {
  found: number;
  added: number;
  removed: number;
}

/** BPF_MAP_TYPE_SAMPLE_HASH_MAP: a hash table that counts what is done to it, and takes no key of which all bytes are ones. */
export const hashMap = (seen: Seen): MapProvider => ({
  version: 1,
  kind: 'map',
  module: MODULE,
  type: 'sample_hash_map',
  base: 'hash',
  callbacks: {
    find: () => {
      seen.found++;
      return undefined;
    },
    add: (key) => {
      if (key.every((byte) => byte === 0xff)) return -ERRNO.EINVAL;
      seen.added++;
      return undefined;
    },
    remove: () => {
      seen.removed++;
      return undefined;
    },
  },
  doc: 'The map type of the sample extension.',
});

/** `extern int sample_ebpf_extension_btf_lookup(__u64 key, void *value, __u32 value_size) __ksym`. */
export const functions = (table: ReadonlyMap<bigint, Uint8Array>): FunctionProvider => ({
  version: 1,
  kind: 'function',
  module: '{8f6c1f83-ce4c-4b58-8b91-654a29e23b7c}',
  dialect: 'windows',
  functions: [
    helper({
      name: 'sample_ebpf_extension_btf_lookup',
      numbers: {},
      args: ['scalar', 'memOut', 'size'],
      returns: 'integer',
      doc: 'Copies what the table has for a key, filled with zeros or cut to the buffer. 0, or -1 where it has nothing.',
      body: ({ memory }, key, value, size) => {
        const found = table.get(BigInt.asUintN(64, key));
        if (found === undefined) return FAILED;
        memory.u8.fill(0, value, value + size);
        memory.u8.set(found.subarray(0, size), value);
        return 0;
      },
    }),
  ],
});

/** Code that `anybpf compile` made of an object file. */
export const nativeModule = (of: string, bytes: Uint8Array): ModuleProvider => ({
  version: 1,
  kind: 'module',
  module: MODULE,
  of,
  bytes,
});

/** All that the extension brings: what `createRuntime({ providers })` and ANYBPF_EXTENSIONS take. */
export default [information, hook, hashMap({ found: 0, added: 0, removed: 0 }), functions(new Map())];
