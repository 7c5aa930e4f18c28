// Programs and maps of a loaded object as a module's record has them, and back.
import { mapConstants } from '../compile/wasm/map-lookup.ts';
import { hasWritable } from '../programs/fields.ts';
import { skbLayout } from '../programs/skb.ts';
import type { ExternOptions } from '../run/extern-values.ts';
import { informationHash } from '../run/information.ts';
import type { LoadedMap } from '../run/map.ts';
import type { LinearMemory } from '../run/memory.ts';
import type { LoadedObject } from '../run/object.ts';
import type { LoadedProgram } from '../run/program.ts';
import type { Proof } from '../spec/backend.ts';
import { MAP_FLAGS } from '../spec/map-types.ts';
import type { MapSpec, ObjectSpec } from '../spec/object.ts';
import type { ContextLayout, FieldKind } from '../spec/program.ts';
import type { ExternRecord, MapRecord, PacketRecord, ProgramRecord, SkbField } from './loader/record.ts';
import type { MapEntry } from './contents.ts';
import { fromBase64, toBase64 } from './record.ts';

/** Offsets and slots as differences, which are small numbers. */
export const differences = (pairs: ArrayLike<number>): number[] =>
  Array.from(pairs, (value, i) => value - (i < 2 ? 0 : pairs[i - 2]));

export function programRecord(loaded: LoadedProgram, object: LoadedObject, proof?: Proof): ProgramRecord {
  const { spec } = loaded;
  const { dialect } = spec;
  const certificate = proof === undefined ? undefined : loaded.verdict?.certificate;
  const row = object.platform.programType(spec.type);
  const layout = row?.contexts[dialect] as ContextLayout;
  const files = [...new Set(spec.lines.map(({ file }) => file))];
  const other = row?.otherVerdict?.[dialect];
  const packet = packetRecord(loaded, object, layout);
  const information = informationHash(spec, object.spec.externs, object.platform);
  return {
    name: loaded.name,
    id: loaded.id,
    section: spec.section,
    type: spec.type,
    ...(spec.attachType === undefined ? {} : { attachType: spec.attachType }),
    sleepable: spec.sleepable,
    fragments: spec.fragments,
    license: spec.license,
    ...(proof === undefined ? {} : { checkedAt: [...proof.checkedAt].sort((a, b) => a - b) }),
    ...(certificate === undefined ? {} : { certificate }),
    ...(information === undefined ? {} : { information }),
    code: toBase64(spec.code),
    functions: spec.functions.map(({ name, slot, length }) => [name, slot, length]),
    files,
    lines: spec.lines.map(({ slot, file, line, column }) => [slot, files.indexOf(file), line, column]),
    verdicts: Object.fromEntries(
      Object.entries(row?.verdicts[dialect] ?? {}).map(([name, value]) => [name, Number(BigInt.asUintN(32, value))]),
    ),
    ...(other === undefined ? {} : { otherVerdict: other }),
    context: {
      name: layout.name,
      size: layout.size,
      writable: hasWritable(layout),
      ...(packet === undefined ? {} : { packet }),
    },
  };
}

/** Bytes of the packets that the harness is asked with. */
const PROBES = [64, 128] as const;
const LINK_HEADER = 14;
const LARGEST_PACKET = 65_536 + LINK_HEADER;
/** Fields of struct __sk_buff that the loader fills from the packet. */
const SKB_FIELDS: readonly SkbField[] = [
  'len',
  'pkt_type',
  'protocol',
  'wire_len',
  'family',
  'local_ip4',
  'remote_ip4',
  'local_ip6',
  'remote_ip6',
];
/** The whole structure, whatever of it a program type may look at: the loader writes all of it. */
const SKB = skbLayout([], []);

/**
 * How a packet program's input lies, asked of the program type's own harness: two packets of different sizes tell what of the
 * buffer is fixed. Undefined for contexts that are laid otherwise.
 */
function packetRecord({ spec }: LoadedProgram, object: LoadedObject, layout: ContextLayout): PacketRecord | undefined {
  const isSkb = layout.name === SKB.name;
  if (spec.type !== 'xdp' && !isSkb) return undefined;
  const { memory, host } = object.runtime;
  const { dialect, attachType } = spec;
  const row = object.platform.programType(spec.type);
  const harness = row?.harness?.({ memory, host: host.services, layout, dialect, attachType });
  if (harness === undefined) return undefined;
  try {
    const [first, second] = PROBES.map((size) => {
      const { ctx, packet } = harness.start({ data: new Uint8Array(size), limits: 'device' });
      if (packet === undefined) throw new Error(`a harness of ${spec.type} lays no packet`);
      const { head, limit, link, data, end } = packet;
      return { headRoom: link - head, frame: limit - head, tailRoom: limit - end, skip: data - link, data, ctx };
    });
    const { headRoom, frame, tailRoom, skip, data, ctx } = second;
    const image = memory.u8.slice(ctx, ctx + layout.size);
    const pointers = Object.values(layout.fields).flatMap(({ offset, size, kind }): PacketRecord['pointers'] => {
      const of = POINTERS[kind];
      return of === undefined ? [] : [[offset, size, of]];
    });
    for (const [offset, size] of pointers) image.fill(0, offset, offset + size);
    const { sk } = SKB.fields;
    // The loader has no sockets: skb->sk is NULL.
    if (isSkb) image.fill(0, sk.offset, sk.offset + sk.size);
    if (isSkb)
      for (const name of SKB_FIELDS)
        image.fill(0, SKB.fields[name].offset, SKB.fields[name].offset + SKB.fields[name].size);
    return {
      headRoom,
      ...(first.frame === frame ? { frame } : { tailRoom }),
      skip,
      writable: memory.regionAt(data)?.writable === true,
      least: LINK_HEADER,
      most: LARGEST_PACKET,
      pointers,
      ...(isSkb
        ? {
            skb: Object.fromEntries(SKB_FIELDS.map((name) => [name, SKB.fields[name].offset])) as Record<
              SkbField,
              number
            >,
          }
        : {}),
      image: toBase64(image),
    };
  } finally {
    harness.dispose();
  }
}

const POINTERS: { readonly [K in FieldKind]?: PacketRecord['pointers'][number][2] } = {
  packet: 'data',
  packetEnd: 'end',
  packetMeta: 'meta',
};

/** @param map the map that was made of it, where that could be */
export function mapRecord(
  spec: MapSpec,
  map: LoadedMap | undefined,
  memory: LinearMemory,
  operations: readonly string[],
  entries: readonly MapEntry[] = [],
): MapRecord {
  const constants = map === undefined ? undefined : mapConstants(memory, map.raw.handle);
  const made = map?.spec ?? spec;
  const { keyOffset = 0, cpus = 1, stride = 0 } = constants ?? {};
  return {
    name: spec.name,
    type: spec.type,
    keySize: made.keySize,
    valueSize: made.valueSize,
    maxEntries: made.maxEntries,
    flags: made.flags,
    handle: map?.raw.handle ?? 0,
    copies: cpus,
    stride,
    rowSize: Math.ceil((keyOffset + made.keySize) / 8) * 8,
    keyOffset,
    frozen: map?.raw.frozen === true || (made.flags & MAP_FLAGS.RDONLY) !== 0,
    operations,
    entries: entries.map(([key, value]) => [toBase64(key), toBase64(value)]),
    spec: specRecord(spec, map, memory),
  };
}

/** The whole spec but its types; initial data as the memory has it, so that values given for globals and externs are in it. */
function specRecord(
  spec: MapSpec,
  map: LoadedMap | undefined,
  memory: LinearMemory,
): Readonly<Record<string, unknown>> {
  const { keyTypeId: _key, valueTypeId: _value, data, inner, unsupported, extra, ...rest } = spec;
  const address = map?.raw.directValue?.(0);
  const current = data === undefined && spec.kind !== 'kconfig' ? undefined : address;
  return {
    ...rest,
    kind: spec.kind === 'kconfig' ? 'rodata' : spec.kind,
    ...(extra === undefined ? {} : { extra: extra.toString() }),
    ...(inner === undefined ? {} : { inner: specRecord(inner, undefined, memory) }),
    ...(current === undefined ? {} : { data: toBase64(memory.u8.slice(current, current + spec.valueSize)) }),
    ...(unsupported === undefined ? {} : { unsupported }),
  };
}

/** The spec of a record's map. */
export function specOf({ spec }: Pick<MapRecord, 'spec'>): MapSpec {
  const { data, inner, extra, ...rest } = spec as { data?: string; inner?: MapRecord['spec']; extra?: string };
  return {
    ...(rest as unknown as MapSpec),
    ...(data === undefined ? {} : { data: fromBase64(data) }),
    ...(inner === undefined ? {} : { inner: specOf({ spec: inner }) }),
    ...(extra === undefined ? {} : { extra: BigInt(extra) }),
  };
}

export const externRecords = ({ externs }: ObjectSpec, { ksyms = {} }: ExternOptions): ExternRecord[] =>
  externs.map(({ name, kind, weak }) => ({
    name,
    kind,
    weak,
    ...(Object.hasOwn(ksyms, name) ? { value: ksyms[name].toString() } : {}),
  }));
