// Kernel functions that programs may call, as the kernel has them: what an object's BTF says of them proves nothing. One row each.
// Sources: kernel/bpf/helpers.c (generic_btf_ids, common_btf_ids), kernel/bpf/cpumask.c, fs/bpf_fs_kfuncs.c, net/core/filter.c,
// kernel/trace/bpf_trace.c of Linux 6.12 to 6.18.
import type { ArgKind } from '../spec/helper.ts';
import type { ProgramTypeName } from '../spec/program-types.ts';
import type { Reference } from './state.ts';

/** What a call does beyond its arguments and its result (kfunc.ts has a function for each). */
export type KfuncAction =
  | 'iteratorNew'
  | 'iteratorNext'
  | 'iteratorDestroy'
  | 'take'
  | 'giveBack'
  | 'objectNew'
  | 'objectDrop'
  | 'objectCopy'
  | 'treeAdd'
  | 'listPush'
  | 'treeRemove'
  | 'treeFirst'
  | 'listPop'
  | 'dynptrOfPacket'
  | 'dynptrSlice'
  | 'dynptrClone'
  | 'castContext';

type Struct = `struct ${string}`;

/**
 * As helpers have them, or: `own`: the action looks at it itself; `any`: nobody does; a struct: an object of the kernel, which with
 * `?` may be NULL.
 */
export type KfuncArg = ArgKind | 'own' | 'any' | Struct | `${Struct}?`;

export interface KfuncRow {
  readonly args: readonly KfuncArg[];
  /** A struct: a pointer to an object of the kernel; `int*`: to 4 bytes. Absent: a number. */
  readonly returns?: Struct | 'int*' | 'void';
  /** Absent: all. */
  readonly types?: readonly ProgramTypeName[];
  readonly does?: KfuncAction;
  /** Iterators: 8-byte words of their struct. */
  readonly words?: number;
  /** What `take` and `giveBack` hold. */
  readonly holds?: Reference['what'];
  /** The result must be given back. */
  readonly acquires?: boolean;
  /** The argument, from 1, that is given back. */
  readonly releases?: number;
  /** The result may be NULL. */
  readonly nullable?: boolean;
  readonly sleepable?: boolean;
  /** Only under the RCU read lock, which programs that may not sleep hold as they are. */
  readonly rcu?: boolean;
}

/** Programs attached to functions of the kernel: tracing, lsm, tracepoints and perf events have the same set. */
const TRACING = ['tracing', 'lsm', 'tracepoint', 'perf_event'] as const;
const GENERIC = [...TRACING, 'sched_cls', 'xdp', 'struct_ops', 'syscall', 'cgroup_skb'] as const;
const CPUMASK = [...TRACING, 'struct_ops', 'syscall'] as const;
const SKB = [
  ...(['sched_cls', 'sched_act', 'sk_skb', 'socket_filter', 'cgroup_skb', 'netfilter', 'tracing'] as const),
  ...(['lwt_in', 'lwt_out', 'lwt_xmit', 'lwt_seg6local'] as const),
] as const;

const FIRST: readonly KfuncArg[] = ['own'];
const SECOND: readonly KfuncArg[] = ['own', 'own'];

interface IteratorRow extends Pick<KfuncRow, 'returns' | 'types' | 'rcu'> {
  readonly words: number;
  /** Of `_new`, after the iterator. */
  readonly of: readonly KfuncArg[];
}

const iterator = (name: string, { of, words, returns, types, rcu }: IteratorRow): Record<string, KfuncRow> => {
  const all = { words, ...(types === undefined ? {} : { types }) };
  const locked = rcu === true ? { rcu } : {};
  return {
    [`bpf_iter_${name}_new`]: { ...all, ...locked, args: ['own', ...of], does: 'iteratorNew' },
    [`bpf_iter_${name}_next`]: {
      ...all,
      ...locked,
      args: FIRST,
      does: 'iteratorNext',
      ...(returns === undefined ? {} : { returns }),
    },
    [`bpf_iter_${name}_destroy`]: { ...all, args: FIRST, does: 'iteratorDestroy', returns: 'void' },
  };
};

/** A reference to an object of the kernel, or NULL. */
const got = (returns: Struct, args: readonly KfuncArg[], types: readonly ProgramTypeName[] = GENERIC): KfuncRow => ({
  args,
  returns,
  types,
  acquires: true,
  nullable: true,
});
const givenBack = (struct: Struct, types: readonly ProgramTypeName[] = GENERIC): KfuncRow => ({
  args: [struct],
  returns: 'void',
  types,
  releases: 1,
});

const LSM = ['lsm'] as const;
const KEYS = ['tracing', 'lsm'] as const;
const OF_PACKET: KfuncRow = { args: ['ctx', 'scalar', 'dynptrOut'], does: 'dynptrOfPacket' };
const SLICE: KfuncRow = { args: ['dynptr', 'scalar', 'memOutOrNull', 'sizeOrZero'], does: 'dynptrSlice' };

const MASK = 'struct cpumask';
const OWN_MASK = 'struct bpf_cpumask';
const mask = (...args: readonly KfuncArg[]): KfuncRow => ({ args, types: CPUMASK });

export const KFUNCS: Readonly<Record<string, KfuncRow>> = {
  ...iterator('num', { of: ['scalar', 'scalar'], words: 1, returns: 'int*' }),
  ...iterator('bits', { of: ['any', 'scalar'], words: 2, returns: 'int*' }),
  ...iterator('task_vma', { of: ['struct task_struct', 'scalar'], words: 1, returns: 'struct vm_area_struct' }),
  ...iterator('task', {
    of: ['struct task_struct?', 'scalar'],
    words: 3,
    returns: 'struct task_struct',
    types: GENERIC,
    rcu: true,
  }),
  ...iterator('css', {
    of: ['struct cgroup_subsys_state', 'scalar'],
    words: 3,
    returns: 'struct cgroup_subsys_state',
    types: GENERIC,
    rcu: true,
  }),
  ...iterator('css_task', {
    of: ['struct cgroup_subsys_state', 'scalar'],
    words: 1,
    returns: 'struct task_struct',
    types: LSM,
  }),

  bpf_preempt_disable: { args: [], returns: 'void', does: 'take', holds: 'preempt' },
  bpf_preempt_enable: { args: [], returns: 'void', does: 'giveBack', holds: 'preempt' },
  bpf_rcu_read_lock: { args: [], returns: 'void', does: 'take', holds: 'rcu' },
  bpf_rcu_read_unlock: { args: [], returns: 'void', does: 'giveBack', holds: 'rcu' },

  // The last argument or two of these the verifier of the kernel sets itself.
  bpf_obj_new_impl: { args: ['own', 'any'], types: GENERIC, does: 'objectNew' },
  bpf_obj_drop_impl: { args: ['own', 'any'], types: GENERIC, does: 'objectDrop' },
  bpf_refcount_acquire_impl: { args: ['own', 'any'], types: GENERIC, does: 'objectCopy' },
  bpf_rbtree_add_impl: { args: ['own', 'own', 'own', 'any', 'any'], types: GENERIC, does: 'treeAdd' },
  bpf_rbtree_remove: { args: SECOND, types: GENERIC, does: 'treeRemove' },
  bpf_rbtree_first: { args: FIRST, types: GENERIC, does: 'treeFirst' },
  bpf_list_push_front_impl: { args: ['own', 'own', 'any', 'any'], types: GENERIC, does: 'listPush' },
  bpf_list_push_back_impl: { args: ['own', 'own', 'any', 'any'], types: GENERIC, does: 'listPush' },
  bpf_list_pop_front: { args: FIRST, types: GENERIC, does: 'listPop' },
  bpf_list_pop_back: { args: FIRST, types: GENERIC, does: 'listPop' },

  bpf_task_acquire: got('struct task_struct', ['struct task_struct']),
  bpf_task_release: givenBack('struct task_struct'),
  bpf_task_from_pid: got('struct task_struct', ['scalar']),
  bpf_task_from_vpid: got('struct task_struct', ['scalar']),
  bpf_cgroup_acquire: got('struct cgroup', ['struct cgroup']),
  bpf_cgroup_release: givenBack('struct cgroup'),
  bpf_cgroup_from_id: got('struct cgroup', ['scalar']),
  bpf_cgroup_ancestor: got('struct cgroup', ['struct cgroup', 'scalar']),

  bpf_cpumask_create: got(OWN_MASK, [], CPUMASK),
  bpf_cpumask_acquire: { args: [OWN_MASK], returns: OWN_MASK, types: CPUMASK, acquires: true },
  bpf_cpumask_release: givenBack(OWN_MASK, CPUMASK),
  bpf_cpumask_set_cpu: mask('scalar', OWN_MASK),
  bpf_cpumask_clear_cpu: mask('scalar', OWN_MASK),
  bpf_cpumask_test_cpu: mask('scalar', MASK),
  bpf_cpumask_test_and_set_cpu: mask('scalar', OWN_MASK),
  bpf_cpumask_test_and_clear_cpu: mask('scalar', OWN_MASK),
  bpf_cpumask_first: mask(MASK),
  bpf_cpumask_first_zero: mask(MASK),
  bpf_cpumask_empty: mask(MASK),
  bpf_cpumask_full: mask(MASK),
  bpf_cpumask_copy: mask(OWN_MASK, MASK),
  bpf_cpumask_weight: mask(MASK),
  bpf_cpumask_setall: mask(OWN_MASK),
  bpf_cpumask_clear: mask(OWN_MASK),

  bpf_get_task_exe_file: got('struct file', ['struct task_struct'], LSM),
  bpf_put_file: givenBack('struct file', LSM),
  bpf_path_d_path: { args: ['struct path', 'memOut', 'sizeOrZero'], types: LSM },
  bpf_lookup_user_key: { ...got('struct bpf_key', ['scalar', 'scalar'], KEYS), sleepable: true },
  bpf_lookup_system_key: got('struct bpf_key', ['scalar'], KEYS),
  bpf_key_put: givenBack('struct bpf_key', KEYS),

  bpf_dynptr_from_skb: { ...OF_PACKET, types: SKB },
  bpf_dynptr_from_xdp: { ...OF_PACKET, types: ['xdp'] },
  bpf_dynptr_slice: SLICE,
  bpf_dynptr_slice_rdwr: SLICE,
  bpf_dynptr_adjust: { args: ['dynptr', 'scalar', 'scalar'] },
  bpf_dynptr_is_null: { args: ['dynptr'] },
  bpf_dynptr_is_rdonly: { args: ['dynptr'] },
  bpf_dynptr_size: { args: ['dynptr'] },
  bpf_dynptr_clone: { args: ['dynptr', 'dynptrOut'], does: 'dynptrClone' },

  bpf_cast_to_kern_ctx: { args: ['ctx'], does: 'castContext' },
};
