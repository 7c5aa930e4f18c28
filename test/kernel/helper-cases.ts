// Small programs with random arguments, a family of helpers each. A body keeps the context in r6, uses r1 to r5 and the
// stack below r10-64 as it likes, and leaves the helper's result in r0; `wrap` adds the rest.
import type { BtfType } from '../../src/btf/format.ts';
import { MAP_FLAGS } from '../../src/spec/map-types.ts';
import type { MapSpec } from '../../src/spec/object.ts';
import type { ProgramTypeName } from '../../src/spec/program-types.ts';
import type { Random } from '../support/random.ts';
import { mapSpec } from './assembled.ts';

export interface HelperCase {
  readonly name: string;
  readonly type: ProgramTypeName;
  readonly maps?: readonly MapSpec[];
  /** BTF that `maps` refer to, ids from 1. */
  readonly types?: readonly BtfType[];
  /** Lines of assembly. */
  body(random: Random): readonly string[];
  /** Lines after the program's exit: callbacks. */
  after?(random: Random): readonly string[];
}

/** 64 random bytes at r10-64, for helpers to read; what they write there is part of the result. */
const STACK_WORDS = [-64, -56, -48, -40, -32, -24, -16, -8];
/** Fields of struct __sk_buff that do not depend on the machine. */
const SKB_FIELDS = [0, 4, 8, 16, 20, 24, 28, 32, 44, 72, 164, 176];
const MIX = 0x0100_0193;

const mix = (source: string): string[] => [`r7 *= ${MIX}`, `r7 ^= ${source}`];

/** The whole program: stack filled, body, and a hash of r0, stack and context in r0. */
export function wrap(c: HelperCase, random: Random): string {
  const xdp = c.type === 'xdp';
  const fields = c.type === 'sched_cls' ? SKB_FIELDS : [];
  return [
    'r6 = r1',
    ...STACK_WORDS.flatMap((off) => [`r1 = ${random.u64()} ll`, `*(u64 *)(r10 ${off}) = r1`]),
    ...c.body(random),
    'r7 = r0',
    ...STACK_WORDS.flatMap((off) => [`r1 = *(u64 *)(r10 ${off})`, ...mix('r1')]),
    ...fields.flatMap((off) => [`r1 = *(u32 *)(r6 + ${off})`, ...mix('r1')]),
    ...(xdp ? ['r1 = *(u32 *)(r6 + 4)', 'r2 = *(u32 *)(r6 + 0)', 'r1 -= r2', ...mix('r1')] : []),
    ...(xdp ? ['r1 = *(u32 *)(r6 + 0)', 'r2 = *(u32 *)(r6 + 8)', 'r1 -= r2', ...mix('r1')] : []),
    'r0 = r7',
    'r0 >>= 32',
    'w0 ^= w7',
    'exit',
    ...(c.after?.(random) ?? []),
  ].join('\n');
}

const stackAt = (register: string, off: number): string[] => [`${register} = r10`, `${register} += ${off}`];
const offsetIn = (random: Random): number =>
  random.pick([random.below(64), random.below(64), random.below(300), -1 - random.below(20), 0xffff, 0x1_0000]);
const networkOrder = (value: number): number => ((value & 255) << 8) | (value >> 8);
const ETHER_TYPES = [0x0800, 0x86dd, 0x8100, 0x88a8, 0x0806].map(networkOrder);
const repeat = (count: number, make: () => readonly string[]): string[] => Array.from({ length: count }, make).flat();
/** A sequence of calls whose results all count. */
const sequence = (random: Random, most: number, make: () => readonly string[]): string[] => [
  'r8 = 0',
  ...repeat(1 + random.below(most), () => [...make(), `r8 *= ${MIX}`, 'r8 ^= r0']),
  'r0 = r8',
];

/** Helpers of skb programs that change the packet or what is kept beside it. */
const skbCalls: Readonly<Record<string, (random: Random) => readonly string[]>> = {
  skb_store_bytes: (random) => [
    'r1 = r6',
    `r2 = ${offsetIn(random)}`,
    ...stackAt('r3', -64),
    `r4 = ${1 + random.below(64)}`,
    `r5 = ${random.pick([0, 1, 2, 3, 4])}`,
    'call skb_store_bytes',
  ],
  l3_csum_replace: (random) => [
    'r1 = r6',
    `r2 = ${random.pick([24, offsetIn(random)])}`,
    `r3 = ${random.pick([0, random.u32()])} ll`,
    `r4 = ${random.u32()} ll`,
    `r5 = ${random.pick([0, 2, 4, 4, 3, 0x12])}`,
    'call l3_csum_replace',
  ],
  l4_csum_replace: (random) => [
    'r1 = r6',
    `r2 = ${random.pick([50, 40, offsetIn(random)])}`,
    `r3 = ${random.pick([0, random.u32()])} ll`,
    `r4 = ${random.u32()} ll`,
    `r5 = ${random.pick([0, 2, 4, 4, 3]) | random.pick([0, 0, 0x10, 0x20, 0x40, 0x30, 0x60, 0x80])}`,
    'call l4_csum_replace',
  ],
  skb_change_proto: (random) => [
    'r1 = r6',
    `r2 = ${random.pick(ETHER_TYPES)}`,
    `r3 = ${random.pick([0, 0, 0, 1])}`,
    'call skb_change_proto',
  ],
  skb_change_type: (random) => ['r1 = r6', `r2 = ${random.below(8)}`, 'call skb_change_type'],
  skb_change_tail: (random) => [
    'r1 = r6',
    `r2 = ${random.pick([random.below(200), random.below(2000), 14, 0, 70_000])}`,
    `r3 = ${random.pick([0, 0, 0, 1])}`,
    'call skb_change_tail',
  ],
  skb_change_head: (random) => [
    'r1 = r6',
    `r2 = ${random.pick([random.below(64), 14, 0, 70_000])}`,
    `r3 = ${random.pick([0, 0, 0, 1])}`,
    'call skb_change_head',
  ],
  skb_pull_data: (random) => ['r1 = r6', `r2 = ${random.pick([0, random.below(300), 70_000])}`, 'call skb_pull_data'],
  skb_adjust_room: (random) => [
    'r1 = r6',
    `r2 = ${random.pick([8, 20, 28, 40, 48, -8, -20, -40, random.below(120) - 60])}`,
    `r3 = ${random.pick([0, 0, 1, 1, 2])}`,
    `r4 = ${roomFlags(random)} ll`,
    'call skb_adjust_room',
  ],
  skb_vlan_push: (random) => [
    'r1 = r6',
    `r2 = ${random.pick(ETHER_TYPES)}`,
    `r3 = ${random.below(0x1_0000)}`,
    'call skb_vlan_push',
  ],
  skb_vlan_pop: () => ['r1 = r6', 'call skb_vlan_pop'],
  set_hash: (random) => [
    'r1 = r6',
    `r2 = ${random.u32()} ll`,
    'call set_hash',
    'r9 = r0',
    'r0 = *(u32 *)(r6 + 68)',
    'r0 += r9',
  ],
  set_hash_invalid: () => ['r1 = r6', 'call set_hash_invalid', 'r0 = 0'],
  skb_ecn_set_ce: () => ['r1 = r6', 'call skb_ecn_set_ce'],
  csum_update: (random) => ['r1 = r6', `r2 = ${random.u32()} ll`, 'call csum_update'],
  csum_level: (random) => ['r1 = r6', `r2 = ${random.below(5)}`, 'call csum_level'],
  skb_set_tstamp: (random) => [
    'r1 = r6',
    `r2 = ${random.pick([0n, random.u64() >> 1n])} ll`,
    `r3 = ${random.below(4)}`,
    'call skb_set_tstamp',
  ],
};

/** BPF_F_ADJ_ROOM_*: encapsulation of layers 3, 4 and 2, decapsulation, segmentation. */
function roomFlags(random: Random): bigint {
  const l2 = random.pick([0n, 0n, 14n, 4n]) << 56n;
  const flags = random.pick([0, 0, 1, 2, 4, 2 | 8, 2 | 16, 4 | 16, 2 | 4, 2 | 64, 128, 256, 32, 0x1000]);
  return BigInt(flags) | ((flags & 6) === 0 ? 0n : l2);
}

const xdpCalls: Readonly<Record<string, (random: Random) => readonly string[]>> = {
  xdp_adjust_head: (random) => [
    'r1 = r6',
    `r2 = ${random.pick([random.below(64) - 32, -4 * random.below(70), random.below(200), 4])}`,
    'call xdp_adjust_head',
  ],
  xdp_adjust_meta: (random) => [
    'r1 = r6',
    `r2 = ${random.pick([-4 * random.below(12), -random.below(300), 4, random.below(40)])}`,
    'call xdp_adjust_meta',
  ],
  xdp_adjust_tail: (random) => [
    'r1 = r6',
    `r2 = ${random.pick([random.below(64) - 32, -random.below(200), random.below(600), 5000])}`,
    'call xdp_adjust_tail',
  ],
  xdp_load_bytes: (random) => [
    'r1 = r6',
    `r2 = ${offsetIn(random)}`,
    ...stackAt('r3', -64),
    `r4 = ${1 + random.below(64)}`,
    'call xdp_load_bytes',
  ],
  xdp_store_bytes: (random) => [
    'r1 = r6',
    `r2 = ${offsetIn(random)}`,
    ...stackAt('r3', -64),
    `r4 = ${1 + random.below(64)}`,
    'call xdp_store_bytes',
  ],
  xdp_get_buff_len: () => ['r1 = r6', 'call xdp_get_buff_len'],
};

const each = (
  type: ProgramTypeName,
  calls: Readonly<Record<string, (random: Random) => readonly string[]>>,
): HelperCase[] => Object.entries(calls).map(([name, body]) => ({ name, type, body }));

const mixed = (
  name: string,
  type: ProgramTypeName,
  calls: Readonly<Record<string, (random: Random) => readonly string[]>>,
): HelperCase => ({
  name,
  type,
  body: (random) => sequence(random, 4, () => random.pick(Object.values(calls))(random)),
});

/** Reads that leave the packet alone. */
const readCases: readonly HelperCase[] = [
  {
    name: 'csum_diff',
    type: 'sched_cls',
    body: (random) => {
      const from = random.pick([0, 4, 8, 20, 32, 64, 6]);
      const to = random.pick([0, 4, 8, 16, 28, 64, 5]);
      return [
        ...(from === 0 && random.chance(0.5) ? ['r1 = 0'] : stackAt('r1', -64)),
        `r2 = ${from}`,
        ...(to === 0 && random.chance(0.5) ? ['r3 = 0'] : stackAt('r3', -64)),
        `r4 = ${to}`,
        `r5 = ${random.pick([0, random.u32()])} ll`,
        'call csum_diff',
      ];
    },
  },
  ...(['sched_cls', 'socket_filter'] as const).flatMap((type): HelperCase[] => [
    {
      name: `skb_load_bytes_${type}`,
      type,
      body: (random) => [
        'r1 = r6',
        `r2 = ${offsetIn(random)}`,
        ...stackAt('r3', -64),
        `r4 = ${1 + random.below(64)}`,
        'call skb_load_bytes',
      ],
    },
    {
      name: `skb_load_bytes_relative_${type}`,
      type,
      body: (random) => [
        'r1 = r6',
        `r2 = ${offsetIn(random)}`,
        ...stackAt('r3', -64),
        `r4 = ${1 + random.below(64)}`,
        `r5 = ${random.pick([0, 1, 1, 2])}`,
        'call skb_load_bytes_relative',
      ],
    },
    {
      // Classic packet loads end the program with 0 where the packet is too short.
      name: `ld_abs_ind_${type}`,
      type,
      body: (random) => [
        `r9 = ${random.below(80)}`,
        ...sequence(random, 3, () => {
          const base = random.pick([0, 0, 0, -0x10_0000, -0x20_0000]);
          const at = base + random.below(random.pick([16, 60, 300]));
          const size = random.pick(['u8', 'u16', 'u32']);
          return [
            random.chance(0.5) || base < 0
              ? `r0 = *(${size} *)skb[${at}]`
              : `r0 = *(${size} *)skb[r9 ${random.chance(0.5) ? '+' : '-'} ${random.below(40)}]`,
          ];
        }),
      ],
    },
  ]),
  {
    name: 'redirect_tc',
    type: 'sched_cls',
    body: (random) => [
      `r1 = ${random.pick([0, 1, 2, 77])}`,
      `r2 = ${random.pick([0, 1, 2, 3])}`,
      `call ${random.pick(['redirect', 'redirect_peer'])}`,
    ],
  },
  {
    name: 'redirect_neigh',
    type: 'sched_cls',
    body: (random) => [
      `r1 = ${random.pick([0, 1, 2])}`,
      ...(random.chance(0.5) ? ['r2 = 0', 'r3 = 0'] : [...stackAt('r2', -64), `r3 = ${random.pick([20, 8])}`]),
      `r4 = ${random.pick([0, 0, 1])}`,
      'call redirect_neigh',
    ],
  },
  {
    name: 'redirect_xdp',
    type: 'xdp',
    body: (random) => [`r1 = ${random.pick([0, 1, 99])}`, `r2 = ${random.pick([0, 0, 1, 2, 8])}`, 'call redirect'],
  },
  ...(['devmap', 'devmap_hash', 'cpumap', 'xskmap'] as const).map(
    (type): HelperCase => ({
      name: `redirect_map_${type}`,
      type: 'xdp',
      maps: [mapSpec('targets', type, 4, 4, 8)],
      body: (random) => [
        'r1 = map[targets] ll',
        `r2 = ${random.pick([random.below(10), random.u32()])} ll`,
        `r3 = ${random.pick([0, 1, 2, 3, 4, 8, 0x11])}`,
        'call redirect_map',
      ],
    }),
  ),
  {
    name: 'check_mtu',
    type: 'sched_cls',
    body: (random) => [
      `r1 = ${random.pick([0, random.below(2000), 70_000])}`,
      '*(u32 *)(r10 - 72) = r1',
      'r1 = r6',
      `r2 = ${random.pick([0, 1, 1, 9])}`,
      ...stackAt('r3', -72),
      `r4 = ${random.below(3000) - 1500}`,
      `r5 = ${random.pick([0, 0, 1, 2])}`,
      'call check_mtu',
      'r1 = *(u32 *)(r10 - 72)',
      'r0 ^= r1',
    ],
  },
  {
    name: 'skb_get_tunnel_key',
    type: 'sched_cls',
    body: (random) => [
      'r1 = r6',
      ...stackAt('r2', -64),
      `r3 = ${random.pick([4, 24, 28, 44, 20])}`,
      `r4 = ${random.pick([0, 1, 16, 17])}`,
      'call skb_get_tunnel_key',
    ],
  },
  {
    name: 'fib_lookup',
    type: 'xdp',
    body: (random) => [
      `r1 = ${random.pick([2, 10, 10, 3])}`,
      '*(u8 *)(r10 - 64) = r1',
      `r1 = ${random.pick([0, 1, 1, 44])}`,
      '*(u32 *)(r10 - 56) = r1',
      'r1 = r6',
      ...stackAt('r2', -64),
      `r3 = ${random.pick([64, 64, 48])}`,
      `r4 = ${random.pick([0, 0, 0x40, 0x80])}`,
      'call fib_lookup',
    ],
  },
  {
    name: 'strtol',
    type: 'sched_cls',
    body: (random) => {
      const digits = `${random.u64()}`.slice(0, 1 + random.below(22));
      const text = random.pick([digits, `-${digits}`, ` 0x${random.u32().toString(16)} `, `0${digits}`, 'x', '\t 12z']);
      const bytes = new Uint8Array(24);
      bytes.set(new TextEncoder().encode(text).subarray(0, 24));
      const words = new BigUint64Array(bytes.buffer);
      const helper = random.pick(['strtol', 'strtoul']);
      return [
        ...[...words].flatMap((word, i) => [`r1 = ${word} ll`, `*(u64 *)(r10 ${-64 + 8 * i}) = r1`]),
        'r1 = 0',
        '*(u64 *)(r10 - 72) = r1',
        ...stackAt('r1', -64),
        `r2 = ${random.pick([24, text.length, Math.max(1, text.length - 1)])}`,
        `r3 = ${random.pick([0, 0, 8, 10, 16, 7])}`,
        ...stackAt('r4', -72),
        `call ${helper}`,
        'r1 = *(u64 *)(r10 - 72)',
        `r0 *= ${MIX}`,
        'r0 ^= r1',
      ];
    },
  },
];

/** Calls on a map with a key of the stack; results of lookups are the value's first word. */
function mapCall(random: Random, spec: MapSpec): readonly string[] {
  const key = [
    ...(spec.type === 'lpm_trie'
      ? [`r1 = ${random.pick([0, 8, 16, 24, 32, 33])}`, '*(u32 *)(r10 - 80) = r1', `r1 = ${random.below(4) << 24} ll`]
      : [`r1 = ${random.below(6)}`, '*(u32 *)(r10 - 80) = r1', 'r1 = 0']),
    '*(u32 *)(r10 - 76) = r1',
    ...stackAt('r2', -80),
    `r1 = map[${spec.name}] ll`,
  ];
  // A label for each: jumps over the load of a NULL.
  const load = ['if r0 == 0 goto +1', 'r0 = *(u64 *)(r0 + 0)'];
  const write = ['if r0 == 0 goto +2', `w1 = ${random.u32() | 0}`, '*(u32 *)(r0 + 4) = w1'];
  const flags = random.pick([0, 0, 0, 1, 2, 3, 4, 8]);
  const calls: readonly (readonly string[])[] = [
    [...key, 'call map_lookup_elem', ...load],
    [...key, 'call map_lookup_elem', ...write, 'r0 = 0'],
    [...key, ...stackAt('r3', -64 + 8 * random.below(7)), `r4 = ${flags}`, 'call map_update_elem'],
    [...key, 'call map_delete_elem'],
  ];
  return random.pick(calls);
}

const keyedMaps: readonly MapSpec[] = [
  mapSpec('m', 'hash', 4, 8, 4),
  mapSpec('m', 'hash', 8, 16, 4, { flags: MAP_FLAGS.NO_PREALLOC }),
  mapSpec('m', 'percpu_hash', 4, 8, 4),
  mapSpec('m', 'lru_hash', 4, 8, 64),
  mapSpec('m', 'lru_percpu_hash', 4, 8, 64),
  mapSpec('m', 'array', 4, 16, 4),
  mapSpec('m', 'percpu_array', 4, 8, 4),
  mapSpec('m', 'lpm_trie', 8, 8, 4, { flags: MAP_FLAGS.NO_PREALLOC }),
];

const mapCases: readonly HelperCase[] = [
  ...keyedMaps.map(
    (spec): HelperCase => ({
      name: `map_${spec.type}_${spec.flags}`,
      type: 'sched_cls',
      maps: [spec],
      body: (random) => sequence(random, 8, () => mapCall(random, spec)),
    }),
  ),
  ...(['queue', 'stack', 'bloom_filter'] as const).map((type): HelperCase => {
    const spec = mapSpec('m', type, 0, 8, type === 'bloom_filter' ? 8192 : 5);
    return {
      name: `map_${type}`,
      type: 'sched_cls',
      maps: [spec],
      body: (random) =>
        sequence(random, 8, () => [
          'r1 = map[m] ll',
          ...stackAt('r2', -64 + 8 * random.below(8)),
          `r3 = ${random.pick([0, 0, 0, 2, 1])}`,
          `call ${random.pick(type === 'bloom_filter' ? ['map_push_elem', 'map_peek_elem'] : ['map_push_elem', 'map_push_elem', 'map_pop_elem', 'map_peek_elem'])}`,
        ]),
    };
  }),
  {
    name: 'map_lookup_percpu_elem',
    type: 'sched_cls',
    maps: [mapSpec('m', 'percpu_array', 4, 8, 4)],
    body: (random) => [
      `r1 = ${random.below(6)}`,
      '*(u32 *)(r10 - 80) = r1',
      'r1 = map[m] ll',
      ...stackAt('r2', -80),
      `r3 = ${random.pick([0, 0, 1, 4096])}`,
      'call map_lookup_percpu_elem',
      'if r0 == 0 goto +1',
      'r0 = *(u64 *)(r0 + 0)',
    ],
  },
];

const recordCases: readonly HelperCase[] = [
  {
    name: 'ringbuf_output',
    type: 'sched_cls',
    maps: [mapSpec('ring', 'ringbuf', 0, 0, 4096)],
    body: (random) =>
      sequence(random, 3, () => [
        'r1 = map[ring] ll',
        ...stackAt('r2', -64),
        `r3 = ${random.pick([0, 1, 8, 13, 64])}`,
        `r4 = ${random.pick([0, 1, 2, 4])}`,
        'call ringbuf_output',
      ]),
  },
  {
    name: 'ringbuf_reserve',
    type: 'xdp',
    maps: [mapSpec('ring', 'ringbuf', 0, 0, 4096)],
    body: (random) => {
      const size = random.pick([1, 8, 24, 700, 3000]);
      return [
        'r1 = map[ring] ll',
        `r2 = ${size}`,
        'r3 = 0',
        'call ringbuf_reserve',
        'if r0 == 0 goto full',
        // All bytes: what a ring held before is no one's business.
        ...(size >= 8 && size <= 24
          ? [0, 8, 16].filter((at) => at < size).map((at) => `*(u64 *)(r0 + ${at}) = ${at}`)
          : []),
        'r1 = r0',
        `r2 = ${random.pick([0, 1, 2])}`,
        // Larger ones are given back unread.
        `call ${size === 8 || size === 24 ? random.pick(['ringbuf_submit', 'ringbuf_discard']) : 'ringbuf_discard'}`,
        'r0 = 1',
        'full:',
        'r8 = r0',
        'r1 = map[ring] ll',
        `r2 = ${random.below(5)}`,
        'call ringbuf_query',
        'r0 += r8',
      ];
    },
  },
  ...(['xdp', 'sched_cls', 'socket_filter'] as const).map(
    (type): HelperCase => ({
      name: `perf_event_output_${type}`,
      type,
      maps: [mapSpec('events', 'perf_event_array', 4, 4, 2)],
      body: (random) => [
        'r1 = r6',
        'r2 = map[events] ll',
        // The current CPU or CPU 0; up to so many bytes of the packet behind the data.
        `r3 = ${random.pick([0xffff_ffffn, 0n, 7n]) | (BigInt(random.pick([0, 0, 14, 30, 5000])) << 32n)} ll`,
        ...stackAt('r4', -64),
        `r5 = ${random.pick([1, 8, 28, 64])}`,
        'call perf_event_output',
      ],
    }),
  ),
];

const flowCases: readonly HelperCase[] = [
  {
    name: 'loop',
    type: 'sched_cls',
    body: (random) => [
      `r1 = ${random.pick([0, 1, 7, 60, 8_388_609])}`,
      'r2 = fn_body ll',
      ...stackAt('r3', -64),
      `r4 = ${random.pick([0, 0, 0, 1])}`,
      'call loop',
      // Where the kernel puts the loop in place of the call, -E2BIG has 32 bits only (inline_bpf_loop: BPF_MOV32_IMM).
      'w0 = w0',
    ],
    after: (random) => [
      'fn_body:',
      'r3 = *(u64 *)(r2 + 0)',
      `r3 *= ${MIX}`,
      'r3 += r1',
      '*(u64 *)(r2 + 0) = r3',
      'r0 = 0',
      `if r1 != ${random.pick([3, 40, 1000])} goto +1`,
      'r0 = 1',
      'exit',
    ],
  },
  ...(['array', 'hash', 'percpu_array', 'lru_hash'] as const).map(
    (type): HelperCase => ({
      name: `for_each_${type}`,
      type: 'sched_cls',
      maps: [mapSpec('m', type, 4, 8, 32)],
      body: (random) => [
        'r1 = map[m] ll',
        'r2 = fn_body ll',
        ...stackAt('r3', -64),
        `r4 = ${random.pick([0, 0, 0, 1])}`,
        'call for_each_map_elem',
      ],
      // The order of a hash table is the kernel's own: only sums are the same, and only where none stops.
      after: (random) => [
        'fn_body:',
        'r1 = *(u32 *)(r2 + 0)',
        'r3 = *(u64 *)(r3 + 0)',
        'r3 += r1',
        'r5 = *(u64 *)(r4 + 0)',
        'r5 += r3',
        '*(u64 *)(r4 + 0) = r5',
        'r0 = 0',
        ...(type === 'array' ? [`if r1 != ${random.below(40)} goto +1`, 'r0 = 1'] : []),
        'exit',
      ],
    }),
  ),
  {
    // A program that calls itself until the limit, or into slots that are empty or outside.
    name: 'tail_call',
    type: 'sched_cls',
    maps: [mapSpec('programs', 'prog_array', 4, 4, 16)],
    body: (random) => [
      'r1 = *(u32 *)(r6 + 48)',
      'r1 += 1',
      '*(u32 *)(r6 + 48) = r1',
      'r1 = r6',
      'r2 = map[programs] ll',
      `r3 = ${random.pick([random.below(12), random.below(12), 12, 15, 16, -1])}`,
      'call tail_call',
      'r0 = *(u32 *)(r6 + 48)',
    ],
  },
  {
    name: 'sk_lookup',
    type: 'sched_cls',
    body: (random) => [
      'r1 = r6',
      ...stackAt('r2', -64),
      `r3 = ${random.pick([12, 36, 8])}`,
      `r4 = ${random.pick([-1, -1, 0, 77])} ll`,
      `r5 = ${random.pick([0, 0, 1])}`,
      `call ${random.pick(['sk_lookup_tcp', 'sk_lookup_udp', 'skc_lookup_tcp'])}`,
      'if r0 == 0 goto none',
      'r1 = r0',
      'call sk_release',
      'r0 = 1',
      'none:',
    ],
  },
  {
    name: 'get_smp_processor_id',
    type: 'sched_cls',
    body: (random) => [`call ${random.pick(['get_smp_processor_id', 'get_numa_node_id'])}`],
  },
];

/** struct { struct bpf_spin_lock lock; unsigned count; unsigned long sum; } */
const LOCKED_TYPES: readonly BtfType[] = [
  { kind: 'int', name: 'unsigned int', size: 4, encoding: 0, offset: 0, bits: 32 },
  {
    kind: 'struct',
    name: 'bpf_spin_lock',
    size: 4,
    kindFlag: false,
    members: [{ name: 'val', type: 1, bitOffset: 0, bitSize: 0 }],
  },
  { kind: 'int', name: 'unsigned long', size: 8, encoding: 0, offset: 0, bits: 64 },
  {
    kind: 'struct',
    name: 'locked',
    size: 16,
    kindFlag: false,
    members: [
      { name: 'lock', type: 2, bitOffset: 0, bitSize: 0 },
      { name: 'count', type: 1, bitOffset: 32, bitSize: 0 },
      { name: 'sum', type: 3, bitOffset: 64, bitSize: 0 },
    ],
  },
];

const lockCases: readonly HelperCase[] = (['array', 'hash'] as const).map((type) => ({
  name: `spin_lock_${type}`,
  type: 'sched_cls',
  types: LOCKED_TYPES,
  maps: [
    mapSpec('m', type, 4, 16, 4, {
      keyTypeId: 1,
      valueTypeId: 4,
    }),
  ],
  body: (random) =>
    sequence(random, 4, () => {
      const key = [`w1 = ${random.below(6)}`, '*(u32 *)(r10 - 80) = w1', ...stackAt('r2', -80), 'r1 = map[m] ll'];
      if (random.chance(0.4)) {
        return [
          ...key,
          ...stackAt('r3', random.pick([-64, -48, -32])),
          `r4 = ${random.pick([0, 4, 4, 5, 6])}`,
          'call map_update_elem',
        ];
      }
      return [
        ...key,
        'call map_lookup_elem',
        'if r0 == 0 goto +11',
        'r9 = r0',
        'r1 = r0',
        'call spin_lock',
        'r1 = *(u64 *)(r9 + 8)',
        `r1 += ${random.below(1000)}`,
        '*(u64 *)(r9 + 8) = r1',
        'r1 = *(u32 *)(r9 + 4)',
        'r1 += 1',
        '*(u32 *)(r9 + 4) = w1',
        'r1 = r9',
        'call spin_unlock',
        'r0 = 0',
      ];
    }),
}));

export const HELPER_CASES: readonly HelperCase[] = [
  ...readCases,
  ...each('sched_cls', skbCalls),
  mixed('skb_sequence', 'sched_cls', skbCalls),
  ...each('xdp', xdpCalls),
  mixed('xdp_sequence', 'xdp', xdpCalls),
  ...mapCases,
  ...recordCases,
  ...flowCases,
  ...lockCases,
];
