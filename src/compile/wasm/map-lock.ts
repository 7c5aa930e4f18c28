// The lock of a map that threads share (maps/lock.ts, base/mutex.ts), for functions that change the map.
import { DESCRIPTOR } from '../../spec/map-layout.ts';
import { Emitter } from './emitter.ts';
import { I32, VOID } from './encoding.ts';
import { LEFT_TO_HOST } from './hash-update.ts';
import type { MapConstants } from './map-lookup.ts';
import type { Signature } from './module.ts';

/** States of the lock: base/mutex.ts. */
const FREE = 0;
const HELD = 1;
const AWAITED = 2;

/** The function that calls `change` under the map's lock. Where another thread has the lock the host waits for it. */
export function underLock({ handle }: MapConstants, { params }: Signature, change: number): Emitter {
  const e = new Emitter(params.length);
  const status = e.local(I32);
  const lock = handle + DESCRIPTOR.LOCK;
  e.i32(0).i32(FREE).i32(HELD).atomic('i32.atomic.rmw.cmpxchg', lock);
  e.if(VOID).i32(LEFT_TO_HOST).op('return').op('end');
  params.forEach((_, parameter) => e.get(parameter));
  e.call(change).set(status);
  e.i32(0).i32(FREE).atomic('i32.atomic.rmw.xchg', lock).i32(AWAITED).op('i32.eq').if(VOID);
  e.i32(0).i32(1).atomic('memory.atomic.notify', lock).op('drop').op('end');
  return e.get(status).op('end');
}
