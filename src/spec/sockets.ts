// struct bpf_sock, the view of a socket that contexts and helpers hand to programs (include/uapi/linux/bpf.h).
import type { ContextLayout } from './program.ts';

const read = { kind: 'scalar', access: 'read' } as const;

/** bpf_sock_is_valid_access (net/core/filter.c). Programs cannot write to it. */
export const BPF_SOCK = {
  name: 'struct bpf_sock',
  size: 80,
  fields: {
    bound_dev_if: { offset: 0, size: 4, ...read },
    family: { offset: 4, size: 4, ...read, narrow: 'start' },
    type: { offset: 8, size: 4, ...read, narrow: 'start' },
    protocol: { offset: 12, size: 4, ...read, narrow: 'start' },
    mark: { offset: 16, size: 4, ...read },
    priority: { offset: 20, size: 4, ...read },
    /** Network byte order, as all addresses. */
    src_ip4: { offset: 24, size: 4, ...read, narrow: true },
    src_ip6: { offset: 28, size: 16, ...read, narrow: true },
    /** Host byte order. */
    src_port: { offset: 44, size: 4, ...read, narrow: 'start' },
    /** Network byte order, followed by two bytes of zero. */
    dst_port: { offset: 48, size: 2, ...read, narrow: true, wide: true },
    dst_ip4: { offset: 52, size: 4, ...read, narrow: true },
    dst_ip6: { offset: 56, size: 16, ...read, narrow: true },
    state: { offset: 72, size: 4, ...read, narrow: 'start' },
    /** -1 where none is set. */
    rx_queue_mapping: { offset: 76, size: 4, ...read, narrow: 'start' },
  },
} as const satisfies ContextLayout;

/** The u32 fields that struct bpf_tcp_sock and struct bpf_sock_ops have in the same order, from rtt_min on. */
export const TCP_COUNTERS = [
  'rtt_min',
  'snd_ssthresh',
  'rcv_nxt',
  'snd_nxt',
  'snd_una',
  'mss_cache',
  'ecn_flags',
  'rate_delivered',
  'rate_interval_us',
  'packets_out',
  'retrans_out',
  'total_retrans',
  'segs_in',
  'data_segs_in',
  'segs_out',
  'data_segs_out',
  'lost_out',
  'sacked_out',
] as const;

const TCP_WORDS = ['snd_cwnd', 'srtt_us', ...TCP_COUNTERS] as const;
const TCP_LONGS = ['bytes_received', 'bytes_acked'] as const;
const TCP_LAST_WORDS = ['dsack_dups', 'delivered', 'delivered_ce', 'icsk_retransmits'] as const;

/**
 * struct bpf_tcp_sock, as much of it as programs may read (bpf_tcp_sock_is_valid_access, net/core/filter.c): u32 fields, u64 fields,
 * u32 fields.
 */
export const BPF_TCP_SOCK = {
  name: 'struct bpf_tcp_sock',
  words: TCP_WORDS,
  longs: TCP_LONGS,
  lastWords: TCP_LAST_WORDS,
  size: 4 * TCP_WORDS.length + 8 * TCP_LONGS.length + 4 * TCP_LAST_WORDS.length,
} as const;
