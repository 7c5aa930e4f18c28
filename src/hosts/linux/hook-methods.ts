// Links, prog.attach and prog.query: what programs are attached to.
import type { Result } from '../../spec/session.ts';
import { bpf } from './bpf.ts';
import { checked, notHere } from './errors.ts';
import { attach, detach } from './attach.ts';
import { idOf } from './info.ts';
import { createLink, LINK_ATTACH_TYPES } from './link-create.ts';
import type { LinuxHandlers } from './methods.ts';
import { query } from './query.ts';

type Names = `link.${string}` | 'hook.fire' | 'hook.list' | 'prog.attach' | 'prog.detach' | 'prog.query';

/** BPF_F_REPLACE. */
const REPLACE = 4;

export const hookMethods: Pick<LinuxHandlers, Names & keyof LinuxHandlers> = {
  'link.create': (session, params) => {
    const fd = session.open(createLink(session, params, 'link.create'), 'link');
    const { mapFd: _map, ...target } = params.target;
    session.linkTargets.set(idOf(fd, 'link'), target);
    return { fd };
  },
  'link.update': (session, { fd, progFd, oldProgFd }) => {
    const operation = 'link.update';
    session.check(fd, 'link', operation);
    session.check(progFd, 'prog', operation);
    if (oldProgFd !== undefined) session.check(oldProgFd, 'prog', operation);
    const status = bpf('LINK_UPDATE', 16, (attr) => {
      attr.setUint32(0, fd, true);
      attr.setUint32(4, progFd, true);
      if (oldProgFd === undefined) return;
      attr.setUint32(8, REPLACE, true);
      attr.setUint32(12, oldProgFd, true);
    });
    checked(operation, status);
    return {};
  },
  'link.detach': (session, { fd }) => {
    session.check(fd, 'link', 'link.detach');
    const status = bpf('LINK_DETACH', 4, (attr) => attr.setUint32(0, fd, true));
    checked('link.detach', status, {}, 'links of this type end with their last handle and pin, not before');
    return {};
  },
  'prog.attach': (session, params) => {
    attach(session, params);
    return {};
  },
  'prog.detach': (session, params) => {
    detach(session, params);
    return {};
  },
  'prog.query': (session, params): Result<'prog.query'> => query(session, params),
  // Events of the kernel's hooks are the kernel's.
  'hook.fire': () => notHere('hook.fire'),
  'hook.list': () => ({
    hooks: LINK_ATTACH_TYPES.map((attachType) => ({
      attachType,
      dialect: 'linux',
      types: [],
      limit: "the kernel's own",
      provider: 'kernel',
    })),
  }),
};
