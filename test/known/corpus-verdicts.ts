// Programs of the corpus objects that are refused, and where our verdict is another than Linux'. `test/verify/corpus.test.ts`
// holds both tables to what happens: a row too many fails as a row too few does.

/** Message codes of refused programs, by `object program`. */
export const REFUSED: Readonly<Record<string, string>> = {
  // 20 bytes are written to the last byte of the stack.
  'build/badhelpercall.o func': 'verify/stack-access',
  // 32 is added to a map.
  'build/badmapptr.o test_repro': 'verify/pointer-arithmetic',
  // A socket filter that changes the packet.
  'build/correlated_branch2.o ConvergedBranch': 'verify/helper',
  // The context plus 8 where a helper wants the context.
  'build/ctxoffset.o func': 'verify/helper-argument',
  // 8 bytes of a value of 4.
  'build/mapvalue-overrun.o func': 'verify/bounds',
  // An element without a check for NULL.
  'build/nullmapref.o test_repro': 'verify/null',
  // Its check allows a packet of no bytes.
  'build/packet_overflow.o read_write_packet_start': 'verify/packet-bounds',
  // A socket filter that reads data_end (and, as another type, uses the packet after it moved: corpus.test.ts).
  'build/packet_reallocate.o reallocate_invalidates': 'verify/context-access',
  // data + data_end.
  'build/ptr_arith.o test_ptr_arith': 'verify/pointer-arithmetic',
  // A tail call with a map that is no prog_array.
  'build/tail_call_bad.o caller': 'verify/helper-map',
  // Old clang: sizes that may be negative or of any length when they reach probe_read, indices without a bound.
  'falco/probe.o bpf_sys_connect_x': 'verify/helper-argument',
  'falco/probe.o bpf_sys_poll_e': 'verify/pointer-arithmetic',
  'falco/probe.o bpf_sys_poll_x': 'verify/pointer-arithmetic',
  'falco/probe.o bpf_sys_ppoll_e': 'verify/pointer-arithmetic',
  'falco/probe.o bpf_sys_read_x': 'verify/helper-argument',
  'falco/probe.o bpf_sys_readv_preadv_x': 'verify/helper-argument',
  'falco/probe.o bpf_sys_recv_x': 'verify/helper-argument',
  'falco/probe.o bpf_sys_recvfrom_x': 'verify/helper-argument',
  'falco/probe.o bpf_sys_recvmsg_x': 'verify/helper-argument',
  'falco/probe.o bpf_sys_recvmsg_x_2': 'verify/helper-argument',
  'falco/probe.o bpf_sys_send_x': 'verify/helper-argument',
  'falco/probe.o bpf_sys_sendmsg_e': 'verify/helper-argument',
  'falco/probe.o bpf_sys_sendmsg_x': 'verify/helper-argument',
  'falco/probe.o bpf_sys_sendto_e': 'verify/helper-argument',
  'falco/probe.o bpf_sys_socket_bind_x': 'verify/helper-argument',
  'falco/probe.o bpf_sys_write_x': 'verify/helper-argument',
  'falco/probe.o bpf_sys_writev_pwritev_x': 'verify/helper-argument',
};

/** Where this kernel's verdict is the other one, and why ours stands. */
export const UNLIKE_LINUX: Readonly<Record<string, string>> = {
  'build/byteswap.o func': 'Linux refuses unreachable instructions; they do no harm',
  'build/tail_call.o caller':
    'Linux has no value in r0 after a tail call that failed; here bpf_tail_call returns a negative number then',
  'falco/probe.o bpf_proc_startupdate_2': 'Linux gives up after 1,000,001 instructions',
  'linux/test_probe_write_user_kern.o bpf_prog1': 'this kernel does not offer bpf_probe_write_user',
  'linux/tracex7_kern.o bpf_prog1': 'this kernel does not offer bpf_override_return',
  'new_linux/tracex7_kern.o bpf_prog1': 'this kernel does not offer bpf_override_return',
};

/** Objects whose maps Linux does not create as they are, so that it says nothing of their programs. */
export const NO_KERNEL_VERDICT: Readonly<Record<string, string>> = {
  'build/exposeptr2.o func': 'an array with keys of 8 bytes',
};

/**
 * Mutants without a check that are accepted here and not in Linux, by `object program kind slot way` (mutants.ts), or all of a program.
 * None of their runs aborts.
 */
export const MUTANTS_UNLIKE_LINUX: Readonly<Record<string, string>> = {
  'build/bounded_loop.o test_bounded_loop null 13 on':
    'without its back edge the loop has one round, in which the key is 0: an array has that element; Linux is asked with the edge',
  'falco/probe.o bpf_proc_startupdate_2': 'Linux gives up after 1,000,001 instructions, as on the program itself',
};

/** Programs whose names promise a fault and which do no harm, judged by reading; Linux accepts them too, where it takes their maps. */
export const HARMLESS: Readonly<Record<string, string>> = {
  'build/infinite_loop.o test_infinite_loop': 'clang made a formula of the loop',
  'build/mapoverflow.o func': 'an update with a key behind the end of an array gives an error',
  'build/mapunderflow.o func': 'an update with a key behind the end of an array gives an error',
  'build/divzero.o test_divzero': 'a quotient by 0 is 0 (RFC 9669)',
  'build/exposeptr.o func': 'a pointer as the value of a map: privileged programs may hand out addresses',
  'build/exposeptr2.o func': 'a pointer as the key of a map: privileged programs may hand out addresses',
  'build/ringbuf_uninit.o test': 'bytes of the stack that were never stored to are let pass with a warning',
  'build/tail_call_bad.o callee': 'the other program of the object is the wrong one',
};
