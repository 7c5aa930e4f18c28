import type { MapTypeRow, Status } from '../spec/map.ts';
import type { Address } from '../spec/memory.ts';
import type { MapSpec } from '../spec/object.ts';
import { checkHandleArray, FdArray } from './handle-array.ts';
import { checkTemplate, innerMap } from './inner-map.ts';

/** BPF_MAP_TYPE_ARRAY_OF_MAPS. Its elements: handle-array.ts. */
class ArrayOfMaps extends FdArray {
  override lookupElem(key: Address): Address {
    const index = this.indexAt(key);
    return index < this.length ? this.word(index, 0) : 0;
  }

  protected resolve(id: number): number {
    const map = innerMap(this.context, this.spec, id);
    return typeof map === 'number' ? map : map.handle;
  }

  protected read(key: Address): Uint8Array | Status {
    return this.readId(key);
  }
}

function check(spec: MapSpec): Status {
  const status = checkHandleArray(spec);
  return status === 0 ? checkTemplate(spec.inner) : status;
}

export const arrayOfMaps: MapTypeRow = {
  type: 'array_of_maps',
  check,
  create: (spec, context) => new ArrayOfMaps(spec, context),
  doc: 'values are map ids; an inner map must outlive its place here',
};
