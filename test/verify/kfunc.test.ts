// Kernel functions: iterators, what is taken and given back, dynptrs of packets, objects in trees and lists; and tail calls, views
// of sockets and warnings, which go with them.
import { describe, expect, it } from 'vitest';
import { AT, kfuncVerdict, NODE } from './kfunc-object.ts';
import { map, type ProgramOptions, verdictOf } from './support.ts';

interface Case {
  readonly name: string;
  readonly text: string;
  readonly verdict: string;
  readonly options?: ProgramOptions;
}

const iterator = (body: string, after = ''): string => `
  r1 = r10
  r1 += -8
  r2 = 0
  r3 = 1000000
  call bpf_iter_num_new
  r6 = 0
loop:
  r1 = r10
  r1 += -8
  call bpf_iter_num_next
  if r0 == 0 goto done
${body}
  goto loop
done:
  r1 = r10
  r1 += -8
  call bpf_iter_num_destroy
${after}
  r0 = 0
  exit`;

const ITERATORS: readonly Case[] = [
  { name: 'a million rounds', text: iterator('  r1 = *(u32 *)(r0 + 0)\n  r6 += r1'), verdict: 'accepted' },
  { name: 'an element is 4 bytes', text: iterator('  r1 = *(u64 *)(r0 + 0)'), verdict: 'verify/bounds' },
  {
    name: 'an offset that grows from round to round',
    text: iterator('  r6 += 8\n  r1 = r10\n  r1 -= r6\n  *(u64 *)(r1 - 8) = r6'),
    verdict: 'verify/stack-access',
  },
  {
    name: 'a bad offset of the second round only',
    text: iterator('  if r6 == 0 goto first\n  *(u64 *)(r10 - 600) = r6\nfirst:\n  r6 = 1'),
    verdict: 'verify/stack-access',
  },
  {
    name: 'never destroyed',
    text: '  r1 = r10\n  r1 += -8\n  r2 = 0\n  r3 = 9\n  call bpf_iter_num_new\n  r0 = 0\n  exit',
    verdict: 'verify/reference-leak',
  },
  {
    name: 'its stack is stored to',
    text: iterator('  *(u64 *)(r10 - 8) = r6'),
    verdict: 'verify/stack-access',
  },
  {
    name: 'its stack is read',
    text: iterator('  r1 = *(u64 *)(r10 - 8)'),
    verdict: 'verify/stack-access',
  },
  {
    name: 'an element after the iterator',
    text: iterator(
      '  r7 = r0\n  r1 = r10\n  r1 += -8\n  call bpf_iter_num_destroy\n  r0 = *(u32 *)(r7 + 0)\n  r0 = 0\n  exit',
    ),
    verdict: 'verify/not-a-pointer',
  },
  {
    name: 'next without new',
    text: '  r1 = r10\n  r1 += -8\n  call bpf_iter_num_next\n  r0 = 0\n  exit',
    verdict: 'verify/helper-argument',
  },
  {
    name: 'destroyed twice',
    text: iterator('', '  r1 = r10\n  r1 += -8\n  call bpf_iter_num_destroy'),
    verdict: 'verify/helper-argument',
  },
];

const task = (after: string): string => `
  r1 = 1
  call bpf_task_from_pid
  ${after}
  r0 = 0
  exit`;

const HELD: readonly Case[] = [
  {
    name: 'a task given back',
    text: task('if r0 == 0 goto +2\n  r1 = r0\n  call bpf_task_release'),
    verdict: 'accepted',
  },
  {
    name: 'a task that may be NULL',
    text: task('r1 = r0\n  call bpf_task_release'),
    verdict: 'verify/helper-argument',
  },
  { name: 'a task kept', text: task('r1 = r0'), verdict: 'verify/reference-leak' },
  {
    name: 'a task given back twice',
    text: task('if r0 == 0 goto +5\n  r6 = r0\n  r1 = r0\n  call bpf_task_release\n  r1 = r6\n  call bpf_task_release'),
    verdict: 'verify/helper-argument',
  },
  {
    name: 'a task as a file',
    text: task('if r0 == 0 goto +2\n  r1 = r0\n  call bpf_put_file'),
    verdict: 'verify/helper-argument',
    options: { type: 'lsm', attachType: 'lsm_mac' },
  },
  { name: 'not for this type', text: task('r1 = r0'), verdict: 'verify/lock', options: { type: 'socket_filter' } },
  {
    name: 'preemption',
    text: '  call bpf_preempt_disable\n  call bpf_preempt_enable\n  r0 = 0\n  exit',
    verdict: 'accepted',
  },
  {
    name: 'preemption left off',
    text: '  call bpf_preempt_disable\n  r0 = 0\n  exit',
    verdict: 'verify/reference-leak',
  },
  { name: 'preemption only on', text: '  call bpf_preempt_enable\n  r0 = 0\n  exit', verdict: 'verify/lock' },
  {
    name: 'RCU twice',
    text: '  call bpf_rcu_read_lock\n  call bpf_rcu_read_lock\n  r0 = 0\n  exit',
    verdict: 'verify/lock',
  },
  { name: 'one that is not known', text: '  call bpf_unheard_of\n  exit', verdict: 'verify/kfunc' },
];

const slice = (use: string): string => `
  r6 = r1
  r2 = 0
  r3 = r10
  r3 += -16
  call bpf_dynptr_from_skb
  r1 = r10
  r1 += -16
  r2 = 0
  r3 = 0
  r4 = 8
  call bpf_dynptr_slice
  if r0 == 0 goto out
  r7 = r0
${use}
out:
  r0 = 0
  exit`;

const SLICES: readonly Case[] = [
  { name: 'within', text: slice('  r1 = *(u64 *)(r7 + 0)'), verdict: 'accepted' },
  { name: 'outside', text: slice('  r1 = *(u64 *)(r7 + 1)'), verdict: 'verify/bounds' },
  { name: 'only read', text: slice('  *(u8 *)(r7 + 0) = 1'), verdict: 'verify/read-only' },
  {
    name: 'after the packet moved',
    text: slice('  r1 = r6\n  r2 = 14\n  call bpf_skb_pull_data\n  r1 = *(u8 *)(r7 + 0)'),
    verdict: 'verify/not-a-pointer',
  },
  {
    name: 'after the dynptr was stored over',
    text: slice('  *(u64 *)(r10 - 16) = 0\n  r1 = *(u8 *)(r7 + 0)'),
    verdict: 'verify/not-a-pointer',
  },
  {
    name: 'of a dynptr that was stored over',
    text: slice(
      '  *(u64 *)(r10 - 8) = 0\n  r1 = r10\n  r1 += -16\n  r2 = 0\n  r3 = 0\n  r4 = 8\n  call bpf_dynptr_slice',
    ),
    verdict: 'verify/helper-argument',
  },
];

const LOCK = `  r1 = map_val(map_by_idx(0)) + ${AT.lock}\n`;
const locked = (body: string): string => `${LOCK}  call bpf_spin_lock\n${body}\n${LOCK}  call bpf_spin_unlock\n`;
const ADD = (less: string): string => `
  r1 = map_val(map_by_idx(0)) + ${AT.root}
  r2 = r6
  r2 += ${AT.tree}
  r3 = code_addr(${less})
  r4 = 0
  r5 = 0
  call bpf_rbtree_add_impl`;
const FIRST = `  r1 = map_val(map_by_idx(0)) + ${AT.root}\n  call bpf_rbtree_first`;
const LESS = `
less:
  r0 = 0
  r3 = *(u64 *)(r1 - ${AT.tree})
  r4 = *(u64 *)(r2 - ${AT.tree})
  if r3 >= r4 goto +1
  r0 = 1
  exit`;
const object = (body: string, after = ''): string => `
  r1 = ${NODE}
  r2 = 0
  call bpf_obj_new_impl
  if r0 == 0 goto out
  r6 = r0
${body}
out:
  r0 = 0
  exit
${after}`;
const DROP = '  r1 = r6\n  r2 = 0\n  call bpf_obj_drop_impl';

const OBJECTS: readonly Case[] = [
  { name: 'made and dropped', text: object(`  *(u64 *)(r6 + 0) = 5\n${DROP}`), verdict: 'accepted' },
  { name: 'kept', text: object('  *(u64 *)(r6 + 0) = 5'), verdict: 'verify/reference-leak' },
  {
    name: 'used after it was dropped',
    text: object(`${DROP}\n  r1 = *(u64 *)(r6 + 0)`),
    verdict: 'verify/not-a-pointer',
  },
  { name: 'dropped twice', text: object(`${DROP}\n${DROP}`), verdict: 'verify/helper-argument' },
  { name: 'beyond its end', text: object(`  *(u64 *)(r6 + 76) = 5\n${DROP}`), verdict: 'verify/bounds' },
  { name: 'its node is stored to', text: object(`  *(u64 *)(r6 + ${AT.tree}) = 5\n${DROP}`), verdict: 'verify/bounds' },
  {
    name: 'of no struct',
    text: '  r1 = 9999\n  r2 = 0\n  call bpf_obj_new_impl\n  exit',
    verdict: 'verify/helper-argument',
  },
  { name: 'in a tree', text: object(locked(ADD('less')), LESS), verdict: 'accepted' },
  {
    name: 'in a tree, read under the lock',
    text: object(locked(`${ADD('less')}\n  r1 = *(u64 *)(r6 + 0)`), LESS),
    verdict: 'accepted',
  },
  {
    name: 'in a tree, read after the lock',
    text: object(`${locked(ADD('less'))}\n  r1 = *(u64 *)(r6 + 0)`, LESS),
    verdict: 'verify/not-a-pointer',
  },
  {
    name: 'in a tree, dropped',
    text: object(`${locked(ADD('less'))}\n${DROP}`, LESS),
    verdict: 'verify/helper-argument',
  },
  {
    name: 'in a tree twice',
    text: object(locked(`${ADD('less')}${ADD('less')}`), LESS),
    verdict: 'verify/helper-argument',
  },
  { name: 'in a tree without its lock', text: object(ADD('less'), LESS), verdict: 'verify/lock' },
  {
    name: 'an order that reads too far',
    text: object(locked(ADD('less')), '\nless:\n  r0 = *(u64 *)(r1 + 72)\n  r0 = 0\n  exit'),
    verdict: 'verify/bounds',
  },
  {
    name: 'an order that unlocks',
    text: object(locked(ADD('less')), `\nless:\n${LOCK}  call bpf_spin_unlock\n  r0 = 0\n  exit`),
    verdict: 'verify/lock',
  },
  {
    name: 'an order that gives what is no answer',
    text: object(locked(ADD('less')), '\nless:\n  r0 = 7\n  exit'),
    verdict: 'verify/return-value',
  },
  {
    name: 'the first of a tree, without a comparison with NULL',
    text: `${locked(`${FIRST}\n  r1 = *(u64 *)(r0 - ${AT.tree})`)}\n  r0 = 0\n  exit`,
    verdict: 'verify/null',
  },
  {
    name: 'removed from a tree and kept',
    text: `${locked(`${FIRST}\n  if r0 == 0 goto none\n  r1 = map_val(map_by_idx(0)) + ${AT.root}\n  r2 = r0\n  call bpf_rbtree_remove\nnone:`)}\n  r0 = 0\n  exit`,
    verdict: 'verify/reference-leak',
  },
  {
    name: 'removed from a tree and dropped',
    text: `${locked(`${FIRST}\n  r6 = 0\n  if r0 == 0 goto none\n  r1 = map_val(map_by_idx(0)) + ${AT.root}\n  r2 = r0\n  call bpf_rbtree_remove\n  r6 = r0\nnone:`)}
  if r6 == 0 goto out\n  r6 += -${AT.tree}\n${DROP}\nout:\n  r0 = 0\n  exit`,
    verdict: 'accepted',
  },
  {
    name: 'a node of the list as one of the tree',
    text: object(
      locked(
        `  r1 = map_val(map_by_idx(0)) + ${AT.head}\n  r2 = r6\n  r2 += ${AT.tree}\n  r3 = 0\n  r4 = 0\n  call bpf_list_push_back_impl`,
      ),
    ),
    verdict: 'verify/helper-argument',
  },
  {
    name: 'through a list',
    text: object(
      `${locked(`  r1 = map_val(map_by_idx(0)) + ${AT.head}\n  r2 = r6\n  r2 += ${AT.list}\n  r3 = 0\n  r4 = 0\n  call bpf_list_push_back_impl\n  r1 = map_val(map_by_idx(0)) + ${AT.head}\n  call bpf_list_pop_front\n  r6 = r0`)}
  if r6 == 0 goto out\n  r6 += -${AT.list}\n${DROP}`,
    ),
    verdict: 'accepted',
  },
  {
    name: 'a second reference outlives the tree',
    text: object(
      `  r1 = r6\n  r2 = 0\n  call bpf_refcount_acquire_impl\n  r7 = r0\n${locked(ADD('less'))}\n  r1 = *(u64 *)(r7 + 0)\n  r1 = r7\n  r2 = 0\n  call bpf_obj_drop_impl`,
      LESS,
    ),
    verdict: 'accepted',
  },
];

const codeOf = ({ verdict, diagnostic }: ReturnType<typeof kfuncVerdict>): string => diagnostic?.code ?? verdict;

describe.each([
  ['iterators', ITERATORS],
  ['what is held', HELD],
  ['slices of packets', SLICES],
  ['objects', OBJECTS],
])('kernel functions: %s', (_, cases) => {
  it.each(cases)('$name', ({ text, verdict, options }) => {
    const result = kfuncVerdict(text, options);
    expect(codeOf(result), result.diagnostic?.message).toBe(verdict);
  });
});

const PROGRAMS = map('programs', 'prog_array', 4, 4);
const SOCKETS = map('sockets', 'sockmap', 4, 4);

/** Looks a socket up, and goes on with it in r0. */
const lookup = (after: string): string => `
  *(u32 *)(r10 - 4) = 0
  r1 = map_by_idx(0)
  r2 = r10
  r2 += -4
  call bpf_map_lookup_elem
  if r0 == 0 goto out
  ${after}
out:
  r0 = 0
  exit`;

describe('what calls leave behind', () => {
  it('packet pointers do not outlive a tail call in a function', () => {
    const text = `
  r6 = r1
  r7 = *(u32 *)(r1 + 76)
  r2 = *(u32 *)(r1 + 80)
  r3 = r7
  r3 += 14
  if r3 > r2 goto out
  r1 = r6
  call go
  r0 = *(u8 *)(r7 + 0)
out:
  r0 = 0
  exit
go:
  r2 = map_by_idx(0)
  r3 = 0
  call bpf_tail_call
  r0 = 0
  exit`;
    expect(codeOf(verdictOf(text, { type: 'sched_cls', maps: [PROGRAMS] }))).toBe('verify/not-a-pointer');
  });

  it('a function that made a tail call may have given anything', () => {
    const text = `
  call go
  if r0 == 0 goto out
  *(u64 *)(r10 - 600) = r0
out:
  r0 = 0
  exit
go:
  r2 = map_by_idx(0)
  r3 = 0
  call bpf_tail_call
  r0 = 0
  exit`;
    expect(codeOf(verdictOf(text, { type: 'sched_cls', maps: [PROGRAMS] }))).toBe('verify/stack-access');
  });

  it('a socket of a map is given back', () => {
    const options = { type: 'sched_cls', maps: [SOCKETS] } as const;
    expect(codeOf(verdictOf(lookup('r1 = r0\n  call bpf_sk_release'), options))).toBe('accepted');
    expect(codeOf(verdictOf(lookup('r1 = r0'), options))).toBe('verify/reference-leak');
  });

  it('equal pointers of a kept state stand for equal ones only', () => {
    // On one path r2 is r3, whose bound is checked; on the other it is another pointer.
    const text = `
  r6 = *(u32 *)(r1 + 8)
  r7 = *(u32 *)(r1 + 16)
  r2 = *(u32 *)(r1 + 76)
  r3 = r2
  r4 = *(u32 *)(r1 + 80)
  if r6 > 100 goto out
  if r7 > 100 goto out
  r2 += r6
  r2 += 1
  r3 += r7
  r3 += 1
  if r6 != r7 goto apart
  r2 = r3
apart:
  if r3 > r4 goto out
  r5 = *(u8 *)(r2 - 1)
out:
  r0 = 0
  exit`;
    for (const keepAfter of [1, 8]) {
      const result = kfuncVerdict(text, { type: 'sched_cls' }, { keepAfter });
      expect(codeOf(result)).toBe('verify/packet-bounds');
    }
  });
});

describe('warnings', () => {
  const UNSTORED = '  r0 = *(u64 *)(r10 - 8)\n  exit';
  const BY_ZERO = '  r0 = 1\n  r0 /= 0\n  exit';
  const MISALIGNED = '  r0 = 0\n  *(u64 *)(r10 - 8) = r0\n  *(u64 *)(r10 - 16) = r0\n  r0 = *(u64 *)(r10 - 12)\n  exit';
  it.each([
    [UNSTORED, 'verify/uninitialised-stack'],
    [BY_ZERO, 'verify/division-by-zero'],
    [MISALIGNED, 'verify/misaligned'],
  ])('lets pass what strictness refuses: %#', (text, code) => {
    const result = kfuncVerdict(text);
    expect(result.verdict).toBe('accepted');
    expect(result.warnings?.map(({ code: of, severity }) => [of, severity])).toEqual([[code, 'warning']]);
    expect(codeOf(kfuncVerdict(text, {}, { strict: true }))).toBe(code);
    expect(codeOf(kfuncVerdict(text, {}, { strict: [code] }))).toBe(code);
    expect(kfuncVerdict(text, {}, { strict: ['verify/other'] }).verdict).toBe('accepted');
  });
});
