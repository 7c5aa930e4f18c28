import type { MapTypeRow, Status } from '../spec/map.ts';
import type { Address } from '../spec/memory.ts';
import type { MapSpec } from '../spec/object.ts';
import { checkArray } from './array-map.ts';
import { E2BIG, EINVAL, ENOENT } from './attributes.ts';
import { SocketArray } from './socket-array.ts';

function check(spec: MapSpec): Status {
  if (spec.valueSize !== 4 && spec.valueSize !== 8) return EINVAL;
  return checkArray(spec);
}

/** BPF_MAP_TYPE_REUSEPORT_SOCKARRAY: sockets of one reuseport group. */
class ReuseportSockarray extends SocketArray {
  protected override remove(key: Address): Status {
    return this.removeAt(key, E2BIG, ENOENT);
  }
}

export const reuseportSockarray: MapTypeRow = {
  type: 'reuseport_sockarray',
  check,
  create: (spec, context) => new ReuseportSockarray(spec, context),
  doc: 'sockets by handles that the host gives a meaning; whether they belong to one group is for the host to check',
};
