// Copies between packets and memory. Where the packet is, verified code's context says: no program can store to those fields.
import type { ContextLayout } from '../../spec/program.ts';
import { moveBytes } from './bytes.ts';
import type { CallSite } from './call-site.ts';
import { I32, I64 } from './encoding.ts';
import type { Intrinsic } from './intrinsics.ts';

/** Offsets in a context of the pointers (u32) to a packet's first byte and to the one behind its last. */
export interface PacketFields {
  readonly data: number;
  readonly end: number;
}

/** Undefined where the context has no such pointers, or wider ones. */
export function packetFields(layout: ContextLayout | undefined): PacketFields | undefined {
  const { data, data_end: end } = layout?.fields ?? {};
  if (data?.kind !== 'packet' || data.size !== 4 || end?.kind !== 'packetEnd' || end.size !== 4) return undefined;
  return { data: data.offset, end: end.offset };
}

/** The kernel's limit of XDP's copies, far above what those of an skb ask for: all beyond is left to the host. */
const MOST = 0xffff;

/** Leaves the field of the context in r1. */
const pushField = (site: CallSite, offset: number) =>
  site.e.get(site.register(1)).op('i32.wrap_i64').memory('i32.load', offset);

/**
 * Copies as many bytes as r4 says between the packet, at the offset in r2, and the address in r3. `plain` is emitted first and
 * branches to the host where flags ask for more.
 */
const copy =
  (into: 'memory' | 'packet', plain?: (site: CallSite, host: () => number) => void): Intrinsic =>
  (site) => {
    const fields = site.packet;
    if (site.checked || fields === undefined) return false;
    const { e } = site;
    const [at, other] = [1, 2].map((n) => site.temp(I32, n));
    const offset = site.temp(I64, 1);
    const size = site.register(4);
    const known = site.known(4);
    site.orHost((host) => {
      plain?.(site, host);
      e.get(site.register(2)).i64(0xffff_ffffn).op('i64.and').tee(offset).i64Small(MOST).op('i64.gt_u').brIf(host());
      e.get(size)
        .i64Small(1)
        .op('i64.sub')
        .i64Small(MOST - 1)
        .op('i64.gt_u')
        .brIf(host());
      pushField(site, fields.data).set(at);
      e.get(offset).get(size).op('i64.add');
      pushField(site, fields.end).get(at).op('i32.sub').op('i64.extend_i32_u').op('i64.gt_u').brIf(host());
      e.get(at).get(offset).op('i32.wrap_i64').op('i32.add').set(at);
      e.get(site.register(3)).op('i32.wrap_i64').set(other);
      const [to, from] = into === 'memory' ? [other, at] : [at, other];
      if (known?.kind === 'number') moveBytes(e, to, from, known.value);
      else e.get(to).get(from).get(size).op('i32.wrap_i64').memoryCopy();
      e.i64Small(0);
      site.setR0();
    });
    return true;
  };

/** bpf_xdp_load_bytes(ctx, offset, to, len), bpf_skb_load_bytes(skb, offset, to, len) */
export const packetLoad = copy('memory');
/** bpf_xdp_store_bytes(ctx, offset, from, len) */
export const packetStore = copy('packet');
/** bpf_skb_store_bytes(skb, offset, from, len, flags) */
export const skbStore = copy('packet', ({ e, register }, host) =>
  e.get(register(5)).op('i64.eqz').op('i32.eqz').brIf(host()),
);

/** bpf_xdp_get_buff_len(ctx) */
export const packetLength: Intrinsic = (site) => {
  const fields = site.packet;
  if (site.checked || fields === undefined) return false;
  pushField(site, fields.end);
  pushField(site, fields.data).op('i32.sub').op('i64.extend_i32_u');
  site.setR0();
  return true;
};
