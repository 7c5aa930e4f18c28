// Queues and stacks as WebAssembly functions: what maps/queue-stack.ts does, on the same state.
import { ERRNO } from '../../spec/errno.ts';
import { DESCRIPTOR } from '../../spec/map-layout.ts';
import { UPDATE_FLAGS } from '../../spec/map-types.ts';
import { clearBytes, copyBytes } from './bytes.ts';
import { Emitter } from './emitter.ts';
import { I32, VOID } from './encoding.ts';
import type { MapConstants } from './map-lookup.ts';
import type { Signature } from './module.ts';

/** Value, flags (BPF_ANY or BPF_EXIST); a status. */
export const QUEUE_PUSH: Signature = { params: [I32, I32], results: [I32] };
/** Where the value goes; a status. */
export const QUEUE_POP: Signature = { params: [I32], results: [I32] };

type Field = 'COUNT' | 'HEAD' | 'TAIL';

class QueueFunction {
  readonly e: Emitter;
  readonly #map: MapConstants;
  readonly #at: number;

  constructor(map: MapConstants, { params }: Signature) {
    this.e = new Emitter(params.length);
    this.#map = map;
    this.#at = this.e.local(I32);
  }

  push(): Emitter {
    const { e } = this;
    const [value, flags] = [0, 1];
    const { maxEntries, valueSize } = this.#map;
    this.#load('COUNT').i32(maxEntries).op('i32.eq').if(VOID);
    e.get(flags).i32(UPDATE_FLAGS.EXIST).op('i32.ne').if(VOID).i32(-ERRNO.E2BIG).op('return').op('end');
    // The oldest gives way, in a stack too.
    this.#forward('TAIL');
    this.#count(-1);
    e.op('end');
    this.#setAt(() => this.#load('HEAD'));
    copyBytes(e, this.#at, value, valueSize);
    this.#forward('HEAD');
    this.#count(1);
    return e.i32(0).op('end');
  }

  /** @param take whether the value leaves the map */
  pop(take: boolean): Emitter {
    const { e } = this;
    const value = 0;
    const { maxEntries, valueSize, type } = this.#map;
    this.#load('COUNT').op('i32.eqz').if(VOID);
    clearBytes(e, value, valueSize);
    e.i32(-ERRNO.ENOENT).op('return').op('end');
    const last = e.local(I32);
    if (type === 'queue') this.#setAt(() => this.#load('TAIL'));
    else {
      // The one before HEAD, which is the last of the ring where HEAD is 0.
      this.#load('HEAD').tee(last).i32(maxEntries).get(last).op('select').i32(1).op('i32.sub').set(last);
      this.#setAt(() => e.get(last));
    }
    copyBytes(e, value, this.#at, valueSize);
    if (take) {
      if (type === 'queue') this.#forward('TAIL');
      else this.#store('HEAD', () => e.get(last));
      this.#count(-1);
    }
    return e.i32(0).op('end');
  }

  #setAt(pushIndex: () => unknown): void {
    pushIndex();
    this.e.i32(this.#map.valueSize).op('i32.mul').i32(this.#map.data).op('i32.add').set(this.#at);
  }

  #forward(end: 'HEAD' | 'TAIL'): void {
    const { e } = this;
    const next = this.#at;
    this.#load(end).i32(1).op('i32.add').set(next);
    this.#store(end, () => e.get(next).i32(0).get(next).i32(this.#map.maxEntries).op('i32.lt_u').op('select'));
  }

  #count(by: 1 | -1): void {
    this.#store('COUNT', () => this.#load('COUNT').i32(by).op('i32.add'));
  }

  #load(name: Field): Emitter {
    return this.e.i32(0).memory('i32.load', this.#map.handle + DESCRIPTOR[name]);
  }

  #store(name: Field, push: () => unknown): void {
    this.e.i32(0);
    push();
    this.e.memory('i32.store', this.#map.handle + DESCRIPTOR[name]);
  }
}

export const queuePush = (map: MapConstants): Emitter => new QueueFunction(map, QUEUE_PUSH).push();

export const queuePop = (map: MapConstants, take: boolean): Emitter => new QueueFunction(map, QUEUE_POP).pop(take);
