// Random lives of objects against a model: an object is there exactly as long as a handle, a pin or another object leads to it.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { census, type ContextSession, fresh, jumping, map, NOTHING, outcome, program, u32 } from './support.ts';

const KINDS = ['plain', 'inner', 'outer', 'array', 'prog', 'link'] as const;
type Kind = (typeof KINDS)[number];

interface Modelled {
  readonly kind: Kind;
  readonly id: number;
  /** Those that it holds, by place. */
  readonly holds: Map<string, Modelled>;
}

interface Handle {
  readonly session: number;
  readonly fd: number;
  readonly object: Modelled;
}

const OUTER_PLACES = 3;
const SESSIONS = 2;

class World {
  readonly context = fresh().context;
  readonly sessions: ContextSession[] = Array.from({ length: SESSIONS }, () => this.context.session());
  handles: Handle[] = [];
  readonly pins = new Map<string, Modelled>();
  #interface = 0;

  users(object: Modelled): boolean {
    return this.handles.some((one) => one.object === object) || [...this.pins.values()].includes(object);
  }

  /** All that roots lead to. A prog_array without handles and pins leads nowhere. */
  live(): Set<Modelled> {
    const found = new Set<Modelled>();
    const visit = (object: Modelled): void => {
      if (found.has(object)) return;
      found.add(object);
      for (const held of object.holds.values()) visit(held);
    };
    for (const { object } of this.handles) visit(object);
    for (const object of this.pins.values()) visit(object);
    return found;
  }

  /** Arrays whose last handle or pin went are emptied for good. */
  settle(object: Modelled): void {
    if (object.kind === 'array' && !this.users(object)) object.holds.clear();
  }

  handleOf(kinds: readonly Kind[], which: number, session?: number): Handle | undefined {
    const fitting = this.handles.filter(
      (one) => kinds.includes(one.object.kind) && (session === undefined || one.session === session),
    );
    return fitting.length === 0 ? undefined : fitting[which % fitting.length];
  }

  async add(session: number, kind: Kind, fd: number, holds: readonly Modelled[]): Promise<void> {
    const { id } = await this.sessions[session].call('object.info', { fd });
    const object: Modelled = { kind, id, holds: new Map(holds.map((held, i) => [`by ${i}`, held])) };
    this.handles.push({ session, fd, object });
  }

  nextInterface(): number {
    return ++this.#interface;
  }
}

type Step = (world: World, session: number, a: number, b: number) => Promise<void>;

const STEPS: Readonly<Record<string, Step>> = {
  async plain(world, session) {
    await world.add(session, 'plain', await map(world.sessions[session]), []);
  },
  async inner(world, session) {
    await world.add(session, 'inner', await map(world.sessions[session], { type: 'array', maxEntries: 1 }), []);
  },
  async outer(world, session, a) {
    const inner = world.handleOf(['inner'], a, session);
    if (inner === undefined) return;
    const made = await map(world.sessions[session], { type: 'hash_of_maps', innerFd: inner.fd });
    // The template is copied, not held.
    await world.add(session, 'outer', made, []);
  },
  async array(world, session) {
    await world.add(session, 'array', await map(world.sessions[session], { type: 'prog_array', maxEntries: 2 }), []);
  },
  async prog(world, session, a) {
    const used = world.handleOf(['plain', 'outer', 'array'], a, session);
    const text =
      used === undefined
        ? 'r0 = 0\nexit'
        : used.object.kind === 'array'
          ? jumping(used.fd)
          : `r1 = map_by_fd(${used.fd}) ll\nr0 = 0\nexit`;
    await world.add(
      session,
      'prog',
      await program(world.sessions[session], text),
      used === undefined ? [] : [used.object],
    );
  },
  async bind(world, session, a, b) {
    const prog = world.handleOf(['prog'], a, session);
    const bound = world.handleOf(['plain', 'inner', 'outer', 'array'], b, session);
    if (prog === undefined || bound === undefined) return;
    await world.sessions[session].call('prog.bindMap', { fd: prog.fd, mapFd: bound.fd });
    prog.object.holds.set(`bound ${bound.object.id}`, bound.object);
  },
  async put(world, session, a, b) {
    const outer = world.handleOf(['outer', 'array'], a, session);
    if (outer === undefined) return;
    const isArray = outer.object.kind === 'array';
    const held = world.handleOf([isArray ? 'prog' : 'inner'], b, session);
    if (held === undefined) return;
    const place = b % (isArray ? 2 : OUTER_PLACES);
    const params = { fd: outer.fd, key: u32(place), value: u32(held.fd) };
    expect(await outcome(world.sessions[session], 'map.update', params)).toBe('ok');
    outer.object.holds.set(`at ${place}`, held.object);
  },
  async take(world, session, a, b) {
    const outer = world.handleOf(['outer', 'array'], a, session);
    if (outer === undefined) return;
    const place = b % (outer.object.kind === 'array' ? 2 : OUTER_PLACES);
    const there = outer.object.holds.delete(`at ${place}`);
    expect(await outcome(world.sessions[session], 'map.delete', { fd: outer.fd, key: u32(place) })).toBe(
      there ? 'ok' : 'ENOENT',
    );
  },
  async link(world, session, a) {
    const prog = world.handleOf(['prog'], a, session);
    if (prog === undefined) return;
    const target = { ifindex: world.nextInterface() };
    const { fd } = await world.sessions[session].call('link.create', { fd: prog.fd, attachType: 'xdp', target });
    await world.add(session, 'link', fd, [prog.object]);
  },
  async update(world, session, a, b) {
    const link = world.handleOf(['link'], a, session);
    const prog = world.handleOf(['prog'], b, session);
    if (link === undefined || prog === undefined || link.object.holds.size === 0) return;
    await world.sessions[session].call('link.update', { fd: link.fd, progFd: prog.fd });
    link.object.holds.set('by 0', prog.object);
  },
  async detach(world, session, a) {
    const link = world.handleOf(['link'], a, session);
    if (link === undefined) return;
    await world.sessions[session].call('link.detach', { fd: link.fd });
    link.object.holds.clear();
  },
  async close(world, session, a) {
    const handle = world.handleOf(KINDS, a, session);
    if (handle === undefined) return;
    await world.sessions[session].call('object.close', { fd: handle.fd });
    world.handles = world.handles.filter((one) => one !== handle);
    world.settle(handle.object);
  },
  async duplicate(world, session, a) {
    const handle = world.handleOf(KINDS, a, session);
    if (handle === undefined) return;
    const { fd } = await world.sessions[session].call('object.duplicate', { fd: handle.fd });
    world.handles.push({ ...handle, fd });
  },
  async open(world, session, a) {
    const all = [...world.live()];
    if (all.length === 0) return;
    const object = all[a % all.length];
    const kind = object.kind === 'prog' || object.kind === 'link' ? object.kind : 'map';
    const { fd } = await world.sessions[session].call('object.open', { kind, id: object.id });
    world.handles.push({ session, fd, object });
  },
  async pin(world, session, a, b) {
    const handle = world.handleOf(KINDS, a, session);
    if (handle === undefined) return;
    const path = `p${b % 4}`;
    const expected = world.pins.has(path) ? 'EEXIST' : 'ok';
    expect(await outcome(world.sessions[session], 'object.pin', { fd: handle.fd, path })).toBe(expected);
    if (expected === 'ok') world.pins.set(path, handle.object);
  },
  async unpin(world, session, a) {
    const path = `p${a % 4}`;
    const object = world.pins.get(path);
    expect(await outcome(world.sessions[session], 'object.unpin', { path })).toBe(
      object === undefined ? 'ENOENT' : 'ok',
    );
    world.pins.delete(path);
    if (object !== undefined) world.settle(object);
  },
  async leave(world, session) {
    await world.sessions[session].close();
    const gone = world.handles.filter((one) => one.session === session);
    world.handles = world.handles.filter((one) => one.session !== session);
    for (const { object } of gone) world.settle(object);
    world.sessions[session] = world.context.session();
  },
};

function compare(world: World): void {
  const expected: Record<string, number[]> = { map: [], prog: [], link: [] };
  for (const { kind, id } of world.live()) expected[kind === 'prog' || kind === 'link' ? kind : 'map'].push(id);
  const { maps, programs, links } = world.context;
  const found = {
    map: [...maps.values()].map(({ id }) => id),
    prog: [...programs.values()].map(({ id }) => id),
    link: [...links.values()].map(({ id }) => id),
  };
  for (const ids of Object.values(expected)) ids.sort((a, b) => a - b);
  expect(found).toEqual(expected);
}

describe('objects of a context', () => {
  it('live as long as something leads to them', async () => {
    const names = Object.keys(STEPS);
    const step = fc.tuple(
      fc.constantFrom(...names.flatMap((name) => (name === 'leave' ? [name] : [name, name, name]))),
      fc.nat({ max: SESSIONS - 1 }),
      fc.nat({ max: 99 }),
      fc.nat({ max: 99 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 60 }), async (steps) => {
        const world = new World();
        for (const [name, session, a, b] of steps) {
          await STEPS[name](world, session, a, b);
          compare(world);
        }
        for (const session of world.sessions) await session.close();
        for (const path of world.pins.keys()) world.context.unpin(path);
        expect(census({ context: world.context } as ContextSession)).toEqual(NOTHING);
        expect(world.context.runtime.memory.used).toBe(0);
      }),
      { numRuns: Number(process.env['ANYBPF_CHECKS'] ?? 60) },
    );
  });
});
