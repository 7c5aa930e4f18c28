// `anybpf link`: what programs are attached by.
import { deviceName } from './devices.ts';
import type { AttachTarget, LinkInfo, LinkTypeName } from '../../spec/session.ts';
import type { Words } from './arguments.ts';
import { said } from './errors.ts';
import { all, linkOf, pinOf } from './objects.ts';
import { type Answer, DONE, type Json, listed } from './output.ts';
import type { Group, Run, Tool } from './tool.ts';

/** What is shown of a link besides its program, by its type: members of JSON, and words of the text. */
interface Shown {
  readonly json: { readonly [name: string]: Json | undefined };
  readonly text: readonly string[];
}

const NONE: Shown = { json: {}, text: [] };

const attachType = ({ attachType: type }: LinkInfo): Shown => ({
  json: { attach_type: type },
  text: [`attach_type ${type}`],
});

const device = ({ target: { ifindex = 0 }, detached }: LinkInfo): Shown =>
  detached
    ? { json: { devname: '(detached)', ifindex: 0 }, text: ['ifindex (detached)'] }
    : {
        json: { devname: deviceName(ifindex), ifindex },
        text: [`ifindex ${deviceName(ifindex)}(${ifindex})`],
      };

const both = (...parts: readonly Shown[]): Shown => ({
  json: Object.assign({}, ...parts.map(({ json }) => json)) as Shown['json'],
  text: parts.flatMap(({ text }) => text),
});

/** A name that the target has, in bpftool's member for it. */
const named =
  (member: string, word = member) =>
  ({ target: { name = '' } }: LinkInfo): Shown => ({ json: { [member]: name }, text: [`${word} ${name}`] });

const map = ({ target }: LinkInfo): Shown =>
  target.mapFd === undefined ? NONE : { json: { map_id: target.mapFd }, text: [`map ${target.mapFd}`] };

type Part = (info: LinkInfo) => Shown;

const PARTS: { readonly [T in LinkTypeName]: Part } = {
  unspec: attachType,
  raw_tracepoint: named('tp_name', 'tp'),
  tracing: (info) => both(attachType(info), named('target_name')(info)),
  // The kernel gives ids of cgroups and inodes of namespaces; here they have paths.
  cgroup: (info) => both(pathOf(info.target, 'cgroup'), attachType(info)),
  iter: named('target_name'),
  netns: (info) => both(pathOf(info.target, 'netns'), attachType(info)),
  xdp: device,
  perf_event: named('func'),
  kprobe_multi: named('func'),
  struct_ops: map,
  netfilter: (info) => both(pathOf(info.target, 'netns'), named('hook')(info)),
  tcx: (info) => both(device(info), attachType(info)),
  uprobe_multi: named('func'),
  netkit: (info) => both(device(info), attachType(info)),
  sockmap: (info) => both(map(info), attachType(info)),
  plain: (info) => both(attachType(info), compartment(info)),
};

const pathOf = (target: AttachTarget, member: 'cgroup' | 'netns'): Shown => {
  const path = target[member] ?? '/';
  return { json: { [member]: path }, text: [`${member} ${path}`] };
};

const compartment = ({ target: { compartment: id, ifindex } }: LinkInfo): Shown =>
  id !== undefined
    ? { json: { compartment: id }, text: [`compartment ${id}`] }
    : ifindex !== undefined
      ? { json: { ifindex }, text: [`ifindex ${ifindex}`] }
      : NONE;

function linkJson(info: LinkInfo, pins: boolean): Json {
  return {
    id: info.id,
    type: info.type,
    prog_id: info.progId,
    ...PARTS[info.type](info).json,
    pinned: pins ? info.pins : undefined,
  };
}

function linkText(info: LinkInfo, pins: boolean): string {
  const { text } = PARTS[info.type](info);
  return [
    `${info.id}: ${info.type}  prog ${info.progId}  `,
    ...(text.length === 0 ? [] : [`\t${text.map((word) => `${word}  `).join('')}`]),
    ...(pins ? info.pins.map((path) => `\tpinned ${path}`) : []),
    '',
  ].join('\n');
}

async function show(tool: Tool, words: Words): Promise<Answer> {
  const pins = tool.options.bpffs && (await tool.call('object.pins', {})).pins.some(({ kind }) => kind === 'link');
  const shown = (info: LinkInfo): Answer => ({ json: () => linkJson(info, pins), text: () => linkText(info, pins) });
  if (words.left === 2) return shown((await linkOf(tool, words)).info);
  words.end();
  const answers: Answer[] = [];
  for await (const { info } of all(tool, 'link')) answers.push(shown(info));
  return listed(answers);
}

const detach: Run = async (tool, words) => {
  const { fd } = await linkOf(tool, words.need(2));
  words.end();
  await said(tool.call('link.detach', { fd }), (why) => `failed link detach: ${why}`);
  return DONE;
};

const HELP = `% link { show | list }   [LINK]
       % link pin        LINK  FILE
       % link detach     LINK
       % link help

       LINK := { id LINK_ID | pinned FILE }
`;

export const linkGroup: Group = {
  name: 'link',
  about: "links, in bpftool's grammar: show, pin, detach",
  commands: [
    ['show', show],
    ['list', show],
    ['pin', pinOf(linkOf)],
    ['detach', detach],
  ],
  help: HELP,
};
