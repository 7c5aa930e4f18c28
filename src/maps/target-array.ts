// What devmap and cpumap share: an array of redirect targets, each with the program to run there. Elements: handle-array.ts.
import type { Status } from '../spec/map.ts';
import { UPDATE_FLAGS } from '../spec/map-types.ts';
import type { Address } from '../spec/memory.ts';
import { E2BIG, EEXIST, EINVAL, ENOENT } from './attributes.ts';
import { existence } from './base-map.ts';
import { HandleArray } from './handle-array.ts';
import { readTarget, type Target, targetBytes } from './redirect-map.ts';

export abstract class TargetArray extends HandleArray {
  /**
   * What is wrong with putting this target at an index, 0 where nothing is. `target` is a status where the value itself could
   * not be read: types differ in what they refuse first.
   */
  protected abstract refuses(index: number, target: Target | Status): Status;

  override handleAt(key: Address): number {
    const index = this.indexAt(key);
    return index < this.length ? this.word(index, 0) : 0;
  }

  programAt(key: Address): number {
    const index = this.indexAt(key);
    return index < this.length ? this.word(index, 1) : 0;
  }

  protected read(key: Address): Uint8Array | Status {
    const index = this.indexAt(key);
    if (index >= this.length || !this.filled(index)) return ENOENT;
    return targetBytes(this.word(index, 0), this.word(index, 1), this.spec.valueSize);
  }

  protected write(key: Address, value: Uint8Array, flags: number): Status {
    const index = this.indexAt(key);
    const wish = existence(flags, false);
    if (wish === undefined) return EINVAL;
    if (index >= this.length) return E2BIG;
    if (wish === UPDATE_FLAGS.NOEXIST) return EEXIST;
    const target = readTarget(this.context, value);
    const refused = this.refuses(index, target);
    if (refused !== 0) return refused;
    if (typeof target === 'number') return target;
    // A target of 0 empties the element.
    this.setWords(index, target.target, target.target === 0 ? 0 : target.program);
    return 0;
  }

  protected override remove(key: Address): Status {
    const index = this.indexAt(key);
    if (index >= this.length) return EINVAL;
    this.setWords(index, 0, 0);
    return 0;
  }
}
