// bpf_strncmp as a routine of the module.
import { Emitter } from './emitter.ts';
import { I32, I64, VOID } from './encoding.ts';
import type { Intrinsic } from './intrinsics.ts';
import type { Signature } from './module.ts';

/** Two addresses and the most bytes to compare; -1, 0 or 1. */
const COMPARE: Signature = { params: [I32, I32, I32], results: [I64] };

function compareCode(): Emitter {
  const [a, b, left] = [0, 1, 2];
  const e = new Emitter(COMPARE.params.length);
  const [x, y] = [e.local(I32), e.local(I32)];
  e.block(VOID).loop(VOID).get(left).op('i32.eqz').brIf(1);
  e.get(a).memory('i32.load8_u').tee(x).get(b).memory('i32.load8_u').tee(y).op('i32.ne').if(VOID);
  e.i64Small(-1).i64Small(1).get(x).get(y).op('i32.lt_u').op('select').op('return').op('end');
  e.get(x).op('i32.eqz').brIf(1);
  e.get(a).i32(1).op('i32.add').set(a).get(b).i32(1).op('i32.add').set(b);
  e.get(left).i32(1).op('i32.sub').set(left);
  e.br(0).op('end').op('end');
  return e.i64Small(0).op('end');
}

/** bpf_strncmp(s1, s1_size, s2). Where the constant string ends only the host can check. */
export const strncmp: Intrinsic = (site) => {
  if (site.checked) return false;
  const { e } = site;
  for (const register of [1, 3, 2]) e.get(site.register(register)).op('i32.wrap_i64');
  e.call(site.routine('strncmp', COMPARE, compareCode));
  site.setR0();
  return true;
};
