// What xskmap, sockmap and reuseport_sockarray share: arrays of sockets by the application's handles. Elements: handle-array.ts.
import type { MapContext, Status } from '../spec/map.ts';
import type { Address } from '../spec/memory.ts';
import { E2BIG, EINVAL, ENOENT, ENOSPC } from './attributes.ts';
import { checkExistence, existence } from './base-map.ts';
import { EBADF, HandleArray, u32At } from './handle-array.ts';

/** A socket's handle out of a value of 4 or 8 bytes; -EINVAL above what Linux takes for a file descriptor. */
export function socketHandle(value: Uint8Array): number {
  if (value.length === 8 && (u32At(value, 4) !== 0 || u32At(value) > 0x7fff_ffff)) return EINVAL;
  return u32At(value);
}

/** 0, or -EINVAL or -EBADF where the value is no handle of a socket. */
export function socketExists(context: MapContext, value: Uint8Array): Status {
  const handle = socketHandle(value);
  if (handle < 0) return handle;
  return context.socketByHandle?.(handle) === undefined ? EBADF : 0;
}

/** A socket's cookie, which applications read only where values have 8 bytes. */
export function cookieBytes(cookie: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, cookie, true);
  return bytes;
}

export abstract class SocketArray extends HandleArray {
  override lookupElem(key: Address): Address {
    const index = this.indexAt(key);
    return index < this.length ? this.word(index, 0) : 0;
  }

  protected read(key: Address): Uint8Array | Status {
    if (this.spec.valueSize !== 8) return ENOSPC;
    const socket = this.context.socketByHandle?.(this.handleAt(key));
    return socket === undefined || this.handleAt(key) === 0 ? ENOENT : cookieBytes(socket.cookie);
  }

  protected write(key: Address, value: Uint8Array, flags: number): Status {
    const index = this.indexAt(key);
    const wish = existence(flags, false);
    const handle = socketHandle(value);
    if (wish === undefined || handle < 0) return EINVAL;
    if (index >= this.length) return E2BIG;
    const socket = this.context.socketByHandle?.(handle);
    if (socket === undefined) return EBADF;
    const refused = checkExistence(this.filled(index), wish);
    if (refused === 0) this.setWords(index, socket.address, handle);
    return refused;
  }

  /** Empties the element; `outside` and `empty` are the type's answers for an index beyond the end and an empty element. */
  protected removeAt(key: Address, outside: Status, empty: Status): Status {
    const index = this.indexAt(key);
    if (index >= this.length) return outside;
    if (!this.filled(index)) return empty;
    this.setWords(index, 0, 0);
    return 0;
  }
}
