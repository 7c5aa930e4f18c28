import type { ProgramTypeRow } from '../spec/program.ts';
import { BASE } from './families.ts';
import { field } from './fields.ts';

/** net/netfilter/nf_bpf_link.c: nf_is_valid_access. Both fields are pointers with BTF; nothing here can stand for an sk_buff. */
export const netfilter: ProgramTypeRow = {
  type: 'netfilter',
  contexts: {
    linux: {
      name: 'struct bpf_nf_ctx',
      size: 16,
      fields: {
        state: field(0, 8, 'read', { kind: 'btfPointer' }),
        skb: field(8, 8, 'read', { kind: 'btfPointer' }),
      },
    },
  },
  attachTypes: ['netfilter'],
  returns: [{ min: 0n, max: 1n }],
  verdicts: { linux: { NF_DROP: 0n, NF_ACCEPT: 1n } },
  families: BASE,
  doc: 'Netfilter hooks. Not test-run: the packet is reached only through kernel pointers.',
};
