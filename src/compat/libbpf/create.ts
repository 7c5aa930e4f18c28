// createLibbpf: all families over one session.
import { builtInPlatform } from '../../hosts/platform.ts';
import type { Session } from '../../spec/session.ts';
import { absentFunctions } from './absent.ts';
import { Arena } from './arena.ts';
import { attachFunctions } from './attach.ts';
import { btfBuildFunctions } from './btf-build.ts';
import { btfDumpFunctions } from './btf-dump.ts';
import { btfFunctions } from './btf.ts';
import { legacyFunctions } from './legacy.ts';
import type { LibbpfOptions, Library } from './library.ts';
import { linkFunctions } from './link.ts';
import { mapCalls, probeCalls } from './map-calls.ts';
import { mapFunctions } from './map.ts';
import { nameFunctions } from './names.ts';
import { objectCalls } from './object-calls.ts';
import { objectFunctions } from './object.ts';
import { probeFunctions } from './probe.ts';
import { progCalls } from './prog-calls.ts';
import { programFunctions } from './program.ts';
import { ringFunctions } from './rings.ts';
import { skeletonFunctions } from './skeleton.ts';
import { bpf } from './syscall.ts';
import type { Libbpf } from './types.ts';
import { windowsFileFunctions } from './windows-files.ts';
import { windowsFunctions } from './windows.ts';
import { interfaceCalls } from './xdp-tc.ts';

/**
 * libbpf's functions over a session: the names, arguments and results of libbpf 1.x and of eBPF for Windows' exports. What C gives at
 * once from the kernel is a promise here; what it passes by address is `out()` or an array. docs/libbpf.md has the differences.
 */
export function createLibbpf(session: Session, options: LibbpfOptions = {}): Libbpf {
  const { dialect = 'linux', readFile } = options;
  const lib: Library = {
    session,
    dialect,
    readFile,
    arena: new Arena(),
    targets: new Map(),
    objects: new Set(),
    errno: 0,
    print: null,
    cpus: undefined,
  };
  const platform = builtInPlatform(dialect);
  const maps = mapCalls(lib);
  const progs = progCalls(lib);
  const calls = objectCalls(lib);
  const object = objectFunctions(lib);
  const attach = attachFunctions(lib);
  const link = linkFunctions(lib);
  const rings = ringFunctions(lib);
  const families = {
    ...maps,
    ...probeCalls(lib),
    ...progs,
    ...calls,
    ...interfaceCalls(lib),
    ...object,
    ...programFunctions(lib),
    ...mapFunctions(lib),
    ...attach,
    ...link,
    ...skeletonFunctions(lib, { object, attach, link }),
    ...btfFunctions(lib),
    ...btfBuildFunctions(lib),
    ...btfDumpFunctions(lib),
    ...rings,
    ...probeFunctions(lib, (number) => platform.helperName(number)),
    ...nameFunctions(lib),
    ...legacyFunctions(lib, { maps, progs, objects: object }),
    ...windowsFunctions(lib, { objects: calls, links: link, rings }),
    ...windowsFileFunctions(lib),
    ...absentFunctions(lib),
    bpf: (cmd: number, attr: Uint8Array, size: number): Promise<number> => bpf(lib, api, cmd, attr, size),
    arena: lib.arena,
  };
  const api: Libbpf = Object.defineProperty(families, 'errno', {
    enumerable: true,
    get: () => lib.errno,
    set: (value: number) => {
      lib.errno = value;
    },
  }) as Libbpf;
  return api;
}
