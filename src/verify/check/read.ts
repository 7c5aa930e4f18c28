// Certificates as they come from outside: each field is looked at before it is used.
import type { MapSpec, ObjectSpec } from '../../spec/object.ts';
import { no } from './memory.ts';
import { ANY, constant, type Facts, settle } from './number.ts';
import {
  type Callback,
  type Cell,
  Frame,
  newId,
  Num,
  Point,
  type Pointer,
  pointer,
  type Rank,
  type Region,
  State,
  type Value,
} from './state.ts';

type Any = unknown;
const list = (x: Any, most = 1 << 16): readonly Any[] => (Array.isArray(x) && x.length <= most ? x : no('no list'));
const integer = (x: Any, from: number, to: number): number =>
  typeof x === 'number' && Number.isInteger(x) && x >= from && x <= to ? x : no('no number of its range');
const object = (x: Any): Readonly<Record<string, Any>> =>
  typeof x === 'object' && x !== null && !Array.isArray(x) ? (x as Record<string, Any>) : no('no record');
const FAR = 2 ** 50;
const distance = (x: Any): number => integer(x, -FAR, FAR);

const REGIONS: readonly string[] = [
  'ctx', 'stack', 'packet', 'packetMeta', 'packetEnd', 'map', 'mapKey', 'mapValue', 'socket', 'sockCommon', 'tcpSocket',
  'ringRecord', 'memory', 'flowKeys', 'kernel', 'function',
] satisfies readonly Region[]; // biome-ignore format: a list

function factsOf(text: Any): Facts {
  if (typeof text !== 'string' || !/^-?\d{1,20}( -?\d{1,20}){0,9}$/.test(text)) return no('no bounds');
  const n = text.split(' ').map(BigInt);
  if (n.length === 1) return constant(n[0]);
  if (n.length !== 10 || n[8] < 0n || n[9] < 0n || (n[8] & n[9]) !== 0n || (n[8] | n[9]) >> 64n !== 0n)
    return no('no bounds');
  const [umin, umax, smin, smax] = n;
  const low = { umin: n[4], umax: n[5], smin: n[6], smax: n[7] };
  return settle({ umin, umax, smin, smax }, low, n[8], n[9]) ?? no('bounds that no number has');
}

/** The points of a certificate. @throws Refusal where it is none */
export function pointsOf({ maps }: ObjectSpec, certificate: Any): readonly Point[] {
  const { format, numbers, points } = object(certificate);
  if (format !== 1) no('a certificate of another format');
  const facts = list(numbers, 1 << 20).map(factsOf);
  return list(points).map((record, index) => pointOf(maps, facts, record, index));
}

function pointOf(maps: readonly MapSpec[], facts: readonly Facts[], record: Any, index: number): Point {
  const point = object(record);
  const ids = new Map<number, number>();
  /** Names are the point's own. Those below 0 mean what an address in a map means everywhere. */
  const name = (x: Any): number => {
    const id = integer(x, -FAR, FAR);
    if (id <= 0) return id;
    const own = ids.get(id) ?? newId();
    ids.set(id, own);
    return own;
  };
  const number = (x: Any): Num => {
    if (x === 0) return new Num(ANY, 0);
    const [bounds, id, delta] = list(x);
    return new Num(facts[integer(bounds, 0, facts.length - 1)], name(id), distance(delta));
  };
  const mapOf = (x: Any): MapSpec | undefined => {
    if (x === undefined) return undefined;
    if (Array.isArray(x)) return maps[integer(x[0], 0, maps.length - 1)].inner ?? no('no inner map');
    return maps[integer(x, 0, maps.length - 1)];
  };
  const depth = list(point.frames, 8).length;
  const pointerOf = (x: Any): Pointer => {
    const p = object(x);
    if (!REGIONS.includes(p.region as string)) no('no region');
    return pointer(p.region as Region, {
      offset: distance(p.offset ?? 0),
      variable: p.variable === undefined ? undefined : number(p.variable),
      id: name(p.id ?? 0),
      nullable: p.nullable === true,
      range: distance(p.range ?? 0),
      size: integer(p.size ?? 0, 0, FAR),
      writable: p.readOnly !== true,
      map: mapOf(p.map),
      target: integer(p.target ?? 0, 0, p.region === 'stack' ? depth - 1 : FAR),
      reference: name(p.reference ?? 0),
    });
  };
  const value = (x: Any): Num | Pointer => (x === 0 || Array.isArray(x) ? number(x) : pointerOf(x));
  const callbackOf = (x: Any): Callback => {
    const { slot, args, atMost, once, held } = object(x);
    return {
      slot: integer(slot, 0, FAR),
      args: list(args, 5).map((arg): Value => (arg === null ? undefined : value(arg))),
      atMost: integer(atMost, 0, 1),
      once: once === true,
      held: list(held).map(name),
    };
  };
  const frames = list(point.frames, 8).map((x, target) => {
    const { entry, call, callback, registers, cells, bytes } = object(x);
    const frame = new Frame(
      integer(entry, 0, FAR),
      integer(call, -1, FAR),
      callback === undefined ? undefined : callbackOf(callback),
    );
    for (const pair of list(registers, 10)) {
      const [register, held] = list(pair);
      frame.registers[integer(register, 0, 9)] = value(held);
    }
    frame.registers[10] = pointer('stack', { target });
    for (const triple of list(cells, 128)) {
      const [offset, size, held] = list(triple);
      const cell: Cell = { size: size === 4 ? 4 : size === 8 ? 8 : no('no cell'), value: value(held) };
      if (cell.value.kind === 'pointer' && cell.size !== 8) no('part of a pointer');
      frame.cells.set(integer(offset, -512, -cell.size), cell);
    }
    frame.init = typeof bytes === 'string' && /^[0-9a-f]{1,128}$/.test(bytes) ? BigInt(`0x${bytes}`) : no('no bytes');
    return frame;
  });
  if (frames.length === 0) no('no frame');
  const references = list(point.references ?? []).map((x) => {
    const [id, what, owner] = list(x);
    return { id: name(id), what: typeof what === 'string' ? what : no('no reference'), owner: name(owner) };
  });
  const loops = list(point.loops ?? []).map((x) => {
    const [head, id, delta, asked] = list(x);
    return { head: integer(head, index, FAR), id: name(id), delta: distance(delta), asked: integer(asked, 0, depth) };
  });
  const head = point.head === undefined ? undefined : list(point.head);
  const state = new State(integer(point.slot, 0, FAR), frames, references, loops);
  return new Point(index, state, head !== undefined, head?.length ? rankOf(head, depth) : undefined);
}

function rankOf([frame, place, size, direction]: readonly Any[], depth: number): Rank {
  return {
    frame: integer(frame, 0, depth - 1),
    place: integer(place, 0, 10 + 512),
    size: size === 4 ? 4 : 8,
    direction: direction === 1 ? 1 : direction === -1 ? -1 : no('no direction'),
  };
}
