// The matrix: the same examples under the same traffic on each host. What the maps hold is counted by hand from the frames that were sent,
// and is the same on each; so is what traffic gets answers.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Session } from '../../src/spec/session.ts';
import { example } from '../context/support.ts';
import { requireCapability } from '../support/capability.ts';
import { HOSTS, type MatrixHost } from './hosts.ts';
import { type Maps, type Scene, SCENES } from './scenes.ts';
import { ECHO_PORTS, type Step, subnetOf, Wire } from './wire.ts';

const absent = (['netns', 'ping', 'tcpdump', 'ethtool'] as const)
  .map(requireCapability)
  .find((reason) => reason !== undefined);

interface Loaded {
  readonly programFd: number;
  readonly maps: Maps;
}

async function load(session: Session, scene: Scene, wire: Wire): Promise<Loaded> {
  const { programs, maps } = await session.call('object.load', {
    object: example(scene.object),
    name: scene.object,
    ...(scene.changes === undefined ? {} : { maps: scene.changes }),
  });
  const byName: Maps = Object.fromEntries(maps.map(({ name, section, fd }) => [section ?? name, fd]));
  for (const { map, key, value } of scene.entries(wire))
    await session.call('map.update', { fd: byName[map], key, value });
  return { programFd: programs[0].fd, maps: byName };
}

/** The host gets each frame where the system does; what has answers shows what it did with them. */
async function live(host: MatrixHost, scene: Scene, wire: Wire) {
  const session = await host.session();
  try {
    const { programFd, maps } = await load(session, scene, wire);
    const target = { ifindex: wire.ifindex };
    const link = await session.call('link.create', { fd: programFd, attachType: scene.attachType, target });
    const feed = await host.feed?.(session, wire);
    try {
      const { result: answers, frames } = await wire.capture(() => wire.send(scene.steps(wire)));
      return { answers, frames, state: await scene.read(session, maps, wire) };
    } finally {
      await feed?.[Symbol.asyncDispose]();
      // Whoever lists the links of this kernel at this moment holds them, too: closing would not do.
      await session.call('link.detach', link);
    }
  } finally {
    await session.close();
  }
}

const ICMP = 1;
const NUMBERS = { ping: ICMP, udp: 17, tcp: 6 } as const;

/** Whether a frame belongs to a step. */
function belongs(frame: Uint8Array, { kind, source, port }: Step): boolean {
  const isPort = port === undefined || ((frame[36] << 8) | frame[37]) === port;
  return frame[23] === NUMBERS[kind] && frame.subarray(26, 30).join('.') === source && isPort;
}

/** Nothing is attached during the traffic; the frames are then given to the hook, one by one: a step whose frames all pass has its answers. */
async function replayed(host: MatrixHost, scene: Scene, wire: Wire) {
  const session = await host.session();
  try {
    const { programFd, maps } = await load(session, scene, wire);
    const target = { ifindex: wire.ifindex };
    const { attachType } = scene;
    await session.call('link.create', { fd: programFd, attachType, target });
    const steps = scene.steps(wire);
    const { result, frames } = await wire.capture(() => wire.send(steps));
    expect(result).toEqual(steps.map(({ count }) => count));
    const answers = [...result];
    for (const data of frames) {
      const { verdict } = await session.call('hook.fire', { attachType, target, data });
      const step = steps.findIndex((one) => belongs(data, one));
      expect(step).toBeGreaterThanOrEqual(0);
      if (verdict !== scene.pass) answers[step] = 0;
    }
    return { answers, frames, state: await scene.read(session, maps, wire) };
  } finally {
    await session.close();
  }
}

describe.skipIf(absent !== undefined)('packets', () => {
  let wire: Wire;
  beforeAll(async () => {
    wire = await Wire.open(subnetOf(0));
  });
  afterAll(() => wire[Symbol.asyncDispose]());

  describe.each(HOSTS)('$name', (host) => {
    const missing = host.missing();
    test.skipIf(missing !== undefined).each(SCENES.filter(({ attachType }) => host.hooks.includes(attachType)))(
      '$name',
      async (scene) => {
        const { answers, frames, state } = await (host.feed === undefined ? replayed : live)(host, scene, wire);
        expect(answers).toEqual(scene.answers);
        expect(frames.length).toBeGreaterThan(10);
        expect(state).toEqual(scene.expected(frames, wire));
      },
    );
    if (missing !== undefined) test.skip(`${host.name}: ${missing}`, () => {});
  });

  test('nothing but the steps is on the wire', async () => {
    const { frames } = await wire.capture(async () => {});
    expect(frames).toEqual([]);
    expect(new Set(ECHO_PORTS).size).toBe(2);
  });
});
