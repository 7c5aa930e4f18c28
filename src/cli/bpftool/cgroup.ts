// `anybpf cgroup`: programs of control groups.
import { AnyBpfError, fail } from '../../base/diagnostic.ts';
import { wrongWords } from '../../base/messages/bpftool.ts';
import { ATTACH_TYPES, type AttachTypeName } from '../../spec/program-types.ts';
import type { Fd, Id, LinkInfo } from '../../spec/session.ts';
import { isPrefix, type Words } from './arguments.ts';
import { reasonOf, refuse, said } from './errors.ts';
import { all, byId, programOf } from './objects.ts';
import { type Answer, DONE, type Json } from './output.ts';
import type { Group, Run, Tool } from './tool.ts';

/** Where Linux has its groups; paths below are the context's. */
const ROOT = '/sys/fs/cgroup';

const cgroupOf = (path: string): string => {
  const below = path === ROOT || path.startsWith(`${ROOT}/`) ? path.slice(ROOT.length) : path;
  return below === '' ? '/' : below;
};

/** bpftool's older words beside libbpf's names. */
const OLD_WORDS: readonly (readonly [word: string, type: AttachTypeName])[] = [
  ['ingress', 'cgroup_inet_ingress'],
  ['egress', 'cgroup_inet_egress'],
  ['sock_create', 'cgroup_inet_sock_create'],
  ['sock_release', 'cgroup_inet_sock_release'],
  ['sock_ops', 'cgroup_sock_ops'],
  ['device', 'cgroup_device'],
  ['bind4', 'cgroup_inet4_bind'],
  ['bind6', 'cgroup_inet6_bind'],
  ['connect4', 'cgroup_inet4_connect'],
  ['connect6', 'cgroup_inet6_connect'],
  ['post_bind4', 'cgroup_inet4_post_bind'],
  ['post_bind6', 'cgroup_inet6_post_bind'],
  ['getpeername4', 'cgroup_inet4_getpeername'],
  ['getpeername6', 'cgroup_inet6_getpeername'],
  ['getsockname4', 'cgroup_inet4_getsockname'],
  ['getsockname6', 'cgroup_inet6_getsockname'],
  ['sendmsg4', 'cgroup_udp4_sendmsg'],
  ['sendmsg6', 'cgroup_udp6_sendmsg'],
  ['recvmsg4', 'cgroup_udp4_recvmsg'],
  ['recvmsg6', 'cgroup_udp6_recvmsg'],
  ['sysctl', 'cgroup_sysctl'],
  ['getsockopt', 'cgroup_getsockopt'],
  ['setsockopt', 'cgroup_setsockopt'],
];

const CGROUP_TYPES = (Object.keys(ATTACH_TYPES) as AttachTypeName[]).filter((type) => type.startsWith('cgroup_'));

function attachTypeOf(word: string): AttachTypeName {
  const found = CGROUP_TYPES.find((type) => type === word) ?? OLD_WORDS.find(([old]) => isPrefix(word, old))?.[1];
  return found ?? fail(wrongWords({}, 'invalid attach type'));
}

const FLAGS = { override: 1, multi: 2 } as const;

/** BPF_F_ALLOW_*, as bpftool words them. */
const flagsText = (flags: number): string =>
  flags === 0
    ? ''
    : ((Object.keys(FLAGS) as (keyof typeof FLAGS)[]).find((name) => FLAGS[name] === flags) ??
      `unknown(${flags.toString(16)})`);

interface Attached {
  readonly id: Id;
  readonly type: AttachTypeName;
  readonly flags: string;
  readonly name: string;
}

async function attachedTo(tool: Tool, cgroup: string): Promise<Attached[]> {
  const found: Attached[] = [];
  let refused: AnyBpfError | undefined;
  let answered = false;
  for (const type of CGROUP_TYPES) {
    try {
      const { progs } = await tool.call('prog.query', { attachType: type, target: { cgroup } });
      answered = true;
      for (const { id, flags } of progs) {
        const { fd, info } = await byId(tool, 'prog', id);
        await tool.call('object.close', { fd });
        found.push({ id, type, flags: flagsText(flags), name: info.name });
      }
    } catch (error) {
      if (!(error instanceof AnyBpfError)) throw error;
      // A hook that this context has not.
      refused = error;
    }
  }
  if (!answered && refused !== undefined) {
    refuse(`can't query bpf programs attached to ${cgroup}: ${reasonOf(refused.diagnostic)}`);
  }
  return found;
}

const attachedJson = (list: readonly Attached[]): Json =>
  list.map(({ id, type, flags, name }) => ({ id, attach_type: type, attach_flags: flags, name }));

const row = (indent: string, id: string | number, ...cells: readonly string[]): string =>
  `${indent}${String(id).padEnd(8)}${cells.map((cell) => ` ${cell.padEnd(15)}`).join('')}\n`;

const HEAD = row('', 'ID', 'AttachType', 'AttachFlags', 'Name');

const attachedText = (list: readonly Attached[], indent: string): string =>
  list.map(({ id, type, flags, name }) => row(indent, id, type, flags, name)).join('');

/** `effective`: also what the groups above give; the context asks each for its own. */
function effective(words: Words): boolean {
  if (words.left === 0) return false;
  if (!words.skip('effective')) {
    fail(wrongWords({}, `expected no more arguments, 'effective', got: '${words.next}'?`));
  }
  words.end();
  return true;
}

const parentsOf = (cgroup: string): string[] => {
  const parts = cgroup.split('/').filter((part) => part !== '');
  return parts.map((_, i) => `/${parts.slice(0, i).join('/')}`).toReversed();
};

async function show(tool: Tool, words: Words): Promise<Answer> {
  const cgroup = cgroupOf(words.need(1).take());
  const groups = effective(words) ? [cgroup, ...parentsOf(cgroup)] : [cgroup];
  const found: Attached[] = [];
  for (const group of groups) found.push(...(await attachedTo(tool, group)));
  return {
    json: () => attachedJson(found),
    text: () => (found.length === 0 ? '' : HEAD + attachedText(found, '')),
  };
}

/** Groups that are known by their links, and the root. A context keeps no list of others. */
async function tree(tool: Tool, words: Words): Promise<Answer> {
  const root = words.left > 0 && !isPrefix(words.next, 'effective') ? cgroupOf(words.take()) : '/';
  effective(words);
  const groups = new Set([root]);
  for await (const { info } of all(tool, 'link')) {
    const group = cgroupOfLink(info);
    if (group !== undefined && (root === '/' || group === root || group.startsWith(`${root}/`))) groups.add(group);
  }
  const found: { readonly group: string; readonly list: readonly Attached[] }[] = [];
  for (const group of [...groups].toSorted()) {
    const list = await attachedTo(tool, group);
    if (list.length > 0) found.push({ group, list });
  }
  return {
    json: () => found.map(({ group, list }) => ({ cgroup: group, programs: attachedJson(list) })),
    text: () =>
      `CgroupPath\n${HEAD}${found.map(({ group, list }) => `${group}\n${attachedText(list, '    ')}`).join('')}`,
  };
}

const cgroupOfLink = ({ type, target }: LinkInfo): string | undefined =>
  type === 'cgroup' ? (target.cgroup ?? '/') : undefined;

interface Attachment {
  readonly fd: Fd;
  readonly attachType: AttachTypeName;
  readonly target: { readonly cgroup: string };
}

/** CGROUP ATTACH_TYPE PROG */
async function attachmentOf(tool: Tool, words: Words, what: string): Promise<Attachment> {
  if (words.left < 4) fail(wrongWords({}, `too few parameters for cgroup ${what}`));
  const cgroup = cgroupOf(words.take());
  const attachType = attachTypeOf(words.take());
  const { fd } = await programOf(tool, words);
  return { fd, attachType, target: { cgroup } };
}

const attach: Run = async (tool, words) => {
  const attachment = await attachmentOf(tool, words, 'attach');
  let flags = 0;
  while (words.left > 0) {
    const flag = (Object.keys(FLAGS) as (keyof typeof FLAGS)[]).find((word) => words.skip(word));
    if (flag === undefined) fail(wrongWords({}, `unknown option: ${words.next}`));
    else flags |= FLAGS[flag];
  }
  await said(tool.call('prog.attach', { ...attachment, flags }), () => 'failed to attach program', -1);
  return DONE;
};

const detach: Run = async (tool, words) => {
  const attachment = await attachmentOf(tool, words, 'detach');
  words.end();
  await said(tool.call('prog.detach', attachment), () => 'failed to detach program', -1);
  return DONE;
};

const HELP = `% cgroup { show | list } CGROUP [effective]
       % cgroup tree [CGROUP_ROOT] [effective]
       % cgroup attach CGROUP ATTACH_TYPE PROG [ATTACH_FLAGS]
       % cgroup detach CGROUP ATTACH_TYPE PROG
       % cgroup help

       CGROUP is a path below ${ROOT}, or of the context: /a/b
       ATTACH_TYPE := { ${CGROUP_TYPES.join(' |\n                        ')} }
       ATTACH_FLAGS := { multi | override }
       PROG := { id PROG_ID | pinned FILE | tag PROG_TAG | name PROG_NAME }
`;

export const cgroupGroup: Group = {
  name: 'cgroup',
  about: "programs of control groups, in bpftool's grammar: show, tree, attach, detach",
  commands: [
    ['show', show],
    ['list', show],
    ['tree', tree],
    ['attach', attach],
    ['detach', detach],
  ],
  help: HELP,
};
