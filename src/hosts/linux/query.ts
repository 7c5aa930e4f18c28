// prog.query: what is attached somewhere.
import { ERRNO } from '../../spec/errno.ts';
import { ATTACH_TYPES } from '../../spec/program-types.ts';
import type { Id, Params, Result } from '../../spec/session.ts';
import { checkAttachType, placeOf, withTarget } from './attach.ts';
import { bpf, close, linuxNumber, pointer } from './bpf.ts';
import { checked } from './errors.ts';
import { rawInfo } from './info.ts';
import { ifindexOf } from './link-request.ts';
import { native } from './native.ts';
import { getXdp } from './netlink.ts';
import { ids, openId } from './objects.ts';
import { inNetns } from './places.ts';
import type { LinuxSession } from './session.ts';

const OPERATION = 'prog.query';
type Answer = Result<'prog.query'>;

/** Offsets in union bpf_attr. */
const ATTR = {
  target: 0,
  attachType: 4,
  attachFlags: 12,
  progIds: 16,
  count: 24,
  linkIds: 40,
  revision: 56,
  size: 64,
} as const;
/** More than any hook takes (BPF_MPROG_MAX, BPF_CGROUP_MAX_PROGS, ...). */
const MOST = 256;

export function query(session: LinuxSession, params: Params<'prog.query'>): Answer {
  const { attachType, target } = params;
  checkAttachType(attachType, OPERATION);
  if (placeOf(attachType) === 'xdp') {
    const ifindex = ifindexOf({ target, operation: OPERATION });
    return inNetns(OPERATION, target.netns, () => xdpOf(ifindex));
  }
  // Of links and programs of a hook with an order; others know no links there.
  const withLinks = placeOf(attachType) === 'ifindex';
  let progs: Uint8Array = new Uint8Array();
  let links: Uint8Array = new Uint8Array();
  let found = { count: 0, flags: 0, revision: 0n };
  const status = withTarget(session, params, OPERATION, (place) =>
    bpf(
      'PROG_QUERY',
      ATTR.size,
      (attr) => {
        attr.setUint32(ATTR.target, place, true);
        attr.setUint32(ATTR.attachType, linuxNumber(ATTACH_TYPES[attachType]), true);
        attr.setUint32(ATTR.count, MOST, true);
        const room = (at: number): Uint8Array => {
          const part = native().room(4 * MOST);
          pointer(attr, at, part.address);
          return part.bytes;
        };
        progs = room(ATTR.progIds);
        if (withLinks) links = room(ATTR.linkIds);
      },
      (attr) => {
        found = {
          count: attr.getUint32(ATTR.count, true),
          flags: attr.getUint32(ATTR.attachFlags, true),
          revision: attr.getBigUint64(ATTR.revision, true),
        };
      },
    ),
  );
  // Nothing is there, and the kernel has nothing to tell.
  if (status === -ERRNO.ENOENT) return { progs: [], revision: 0n };
  checked(OPERATION, status);
  const { count, flags, revision } = found;
  const words = (bytes: Uint8Array): Uint32Array => new Uint32Array(bytes.slice(0, 4 * count).buffer);
  const [programIds, linkIds] = [words(progs), words(links)];
  return {
    progs: Array.from(programIds, (id, i) => ({ id, linkId: linkIds[i] ?? 0, flags })),
    revision,
  };
}

function xdpOf(ifindex: number): Answer {
  const found = getXdp(OPERATION, ifindex);
  if (typeof found === 'number') return checked(OPERATION, found) as never;
  return {
    progs: found.map(({ id, mode }) => ({ id, linkId: xdpLink(ifindex, id), flags: mode })),
    revision: 0n,
  };
}

/** bpf_link_info's number of XDP's type. */
const XDP_LINK = 6;

/** The link that a program is attached to an interface by; 0 where it has none. Netlink does not tell. */
function xdpLink(ifindex: number, progId: Id): Id {
  for (const id of ids('link')) {
    const fd = openId('link', id);
    if (fd < 0) continue;
    const info = rawInfo(fd, 'link');
    close(fd);
    if (typeof info === 'number' || info.getUint32(0, true) !== XDP_LINK) continue;
    if (info.getUint32(16, true) === ifindex && info.getUint32(8, true) === progId) return id;
  }
  return 0;
}
