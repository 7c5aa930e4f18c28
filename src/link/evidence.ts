// The program type of sections whose names several families share, or none knows: what the code calls decides.
import { OPS } from '../isa/opcodes.ts';
import type { ProgramTypeName } from '../spec/program-types.ts';
import type { LinkFunction } from './functions.ts';
import { Slot, srcOf } from './slot.ts';

interface Witness {
  readonly name: string;
  /** Of the types that share section names, those that have this helper. */
  readonly types: readonly ProgramTypeName[];
}

const xdpOnly = (name: string): Witness => ({ name, types: ['xdp'] });
const tcOnly = (name: string): Witness => ({ name, types: ['sched_cls'] });

/** Linux helpers by number (uapi linux/bpf.h) that only one packet program type has (net/core/filter.c, *_func_proto). */
const WITNESSES: ReadonlyMap<number, Witness> = new Map([
  [9, tcOnly('bpf_skb_store_bytes')],
  [10, tcOnly('bpf_l3_csum_replace')],
  [11, tcOnly('bpf_l4_csum_replace')],
  [13, tcOnly('bpf_clone_redirect')],
  [18, tcOnly('bpf_skb_vlan_push')],
  [19, tcOnly('bpf_skb_vlan_pop')],
  [20, tcOnly('bpf_skb_get_tunnel_key')],
  [21, tcOnly('bpf_skb_set_tunnel_key')],
  [29, tcOnly('bpf_skb_get_tunnel_opt')],
  [30, tcOnly('bpf_skb_set_tunnel_opt')],
  [31, tcOnly('bpf_skb_change_proto')],
  [32, tcOnly('bpf_skb_change_type')],
  [33, tcOnly('bpf_skb_under_cgroup')],
  [34, tcOnly('bpf_get_hash_recalc')],
  [38, tcOnly('bpf_skb_change_tail')],
  [39, tcOnly('bpf_skb_pull_data')],
  [40, tcOnly('bpf_csum_update')],
  [41, tcOnly('bpf_set_hash_invalid')],
  [43, tcOnly('bpf_skb_change_head')],
  [44, xdpOnly('bpf_xdp_adjust_head')],
  [50, tcOnly('bpf_skb_adjust_room')],
  [51, xdpOnly('bpf_redirect_map')],
  [54, xdpOnly('bpf_xdp_adjust_meta')],
  [65, xdpOnly('bpf_xdp_adjust_tail')],
  [188, xdpOnly('bpf_xdp_get_buff_len')],
  [189, xdpOnly('bpf_xdp_load_bytes')],
  [190, xdpOnly('bpf_xdp_store_bytes')],
]);

export interface Evidence {
  readonly type: ProgramTypeName;
  readonly helper: string;
}

/** The first call in these functions of a helper that exactly one of the candidates has. */
export function evidenceIn(
  functions: readonly LinkFunction[],
  candidates: readonly ProgramTypeName[],
): Evidence | undefined {
  const { opcode } = OPS.call_helper;
  const src = srcOf('call_helper');
  for (const fn of functions) {
    const insn = new Slot(fn.code);
    for (let slot = 0; slot < fn.length; slot++) {
      insn.to(slot);
      if (insn.opcode === OPS.ld_imm64.opcode) slot++;
      if (insn.opcode !== opcode || insn.src !== src) continue;
      const witness = WITNESSES.get(insn.imm);
      const types = witness?.types.filter((type) => candidates.includes(type)) ?? [];
      if (witness !== undefined && types.length === 1) return { type: types[0], helper: witness.name };
    }
  }
  return undefined;
}
