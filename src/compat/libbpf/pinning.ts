// Pins of an object's maps and programs, with libbpf's rules about paths.
import type { BpfMap, BpfProgram } from './handles.ts';
import { type Library, refuse, status, warn } from './library.ts';

const pin = (lib: Library, fd: number, path: string): Promise<number> =>
  status(lib, async () => {
    await lib.session.call('object.pin', { fd, path });
    return 0;
  });

const unpin = (lib: Library, path: string): Promise<number> =>
  status(lib, async () => {
    await lib.session.call('object.unpin', { path });
    return 0;
  });

/** The path that a call means: its own, or the map's; -EINVAL where there is none, or where the two differ. */
function pathOf(lib: Library, map: BpfMap, path: string | null): string | number {
  if (map.pinPath === null) return path ?? refuse(lib, 'EINVAL');
  if (path !== null && path !== map.pinPath) {
    warn(lib, `map '${map.name}' already has pin path '${map.pinPath}' different from '${path}'`);
    return refuse(lib, 'EINVAL');
  }
  return map.pinPath;
}

export async function pinMap(lib: Library, map: BpfMap | null, path: string | null): Promise<number> {
  if (map === null) return refuse(lib, 'EINVAL');
  const at = pathOf(lib, map, path);
  if (typeof at === 'number') return at;
  if (map.pinned) return map.pinPath === null ? refuse(lib, 'EEXIST') : 0;
  map.pinPath = at;
  const result = await pin(lib, map.fd, at);
  map.pinned = result === 0;
  return result;
}

export async function unpinMap(lib: Library, map: BpfMap | null, path: string | null): Promise<number> {
  if (map === null) return refuse(lib, 'EINVAL');
  const at = pathOf(lib, map, path);
  if (typeof at === 'number') return at;
  const result = await unpin(lib, at);
  if (result === 0) map.pinned = false;
  return result;
}

export const pinProgram = async (lib: Library, program: BpfProgram, path: string): Promise<number> =>
  program.fd < 0 ? refuse(lib, 'EINVAL') : pin(lib, program.fd, path);

export const unpinProgram = async (lib: Library, program: BpfProgram, path: string): Promise<number> =>
  program.fd < 0 ? refuse(lib, 'EINVAL') : unpin(lib, path);
