// `anybpf net`: programs on network interfaces.
import { AnyBpfError } from '../../base/diagnostic.ts';
import { ERRNO } from '../../spec/errno.ts';
import type { AttachTypeName } from '../../spec/program-types.ts';
import { LIVE_DRIVERS, type LiveDevice } from '../../service/protocol.ts';
import type { Id } from '../../spec/session.ts';
import { strerror } from '../../spec/strerror.ts';
import { isPrefix, type Words } from './arguments.ts';
import { type Device, deviceIndex, deviceName, devices } from './devices.ts';
import { refuse, said, ToolError, unless } from './errors.ts';
import { liveDevices, openLive, showLive } from './net-live.ts';
import { all, byId, programOf } from './objects.ts';
import { type Answer, DONE, type Json } from './output.ts';
import type { Group, Run, Tool } from './tool.ts';

/** XDP_FLAGS_* (include/uapi/linux/if_link.h). */
const XDP = { UPDATE_IF_NOEXIST: 1, SKB_MODE: 2, DRV_MODE: 4, HW_MODE: 8 } as const;

interface AttachWord {
  readonly word: string;
  readonly attachType: AttachTypeName;
  /** Flags of XDP; undefined for what is not XDP. */
  readonly mode?: number;
}

const ATTACH_WORDS: readonly AttachWord[] = [
  { word: 'xdp', attachType: 'xdp', mode: 0 },
  { word: 'xdpgeneric', attachType: 'xdp', mode: XDP.SKB_MODE },
  { word: 'xdpdrv', attachType: 'xdp', mode: XDP.DRV_MODE },
  { word: 'xdpoffload', attachType: 'xdp', mode: XDP.HW_MODE },
  { word: 'tcx_ingress', attachType: 'tcx_ingress' },
  { word: 'tcx_egress', attachType: 'tcx_egress' },
];

const INVALID = -ERRNO.EINVAL;

function attachWord(words: Words): AttachWord {
  const found = ATTACH_WORDS.find(({ word }) => isPrefix(words.next, word));
  if (found === undefined) return refuse(`invalid net attach/detach type: ${words.next}`, INVALID);
  words.take();
  return found;
}

/** dev NAME */
function deviceOf(words: Words): number {
  if (!words.skip('dev')) refuse(`expected 'dev', got: '${words.next}'?`, INVALID);
  const name = words.take();
  return deviceIndex(name) ?? refuse(`invalid devname ${name}`, INVALID);
}

/** Every refusal of these commands ends with EINVAL, but for the operation's own. */
const allInvalid =
  (run: Run): Run =>
  async (tool, words) => {
    try {
      return await run(tool, words);
    } catch (error) {
      if (!(error instanceof AnyBpfError) || (error instanceof ToolError && error.status !== -1)) throw error;
      throw new ToolError(error.diagnostic.message, INVALID, error.cause ?? error);
    }
  };

const attach: Run = async (tool, words) => {
  const { word, attachType, mode } = attachWord(words.need(5));
  const { fd } = await programOf(tool, words);
  const live = tool.options.engine ? await openLive(tool, word, words) : undefined;
  const ifindex = live?.ifindex ?? deviceOf(words);
  let overwrite = false;
  if (words.left > 0) {
    overwrite = words.skip('overwrite');
    if (!overwrite) refuse(`expected 'overwrite', got: '${words.next}'?`, INVALID);
  }
  noHardware(word, mode, 'attach');
  // Windows' hook takes no flags.
  const flags = mode === undefined || tool.windows ? 0 : mode | (overwrite ? 0 : XDP.UPDATE_IF_NOEXIST);
  try {
    await said(
      tool.call('prog.attach', { fd, attachType, target: { ifindex }, flags }),
      (why) => `interface ${word} attach failed: ${why}`,
    );
  } catch (error) {
    await live?.undo();
    throw error;
  }
  return DONE;
};

const detach: Run = async (tool, words) => {
  const { word, attachType, mode } = attachWord(words.need(3));
  const ifindex = deviceOf(words);
  noHardware(word, mode, 'detach');
  const done = tool.call('prog.detach', { attachType, target: { ifindex } });
  // Taking XDP away where there is none is no error to the kernel.
  await said(mode === undefined ? done : unless('ENOENT', done), (why) => `interface ${word} detach failed: ${why}`);
  return DONE;
};

function noHardware(word: string, mode: number | undefined, operation: string): void {
  if (mode !== XDP.HW_MODE) return;
  refuse(`interface ${word} ${operation} failed: ${strerror(ERRNO.EOPNOTSUPP)}`, -ERRNO.EOPNOTSUPP);
}

interface Attached {
  readonly json: { readonly [name: string]: Json | undefined };
  readonly text: string;
}

const modeName = (flags: number): string =>
  (flags & XDP.HW_MODE) !== 0 ? 'offload' : (flags & XDP.DRV_MODE) !== 0 ? 'driver' : 'generic';

async function attachedTo(tool: Tool, attachType: AttachTypeName, { ifindex }: { readonly ifindex: number }) {
  const found = await tool.call('prog.query', { attachType, target: { ifindex } }).catch((error: unknown) => {
    // A context without this hook.
    if (error instanceof AnyBpfError) return undefined;
    throw error;
  });
  return found?.progs ?? [];
}

async function xdpOf(tool: Tool, { name, index }: Device, live: LiveDevice | undefined): Promise<Attached[]> {
  const progs = await attachedTo(tool, 'xdp', { ifindex: index });
  return progs.map(({ id, linkId, flags }) => {
    const mode = live === undefined ? modeName(flags) : `engine ${live.driver}`;
    return {
      json: {
        devname: name,
        ifindex: index,
        mode,
        id,
        link_id: linkId === 0 ? undefined : linkId,
        enforces: live?.enforces,
      },
      text: `${name}(${index}) ${mode} id ${id}${live?.enforces === false ? ' observing' : ''}\n`,
    };
  });
}

async function nameOf(tool: Tool, id: Id): Promise<string> {
  const { fd, info } = await byId(tool, 'prog', id);
  await tool.call('object.close', { fd });
  return info.name;
}

/** As bpftool 7.3 and later show programs of tcx. */
async function tcxOf(tool: Tool, { name, index }: Device): Promise<Attached[]> {
  const out: Attached[] = [];
  for (const attachType of ['tcx_ingress', 'tcx_egress'] as const) {
    const kind = attachType.replace('_', '/');
    for (const { id, linkId } of await attachedTo(tool, attachType, { ifindex: index })) {
      const program = await nameOf(tool, id);
      out.push({
        json: {
          devname: name,
          ifindex: index,
          kind,
          name: program,
          prog_id: id,
          link_id: linkId === 0 ? undefined : linkId,
        },
        text: `${name}(${index}) ${kind} ${program} prog_id ${id}${linkId === 0 ? '' : ` link_id ${linkId}`}\n`,
      });
    }
  }
  return out;
}

async function flowDissector(tool: Tool): Promise<Attached[]> {
  const found = await tool.call('prog.query', { attachType: 'flow_dissector', target: {} }).catch((error: unknown) => {
    if (error instanceof AnyBpfError) return undefined;
    throw error;
  });
  return (found?.progs ?? []).map(({ id }) => ({ json: { id }, text: `id ${id}\n` }));
}

/** The machine's devices, and those that only links know: captures and tests name devices that are none of the machine's. */
async function shownDevices(tool: Tool, words: Words): Promise<readonly Device[]> {
  if (words.skip('dev')) {
    const name = words.take();
    const index = deviceIndex(name);
    return index === undefined ? refuse(`invalid devname ${name}`) : [{ name: deviceName(index), index }];
  }
  const known = new Map(devices().map((device) => [device.index, device]));
  for await (const { info } of all(tool, 'link')) {
    const { ifindex = 0 } = info.target;
    if (ifindex !== 0 && !known.has(ifindex)) known.set(ifindex, { name: deviceName(ifindex), index: ifindex });
  }
  return [...known.values()];
}

async function show(tool: Tool, words: Words): Promise<Answer> {
  const shown = await shownDevices(tool, words);
  words.end();
  const xdp: Attached[] = [];
  const tc: Attached[] = [];
  const live = await liveDevices(tool);
  for (const device of shown) {
    const byEngine = live.find(({ ifindex }) => ifindex === device.index);
    xdp.push(...(await xdpOf(tool, device, byEngine)));
    tc.push(...(await tcxOf(tool, device)));
  }
  const parts = { xdp, tc, flow_dissector: await flowDissector(tool) };
  return {
    json: () => [
      Object.fromEntries(
        Object.entries(parts).map(([name, list]): [string, Json] => [name, list.map(({ json }) => json)]),
      ),
    ],
    text: () =>
      Object.entries(parts)
        .map(([name, list]) => `${name}:\n${list.map(({ text }) => text).join('')}\n`)
        .join(''),
  };
}

const HELP = `% net { show | list } [dev <devname>]
       % net attach ATTACH_TYPE PROG dev <devname> [ overwrite ]
       % net detach ATTACH_TYPE dev <devname>
       % net live
       % net help

       PROG := { id PROG_ID | pinned FILE | tag PROG_TAG | name PROG_NAME }
       ATTACH_TYPE := { ${ATTACH_WORDS.map(({ word }) => word).join(' | ')} }

Note: devices are those of this machine; an index may stand for a name.
      For programs of cgroups, use "% cgroup".
      With --host engine, attach takes the packets of a real interface to the service's own engine (xdp alone), by --driver
      ${LIVE_DRIVERS.join(', ')}; detach gives it back, and live shows what came and what became of it.
`;

export const netGroup: Group = {
  name: 'net',
  about: "programs on network interfaces, in bpftool's grammar: show, attach, detach",
  commands: [
    ['show', show],
    ['list', show],
    ['attach', allInvalid(attach)],
    ['detach', allInvalid(detach)],
    ['live', showLive],
  ],
  help: HELP,
};
