import type { MapTypeRow, Status } from '../spec/map.ts';
import { MAP_FLAGS } from '../spec/map-types.ts';
import type { Address } from '../spec/memory.ts';
import type { MapSpec } from '../spec/object.ts';
import { checkCommon, EINVAL, EOPNOTSUPP } from './attributes.ts';
import { SocketArray } from './socket-array.ts';

function check(spec: MapSpec): Status {
  const common = checkCommon(spec);
  if (common !== 0) return common;
  const allowed = MAP_FLAGS.NUMA_NODE | MAP_FLAGS.RDONLY | MAP_FLAGS.WRONLY;
  const wrong = spec.maxEntries === 0 || spec.keySize !== 4 || spec.valueSize !== 4 || (spec.flags & ~allowed) !== 0;
  return wrong ? EINVAL : 0;
}

/** BPF_MAP_TYPE_XSKMAP: AF_XDP sockets of the host by queue. */
class Xskmap extends SocketArray {
  protected override read(): Status {
    return EOPNOTSUPP;
  }

  protected override remove(key: Address): Status {
    return this.removeAt(key, EINVAL, 0);
  }
}

export const xskmap: MapTypeRow = {
  type: 'xskmap',
  check,
  create: (spec, context) => new Xskmap(spec, context),
  doc: 'sockets by handles that the host gives a meaning',
};
