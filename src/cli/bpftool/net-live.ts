// `anybpf net attach --host engine` and `net live`: interfaces whose packets the service's own engine decides on.
import { fail } from '../../base/diagnostic.ts';
import { wrongUse } from '../../base/messages/cli.ts';
import { ServiceSession } from '../../client/session.ts';
import { ERRNO } from '../../spec/errno.ts';
import type { LiveDevice, LiveDriver } from '../../service/protocol.ts';
import type { Words } from './arguments.ts';
import { refuse } from './errors.ts';
import type { Answer } from './output.ts';
import type { Tool } from './tool.ts';

/** Takes every Ethernet interface, and a packet costs it least. */
const DEFAULT_DRIVER: LiveDriver = 'af_packet';

/** The session with a service; undefined with another host, which has no live interfaces. */
async function serviceOf(tool: Tool): Promise<ServiceSession | undefined> {
  const session = await tool.session();
  return session instanceof ServiceSession ? session : undefined;
}

const needService = async (tool: Tool): Promise<ServiceSession> =>
  (await serviceOf(tool)) ?? fail(wrongUse({}, 'live interfaces belong to a service'));

/** Those of the service; none where there is another host. */
export async function liveDevices(tool: Tool): Promise<readonly LiveDevice[]> {
  const service = await serviceOf(tool);
  return service === undefined ? [] : (await service.ask('live.list', {})).devices;
}

/**
 * Takes `dev NAME`, and makes that interface live. One that is live already stays so, where no other driver is asked for.
 *
 * @returns its index, and what makes it as it was
 */
export async function openLive(
  tool: Tool,
  word: string,
  words: Words,
): Promise<{ readonly ifindex: number; undo(): Promise<void> }> {
  if (!word.startsWith('xdp')) refuse(`the engine takes programs of xdp, not of ${word}`, -ERRNO.EINVAL);
  if (!words.skip('dev')) refuse(`expected 'dev', got: '${words.next}'?`, -ERRNO.EINVAL);
  const device = words.take();
  const service = await needService(tool);
  const { driver, dialect } = tool.options;
  const { devices } = await service.ask('live.list', {});
  const known = devices.find((one) => one.device === device);
  if (known !== undefined && (driver === undefined || driver === known.driver))
    return { ifindex: known.ifindex, undo: async () => undefined };
  const { ifindex } = await service.ask('live.open', { device, driver: driver ?? DEFAULT_DRIVER, dialect });
  return {
    ifindex,
    undo: async () => {
      await service.ask('live.close', { device });
    },
  };
}

/** What came to each live interface, and what became of it. */
export async function showLive(tool: Tool, words: Words): Promise<Answer> {
  words.end();
  const devices = await liveDevices(tool);
  return {
    json: () => devices.map(({ statistics, ...device }) => ({ ...device, statistics: { ...statistics } })),
    text: () =>
      devices
        .map(({ device, ifindex, driver, mode, enforces, statistics }) => {
          const counts = Object.entries(statistics).filter(([, count]) => count !== 0);
          const told = counts.map(([name, count]) => `  ${name.padEnd(14)} ${count}\n`).join('');
          return `${device}(${ifindex}) ${driver} (${mode})${enforces ? '' : ', does not enforce verdicts'}\n${told}`;
        })
        .join(''),
  };
}
