// The type of the whole library: every family's functions together.
import type { AbsentFunctions } from './absent.ts';
import type { Arena } from './arena.ts';
import type { attachFunctions } from './attach.ts';
import type { btfBuildFunctions } from './btf-build.ts';
import type { btfDumpFunctions } from './btf-dump.ts';
import type { btfFunctions } from './btf.ts';
import type { interfaceCalls } from './xdp-tc.ts';
import type { legacyFunctions } from './legacy.ts';
import type { linkFunctions } from './link.ts';
import type { mapCalls, probeCalls } from './map-calls.ts';
import type { mapFunctions } from './map.ts';
import type { nameFunctions } from './names.ts';
import type { objectCalls } from './object-calls.ts';
import type { objectFunctions } from './object.ts';
import type { probeFunctions } from './probe.ts';
import type { progCalls } from './prog-calls.ts';
import type { programFunctions } from './program.ts';
import type { ringFunctions } from './rings.ts';
import type { skeletonFunctions } from './skeleton.ts';
import type { windowsFileFunctions } from './windows-files.ts';
import type { windowsFunctions } from './windows.ts';

type Of<F extends (...args: never[]) => unknown> = ReturnType<F>;

/** The functions by handle, which bpf() is made of. */
export type Libbpf = Of<typeof mapCalls> &
  Of<typeof probeCalls> &
  Of<typeof progCalls> &
  Of<typeof objectCalls> &
  Of<typeof interfaceCalls> &
  Of<typeof objectFunctions> &
  Of<typeof programFunctions> &
  Of<typeof mapFunctions> &
  Of<typeof attachFunctions> &
  Of<typeof linkFunctions> &
  Of<typeof skeletonFunctions> &
  Of<typeof btfFunctions> &
  Of<typeof btfBuildFunctions> &
  Of<typeof btfDumpFunctions> &
  Of<typeof ringFunctions> &
  Of<typeof probeFunctions> &
  Of<typeof nameFunctions> &
  Of<typeof legacyFunctions> &
  Of<typeof windowsFunctions> &
  Of<typeof windowsFileFunctions> &
  AbsentFunctions & {
    /** bpf(2): `attr` is union bpf_attr in bytes, pointers in it are those of `arena`. */
    bpf(cmd: number, attr: Uint8Array, size: number): Promise<number>;
    /** Where bytes get addresses for bpf() and for pointers in info structs. */
    readonly arena: Arena;
    /** The last error, positive. Calls that overlap share it, as threads do not in C. */
    errno: number;
  };
