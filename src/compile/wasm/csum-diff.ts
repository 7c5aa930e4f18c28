// bpf_csum_diff as a routine of the module: helpers/checksum.ts in WebAssembly, to the choice between the two zeros of one's
// complement arithmetic.
import type { CallSite } from './call-site.ts';
import { Emitter } from './emitter.ts';
import { I32, I64, VOID } from './encoding.ts';
import type { Intrinsic } from './intrinsics.ts';
import type { Signature } from './module.ts';

const LOW_WORDS = 0x0000_ffff_0000_ffffn;
const U32_MAX = 0xffff_ffffn;

/** Address, bytes, seed; the sum. All sums are 32 bits wide in 64. */
const PARTIAL: Signature = { params: [I32, I32, I64], results: [I64] };

/** csum_partial (helpers/internet-checksum.ts: partial). */
function partialCode(): Emitter {
  const [at, left, seed] = [0, 1, 2];
  const e = new Emitter(PARTIAL.params.length);
  const [sum, word] = [e.local(I64), e.local(I64)];
  // Eight bytes are two pairs of 16-bit words.
  e.block(VOID).loop(VOID).get(left).i32(8).op('i32.lt_u').brIf(1);
  e.get(at).memory('i64.load').tee(word).i64(LOW_WORDS).op('i64.and');
  e.get(word).i64Small(16).op('i64.shr_u').i64(LOW_WORDS).op('i64.and').op('i64.add').tee(word);
  e.i64(U32_MAX).op('i64.and').get(sum).op('i64.add');
  e.get(word).i64Small(32).op('i64.shr_u').op('i64.add').set(sum);
  e.get(at).i32(8).op('i32.add').set(at).get(left).i32(8).op('i32.sub').set(left);
  e.br(0).op('end').op('end');
  e.block(VOID).loop(VOID).get(left).i32(2).op('i32.lt_u').brIf(1);
  e.get(at).memory('i64.load16_u').get(sum).op('i64.add').set(sum);
  e.get(at).i32(2).op('i32.add').set(at).get(left).i32(2).op('i32.sub').set(left);
  e.br(0).op('end').op('end');
  e.get(left).if(VOID).get(at).memory('i64.load8_u').get(sum).op('i64.add').set(sum).op('end');
  e.block(VOID).loop(VOID).get(sum).i64(U32_MAX).op('i64.le_u').brIf(1);
  e.get(sum).i64(U32_MAX).op('i64.and').get(sum).i64Small(32).op('i64.shr_u').op('i64.add').set(sum);
  e.br(0).op('end').op('end');
  // csum_add
  e.get(sum).get(seed).op('i64.add').tee(sum);
  e.get(sum).i64(U32_MAX).op('i64.sub').get(sum).i64(U32_MAX).op('i64.le_u').op('select');
  return e.op('end');
}

/** From, its bytes, to, its bytes, seed; the difference. */
const DIFFERENCE: Signature = { params: [I32, I32, I32, I32, I64], results: [I64] };

/** helpers/checksum.ts: checksumDifference. */
function differenceCode(partial: number): Emitter {
  const [from, fromSize, to, toSize, seed] = [0, 1, 2, 3, 4];
  const e = new Emitter(DIFFERENCE.params.length);
  const sum = e.local(I64);
  const not = (): Emitter => e.i64(U32_MAX).op('i64.xor');
  e.get(fromSize).if(I64);
  {
    e.get(toSize).if(I64);
    {
      e.get(to).get(toSize).get(seed).call(partial);
      e.get(from).get(fromSize).i64Small(0).call(partial);
      not().op('i64.add').tee(sum);
      e.get(sum).i64(U32_MAX).op('i64.sub').get(sum).i64(U32_MAX).op('i64.le_u').op('select');
    }
    e.op('else');
    {
      e.get(from).get(fromSize).get(seed);
      not().call(partial);
      not();
    }
    e.op('end');
  }
  e.op('else').get(toSize).if(I64).get(to).get(toSize).get(seed).call(partial).op('else').get(seed).op('end').op('end');
  // csum_from32to16, twice the same step.
  for (let i = 0; i < 2; i++) {
    e.set(sum).get(sum).i64Small(0xffff).op('i64.and').get(sum).i64Small(16).op('i64.shr_u').op('i64.add');
  }
  return e.op('end');
}

/** Pops nothing, leaves address and size (i32 each); nothing is checked where the size is 0. */
function pushBytes(site: CallSite, register: number, host: () => number): void {
  const { e } = site;
  const size = site.register(register + 1);
  if (site.checked) {
    e.get(size).op('i64.eqz').op('i32.eqz').if(VOID);
    site.pushAddress(register, { local: size }, 'read', host);
    e.op('drop').op('end');
  }
  e.get(site.register(register)).op('i32.wrap_i64').get(size).op('i32.wrap_i64');
}

/** bpf_csum_diff(from, from_size, to, to_size, seed) */
export const csumDiff: Intrinsic = (site) => {
  // Windows has an error of its own for other sizes than multiples of 4.
  if (site.dialect !== 'linux') return false;
  const { e } = site;
  site.orHost((host) => {
    pushBytes(site, 1, host);
    pushBytes(site, 3, host);
    e.get(site.register(5)).i64(U32_MAX).op('i64.and');
    const partial = site.routine('csumPartial', PARTIAL, partialCode);
    e.call(site.routine('csumDiff', DIFFERENCE, () => differenceCode(partial)));
    site.setR0();
  });
  return true;
};
