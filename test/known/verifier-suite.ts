// Where our verdict on the kernel's annotated verifier tests (Linux 6.12) is another one than the annotation, and why.

export interface Difference {
  readonly reason: string;
  /** Limits.strict refuses them. */
  readonly strict?: true;
  /** `file/program` of tools/testing/selftests/bpf/progs. */
  readonly programs: readonly string[];
}

/** Refused by Linux, accepted here. None is a matter of memory safety. */
export const MORE: readonly Difference[] = [
  {
    reason:
      'refused where strictness is asked for: a division by the constant 0 (its result is defined), a misaligned stack access, or stack bytes that were never stored to (which Linux 6.18 lets pass as well)',
    strict: true,
    programs: [
      'iters/delayed_precision_mark',
      'iters/loop_state_deps1',
      'verifier_iterating_callbacks/iter_limit_bug',
      'verifier_linked_scalars/scalars_self_add_alu32_clears_id',
      'verifier_linked_scalars/scalars_self_add_clears_id',
      'verifier_linked_scalars/scalars_stale_delta_from_cleared_id',
      'verifier_linked_scalars/scalars_stale_delta_from_cleared_id_alu32',
      'verifier_mtu/tc_uninit_mtu',
      'verifier_scalar_ids/linked_regs_broken_link_2',
    ],
  },
  {
    reason: 'here and in Linux 6.18, an element of an array whose index is a constant below its size is always there',
    programs: ['iters/iter_err_too_permissive2', 'iters/iter_err_too_permissive3'],
  },
  {
    reason: 'the stack access may be misaligned, and lies in the frame with each of the offsets',
    programs: ['iters/loop_state_deps2'],
  },
  {
    reason:
      'global functions are verified with what their callers give them, not by themselves with any argument of their types',
    programs: [
      'dynptr_fail/test_dynptr_reg_type',
      'test_global_func11/global_func11',
      'test_global_func12/global_func12',
      'test_global_func14/global_func14',
      'test_global_func7/global_func7',
      'verifier_global_subprogs/arg_tag_nullable_ptr_fail',
    ],
  },
  {
    reason: 'bpf_throw is not offered, so that no exception callback is ever called',
    programs: [
      'exceptions_fail/reject_exception_cb_call_global_func',
      'exceptions_fail/reject_exception_cb_call_static_func',
      'exceptions_fail/reject_set_exception_cb_bad_ret1',
      'exceptions_fail/reject_throwing_exception_cb',
    ],
  },
  {
    reason:
      'which hooks of the kernel can be attached to, and what they may return, is said by its BTF; no host here attaches to them',
    programs: [
      'dummy_st_ops_fail/test_unsupported_field_sleepable',
      'unsupported_ops/unsupported_ops',
      'verifier_lsm/bool_retval_test3',
      'verifier_lsm/bool_retval_test4',
      'verifier_lsm/disabled_hook_test1',
      'verifier_lsm/disabled_hook_test2',
      'verifier_lsm/disabled_hook_test3',
      'verifier_lsm/errno_zero_retval_test4',
      'verifier_lsm/errno_zero_retval_test5',
      'verifier_lsm/errno_zero_retval_test6',
    ],
  },
  {
    reason:
      'loads through pointers to kernel objects are checked when they are done (Verdict.checkedAt), NULL included',
    programs: ['test_tp_btf_nullable/handle_tp_btf_nullable_bare1'],
  },
  {
    reason:
      'the number is known more exactly here: what was stored by halves or smaller parts, a pointer that is equal to NULL, offsets that Linux does not compare with the end of a packet, a bounded offset into the flow keys',
    programs: [
      'verifier_direct_packet_access/test23_x_pkt_ptr_4',
      'verifier_jeq_infer_not_null/unchanged_for_jne_true_branch',
      'verifier_meta_access/meta_access_test9',
      'verifier_spill_fill/addr_offset_to_skb_data',
      'verifier_spill_fill/u64_offset_to_skb_data',
      'verifier_value_illegal_alu/flow_keys_illegal_variable_offset_alu',
    ],
  },
  {
    reason: 'the branch is never taken: a pointer to the context is not NULL',
    programs: ['verifier_cfg/conditional_loop'],
  },
  {
    reason: 'shift counts are taken modulo the width (RFC 9669, section 4.1), so that the result is known',
    programs: ['verifier_bounds/shift_with_oversized_count_operand'],
  },
  {
    reason:
      'Linux rewrites accesses of the context and of sockets, for which one instruction must always mean the same structure at a constant offset; here the structures lie in memory as they look',
    programs: [
      'verifier_ctx/make_ptr_to_ctx_unusable',
      'verifier_unpriv/fill_of_different_pointers_st',
      'verifier_unpriv/fill_of_different_pointers_stx',
      'verifier_unpriv_perf/fill_of_different_pointers_ldx',
    ],
  },
  {
    reason:
      'unaligned accesses work here: the flag BPF_F_STRICT_ALIGNMENT, and aligned results of helpers, are not asked for',
    programs: [
      'verifier_direct_packet_access/packet_access_test17_pruning_alignment',
      'verifier_int_ptr/arg_ptr_to_long_misaligned',
    ],
  },
  {
    reason: 'bpf_sk_fullsock and bpf_tcp_sock give NULL for NULL here',
    programs: ['verifier_sock/sk_no_skb_sk_check_1', 'verifier_sock/sk_no_skb_sk_check_2'],
  },
  {
    reason: 'a subtraction of a constant from the frame pointer is as good as an addition',
    programs: ['verifier_basic_stack/invalid_fp_arithmetic'],
  },
  {
    reason: 'no byte is accessed where the size is 0',
    programs: ['verifier_var_off/zero_sized_access_max_out_of_bound'],
  },
];

/** Accepted by Linux, refused here. */
export const LESS: readonly Difference[] = [
  {
    reason: 'needs types or functions of the kernel’s test module, which no kernel has without it',
    programs: [
      'iters_testmod/iter_next_rcu',
      'iters_testmod/iter_next_trusted',
      'iters_testmod_seq/testmod_seq_empty',
      'iters_testmod_seq/testmod_seq_full',
      'iters_testmod_seq/testmod_seq_getter_good',
      'iters_testmod_seq/testmod_seq_truncated',
      'nested_acquire/test_nested_acquire_nonzero',
      'nested_acquire/test_nested_acquire_zero',
      'nested_trust_success/test_nested_offset',
      'nested_trust_success/test_read_cpumask',
      'pro_epilogue/test_epilogue',
      'pro_epilogue/test_pro_epilogue',
      'pro_epilogue/test_prologue',
      'verifier_bitfield_write/adjacent_field_roundtrip',
      'verifier_bitfield_write/multibyte_field_roundtrip',
      'verifier_bitfield_write/multiple_field_roundtrip',
      'verifier_bitfield_write/single_field_roundtrip',
      'verifier_global_ptr_args/trusted_task_arg_nonnull',
      'verifier_global_ptr_args/trusted_task_arg_nullable',
    ],
  },
  {
    reason: 'arenas are not offered',
    programs: [
      'verifier_arena/basic_alloc1',
      'verifier_arena/basic_alloc2',
      'verifier_arena/basic_alloc3',
      'verifier_arena/iter_maps1',
      'verifier_arena_large/big_alloc1',
    ],
  },
  {
    reason: 'the kernel function or helper is not offered',
    programs: [
      'exceptions_fail/reject_exception_cb_type_4',
      'refcounted_kptr/insert_rbtree_and_stash__del_tree_false',
      'refcounted_kptr/insert_rbtree_and_stash__del_tree_true',
      'verifier_bpf_get_stack/return_r0_range_is_refined',
      'verifier_d_path/d_path_accept',
      'verifier_global_ptr_args/flavor_ptr_nonnull',
      'verifier_global_ptr_args/flavor_ptr_nullable',
      'verifier_ref_tracking/sk_release_btf_tcp_sock',
    ],
  },
  {
    reason: 'what arguments of hooks point to is said by the kernel’s BTF, which is not asked for',
    programs: [
      'epilogue_exit/test_epilogue_exit',
      'nested_trust_success/test_skb_field',
      'verifier_global_ptr_args/trusted_acq_rel',
      'verifier_vfs_accept/get_task_exe_file_and_put_kfunc_from_argument',
      'verifier_vfs_accept/path_d_path_from_file_argument',
      'verifier_vfs_accept/path_d_path_from_path_argument',
    ],
  },
  {
    reason:
      'pointers are only added to and subtracted from, by instructions other than atomic ones: compilers make no other',
    programs: [
      'iters/checkpoint_states_deletion',
      'verifier_direct_packet_access/test22_x_pkt_ptr_3',
      'verifier_leak_ptr/leak_pointer_into_map_val',
      'verifier_map_ptr/_0_r_r_map_ptr',
      'verifier_map_ptr/map_ptr_map_ptr_r',
      'verifier_unpriv/unpriv_neg_pointer',
    ],
  },
  {
    reason: 'the structure of maps in the kernel cannot be read: there is none here',
    programs: ['verifier_map_ptr/ptr_read_ops_field_accepted'],
  },
  {
    reason: 'a packet load that fails ends the program, not only the function',
    programs: ['verifier_ld_ind/ld_abs_subprog_both_paths_safe', 'verifier_ld_ind/ld_ind_subprog_both_paths_safe'],
  },
  {
    reason:
      'code that is never reached is looked at, since it needs more than bounds and known bits to see that: numbers stored in 1 or 2 bytes, intervals that wrap around',
    programs: [
      'verifier_bounds/bounds_deduct_positive_overlap',
      'verifier_bounds_mix_sign_unsign/signed_and_unsigned_variant_9',
      'verifier_spill_fill/fill_32bit_after_spill_64bit_preserve_id',
      'verifier_spill_fill/spill_16bit_of_16bit_ok',
      'verifier_spill_fill/spill_8bit_of_8bit_ok',
    ],
  },
  {
    reason: 'loops whose counter begins with any number, and of which no bound is known before the first round',
    programs: [
      'verifier_bounds/crossing_64_bit_signed_boundary_1',
      'verifier_loops1/from_positive_unknown_to_4',
      'verifier_loops1/from_totally_unknown_to_4',
      'verifier_loops1/not_an_inifinite_loop',
    ],
  },
  {
    reason: 'the rounds of bpf_loop are not counted, even where their number is a small constant',
    programs: ['verifier_iterating_callbacks/bpf_loop_iter_limit_ok'],
  },
  {
    reason: 'stack that only saves registers around helper calls counts as all stack does',
    programs: ['verifier_bpf_fastcall/cumulative_stack_depth'],
  },
  {
    reason: 'only the context of the program itself gives a dynptr of the packet',
    programs: ['verifier_netfilter_ctx/with_valid_ctx_access_test6'],
  },
];

/** Another return value than the annotated one, or none. */
export const OTHER_VALUE: readonly Difference[] = [
  {
    reason: 'calls kernel functions, which programs are given by who loads them (LoadOptions.kfuncs)',
    programs: [
      'refcounted_kptr/insert_and_remove_lf_tree_false_list_false',
      'refcounted_kptr/insert_and_remove_lf_tree_false_list_true',
      'refcounted_kptr/insert_and_remove_lf_tree_true_list_false',
      'refcounted_kptr/insert_and_remove_lf_tree_true_list_true',
      'refcounted_kptr/insert_and_remove_tree_false_list_false',
      'refcounted_kptr/insert_and_remove_tree_false_list_true',
      'refcounted_kptr/insert_and_remove_tree_true_list_false',
      'refcounted_kptr/insert_and_remove_tree_true_list_true',
      'refcounted_kptr/insert_double___read_from_list_and_del_head',
      'refcounted_kptr/insert_double___read_from_tree_and_del_root',
      'verifier_bits_iter/bad_words',
      'verifier_bits_iter/bit_index',
      'verifier_bits_iter/bits_copy',
      'verifier_bits_iter/bits_memalloc',
      'verifier_bits_iter/bits_too_big',
      'verifier_bits_iter/fewer_words',
      'verifier_bits_iter/huge_words',
      'verifier_bits_iter/max_words',
      'verifier_bits_iter/null_pointer',
      'verifier_bits_iter/zero_words',
    ],
  },
  {
    reason: 'wants map values that the test’s loader puts there',
    programs: [
      'verifier_array_access/a_read_only_array_1_1',
      'verifier_array_access/a_read_only_array_2_1',
      'verifier_value_ptr_arith/alu_with_different_scalars_1',
      'verifier_value_ptr_arith/unknown_scalar_value_ptr_2',
      'verifier_value_ptr_arith/unknown_scalar_value_ptr_3',
      'verifier_value_ptr_arith/value_ptr_known_scalar_5',
      'verifier_value_ptr_arith/value_ptr_known_scalar_6',
      'verifier_value_ptr_arith/value_ptr_unknown_scalar_2_1',
    ],
  },
  {
    reason: 'code that is never reached writes r10: no engine loads that',
    programs: [
      'verifier_movsx/mov64sx_s32_varoff_2',
      'verifier_movsx/mov64sx_s32_varoff_3',
      'verifier_value_or_null/lookup_and_null_branch_prediction',
    ],
  },
  {
    reason:
      'a function that goes on with another program stays among the 8 that calls may nest, as its caller waits for it',
    programs: [
      'tailcall_bpf2bpf_hierarchy2/tailcall_bpf2bpf_hierarchy_2',
      'tailcall_bpf2bpf_hierarchy3/tailcall_bpf2bpf_hierarchy_3',
    ],
  },
  {
    reason: 'passes of may_goto are counted for the run as a whole, not for each function',
    programs: ['verifier_iterating_callbacks/cond_break5'],
  },
  {
    reason: 'pointers of a test run to kernel objects point to nothing',
    programs: ['verifier_typedef/resolve_typedef'],
  },
];
