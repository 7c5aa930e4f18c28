// The text of a skeleton: types, the object, and the tables of its programs, maps and globals.
import { fail } from '../../base/diagnostic.ts';
import { cannotGenerate } from '../../base/messages/skeleton.ts';
import { toHex } from '../../base/bytes.ts';
import type { Btf } from '../../btf/btf.ts';
import { linkObject } from '../../link/link.ts';
import type { MapTypeName } from '../../spec/map-types.ts';
import type { MapSpec, ObjectSpec, ProgramSpec } from '../../spec/object.ts';
import { comment, Names, pascal, property } from './names.ts';
import { TypeWriter } from './types.ts';

export interface SkeletonOptions {
  /** File name of the object. */
  readonly file: string;
  /** Name of what the file exports; without it the file's, as bpftool makes it. */
  readonly name?: string;
  /** Whether the file carries the object, so that `open()` needs no bytes. */
  readonly embed?: boolean;
  /** Who makes it, for the first line. */
  readonly producer: string;
}

/** What the file may import, by entry. */
const ENTRIES = {
  'anybpf/skeleton/codec': {
    types: ['Codec', 'Decoded'],
    values: 'array bool bytes characters enumeration f32 f64 pointer s8 s16 s32 s64 s128 u8 u16 u32 u64 u128'.split(
      ' ',
    ),
  },
  'anybpf/skeleton/struct': { types: [], values: ['at', 'bits', 'boolBits', 'enumBits', 'struct', 'wideBits'] },
  'anybpf/skeleton/map-rows': {
    types: [],
    values: 'bloomMap named objectMap opaqueMap perCpuMap ringMap sequenceMap userRingMap valueMap'.split(' '),
  },
  'anybpf/skeleton/globals': { types: [], values: ['section', 'variable'] },
  'anybpf/skeleton': { types: [], values: ['skeleton'] },
} as const satisfies Record<string, { readonly types: readonly string[]; readonly values: readonly string[] }>;

/** How maps of each type are used (maps.ts). */
const USES = {
  hash: 'value',
  array: 'value',
  prog_array: 'object',
  perf_event_array: 'ring',
  percpu_hash: 'perCpu',
  percpu_array: 'perCpu',
  stack_trace: 'value',
  cgroup_array: 'value',
  lru_hash: 'value',
  lru_percpu_hash: 'perCpu',
  lpm_trie: 'value',
  array_of_maps: 'object',
  hash_of_maps: 'object',
  devmap: 'value',
  sockmap: 'value',
  cpumap: 'value',
  xskmap: 'value',
  sockhash: 'value',
  cgroup_storage: 'value',
  reuseport_sockarray: 'value',
  percpu_cgroup_storage: 'perCpu',
  queue: 'sequence',
  stack: 'sequence',
  sk_storage: 'value',
  devmap_hash: 'value',
  struct_ops: 'opaque',
  ringbuf: 'ring',
  inode_storage: 'value',
  task_storage: 'value',
  bloom_filter: 'bloom',
  user_ringbuf: 'userRing',
  cgrp_storage: 'value',
  arena: 'opaque',
  sample_hash_map: 'value',
} as const satisfies Record<MapTypeName, string>;

/** Map types whose keys are indexes. */
const INDEXED: ReadonlySet<MapTypeName> = new Set([
  'array',
  'prog_array',
  'percpu_array',
  'cgroup_array',
  'stack_trace',
  'array_of_maps',
  'devmap',
  'sockmap',
  'cpumap',
  'xskmap',
  'reuseport_sockarray',
]);

/** `path/my-probe.bpf.o` -> `my_probe_bpf`, as bpftool names objects. */
export const objectName = (file: string): string =>
  (file.split(/[\\/]/).pop() ?? file).replace(/\.o$/, '').replace(/\W/g, '_') || 'object';

/** As a string literal. */
const quoted = (text: string): string => (/^[ -&(-[\]-~]*$/.test(text) ? `'${text}'` : JSON.stringify(text));

class FileWriter {
  readonly #spec: ObjectSpec;
  /** Absent without BTF. */
  readonly #types: TypeWriter | undefined;
  readonly #used = new Set<string>();

  constructor(spec: ObjectSpec, types: TypeWriter | undefined) {
    this.#spec = spec;
    this.#types = types;
  }

  get used(): ReadonlySet<string> {
    return new Set([...this.#used, ...(this.#types?.used ?? [])]);
  }

  use(name: string): string {
    this.#used.add(name);
    return name;
  }

  program({ section, type, attachType, attachTarget, autoload }: ProgramSpec): string {
    const rest = [
      ...(attachType === undefined ? [] : [`attachType: ${quoted(attachType)}`]),
      ...(attachTarget === undefined ? [] : [`target: ${quoted(attachTarget)}`]),
      ...(autoload ? [] : ['autoload: false']),
    ];
    return `{ ${[`section: ${quoted(section)}`, `type: ${quoted(type)}`, ...rest].join(', ')} }`;
  }

  /** Codec of a key or value: its type's, where BTF describes all of it; else by its size. */
  #part(map: MapSpec, part: 'Key' | 'Value'): string {
    const [id, size] = part === 'Key' ? [map.keyTypeId, map.keySize] : [map.valueTypeId, map.valueSize];
    const { btf } = this.#spec;
    if (this.#types !== undefined && id !== undefined && id !== 0 && btf?.sizeOf(id) === size)
      return this.#types.text(id, pascal(`${map.name} ${part}`)).codec;
    return size === 4 && part === 'Key' && INDEXED.has(map.type) ? this.use('u32') : `${this.use('bytes')}(${size})`;
  }

  map(map: MapSpec): string {
    const use = USES[map.type];
    const call = this.use(`${use}Map`);
    switch (use) {
      case 'value':
      case 'perCpu':
        return `${call}(${this.#part(map, 'Key')}, ${this.#part(map, 'Value')})`;
      case 'object':
        return `${call}(${this.#part(map, 'Key')})`;
      case 'sequence':
      case 'bloom':
        return `${call}(${this.#part(map, 'Value')})`;
      case 'ring':
      case 'userRing':
      case 'opaque':
        return `${call}()`;
    }
  }

  section(map: MapSpec): string {
    const name = map.section ?? map.name;
    const initial = map.data?.some((byte) => byte !== 0) === true ? `, ${quoted(base64(map.data))}` : '';
    const variables = this.#variables(map).map(
      ([variable, offset, codec]) => `      ${property(variable)}: ${this.use('variable')}(${offset}, ${codec}),\n`,
    );
    const table = variables.length === 0 ? '{}' : `{\n${variables.join('')}    }`;
    return `${this.use('section')}(${quoted(name)}, ${quoted(map.name)}, ${map.valueSize}, ${table}${initial})`;
  }

  #variables(map: MapSpec): [string, number, string][] {
    const { btf } = this.#spec;
    const types = this.#types;
    if (btf === undefined || types === undefined || map.valueTypeId === undefined) return [];
    const datasec = btf.type(map.valueTypeId);
    if (datasec.kind !== 'datasec') return [];
    const found = new Map<string, [string, number, string]>();
    for (const { type: id, offset, size } of datasec.vars) {
      const variable = btf.type(id);
      if (variable.kind !== 'var' || variable.name === '' || offset + size > map.valueSize) continue;
      // Static variables of linked files can have the same name; the first keeps it.
      if (found.has(variable.name)) continue;
      declareTarget(btf, types, id);
      const { codec } = types.text(id, pascal(variable.name));
      if (btf.sizeOf(id) <= size) found.set(variable.name, [variable.name, offset, codec]);
    }
    return [...found.values()];
  }
}

/** What a global pointer points to: the usual way to keep the type of ring records in an object's BTF. */
function declareTarget(btf: Btf, types: TypeWriter, id: number): void {
  const variable = btf.type(id);
  const pointer = variable.kind === 'var' ? btf.resolved(variable.type) : variable;
  if (pointer.kind !== 'ptr' || pointer.type === 0) return;
  const target = btf.resolved(pointer.type);
  if ((target.kind === 'struct' || target.kind === 'union') && target.name !== '') types.text(pointer.type, '');
}

function base64(bytes: Uint8Array): string {
  let text = '';
  const most = 8192;
  for (let at = 0; at < bytes.length; at += most) text += String.fromCharCode(...bytes.subarray(at, at + most));
  return btoa(text);
}

const folded = (text: string): string => text.replace(/.{1,120}/g, (line) => `\n${line}`);

function imports(used: ReadonlySet<string>): string {
  return Object.entries(ENTRIES)
    .map(([entry, { types, values }]) => {
      const names = [
        ...types.filter((name) => used.has(name)).map((name) => `type ${name}`),
        ...(values as readonly string[]).filter((name) => used.has(name)),
      ];
      return names.length === 0 ? '' : `import { ${names.join(', ')} } from '${entry}';\n`;
    })
    .join('');
}

const table = (rows: readonly (readonly [string, string])[]): string =>
  rows.length === 0 ? '{}' : `{\n${rows.map(([name, row]) => `    ${property(name)}: ${row},\n`).join('')}  }`;

/**
 * TypeScript for an object: an interface and a codec for each type of its maps and globals, and a constant that opens, loads and
 * attaches it over any Session. Raises what linkObject raises, and skeleton/generate for objects of the other byte order.
 */
export async function generateSkeleton(object: Uint8Array, options: SkeletonOptions): Promise<string> {
  const file = options.file.split(/[\\/]/).pop() ?? options.file;
  const spec = linkObject(object, { name: file });
  if (spec.endian !== 'little')
    fail(cannotGenerate({ file }, 'the object is big-endian, and programs run little-endian'));
  const names = new Names(Object.values(ENTRIES).flatMap(({ types, values }) => [...types, ...values]));
  const name = names.unique(options.name ?? objectName(file));
  const types = spec.btf === undefined ? undefined : new TypeWriter(spec.btf, names);
  const declarations = types?.declarations ?? [];
  const writer = new FileWriter(spec, types);
  writer.use('skeleton');
  const programs = spec.programs.map((program) => [program.name, writer.program(program)] as const);
  const maps = spec.maps.filter(({ kind }) => kind === 'map').map((map) => [map.name, writer.map(map)] as const);
  const globals = spec.maps
    .filter(({ kind }) => kind !== 'map')
    .map((map) => [sectionName(map.section ?? map.name), writer.section(map)] as const);
  const digest = toHex(new Uint8Array(await crypto.subtle.digest('SHA-256', object.slice())));
  const embed = options.embed ?? true;
  const carried = embed ? names.unique('OBJECT') : undefined;
  return `// Made by ${comment(options.producer)} from ${comment(file)}. Do not edit: make it again.
${imports(writer.used)}
${declarations.map((text) => `${text}\n`).join('')}${carried === undefined ? '' : `/** ${comment(file)}, in base64. */\nconst ${carried} = \`${folded(base64(object))}\n\`;\n\n`}/** ${comment(file)}: open, set globals, load into a session, attach. */
export const ${name} = skeleton({
  name: ${quoted(file)},
  digest: '${digest}',
${carried === undefined ? '' : `  object: ${carried},\n`}  programs: ${table(programs)},
  maps: ${table(maps)},
  globals: ${table(globals)},
});
`;
}

/** As libbpf: `.rodata.config` -> `rodata_config`. */
const sectionName = (section: string): string => section.replace(/^\./, '').replace(/\W/g, '_');
