// What programs may load from and store to their contexts: our layouts against this kernel's verifier, byte by byte.
import { describe, expect, test } from 'vitest';
import { PROGRAM_TYPE_ROWS } from '../../src/programs/index.ts';
import type { ContextField, ContextLayout } from '../../src/spec/program.ts';
import type { AttachTypeName, ProgramTypeName } from '../../src/spec/program-types.ts';
import { programSpec } from '../run/support.ts';
import { close, progLoad } from '../support/bpf.ts';
import { requireCapability } from '../support/capability.ts';

const SIZES = [1, 2, 4, 8] as const;

/** Whether the layout allows an access; the rules stand at ContextField in spec/program.ts. */
function allowed(
  layout: ContextLayout,
  at: number,
  size: number,
  store: boolean,
  attach: AttachTypeName | undefined,
): boolean {
  if (at % size !== 0) return false;
  if (layout.raw !== undefined) {
    return at >= layout.raw.from && at + size <= layout.size && (!store || layout.raw.access === 'read-write');
  }
  return Object.values(layout.fields).some((field) => fieldAllows(field, at, size, store, attach));
}

function fieldAllows(
  field: ContextField,
  at: number,
  size: number,
  store: boolean,
  attach: AttachTypeName | undefined,
): boolean {
  if (field.only !== undefined && (attach === undefined || !field.only.includes(attach))) return false;
  if (store && field.access === 'read') return false;
  if (store && field.storeOnly !== undefined && !(attach !== undefined && field.storeOnly.includes(attach)))
    return false;
  const element = field.size > 8 ? 4 : field.size;
  if (at < field.offset || at >= field.offset + field.size) return false;
  if (size > element) {
    const end = field.size > 8 ? field.offset + field.size : field.offset + 2 * field.size;
    return field.wide === true && size === 2 * element && at + size <= end;
  }
  if (size === element) return true;
  if (store) return field.narrowStore === true;
  if (field.narrow === 'start') return at === field.offset;
  return field.narrow === 'halves' ? 2 * size === element : field.narrow === true;
}

interface Case {
  readonly type: ProgramTypeName;
  readonly attach?: AttachTypeName;
  /** Exit value that the kernel admits for every attach type asked. */
  readonly exit?: number;
  /** Offsets from here on are not asked. */
  readonly until?: number;
}

const CASES: readonly Case[] = [
  ...(
    [
      'socket_filter',
      'sched_cls',
      'sched_act',
      'lwt_in',
      'lwt_xmit',
      'sk_skb',
      'xdp',
      'sk_msg',
      'kprobe',
      'perf_event',
      'raw_tracepoint',
    ] as const
  ).map((type) => ({ type })),
  { type: 'cgroup_skb', exit: 1 },
  { type: 'cgroup_skb', attach: 'cgroup_inet_egress', exit: 1 },
  { type: 'flow_dissector', attach: 'flow_dissector' },
  { type: 'xdp', attach: 'xdp_devmap' },
  { type: 'tracepoint', until: 64 },
  ...(
    ['cgroup_inet_sock_create', 'cgroup_inet_sock_release', 'cgroup_inet4_post_bind', 'cgroup_inet6_post_bind'] as const
  ).map((attach) => ({ type: 'cgroup_sock' as const, attach, exit: 1 })),
  ...(
    PROGRAM_TYPE_ROWS.find(({ type }) => type === 'cgroup_sock_addr')?.attachTypes.filter(
      (a) => !/accept|authorization|listen/.test(a),
    ) ?? []
  ).map((attach) => ({ type: 'cgroup_sock_addr' as const, attach, exit: 1 })),
  { type: 'sock_ops', attach: 'cgroup_sock_ops', exit: 1 },
  { type: 'sk_lookup', attach: 'sk_lookup', exit: 1 },
  { type: 'sk_reuseport', attach: 'sk_reuseport_select' },
  { type: 'sk_reuseport', attach: 'sk_reuseport_select_or_migrate' },
  { type: 'cgroup_sysctl', attach: 'cgroup_sysctl', exit: 1 },
  { type: 'cgroup_sockopt', attach: 'cgroup_getsockopt', exit: 1 },
  { type: 'cgroup_sockopt', attach: 'cgroup_setsockopt', exit: 1 },
  { type: 'cgroup_device', attach: 'cgroup_device', exit: 1 },
  { type: 'netfilter', attach: 'netfilter', exit: 1 },
];

const missing = requireCapability('kernel-bpf');

describe.skipIf(missing !== undefined)('access to contexts', () => {
  test.each(CASES)('$type $attach', ({ type, attach, exit = 0, until }) => {
    const layout = PROGRAM_TYPE_ROWS.find((row) => row.type === type)?.contexts.linux;
    if (layout === undefined) throw new Error(`${type} has no layout`);
    const differences: string[] = [];
    const ends = Math.min(until ?? Number.POSITIVE_INFINITY, layout.size + 8);
    for (let at = 0; at < ends; at++) {
      for (const size of SIZES) {
        if (at % size !== 0) continue;
        for (const store of [false, true]) {
          const cell = `*(u${8 * size} *)(r1 + ${at})`;
          const text = `r2 = 0\n${store ? `${cell} = r2` : `r2 = ${cell}`}\nr0 = ${exit}\nexit`;
          const { code } = programSpec({ type, text });
          const { fd } = progLoad({
            type,
            code,
            license: 'GPL',
            ...(attach === undefined ? {} : { attachType: attach }),
          });
          if (fd >= 0) close(fd);
          const ours = allowed(layout, at, size, store, attach);
          if (ours !== fd >= 0)
            differences.push(
              `${store ? 'store' : 'load'} of ${size} at ${at}: kernel ${fd >= 0 ? 'allows' : `refuses (${fd})`}`,
            );
        }
      }
    }
    expect(differences).toEqual([]);
  });
});
