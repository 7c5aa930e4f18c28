// What the kernel tells of a link (struct bpf_link_info), in the session's form.
import { cString } from '../../base/bytes.ts';
import { ATTACH_TYPES, type AttachTypeName } from '../../spec/program-types.ts';
import { type AttachTarget, type Fd, LINK_TYPES, type LinkInfo, type LinkTypeName } from '../../spec/session.ts';
import { byLinuxNumber } from './linux-names.ts';
import { NETFILTER_FAMILIES, NETFILTER_HOOKS } from './netfilter.ts';
import { rawInfo, roomFor } from './info.ts';
import { cgroupById, netnsByInode, ownNetnsInode } from './places.ts';

const ATTACH_NAMES = byLinuxNumber(ATTACH_TYPES);

/** Where a type's part of the union has an attach type, or which one it is. */
const ATTACH: { readonly [T in LinkTypeName]: number | AttachTypeName } = {
  unspec: 'perf_event',
  raw_tracepoint: 'trace_raw_tp',
  tracing: 16,
  cgroup: 24,
  iter: 'trace_iter',
  netns: 20,
  xdp: 'xdp',
  perf_event: 'perf_event',
  kprobe_multi: 'trace_kprobe_multi',
  struct_ops: 'struct_ops',
  netfilter: 'netfilter',
  tcx: 20,
  uprobe_multi: 'trace_uprobe_multi',
  netkit: 20,
  sockmap: 20,
  plain: 'xdp',
};

/** Texts that the kernel writes where it is told to: at which offset their address, and after it their length, stands. */
const TEXT: { readonly [T in LinkTypeName]?: { readonly address: number; readonly length: number } } = {
  raw_tracepoint: { address: 16, length: 24 },
  iter: { address: 16, length: 24 },
  uprobe_multi: { address: 16, length: 48 },
  // Its first member says which kind of event it is; all that have a name have it here.
  perf_event: { address: 24, length: 32 },
};
const TEXT_SIZE = 4096;
/** BPF_PERF_EVENT_UPROBE and _URETPROBE, whose text is a file. */
const UPROBES: ReadonlySet<number> = new Set([1, 2]);
/** BPF_PERF_EVENT_EVENT: a counter, without a name. */
const COUNTER = 6;

type Target = (info: DataView, text: string) => { readonly target: AttachTarget; readonly detached?: boolean };

const named: Target = (_, text) => ({ target: text === '' ? {} : { name: text } });
const device: Target = (info) => {
  const ifindex = info.getUint32(16, true);
  return ifindex === 0 ? { target: {}, detached: true } : { target: { ifindex } };
};
const netns = (inode: number): { readonly netns?: string } => {
  const path = inode === ownNetnsInode() ? undefined : netnsByInode(inode);
  return path === undefined ? {} : { netns: path };
};
/** A handle means nothing to another session: link info leaves maps out. */
const nothing: Target = () => ({ target: {} });

const TARGETS: { readonly [T in LinkTypeName]: Target } = {
  unspec: nothing,
  raw_tracepoint: named,
  tracing: nothing,
  cgroup: (info) => {
    const id = info.getBigUint64(16, true);
    const cgroup = id === 0n ? undefined : cgroupById(id);
    return { target: cgroup === undefined ? {} : { cgroup }, detached: id === 0n };
  },
  iter: named,
  netns: (info) => {
    const inode = info.getUint32(16, true);
    return { target: netns(inode), detached: inode === 0 };
  },
  xdp: device,
  perf_event: (info, text) => {
    if (info.getUint32(16, true) === COUNTER) return { target: {} };
    const at = UPROBES.has(info.getUint32(16, true)) ? `:0x${info.getUint32(36, true).toString(16)}` : '';
    return { target: text === '' ? {} : { name: text + at } };
  },
  kprobe_multi: nothing,
  struct_ops: nothing,
  netfilter: (info) => {
    const family = NETFILTER_FAMILIES.find(({ number }) => number === info.getUint32(16, true))?.name;
    const hook = NETFILTER_HOOKS[info.getUint32(20, true)];
    return { target: { name: `${family}/${hook}`, priority: info.getInt32(24, true) } };
  },
  tcx: device,
  uprobe_multi: (info, text) => {
    const pid = info.getUint32(60, true);
    return { target: { ...(text === '' ? {} : { name: text }), ...(pid === 0 ? {} : { pid }) } };
  },
  netkit: device,
  sockmap: nothing,
  plain: nothing,
};

/** @param known what the link was made with, where that is known */
export function linkInfo(fd: Fd, pins: readonly string[], known: AttachTarget | undefined): LinkInfo | number {
  const first = rawInfo(fd, 'link');
  if (typeof first === 'number') return first;
  const type = LINK_TYPES[first.getUint32(0, true)] ?? 'unspec';
  const row = TEXT[type];
  let bytes: Uint8Array = new Uint8Array();
  const info =
    row === undefined || (type === 'perf_event' && first.getUint32(16, true) === COUNTER)
      ? first
      : rawInfo(fd, 'link', (view) => {
          bytes = roomFor(view, row.address, row.length, TEXT_SIZE);
        });
  if (typeof info === 'number') return info;
  const text = cString(bytes.slice());
  const attach = ATTACH[type];
  const attachType = typeof attach === 'string' ? attach : ATTACH_NAMES.get(info.getUint32(attach, true));
  const { target, detached = false } = TARGETS[type](info, text);
  return {
    kind: 'link',
    id: info.getUint32(4, true),
    type,
    progId: detached ? 0 : info.getUint32(8, true),
    attachType: attachType ?? 'xdp',
    target: detached ? target : { ...target, ...known },
    detached,
    legacy: false,
    pins,
  };
}
