// bpf_loop with a callback that is known: a loop that calls it.
import { MAX_LOOPS } from '../../spec/helper.ts';
import { I32, VOID } from './encoding.ts';
import type { Intrinsic } from './intrinsics.ts';

/** bpf_loop(nr_loops, callback, ctx, flags) */
export const loop: Intrinsic = (site) => {
  const callback = site.known(2);
  const { e, functions } = site;
  if (functions === undefined || callback?.kind !== 'function') return false;
  const [count, index, frame] = [1, 2, 3].map((n) => site.temp(I32, n));
  site.orHost((host) => {
    e.get(site.register(4)).op('i64.eqz').op('i32.eqz').brIf(host());
    e.get(site.register(1)).op('i32.wrap_i64').tee(count).i32(MAX_LOOPS).op('i32.gt_u').brIf(host());
    e.i32(0).set(index);
    functions.around(() => {
      e.get(count).if(VOID);
      functions.setFrame(frame);
      e.loop(VOID);
      e.get(index).op('i64.extend_i32_u').get(site.register(3));
      for (let r = 3; r <= 5; r++) e.i64Small(0);
      e.get(frame);
      functions.call(callback.value);
      e.get(index).i32(1).op('i32.add').set(index);
      e.op('i64.eqz').get(index).get(count).op('i32.lt_u').op('i32.and').brIf(0);
      e.op('end').op('end');
    });
    e.get(index).op('i64.extend_i32_u');
    site.setR0();
  });
  return true;
};
