// Programs and maps of a loaded object as a module's record has them.
import { mapConstants } from '../compile/wasm/map-lookup.ts';
import type { LoadedMap } from '../run/map.ts';
import type { LinearMemory } from '../run/memory.ts';
import type { LoadedObject } from '../run/object.ts';
import type { LoadedProgram } from '../run/program.ts';
import type { MapSpec } from '../spec/object.ts';
import { hasWritable } from '../programs/fields.ts';
import type { ContextLayout } from '../spec/program.ts';
import type { MapRecord, PacketRecord, ProgramRecord } from './loader.ts';
import { toBase64 } from './record.ts';

export function programRecord(loaded: LoadedProgram, offsets: readonly number[], object: LoadedObject): ProgramRecord {
  const { spec } = loaded;
  const { dialect } = spec;
  const row = object.platform.programType(spec.type);
  const layout = row?.contexts[dialect] as ContextLayout;
  const files = [...new Set(spec.lines.map(({ file }) => file))];
  const other = row?.otherVerdict?.[dialect];
  const packet = packetRecord(loaded, object, layout);
  return {
    name: loaded.name,
    id: loaded.id,
    section: spec.section,
    type: spec.type,
    ...(spec.attachType === undefined ? {} : { attachType: spec.attachType }),
    license: spec.license,
    code: toBase64(spec.code),
    functions: spec.functions.map(({ name, slot, length }) => [name, slot, length]),
    files,
    lines: spec.lines.map(({ slot, file, line, column }) => [slot, files.indexOf(file), line, column]),
    offsets: offsets.map((value, i) => value - (i < 2 ? 0 : offsets[i - 2])),
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
const LARGEST_PACKET = 65_536;

/**
 * How a packet program's input lies, asked of the program type's own harness: two packets of different sizes tell what of the
 * buffer is fixed. Only for contexts that depend on nothing else of the packet.
 */
function packetRecord({ spec }: LoadedProgram, object: LoadedObject, layout: ContextLayout): PacketRecord | undefined {
  if (spec.type !== 'xdp') return undefined;
  const row = object.platform.programType(spec.type);
  const { memory, host } = object.runtime;
  const harness = row?.harness?.({
    memory,
    host: host.services,
    layout,
    dialect: spec.dialect,
    attachType: spec.attachType,
  });
  if (harness === undefined) return undefined;
  try {
    const [first, second] = PROBES.map((size) => {
      const { ctx, packet } = harness.start({ data: new Uint8Array(size) });
      if (packet === undefined) throw new Error(`a harness of ${spec.type} lays no packet`);
      const { head, limit, data, end } = packet;
      return { headRoom: data - head, frame: limit - head, tailRoom: limit - end, data, ctx };
    });
    const image = memory.u8.slice(second.ctx, second.ctx + layout.size);
    const pointers = Object.values(layout.fields).flatMap(({ offset, size, kind }): PacketRecord['pointers'] => {
      const of = kind === 'packet' ? 'data' : kind === 'packetEnd' ? 'end' : kind === 'packetMeta' ? 'meta' : undefined;
      if (of === undefined) return [];
      image.fill(0, offset, offset + size);
      return [[offset, size, of]];
    });
    const fixed = first.frame === second.frame;
    return {
      headRoom: second.headRoom,
      ...(fixed ? { frame: second.frame } : { tailRoom: second.tailRoom }),
      writable: memory.regionAt(second.data)?.writable === true,
      least: 14,
      most: LARGEST_PACKET,
      pointers,
      image: toBase64(image),
    };
  } finally {
    harness.dispose();
  }
}

export function mapRecord(map: LoadedMap, memory: LinearMemory): MapRecord {
  const { spec } = map;
  const constants = mapConstants(memory, map.raw.handle);
  return {
    name: map.name,
    type: map.type,
    keySize: spec.keySize,
    valueSize: spec.valueSize,
    maxEntries: spec.maxEntries,
    flags: spec.flags,
    handle: map.raw.handle,
    copies: constants?.cpus ?? 1,
    operations: [],
    spec: specRecord(spec),
  };
}

function specRecord(spec: MapSpec): Readonly<Record<string, unknown>> {
  return { kind: spec.kind };
}
