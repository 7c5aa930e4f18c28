// Kernel functions that programs may call: what their prototypes in the object's BTF do not say. One row each.
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

/** What an argument is where its type does not say it: prototypes of externs have no names that would. */
export type KfuncArg = ArgKind | 'ignored' | 'iterator' | 'object' | 'objectOrNull';

export interface KfuncRow {
  /** Absent: as their types say. */
  readonly args?: readonly KfuncArg[];
  /** Absent: all. */
  readonly types?: readonly ProgramTypeName[];
  readonly does?: KfuncAction;
  /** What `take` and `giveBack` hold, and what the result must be given back as. */
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

const only = (types: readonly ProgramTypeName[] | undefined): Pick<KfuncRow, 'types'> =>
  types === undefined ? {} : { types };

const iterator = (
  name: string,
  types?: readonly ProgramTypeName[],
  more: Pick<KfuncRow, 'args' | 'rcu'> = {},
): Record<string, KfuncRow> => ({
  [`bpf_iter_${name}_new`]: { does: 'iteratorNew', ...only(types), ...more },
  [`bpf_iter_${name}_next`]: { does: 'iteratorNext', ...only(types), ...(more.rcu === true ? { rcu: true } : {}) },
  [`bpf_iter_${name}_destroy`]: { does: 'iteratorDestroy', ...only(types) },
});

const OF_CONTEXT: readonly KfuncArg[] = ['ctx', 'scalar', 'dynptrOut'];
const SLICE: readonly KfuncArg[] = ['dynptr', 'scalar', 'memOutOrNull', 'sizeOrZero'];

const got = { acquires: true, nullable: true } as const;

export const KFUNCS: Readonly<Record<string, KfuncRow>> = {
  ...iterator('num'),
  ...iterator('bits', undefined, { args: ['iterator', 'ignored', 'scalar'] }),
  ...iterator('task_vma'),
  ...iterator('task', GENERIC, { args: ['iterator', 'objectOrNull', 'scalar'], rcu: true }),
  ...iterator('css', GENERIC, { rcu: true }),
  ...iterator('css_task', ['lsm']),

  bpf_preempt_disable: { does: 'take', holds: 'preempt' },
  bpf_preempt_enable: { does: 'giveBack', holds: 'preempt' },
  bpf_rcu_read_lock: { does: 'take', holds: 'rcu' },
  bpf_rcu_read_unlock: { does: 'giveBack', holds: 'rcu' },

  bpf_obj_new_impl: { types: GENERIC, does: 'objectNew' },
  bpf_obj_drop_impl: { types: GENERIC, does: 'objectDrop' },
  bpf_refcount_acquire_impl: { types: GENERIC, does: 'objectCopy' },
  bpf_rbtree_add_impl: { types: GENERIC, does: 'treeAdd' },
  bpf_rbtree_remove: { types: GENERIC, does: 'treeRemove' },
  bpf_rbtree_first: { types: GENERIC, does: 'treeFirst' },
  bpf_list_push_front_impl: { types: GENERIC, does: 'listPush' },
  bpf_list_push_back_impl: { types: GENERIC, does: 'listPush' },
  bpf_list_pop_front: { types: GENERIC, does: 'listPop' },
  bpf_list_pop_back: { types: GENERIC, does: 'listPop' },

  bpf_task_acquire: { types: GENERIC, ...got },
  bpf_task_release: { types: GENERIC, releases: 1 },
  bpf_task_from_pid: { types: GENERIC, ...got },
  bpf_task_from_vpid: { types: GENERIC, ...got },
  bpf_cgroup_acquire: { types: GENERIC, ...got },
  bpf_cgroup_release: { types: GENERIC, releases: 1 },
  bpf_cgroup_from_id: { types: GENERIC, ...got },
  bpf_cgroup_ancestor: { types: GENERIC, ...got },

  bpf_cpumask_create: { types: CPUMASK, ...got },
  bpf_cpumask_acquire: { types: CPUMASK, acquires: true },
  bpf_cpumask_release: { types: CPUMASK, releases: 1 },
  bpf_cpumask_set_cpu: { types: CPUMASK },
  bpf_cpumask_clear_cpu: { types: CPUMASK },
  bpf_cpumask_test_cpu: { types: CPUMASK },
  bpf_cpumask_test_and_set_cpu: { types: CPUMASK },
  bpf_cpumask_test_and_clear_cpu: { types: CPUMASK },
  bpf_cpumask_first: { types: CPUMASK },
  bpf_cpumask_first_zero: { types: CPUMASK },
  bpf_cpumask_empty: { types: CPUMASK },
  bpf_cpumask_full: { types: CPUMASK },
  bpf_cpumask_copy: { types: CPUMASK },
  bpf_cpumask_weight: { types: CPUMASK },
  bpf_cpumask_setall: { types: CPUMASK },
  bpf_cpumask_clear: { types: CPUMASK },

  bpf_get_task_exe_file: { types: ['lsm'], ...got },
  bpf_put_file: { types: ['lsm'], releases: 1 },
  bpf_path_d_path: { types: ['lsm'], args: ['object', 'memOut', 'sizeOrZero'] },
  bpf_lookup_user_key: { types: ['tracing', 'lsm'], ...got, sleepable: true },
  bpf_lookup_system_key: { types: ['tracing', 'lsm'], ...got },
  bpf_key_put: { types: ['tracing', 'lsm'], releases: 1 },

  bpf_dynptr_from_skb: { types: SKB, args: OF_CONTEXT, does: 'dynptrOfPacket' },
  bpf_dynptr_from_xdp: { types: ['xdp'], args: OF_CONTEXT, does: 'dynptrOfPacket' },
  bpf_dynptr_slice: { args: SLICE, does: 'dynptrSlice', nullable: true },
  bpf_dynptr_slice_rdwr: { args: SLICE, does: 'dynptrSlice', nullable: true },
  bpf_dynptr_adjust: {},
  bpf_dynptr_is_null: {},
  bpf_dynptr_is_rdonly: {},
  bpf_dynptr_size: {},
  bpf_dynptr_clone: { args: ['dynptr', 'dynptrOut'], does: 'dynptrClone' },

  bpf_cast_to_kern_ctx: { args: ['ctx'], does: 'castContext' },
};
