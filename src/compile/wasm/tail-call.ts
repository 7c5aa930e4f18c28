// Tail calls without the host.
import { HANDLE_ELEMENT } from '../../spec/map-layout.ts';
import { I32, VOID } from './encoding.ts';
import type { Intrinsic } from './intrinsics.ts';
import { globalIndex } from './machine.ts';

/** Goes on with a program that is compiled; all else, errors included, is left to the host's row. */
export const tailCall: Intrinsic = (site) => {
  const { e } = site;
  const map = site.map(2);
  if (map?.type !== 'prog_array') return false;
  // The target, which may have been verified, relies on it that r1 is the context.
  if (site.checked && site.ctx === undefined) return false;
  const id = site.temp(I32, 1);
  const left = site.temp(I32, 2);
  e.block(VOID);
  if (site.checked && site.ctx !== undefined) {
    e.get(site.register(1)).get(site.ctx).op('i64.extend_i32_u').op('i64.ne').brIf(0);
  }
  e.get(site.register(3)).op('i32.wrap_i64').tee(id).i32(map.maxEntries).op('i32.ge_u').brIf(0);
  e.get(id)
    .i32(HANDLE_ELEMENT)
    .op('i32.mul')
    .memory('i32.load', map.data + 4)
    .tee(id)
    .op('i32.eqz')
    .brIf(0);
  e.getGlobal(globalIndex('TAILS')).tee(left).op('i32.eqz').brIf(0);
  e.get(id).tableSize().op('i32.ge_u').brIf(0);
  e.get(id).tableGet().refIsNull().brIf(0);
  e.get(left).i32(1).op('i32.sub').setGlobal(globalIndex('TAILS'));
  site.goOn(() => e.get(id));
  e.op('end');
  return false;
};
