// How many programs one hook takes, and which it refuses: one row a rule. A rule looks at what is attached and says why not.
import type { ErrnoName } from '../../spec/errno.ts';
import type { Id } from '../../spec/session.ts';

/** What a rule sees of an attachment. */
export interface Occupant {
  readonly progId: Id;
  /** False for prog.attach. */
  readonly byLink: boolean;
  readonly flags: number;
  readonly priority: number;
}

/** What is asked for. */
export interface Request extends Occupant {
  /** The program to take the place of (BPF_F_REPLACE, XDP_FLAGS_REPLACE). */
  readonly replaces: Id | undefined;
  /** The target stands for all (Windows' compartment 0). */
  readonly wildcard: boolean;
}

/** What is attached: at the target of the request, at any target of the hook, and above it in its hierarchy, the nearest first. */
export interface Occupied {
  readonly here: readonly Occupant[];
  readonly anywhere: number;
  readonly above: readonly (readonly Occupant[])[];
}

/** Refuses, or names the place in `here` that the request takes over; -1 for a new one. */
export type LimitRule = (
  request: Request,
  occupied: Occupied,
) => number | { readonly errno: ErrnoName; readonly why: string };

export interface Limit {
  /** As hook.list tells it. */
  readonly doc: string;
  /** Flags that it knows; none where absent. Others are refused. */
  readonly flags?: number;
  readonly admit: LimitRule;
}

/** BPF_PROG_ATTACH flags (include/uapi/linux/bpf.h). */
export const ATTACH_FLAGS = {
  ALLOW_OVERRIDE: 1,
  ALLOW_MULTI: 2,
  REPLACE: 4,
  BEFORE: 8,
  AFTER: 16,
} as const;
/** XDP_FLAGS_* (include/uapi/linux/if_link.h). */
export const XDP_FLAGS = { UPDATE_IF_NOEXIST: 1, SKB_MODE: 2, DRV_MODE: 4, HW_MODE: 8, REPLACE: 16 } as const;
const XDP_MODES = XDP_FLAGS.SKB_MODE | XDP_FLAGS.DRV_MODE | XDP_FLAGS.HW_MODE;

/** Those that programs of one cgroup have in common. */
export const KEPT_FLAGS = ATTACH_FLAGS.ALLOW_OVERRIDE | ATTACH_FLAGS.ALLOW_MULTI;
const allOf = (flags: Readonly<Record<string, number>>): number =>
  Object.values(flags).reduce((all, flag) => all | flag, 0);

/** BPF_CGROUP_MAX_PROGS, BPF_MPROG_MAX, the limit of netns_bpf_max_attach and BPF_TRACE_MAX_PROGS. */
const MOST = 64;
/** NET_EBPF_EXT_MAX_CLIENTS_PER_HOOK_MULTI_ATTACH. */
const MOST_WINDOWS = 16;

const refused = (errno: ErrnoName, why: string) => ({ errno, why });
const NEW = -1;

/** netebpfext refuses the client with STATUS_ACCESS_DENIED, which reaches applications as EBPF_EXTENSION_FAILED_TO_LOAD: EINVAL. */
const full = (why: string) => refused('EINVAL', why);

const upTo =
  (most: number): LimitRule =>
  (_request, { here }) =>
    here.length < most ? NEW : refused('E2BIG', `${most} programs are attached already`);

/** kernel/bpf/cgroup.c: hierarchy_allows_attach. */
function allowedAbove(above: Occupied['above']): boolean {
  for (const programs of above) {
    if (programs.length === 0) continue;
    const [{ flags }] = programs;
    return (flags & KEPT_FLAGS) !== 0;
  }
  return true;
}

/** kernel/bpf/cgroup.c: __cgroup_bpf_attach and find_attach_entry. */
const cgroup: LimitRule = ({ flags, replaces, progId, byLink }, { here, above }) => {
  const multi = (flags & ATTACH_FLAGS.ALLOW_MULTI) !== 0;
  const override = (flags & ATTACH_FLAGS.ALLOW_OVERRIDE) !== 0;
  const replace = (flags & ATTACH_FLAGS.REPLACE) !== 0;
  if ((override && multi) || (replace && !multi)) return refused('EINVAL', 'these flags exclude one another');
  if (replace !== (replaces !== undefined))
    return refused('EINVAL', 'BPF_F_REPLACE and a program to replace go together');
  if (!allowedAbove(above)) return refused('EPERM', 'a program of a cgroup above does not allow others');
  const saved = flags & KEPT_FLAGS;
  if (here.length > 0 && here[0].flags !== saved)
    return refused('EPERM', 'the programs of this cgroup were attached with other flags');
  if (here.length >= MOST) return refused('E2BIG', `${MOST} programs are attached already`);
  if (!multi) return here.length === 0 ? NEW : 0;
  if (!byLink && replaces !== progId && here.some((one) => !one.byLink && one.progId === progId))
    return refused('EINVAL', 'the program is attached already');
  if (replaces === undefined) return NEW;
  const place = here.findIndex((one) => !one.byLink && one.progId === replaces);
  return place >= 0 ? place : refused('ENOENT', 'the program to replace is not attached');
};

/** net/core/dev.c: dev_xdp_attach. */
const xdp: LimitRule = ({ flags, replaces, byLink }, { here }) => {
  if ((flags & ~(XDP_MODES | (byLink ? 0 : XDP_FLAGS.UPDATE_IF_NOEXIST | XDP_FLAGS.REPLACE))) !== 0)
    return refused('EINVAL', 'unknown flags');
  const modes = flags & XDP_MODES;
  if ((modes & (modes - 1)) !== 0) return refused('EINVAL', 'only one mode may be asked for');
  const replace = (flags & XDP_FLAGS.REPLACE) !== 0;
  if (replaces !== undefined && !replace) return refused('EINVAL', 'a program to replace needs XDP_FLAGS_REPLACE');
  const current = here.at(0);
  if (current?.byLink === true) return refused('EBUSY', "can't replace active BPF XDP link");
  if (current !== undefined && byLink) return refused('EBUSY', "can't replace active XDP program with BPF link");
  if (replace && current?.progId !== replaces) return refused('EEXIST', 'active program does not match expected');
  if ((flags & XDP_FLAGS.UPDATE_IF_NOEXIST) !== 0 && current !== undefined)
    return refused('EBUSY', 'XDP program already attached');
  return current === undefined ? NEW : 0;
};

/** kernel/bpf/mprog.c: bpf_mprog_attach. Where among the others it goes is for the caller (hooks/order.ts). */
const mprog: LimitRule = ({ progId, replaces, flags }, { here }) => {
  if (here.some((one) => one.progId === progId)) return refused('EEXIST', 'the program is attached already');
  if ((flags & ATTACH_FLAGS.REPLACE) !== 0) {
    const place = here.findIndex((one) => one.progId === replaces);
    if (place < 0) return refused('ENOENT', 'the program to replace is not attached');
    return here[place].byLink ? refused('EBUSY', 'the program to replace belongs to a link') : place;
  }
  return here.length < MOST ? NEW : refused('ERANGE', `${MOST} programs are attached already`);
};

export const LIMITS = {
  /** ATTACH_CAPABILITY_SINGLE_ATTACH. */
  machine: {
    doc: 'one program',
    admit: (_request, { anywhere }) =>
      anywhere === 0 ? NEW : full('one program is attached, and the hook takes no second'),
  },
  /** ATTACH_CAPABILITY_SINGLE_ATTACH_PER_HOOK. */
  parameter: {
    doc: 'one program for each attach parameter; for all only where no other is attached',
    admit: ({ wildcard }, { here, anywhere }) => {
      if (wildcard && anywhere > 0) return full('a program for all needs that no other is attached');
      return here.length === 0 ? NEW : full('a program is attached with this parameter');
    },
  },
  /** ATTACH_CAPABILITY_MULTI_ATTACH_WITH_WILDCARD. */
  multi: {
    doc: `${MOST_WINDOWS} programs for each attach parameter, and as many for all`,
    admit: (_request, { here }) =>
      here.length < MOST_WINDOWS ? NEW : full(`${MOST_WINDOWS} programs are attached with this parameter`),
  },
  xdp: { doc: 'one program for each interface', flags: allOf(XDP_FLAGS), admit: xdp },
  mprog: {
    doc: `${MOST} programs for each interface, in the order that is asked for`,
    flags: ATTACH_FLAGS.REPLACE | ATTACH_FLAGS.BEFORE | ATTACH_FLAGS.AFTER,
    admit: mprog,
  },
  cgroup: {
    doc: `${MOST} programs for each cgroup with BPF_F_ALLOW_MULTI, else one; those above may count too`,
    flags: KEPT_FLAGS | ATTACH_FLAGS.REPLACE,
    admit: cgroup,
  },
  /** kernel/bpf/net_namespace.c: netns_bpf_link_attach. */
  netns: { doc: `${MOST} programs for each network namespace`, admit: upTo(MOST) },
  /** kernel/bpf/net_namespace.c: netns_bpf_prog_attach replaces; with a link, and for a link with a program, -EEXIST. */
  netnsSingle: {
    doc: 'one program for each network namespace',
    admit: ({ byLink, progId }, { here }) => {
      const current = here.at(0);
      if (current === undefined) return NEW;
      if (current.byLink !== byLink) return refused('EEXIST', 'a program is attached in the other way');
      if (byLink) return refused('E2BIG', 'a link is attached already');
      return current.progId === progId ? refused('EINVAL', 'the program is attached already') : 0;
    },
  },
  /** net/netfilter/core.c: nf_hook_entries_grow. */
  netfilter: {
    doc: 'one program for each priority of a hook',
    admit: ({ priority }, { here }) =>
      here.some((one) => one.priority === priority) ? refused('EBUSY', 'that priority is taken') : NEW,
  },
  /** net/core/sock_map.c: sock_map_prog_update replaces, sock_map_link_create does not (-EBUSY). */
  sockmap: {
    doc: 'one program for each map',
    admit: ({ byLink }, { here }) => {
      const current = here.at(0);
      if (current === undefined) return NEW;
      return byLink || current.byLink ? refused('EBUSY', 'a program is attached to that map') : 0;
    },
  },
  /** drivers/media/rc/bpf-lirc.c: BPF_MAX_PROGS. */
  device: { doc: `${MOST} programs for each device`, admit: upTo(MOST) },
  many: { doc: 'any number of programs', admit: () => NEW },
} as const satisfies Record<string, Limit>;

export type LimitName = keyof typeof LIMITS;
