import type { MapTypeRow, SocketMap, Status } from '../spec/map.ts';
import { MAP_FLAGS } from '../spec/map-types.ts';
import type { Address } from '../spec/memory.ts';
import type { MapSpec } from '../spec/object.ts';
import { checkCommon, EINVAL } from './attributes.ts';
import { flagsNumber } from './base-map.ts';
import { u32Bytes } from './handle-array.ts';
import { SocketArray, socketExists } from './socket-array.ts';

function check(spec: MapSpec): Status {
  const common = checkCommon(spec);
  if (common !== 0) return common;
  const allowed = MAP_FLAGS.NUMA_NODE | MAP_FLAGS.RDONLY | MAP_FLAGS.WRONLY;
  const valueFits = spec.valueSize === 4 || spec.valueSize === 8;
  return spec.maxEntries === 0 || spec.keySize !== 4 || !valueFits || (spec.flags & ~allowed) !== 0 ? EINVAL : 0;
}

/** BPF_MAP_TYPE_SOCKMAP: sockets of the host by index. */
class Sockmap extends SocketArray implements SocketMap {
  /** Unlike the other arrays of sockets, this one looks for the socket before anything else. */
  protected override write(key: Address, value: Uint8Array, flags: number): Status {
    const missing = socketExists(this.context, value);
    return missing === 0 ? super.write(key, value, flags) : missing;
  }

  override deleteElem(key: Address): Status {
    return this.removeAt(key, EINVAL, EINVAL);
  }

  setSocket(key: Address, handle: number, flags: bigint): Status {
    return this.write(key, u32Bytes(handle), flagsNumber(flags));
  }
}

export const sockmap: MapTypeRow = {
  type: 'sockmap',
  check,
  create: (spec, context) => new Sockmap(spec, context),
  doc: 'sockets by handles that the host gives a meaning; applications read cookies where value_size is 8',
};
