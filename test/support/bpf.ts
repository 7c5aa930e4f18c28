// bpf(2) for tests, by koffi: the running kernel as the oracle for maps, helpers and programs.
//
//   const fd = mapCreate({ type: 'hash', keySize: 4, valueSize: 8, maxEntries: 16 });   // fd or -errno
//   mapUpdate(fd, key, value, UPDATE_FLAGS.NOEXIST);                                     // 0 or -errno
//   const value = mapLookup(fd, key, 8);                                                 // Uint8Array or -errno
//   const { fd: prog, log } = progLoad({ type: 'xdp', code, license: 'GPL' });
//   const { status, retval, data } = progTestRun(prog, { data: packet });
//   close(fd);
//
// Every failure is a negated errno (spec/errno.ts), never a throw. Sizes are the caller's: a per-CPU value read here is
// possibleCpus() values, each rounded up to 8 bytes, as the kernel gives it. Use `kernelCapability()` (or
// requireCapability('kernel-bpf'), capability.ts) before anything else: native() throws where bpf(2) cannot exist.
// Layouts: union bpf_attr in include/uapi/linux/bpf.h.
import { bpf, close, pointer, progLoad, putAt } from '../../src/hosts/linux/bpf.ts';
import { native } from './native.ts';

export {
  btfLoad,
  close,
  type MapAttributes,
  mapCreate,
  mapFreeze,
  mapUpdate,
  possibleCpus,
  progLoad,
  type ProgramAttributes,
} from '../../src/hosts/linux/bpf.ts';

/** Commands that write a result of `size` bytes at the attr's value pointer: the bytes, or -errno. */
function elementResult(
  command: 'MAP_LOOKUP_ELEM' | 'MAP_LOOKUP_AND_DELETE_ELEM' | 'MAP_GET_NEXT_KEY',
  fd: number,
  key: Uint8Array | undefined,
  size: number,
  flags: number | bigint = 0,
  input?: Uint8Array,
): Uint8Array | number {
  let out = new Uint8Array(0);
  const status = bpf(command, 32, (attr) => {
    attr.setUint32(0, fd, true);
    putAt(attr, 8, key);
    const room = native().room(Math.max(size, 1));
    pointer(attr, 16, room.address);
    attr.setBigUint64(24, BigInt(flags), true);
    out = room.bytes as Uint8Array<ArrayBuffer>;
    if (input !== undefined) out.set(input);
  });
  return status < 0 ? status : out.slice(0, size);
}

/**
 * BPF_MAP_LOOKUP_ELEM. `valueSize`: bytes that the kernel writes (per-CPU: all CPUs' values). `input`: the value to look for
 * in a bloom filter.
 */
export const mapLookup = (
  fd: number,
  key: Uint8Array | undefined,
  valueSize: number,
  flags?: number | bigint,
  input?: Uint8Array,
): Uint8Array | number => elementResult('MAP_LOOKUP_ELEM', fd, key, valueSize, flags, input);

export const mapLookupAndDelete = (
  fd: number,
  key: Uint8Array | undefined,
  valueSize: number,
  flags?: number | bigint,
): Uint8Array | number => elementResult('MAP_LOOKUP_AND_DELETE_ELEM', fd, key, valueSize, flags);

/** BPF_MAP_GET_NEXT_KEY; undefined asks for the first key. */
export const mapNextKey = (fd: number, key: Uint8Array | undefined, keySize: number): Uint8Array | number =>
  elementResult('MAP_GET_NEXT_KEY', fd, key, keySize);

export const mapDelete = (fd: number, key: Uint8Array | undefined): number =>
  bpf('MAP_DELETE_ELEM', 32, (attr) => {
    attr.setUint32(0, fd, true);
    putAt(attr, 8, key);
  });

export interface BatchResult {
  /** 0 or -errno; -ENOENT with a count ends a walk. */
  readonly status: number;
  /** Elements done, also where status is an error. */
  readonly count: number;
  readonly keys: Uint8Array;
  readonly values: Uint8Array;
  /** Pass as `cursor` to go on. */
  readonly cursor: Uint8Array;
}

/** BPF_MAP_LOOKUP_BATCH, or _LOOKUP_AND_DELETE_BATCH with `remove`. */
export function mapLookupBatch(
  fd: number,
  o: {
    readonly keySize: number;
    /** Bytes a value as the kernel writes it (per-CPU: all CPUs). */
    readonly valueSize: number;
    readonly count: number;
    readonly cursor?: Uint8Array;
    readonly flags?: number | bigint;
    readonly remove?: boolean;
  },
): BatchResult {
  // Hash maps keep a u32 bucket number in the cursor, others a key.
  const cursorSize = Math.max(o.keySize, 4);
  let out = { keys: new Uint8Array(), values: new Uint8Array(), cursor: new Uint8Array() };
  let count = 0;
  const status = bpf(
    o.remove === true ? 'MAP_LOOKUP_AND_DELETE_BATCH' : 'MAP_LOOKUP_BATCH',
    56,
    (attr) => {
      putAt(attr, 0, o.cursor);
      const room = (offset: number, size: number): Uint8Array<ArrayBuffer> => {
        const part = native().room(Math.max(size, 1));
        pointer(attr, offset, part.address);
        return part.bytes as Uint8Array<ArrayBuffer>;
      };
      out = {
        cursor: room(8, cursorSize),
        keys: room(16, o.keySize * o.count),
        values: room(24, o.valueSize * o.count),
      };
      attr.setUint32(32, o.count, true);
      attr.setUint32(36, fd, true);
      attr.setBigUint64(40, BigInt(o.flags ?? 0), true);
    },
    (attr) => {
      count = attr.getUint32(32, true);
    },
  );
  return {
    status,
    count,
    keys: out.keys.slice(0, o.keySize * count),
    values: out.values.slice(0, o.valueSize * count),
    cursor: out.cursor.slice(0, cursorSize),
  };
}

function batchWrite(
  command: 'MAP_UPDATE_BATCH' | 'MAP_DELETE_BATCH',
  fd: number,
  keys: Uint8Array,
  values: Uint8Array | undefined,
  count: number,
  flags: number | bigint,
): { readonly status: number; readonly count: number } {
  let done = 0;
  const status = bpf(
    command,
    56,
    (attr) => {
      putAt(attr, 16, keys);
      putAt(attr, 24, values);
      attr.setUint32(32, count, true);
      attr.setUint32(36, fd, true);
      attr.setBigUint64(40, BigInt(flags), true);
    },
    (attr) => {
      done = attr.getUint32(32, true);
    },
  );
  return { status, count: done };
}

/** BPF_MAP_UPDATE_BATCH: `keys` and `values` hold `count` elements one behind the other. */
export const mapUpdateBatch = (
  fd: number,
  keys: Uint8Array,
  values: Uint8Array,
  count: number,
  flags: number | bigint = 0,
): { readonly status: number; readonly count: number } =>
  batchWrite('MAP_UPDATE_BATCH', fd, keys, values, count, flags);

export const mapDeleteBatch = (
  fd: number,
  keys: Uint8Array,
  count: number,
  flags: number | bigint = 0,
): { readonly status: number; readonly count: number } =>
  batchWrite('MAP_DELETE_BATCH', fd, keys, undefined, count, flags);

export interface TestRunAttributes {
  readonly data?: Uint8Array;
  readonly ctx?: Uint8Array;
  /** Room for the packet after the run, and for the context; 0 asks for none. Default: 64 KiB, and as large as `ctx`. */
  readonly dataOut?: number;
  readonly ctxOut?: number;
  readonly repeat?: number;
  /** BPF_F_TEST_*. */
  readonly flags?: number;
  readonly cpu?: number;
}

export interface TestRunResult {
  /** 0 or -errno. -ENOSPC: the packet did not fit in `dataOut`. */
  readonly status: number;
  readonly retval: number;
  /** Nanoseconds, average of a repetition. */
  readonly duration: number;
  readonly data: Uint8Array;
  /** Bytes of the packet, also where `data` was too small for it. */
  readonly dataSize: number;
  readonly ctx: Uint8Array;
}

/** BPF_PROG_TEST_RUN. */
export function progTestRun(fd: number, a: TestRunAttributes): TestRunResult {
  const dataRoom = a.dataOut ?? (a.data === undefined ? 0 : 65536);
  const ctxRoom = a.ctxOut ?? a.ctx?.length ?? 0;
  let data: Uint8Array | undefined;
  let ctx: Uint8Array | undefined;
  const out = { retval: 0, duration: 0, dataSize: 0, ctxSize: 0 };
  const status = bpf(
    'PROG_TEST_RUN',
    80,
    (attr) => {
      attr.setUint32(0, fd, true);
      attr.setUint32(8, a.data?.length ?? 0, true);
      putAt(attr, 16, a.data);
      if (dataRoom > 0) {
        const room = native().room(dataRoom);
        data = room.bytes;
        attr.setUint32(12, dataRoom, true);
        pointer(attr, 24, room.address);
      }
      attr.setUint32(32, a.repeat ?? 0, true);
      attr.setUint32(40, a.ctx?.length ?? 0, true);
      putAt(attr, 48, a.ctx);
      if (ctxRoom > 0) {
        const room = native().room(ctxRoom);
        ctx = room.bytes;
        attr.setUint32(44, ctxRoom, true);
        pointer(attr, 56, room.address);
      }
      attr.setUint32(64, a.flags ?? 0, true);
      attr.setUint32(68, a.cpu ?? 0, true);
    },
    (attr) => {
      out.retval = attr.getUint32(4, true);
      out.duration = attr.getUint32(36, true);
      out.dataSize = attr.getUint32(12, true);
      out.ctxSize = attr.getUint32(44, true);
    },
  );
  return {
    status,
    retval: out.retval,
    duration: out.duration,
    data: data?.slice(0, Math.min(out.dataSize, dataRoom)) ?? new Uint8Array(),
    dataSize: out.dataSize,
    ctx: ctx?.slice(0, Math.min(out.ctxSize, ctxRoom)) ?? new Uint8Array(),
  };
}

/** BPF_OBJ_GET_INFO_BY_FD: up to `size` bytes of bpf_map_info, bpf_prog_info or bpf_btf_info, or -errno. */
export function objectInfo(fd: number, size: number): Uint8Array | number {
  let out = new Uint8Array();
  let length = 0;
  const status = bpf(
    'OBJ_GET_INFO_BY_FD',
    16,
    (attr) => {
      const room = native().room(size);
      attr.setUint32(0, fd, true);
      attr.setUint32(4, size, true);
      pointer(attr, 8, room.address);
      out = room.bytes as Uint8Array<ArrayBuffer>;
    },
    (attr) => {
      length = attr.getUint32(4, true);
    },
  );
  return status < 0 ? status : out.slice(0, length);
}

/** The instructions that the kernel made of a program (bpf_prog_info.xlated_prog_insns), or -errno. */
export function translatedCode(fd: number): Uint8Array | number {
  const info = objectInfo(fd, 40);
  if (typeof info === 'number') return info;
  const size = new DataView(info.buffer).getUint32(20, true);
  let out = new Uint8Array();
  const status = bpf('OBJ_GET_INFO_BY_FD', 16, (attr) => {
    const code = native().room(Math.max(size, 1));
    const room = native().room(40);
    room.view.setUint32(20, size, true);
    room.view.setBigUint64(32, BigInt(code.address), true);
    attr.setUint32(0, fd, true);
    attr.setUint32(4, 40, true);
    pointer(attr, 8, room.address);
    out = code.bytes as Uint8Array<ArrayBuffer>;
  });
  return status < 0 ? status : out.slice(0, size);
}

/** Id of a map or program (second field of bpf_map_info and bpf_prog_info), or -errno. */
export function objectId(fd: number): number {
  const info = objectInfo(fd, 8);
  return typeof info === 'number' ? info : new DataView(info.buffer).getUint32(4, true);
}

const fdById = (command: 'MAP_GET_FD_BY_ID' | 'PROG_GET_FD_BY_ID', id: number): number =>
  bpf(command, 12, (attr) => {
    attr.setUint32(0, id, true);
  });
export const mapFdById = (id: number): number => fdById('MAP_GET_FD_BY_ID', id);
export const progFdById = (id: number): number => fdById('PROG_GET_FD_BY_ID', id);

/** Runs the calling thread on one CPU only, so that per-CPU maps and test runs use that CPU. 0 or -errno. */
export const pinToCpu = (cpu: number): number => native().pinToCpu(cpu);

export interface KernelCapability {
  readonly ok: boolean;
  /** Positive errno of the step that failed; 0 where it was not a system call. */
  readonly errno: number;
  readonly stage: 'library' | 'PROG_LOAD' | 'PROG_TEST_RUN' | 'result' | 'done';
  readonly detail?: string;
}

let capability: KernelCapability | undefined;

/** Whether this process may use the kernel's BPF: loads `r0 = 2; exit` as XDP and test-runs it. */
export function kernelCapability(): KernelCapability {
  capability ??= tryKernel();
  return capability;
}

function tryKernel(): KernelCapability {
  try {
    native();
  } catch (error) {
    return { ok: false, errno: 0, stage: 'library', detail: error instanceof Error ? error.message : String(error) };
  }
  const code = Uint8Array.of(0xb7, 0, 0, 0, 2, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0);
  const { fd } = progLoad({ type: 'xdp', code, license: 'GPL' });
  if (fd < 0) return { ok: false, errno: -fd, stage: 'PROG_LOAD' };
  const run = progTestRun(fd, { data: new Uint8Array(64) });
  close(fd);
  if (run.status < 0) return { ok: false, errno: -run.status, stage: 'PROG_TEST_RUN' };
  return run.retval === 2 ? { ok: true, errno: 0, stage: 'done' } : { ok: false, errno: 0, stage: 'result' };
}
