// Whose process is at the other end of a unix socket. Node does not say it; the C library does, by koffi where that is installed. Where
// it is not known, the modes of folder and socket are what keeps others away.
import type { Socket } from 'node:net';
import process from 'node:process';
import { type CFunction, loadKoffi } from '../hosts/node/koffi.ts';
import type { Peer } from './served.ts';

/** uapi/asm-generic/socket.h: of all architectures that Node runs on with Linux, but for MIPS and SPARC. */
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const ARCHITECTURES: ReadonlySet<string> = new Set(['x64', 'ia32', 'arm', 'arm64', 'riscv64', 'loong64', 's390x']);
/** struct ucred: pid, uid, gid. */
const UCRED = 12;

let found: { readonly getsockopt: CFunction | undefined } | undefined;

function getsockopt(): CFunction | undefined {
  if (found !== undefined) return found.getsockopt;
  found = { getsockopt: undefined };
  if (process.platform !== 'linux' || !ARCHITECTURES.has(process.arch)) return undefined;
  try {
    const declaration = 'int getsockopt(int fd, int level, int name, _Out_ uint8_t *value, _Inout_ uint32_t *size)';
    found = { getsockopt: loadKoffi().load(null).func(declaration) };
  } catch {
    // Not installed, or no build of it for this system.
  }
  return found.getsockopt;
}

/** What the system shows of a connection's other end; nothing where it shows nothing. */
export function peerOf(socket: Socket): Peer {
  const { fd } = (socket as unknown as { readonly _handle?: { readonly fd?: number } })._handle ?? {};
  const call = getsockopt();
  if (fd === undefined || fd < 0 || call === undefined) return {};
  const value = new Uint8Array(UCRED);
  if (call(fd, SOL_SOCKET, SO_PEERCRED, value, Uint32Array.of(UCRED)) !== 0) return {};
  const [pid, uid] = new Uint32Array(value.buffer);
  // A process of another process namespace has no number here.
  return pid === 0 ? { uid } : { pid, uid };
}
