// Lightweight tunnels: programs on routes. net/core/filter.c: lwt_is_valid_access.
import type { ProgramTypeRow } from '../spec/program.ts';
import type { ProgramTypeName } from '../spec/program-types.ts';
import { LIGHTWEIGHT_TUNNEL, LIGHTWEIGHT_TUNNEL_TRANSMIT } from './families.ts';
import { SOCKET_FIELDS, skbHarness, skbLayout } from './skb.ts';

const layout = skbLayout(
  [...SOCKET_FIELDS, 'tc_classid', 'data_meta', 'flow_keys', 'tstamp', 'tstamp_type', 'wire_len', 'hwtstamp'],
  ['mark', 'priority', 'cb'],
);

/** enum bpf_ret_code */
const verdicts = { linux: { BPF_OK: 0n, BPF_DROP: 2n, BPF_REDIRECT: 7n, BPF_LWT_REROUTE: 128n } } as const;

const row = (type: ProgramTypeName, writable: boolean, doc: string): ProgramTypeRow => ({
  type,
  contexts: { linux: layout },
  attachTypes: [],
  returns: [],
  verdicts,
  families: writable ? LIGHTWEIGHT_TUNNEL_TRANSMIT : LIGHTWEIGHT_TUNNEL,
  harness: skbHarness({ layer: 'network', writable }),
  doc,
});

export const lwtIn = row('lwt_in', false, 'Packets that a route with a lightweight tunnel receives.');
export const lwtOut = row('lwt_out', false, 'Packets that a route with a lightweight tunnel sends.');
export const lwtXmit = row('lwt_xmit', true, 'Packets that such a route transmits; may change headers and redirect.');
export const lwtSeg6local = row('lwt_seg6local', false, 'Packets for a local segment of segment routing over IPv6.');
