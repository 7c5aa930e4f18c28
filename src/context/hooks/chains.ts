// How the verdicts of several programs at one hook become one. Numbers are the lower 32 bits of r0, unsigned.
//
// Linux: bpf_prog_run_array_cg (include/linux/bpf.h, kernel/bpf/cgroup.c), tcx_run (net/core/dev.c), netkit_run (drivers/net/netkit.c),
// BPF_PROG_SK_LOOKUP_RUN_ARRAY, nf_hook_slow, bpf_prog_run_array. Windows: netebpfext (net_ebpf_extension_hook_invoke_programs and the
// classify functions of each hook).

/** The run of a chain, as a rule sees it after each program. */
export interface ChainRun {
  /** No program after this one runs. */
  ended: boolean;
  /** Whether this is the first program of the chain. */
  first: boolean;
  /** The program has changed the address in its context, where the hook heeds that. */
  rewritten(): boolean;
  /** The program has selected a socket. */
  selected(): boolean;
}

/**
 * The verdict so far (before the first program the hook's own, see HookRow.verdict) and what a program gave make the new one.
 */
export type ChainRule = (soFar: number, retval: number, run: ChainRun) => number;

/** TCX_NEXT and NETKIT_NEXT: -1. */
const NEXT = 0xffff_ffff;
const TC = { PASS: 0, DROP: 2, REDIRECT: 7 } as const;
const SOCK_ADDR = { REJECT: 0, PROCEED_HARD: 2 } as const;
const BIND = { PERMIT_SOFT: 0, PERMIT_HARD: 3 } as const;
const SK = { DROP: 0, PASS: 1 } as const;
const NF_ACCEPT = 1;

export const CHAINS = {
  /** One program, whose verdict it is. */
  single: (_soFar, retval, run) => {
    run.ended = true;
    return retval;
  },
  /** As `single`; bind of Windows takes what it does not know for permission (the switch of net_ebpf_ext_bind.c has no default). */
  bind: (_soFar, retval, run) => {
    run.ended = true;
    return retval <= BIND.PERMIT_HARD ? retval : BIND.PERMIT_SOFT;
  },
  /** All run; REJECT (which any unknown value is) and a rewritten address end the chain, else PROCEED_HARD goes over PROCEED_SOFT. */
  sockAddr: (soFar, retval, run) => {
    if (retval === SOCK_ADDR.REJECT || retval > SOCK_ADDR.PROCEED_HARD) {
      run.ended = true;
      return SOCK_ADDR.REJECT;
    }
    if (run.rewritten()) run.ended = true;
    return run.first ? retval : Math.max(soFar, retval);
  },
  /** All run. Bit 0 must be set by all; bit 1 (bind: no check of the capability; egress: congestion) by one. */
  cgroup: (soFar, retval, run) => (run.first ? retval & 3 : (soFar & retval & 1) | ((soFar | retval) & 2)),
  /** Up to the first that does not say NEXT; an unknown verdict ends the chain and is NEXT. */
  tcx: (_soFar, retval, run) => {
    if (retval === NEXT) return NEXT;
    run.ended = true;
    return retval === TC.PASS || retval === TC.DROP || retval === TC.REDIRECT ? retval : NEXT;
  },
  /** Up to the first that does not say NEXT; an unknown verdict drops. NEXT by all is the device's own policy, which passes. */
  netkit: (soFar, retval, run) => {
    if (retval === NEXT) return soFar;
    run.ended = true;
    return retval === TC.PASS || retval === TC.REDIRECT ? retval : TC.DROP;
  },
  /** All run: PASS where one that passes has selected a socket, or where none drops. Bit 31 remembers a socket until the end. */
  skLookup: (soFar, retval, run) => {
    if (retval === SK.PASS && run.selected()) return SELECTED;
    if (soFar === SELECTED) return soFar;
    return retval === SK.PASS ? soFar : SK.DROP;
  },
  /** In order of priority, up to the first that does not accept. */
  netfilter: (_soFar, retval, run) => {
    if (retval !== NF_ACCEPT) run.ended = true;
    return retval;
  },
  /** All run, and the event goes on where none gives 0: kprobes, tracepoints, perf events. */
  all: (soFar, retval, run) => (run.first ? retval : soFar & retval),
  /** Up to the first that gives other than 0, which is the result: LSM hooks, modify_return. */
  untilNonZero: (_soFar, retval, run) => {
    if (retval !== 0) run.ended = true;
    return retval;
  },
  /** All run; nobody asks what they give. */
  notify: (soFar) => soFar,
  /** All run; what the last gives is told. */
  last: (_soFar, retval) => retval,
} as const satisfies Record<string, ChainRule>;

export type ChainName = keyof typeof CHAINS;

/** `skLookup`: SK_PASS by a socket that was selected. */
const SELECTED = 0x8000_0001;

/** The verdict at the end of a chain. */
export const finalVerdict = (verdict: number): number => (verdict === SELECTED ? SK.PASS : verdict);
