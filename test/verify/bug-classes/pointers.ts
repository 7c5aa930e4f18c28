// Bug classes of pointers: what they point to, whether they may be NULL, and what is left of them where bytes or registers change.
import { type BugClass, LOOKUP, MAPS, OUT, SIZE, socketFilter, TARGETS, unknown, type Variant } from './frame.ts';
import { map } from '../support.ts';

const xdp = (text: string): Pick<Variant, 'text' | 'options'> => ({ text, options: { type: 'xdp', maps: MAPS } });
const tc = (text: string): Pick<Variant, 'text' | 'options'> => ({ text, options: { type: 'sched_cls', maps: MAPS } });

const BYTES = [1, 2, 4, 8].flatMap((width) =>
  Array.from({ length: 8 / width }, (_, i) => ({ width: width * 8, at: i * width })),
);

const nullArithmetic = (by: string, register: string, late: boolean): string => `${LOOKUP}
  ${register} = r0
  ${late ? '' : `${register} += ${by}`}
  if r0 == 0 goto out
  ${late ? `${register} += ${by}` : ''}
  r0 = *(u8 *)(${register} + 0)${OUT}`;

/** A pointer in fp-8, then some of its bytes stored to, then used. */
const overwritten = ({ width, at }: { width: number; at: number }, target: string, overwrite: boolean): string => `
  ${target}
  *(u64 *)(r10 - 24) = r6
  ${overwrite ? `*(u${width} *)(r10 - ${24 - at}) = 0` : ''}
  r1 = *(u64 *)(r10 - 24)
  r0 = *(u8 *)(r1 + 0)${OUT}`;

const DYNPTR = `
  r1 = map[target][0]+0
  r2 = ${SIZE}
  r3 = 0
  r4 = r10
  r4 += -16
  call bpf_dynptr_from_mem`;
const DYNPTR_DATA = `
  r1 = r10
  r1 += -16
  r2 = 0
  r3 = 8
  call bpf_dynptr_data`;

/** Moves the packet of an XDP program (in r7 its context), or of a tc program. */
const MOVERS: Readonly<Record<string, readonly ['xdp' | 'sched_cls', string]>> = {
  xdp_adjust_head: ['xdp', 'r2 = 8\n call bpf_xdp_adjust_head'],
  xdp_adjust_tail: ['xdp', 'r2 = -8\n call bpf_xdp_adjust_tail'],
  xdp_adjust_meta: ['xdp', 'r2 = -8\n call bpf_xdp_adjust_meta'],
  skb_change_tail: ['sched_cls', 'r2 = 64\n r3 = 0\n call bpf_skb_change_tail'],
  skb_change_head: ['sched_cls', 'r2 = 64\n r3 = 0\n call bpf_skb_change_head'],
  skb_pull_data: ['sched_cls', 'r2 = 64\n call bpf_skb_pull_data'],
  skb_vlan_push: ['sched_cls', 'r2 = 129\n r3 = 1\n call bpf_skb_vlan_push'],
  skb_vlan_pop: ['sched_cls', 'call bpf_skb_vlan_pop'],
  skb_change_proto: ['sched_cls', 'r2 = 8\n r3 = 0\n call bpf_skb_change_proto'],
  skb_adjust_room: ['sched_cls', 'r2 = 8\n r3 = 0\n r4 = 0\n call bpf_skb_adjust_room'],
};

function moved(type: 'xdp' | 'sched_cls', mover: string, inSubprogram: boolean, again: boolean): string {
  const [data, end] = type === 'xdp' ? [0, 4] : [76, 80];
  const read = `
  r2 = *(u32 *)(r7 + ${data})
  r3 = *(u32 *)(r7 + ${end})
  r8 = r2
  r2 += 8
  if r2 > r3 goto out`;
  return `
  r7 = r1${read}
  r1 = r7
  ${inSubprogram ? 'call local move' : mover}
  ${again ? read : ''}
  r0 = *(u8 *)(r8 + 0)${OUT}
${inSubprogram ? `move:\n ${mover}\n r0 = 0\n exit` : ''}`;
}

const moverVariants = (again: boolean): Variant[] =>
  Object.entries(MOVERS).flatMap(([name, [type, mover]]) =>
    [false, true].map((inSubprogram) => ({
      name: `${name}${inSubprogram ? ' in a subprogram' : ''}`,
      ...(type === 'xdp' ? xdp : tc)(moved(type, mover, inSubprogram, again)),
    })),
  );

const READ_ONLY = [
  ...MAPS,
  map('constants', 'array', 4, SIZE, { maxEntries: 1, flags: 1 << 7, frozen: true, data: new Uint8Array(SIZE) }),
];
const INTO: Readonly<Record<string, string>> = {
  strtol: 'r1 = r10\n r1 += -8\n *(u64 *)(r10 - 8) = 0x31\n r2 = 8\n r3 = 0\n r4 = r6\n call bpf_strtol',
  strtoul: 'r1 = r10\n r1 += -8\n *(u64 *)(r10 - 8) = 0x31\n r2 = 8\n r3 = 0\n r4 = r6\n call bpf_strtoul',
  skb_load_bytes: 'r1 = r7\n r2 = 0\n r3 = r6\n r4 = 8\n call bpf_skb_load_bytes',
  skb_load_bytes_relative: 'r1 = r7\n r2 = 0\n r3 = r6\n r4 = 8\n r5 = 0\n call bpf_skb_load_bytes_relative',
  snprintf: 'r1 = r6\n r2 = 8\n r3 = map[constants][0]+0\n r4 = 0\n r5 = 0\n call bpf_snprintf',
  'a store of 1 byte': '*(u8 *)(r6 + 0) = 1',
  'a store of 2 bytes': '*(u16 *)(r6 + 2) = 1',
  'a store of 4 bytes': '*(u32 *)(r6 + 4) = 1',
  'a store of 8 bytes': '*(u64 *)(r6 + 8) = 1',
  'a store of a register': 'r1 = 1\n *(u64 *)(r6 + 0) = r1',
  'an atomic addition': 'r1 = 1\n lock *(u64 *)(r6 + 0) += r1',
  'an atomic exchange': 'r1 = 1\n lock *(u32 *)(r6 + 4) x= r1',
  'a compare and exchange': 'r0 = 0\n r1 = 1\n lock *(u64 *)(r6 + 0) cx= r1',
};
const into = (region: string): Variant[] =>
  Object.entries(INTO).map(([name, write]) => ({
    name,
    text: `r7 = r1\n r6 = map[${region}][0]+0\n ${write}${OUT}`,
    options: { type: 'socket_filter', maps: READ_ONLY },
  }));

/** A spilled pointer, a store somewhere in [low, high] of the stack, then the pointer again. */
const somewhere = (low: number, span: number, width: number, reload: number): string => `
  r6 = map[target][0]+0
  *(u64 *)(r10 - ${reload}) = r6
  ${[8, 16, 24, 32, 40, 48, 56, 64]
    .filter((at) => at !== reload)
    .map((at) => `*(u64 *)(r10 - ${at}) = 0`)
    .join('\n  ')}
  ${unknown('r1')}
  r1 &= ${span}
  r2 = r10
  r2 += ${low}
  r2 += r1
  *(u${width} *)(r2 + 0) = 0
  r3 = *(u64 *)(r10 - ${reload})
  r0 = *(u8 *)(r3 + 0)${OUT}`;

const SECOND: Readonly<Record<string, string>> = {
  'the second element is not checked': `${LOOKUP}\n if r0 == 0 goto out\n r6 = r0${LOOKUP}\n r0 = *(u8 *)(r0 + 0)`,
  'the first is checked late, the second not': `${LOOKUP}\n r6 = r0${LOOKUP}\n if r6 == 0 goto out\n r0 = *(u8 *)(r0 + 0)`,
  'the second is checked, the first used': `${LOOKUP}\n r6 = r0${LOOKUP}\n if r0 == 0 goto out\n r0 = *(u8 *)(r6 + 0)`,
  'a copy of the second': `${LOOKUP}\n if r0 == 0 goto out${LOOKUP}\n r8 = r0\n r0 = *(u8 *)(r8 + 0)`,
  'on the stack': `${LOOKUP}\n *(u64 *)(r10 - 16) = r0${LOOKUP}\n if r0 == 0 goto out\n r1 = *(u64 *)(r10 - 16)\n r0 = *(u8 *)(r1 + 0)`,
  'checked for 1': `${LOOKUP}\n if r0 == 1 goto out\n r0 = *(u8 *)(r0 + 0)`,
  'checked the wrong way': `${LOOKUP}\n if r0 != 0 goto out\n r0 = *(u8 *)(r0 + 0)`,
  'its lower half checked': `${LOOKUP}\n if w0 == 0 goto out\n r0 = *(u8 *)(r0 + 0)`,
  'the smaller of two maps': `${LOOKUP}\n if r0 == 0 goto out\n r6 = r0${unknown('r1')}\n if r1 > 5 goto use\n r6 = map[numbers][0]+0\nuse:\n r0 = *(u8 *)(r6 + 12)`,
  'the smaller of two maps, the other way': `${LOOKUP}\n if r0 == 0 goto out\n r6 = map[numbers][0]+0${unknown('r1')}\n if r1 > 5 goto use\n r6 = map[target][0]+0\nuse:\n r0 = *(u8 *)(r6 + 12)`,
  'r0 as it was before the call': `r0 = map[target][0]+0${LOOKUP}\n r0 = *(u8 *)(r0 + 0)`,
  'r1 as it was before the call': `${LOOKUP}\n r0 = *(u8 *)(r2 + 0)`,
};

const AFTER_CALL = [1, 2, 3, 4, 5].flatMap((r) =>
  [`r0 = *(u8 *)(r${r} + 0)`, `r${r} += 1`, `r0 = r${r}`].map((use) => ({
    name: `r${r} in "${use}"`,
    ...socketFilter(`
  r${r} = map[target][0]+0
  ${[1, 2, 3, 4, 5]
    .filter((other) => other !== r)
    .map((other) => `r${other} = 0`)
    .join('\n  ')}
  call local sub
  ${use}${OUT}
sub:
  r0 = 0
  exit`),
  })),
);

const OPERANDS: Readonly<Record<string, readonly ['xdp' | 'socket_filter', string]>> = {
  'addition to the context': ['socket_filter', 'r2 = 1\n lock *(u32 *)(r1 + 48) += r2'],
  'addition to the context, of 64 bits': ['socket_filter', 'r2 = 1\n lock *(u64 *)(r1 + 48) += r2'],
  'exchange with the context': ['socket_filter', 'r2 = 1\n lock *(u32 *)(r1 + 48) x= r2'],
  'compare and exchange of the context': ['socket_filter', 'r0 = 0\n r2 = 1\n lock *(u32 *)(r1 + 48) cx= r2'],
  'a pointer added': ['socket_filter', 'r6 = map[target][0]+0\n lock *(u64 *)(r6 + 0) += r10'],
  'a misaligned addition': ['socket_filter', 'r6 = map[target][0]+0\n r2 = 1\n lock *(u64 *)(r6 + 4) += r2'],
  'a misaligned addition of 32 bits': ['socket_filter', 'r6 = map[target][0]+0\n r2 = 1\n lock *(u32 *)(r6 + 2) += r2'],
  'behind the end': ['socket_filter', 'r6 = map[target][0]+0\n r2 = 1\n lock *(u64 *)(r6 + 16) += r2'],
  'before the start': ['socket_filter', 'r6 = map[target][0]+0\n r2 = 1\n lock *(u64 *)(r6 - 8) |= r2 fetch'],
  'of a number': ['socket_filter', 'r6 = 64\n r2 = 1\n lock *(u64 *)(r6 + 0) ^= r2'],
  'an operand that holds nothing': ['socket_filter', 'r6 = map[target][0]+0\n lock *(u64 *)(r6 + 0) &= r5'],
  'an r0 that holds nothing': ['socket_filter', 'r6 = map[target][0]+0\n r2 = 1\n lock *(u64 *)(r6 + 0) cx= r2'],
  'addition to the packet': [
    'xdp',
    'r2 = *(u32 *)(r1 + 0)\n r3 = *(u32 *)(r1 + 4)\n r4 = r2\n r4 += 8\n if r4 > r3 goto out\n r5 = 1\n lock *(u64 *)(r2 + 0) += r5',
  ],
  'exchange with the packet': [
    'xdp',
    'r2 = *(u32 *)(r1 + 0)\n r3 = *(u32 *)(r1 + 4)\n r4 = r2\n r4 += 8\n if r4 > r3 goto out\n r5 = 1\n lock *(u32 *)(r2 + 0) x= r5',
  ],
};

/** On one path a pointer, on the other a number: used as the pointer after they met. */
const confused = (number: string, pointer: string, first: boolean, keep: string): string => `
  ${unknown('r7')}
  ${first ? pointer : number}
  if r7 > 5 goto join
  ${first ? number : pointer}
join:
  ${keep}
  r0 = *(u8 *)(r6 + 0)${OUT}`;

export const POINTERS: readonly BugClass[] = [
  {
    number: 6,
    name: 'arithmetic on a pointer that may be NULL',
    source: 'CVE-2022-23222',
    variants: ['1', '8', '-8', '15', 'r10'].flatMap((by) =>
      ['r1', 'r7', 'r9'].map((register) => ({
        name: `${register} += ${by}`,
        ...socketFilter(nullArithmetic(by, register, false)),
      })),
    ),
    twins: ['1', '8', '15'].map((by) => ({
      name: `${by} after the check`,
      ...socketFilter(nullArithmetic(by, 'r7', true)),
    })),
  },
  {
    number: 8,
    name: 'a dynptr whose bytes were stored to',
    source: 'CVE-2023-39191',
    variants: BYTES.map(({ width, at }) => ({
      name: `u${width} at ${at}`,
      ...socketFilter(`${DYNPTR}\n *(u${width} *)(r10 - ${16 - at}) = 0${DYNPTR_DATA}${OUT}`),
    })),
    twins: [{ name: 'left alone', ...socketFilter(`${DYNPTR}${DYNPTR_DATA}${OUT}`) }],
  },
  {
    number: 14,
    name: 'pointers into a packet that has moved',
    source: 'CVE-2024-58098, CVE-2024-58100, CVE-2024-58237',
    variants: [
      ...moverVariants(false),
      {
        name: 'a tail call in a subprogram, as the program that it goes to may move it',
        text: moved('xdp', 'r2 = map[programs]\n r3 = 0\n call bpf_tail_call', true, false),
        options: { type: 'xdp', maps: [map('programs', 'prog_array', 4, 4)] },
      },
    ],
    twins: moverVariants(true),
  },
  {
    number: 15,
    name: 'read-only memory that helpers and stores write to',
    source: 'CVE-2024-50164',
    variants: into('constants'),
    twins: into('target'),
  },
  {
    number: 19,
    name: 'a stored pointer of which bytes were stored to',
    source: 'CVE-2023-52462',
    variants: BYTES.flatMap((part) => [
      { name: `u${part.width} at ${part.at}`, ...socketFilter(overwritten(part, TARGETS['a map value'], true)) },
    ]),
    twins: [{ name: 'left alone', ...socketFilter(overwritten(BYTES[0], TARGETS['a map value'], false)) }],
  },
  {
    number: 20,
    name: 'a store to somewhere on the stack, then a load of what may be gone',
    source: 'verifier_var_off, verifier_stack_ptr',
    variants: [
      [-64, 56, 64, 8],
      [-64, 56, 64, 64],
      [-64, 56, 64, 32],
      [-64, 32, 64, 40],
      [-32, 24, 64, 16],
      [-64, 60, 32, 8],
      [-64, 60, 32, 24],
      [-64, 63, 8, 8],
      [-64, 63, 8, 48],
      [-16, 8, 64, 8],
      [-24, 16, 64, 24],
      [-64, 62, 16, 56],
    ].map(([low, span, width, reload]) => ({
      name: `u${width} at r10${low} to ${span} above, then r10-${reload}`,
      ...socketFilter(somewhere(low, span, width, reload)),
    })),
    twins: [
      [-64, 24, 64, 8],
      [-16, 8, 64, 40],
    ].map(([low, span, width, reload]) => ({
      name: `u${width} at r10${low} to ${span} above, then r10-${reload}, where none is`,
      ...socketFilter(somewhere(low, span, width, reload)),
    })),
  },
  {
    number: 21,
    name: 'facts of one lookup that are used for another',
    source: 'PREVAIL #1028, #1149; map_sequential_lookup_unsafe',
    variants: Object.entries(SECOND).map(([name, text]) => ({ name, ...socketFilter(`${text}${OUT}`) })),
    twins: [
      {
        name: 'both checked',
        ...socketFilter(
          `${LOOKUP}\n if r0 == 0 goto out\n r6 = r0${LOOKUP}\n if r0 == 0 goto out\n r0 = *(u8 *)(r6 + 0)${OUT}`,
        ),
      },
    ],
  },
  {
    number: 22,
    name: 'registers that a call does not keep',
    source: 'PREVAIL #1028',
    variants: AFTER_CALL,
    twins: [
      {
        name: 'r6 to r9',
        ...socketFilter(
          `r6 = map[target][0]+0\n r7 = 1\n call local sub\n r0 = *(u8 *)(r6 + 0)\n r7 += 1${OUT}\nsub:\n r0 = 0\n exit`,
        ),
      },
    ],
  },
  {
    number: 24,
    name: 'atomic operations where there may be none',
    source: 'uBPF 596; verifier_xadd',
    variants: Object.entries(OPERANDS).map(([name, [type, text]]) => ({
      name,
      ...(type === 'xdp' ? xdp : socketFilter)(`${text}${OUT}`),
      ...(name === 'a pointer added' ? { linuxAccepts: 'privileged programs may hand out addresses' } : {}),
    })),
    twins: [
      {
        name: 'of a map value',
        ...socketFilter(
          `r6 = map[target][0]+0\n r2 = 1\n lock *(u64 *)(r6 + 8) += r2\n r0 = 0\n lock *(u32 *)(r6 + 4) cx= r2${OUT}`,
        ),
      },
    ],
  },
  {
    number: 28,
    name: 'a pointer on one path, a number on the other',
    source:
      'CVE-2021-33624, as far as runs go: what only speculation reaches is a matter of the host (THREAT_MODEL.md)',
    variants: ['r6 = 0', 'r6 = 4096', `${unknown('r6')}`].flatMap((number) =>
      Object.entries(TARGETS).flatMap(([target, pointer]) =>
        [true, false].map((first) => ({
          name: `${number.trim().slice(0, 20)} or ${target}, ${first ? 'pointer' : 'number'} first`,
          ...socketFilter(confused(number, pointer, first, '')),
        })),
      ),
    ),
    twins: [
      {
        name: 'two pointers',
        ...socketFilter(confused('r6 = map[target][0]+0', 'r6 = map[target][0]+8', true, '')),
      },
    ],
  },
];
