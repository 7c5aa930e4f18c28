// BPF_MAP_TYPE_SOCKHASH: a hash table whose values are sockets, by the address of their struct bpf_sock and the application's
// handle.
import type { MapTypeRow, SocketMap, Status } from '../spec/map.ts';
import { MAP_FLAGS } from '../spec/map-types.ts';
import type { Address } from '../spec/memory.ts';
import type { MapSpec } from '../spec/object.ts';
import { checkCommon, E2BIG, EINVAL, ENOENT, ENOSPC } from './attributes.ts';
import { existence, flagsNumber } from './base-map.ts';
import { EBADF, u32Bytes } from './handle-array.ts';
import { HandleHash } from './handle-hash.ts';
import { cookieBytes, socketHandle } from './socket-array.ts';

/** MAX_BPF_STACK: programs build keys on their stack. */
const LONGEST_KEY = 512;

function check(spec: MapSpec): Status {
  const common = checkCommon(spec);
  if (common !== 0) return common;
  const allowed = MAP_FLAGS.NUMA_NODE | MAP_FLAGS.RDONLY | MAP_FLAGS.WRONLY;
  const valueFits = spec.valueSize === 4 || spec.valueSize === 8;
  if (spec.maxEntries === 0 || spec.keySize === 0 || !valueFits || (spec.flags & ~allowed) !== 0) return EINVAL;
  return spec.keySize > LONGEST_KEY ? E2BIG : 0;
}

class Sockhash extends HandleHash implements SocketMap {
  setSocket(key: Address, handle: number, flags: bigint): Status {
    return this.write(key, u32Bytes(handle), flagsNumber(flags));
  }

  protected override read(key: Address): Uint8Array | Status {
    if (this.spec.valueSize !== 8) return ENOSPC;
    const socket = this.context.socketByHandle?.(this.handleAt(key));
    return socket === undefined ? ENOENT : cookieBytes(socket.cookie);
  }

  protected override write(key: Address, value: Uint8Array, flags: number): Status {
    const handle = socketHandle(value);
    if (handle < 0) return EINVAL;
    const socket = this.context.socketByHandle?.(handle);
    if (socket === undefined) return EBADF;
    if (existence(flags, false) === undefined) return EINVAL;
    return this.putHandle(key, flags, socket.address, handle);
  }
}

export const sockhash: MapTypeRow = {
  type: 'sockhash',
  check,
  create: (spec, context) => new Sockhash(spec, context),
  doc: 'as sockmap, with keys of any bytes',
};
