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
import { readFileSync } from 'node:fs';
import { utf8 } from '../../src/base/bytes.ts';
import { MAP_TYPES, type MapTypeName } from '../../src/spec/map-types.ts';
import {
  ATTACH_TYPES,
  type AttachTypeName,
  PROGRAM_TYPES,
  type ProgramTypeName,
} from '../../src/spec/program-types.ts';
import { native } from './native.ts';

const CMD = {
  MAP_CREATE: 0,
  MAP_LOOKUP_ELEM: 1,
  MAP_UPDATE_ELEM: 2,
  MAP_DELETE_ELEM: 3,
  MAP_GET_NEXT_KEY: 4,
  PROG_LOAD: 5,
  PROG_TEST_RUN: 10,
  PROG_GET_FD_BY_ID: 13,
  MAP_GET_FD_BY_ID: 14,
  OBJ_GET_INFO_BY_FD: 15,
  BTF_LOAD: 18,
  MAP_LOOKUP_AND_DELETE_ELEM: 21,
  MAP_FREEZE: 22,
  MAP_LOOKUP_BATCH: 24,
  MAP_LOOKUP_AND_DELETE_BATCH: 25,
  MAP_UPDATE_BATCH: 26,
  MAP_DELETE_BATCH: 27,
} as const;

/** Bytes of the attr that we fill; the kernel takes the rest as zero. */
const ATTR_SIZE = 152;

type Fill = (attr: DataView) => void;

/** One bpf(2) call. Lays out the arena in `fill`; so `fill` must do all of its own `put`s. */
function bpf(command: keyof typeof CMD, size: number, fill: Fill, after?: (attr: DataView) => void): number {
  const lib = native();
  lib.reset();
  const attr = lib.room(ATTR_SIZE);
  fill(attr.view);
  const result = lib.syscall(lib.numbers.bpf, CMD[command], attr.address, size);
  after?.(attr.view);
  return result;
}

/** Linux' number of a type; one that Linux does not have becomes a number that it refuses. */
const linuxNumber = (row: { readonly linux: number } | { readonly windows: number }): number =>
  'linux' in row ? row.linux : 0xffff;

const pointer = (attr: DataView, offset: number, address: number): void =>
  attr.setBigUint64(offset, BigInt(address), true);
const putAt = (attr: DataView, offset: number, bytes: Uint8Array | undefined): void =>
  pointer(attr, offset, native().put(bytes));

/** Object names: at most 15 characters of [A-Za-z0-9_.]. */
function putName(attr: DataView, offset: number, name: string | undefined): void {
  const text = (name ?? '').replace(/[^A-Za-z0-9_.]/g, '_').slice(0, 15);
  for (let i = 0; i < text.length; i++) attr.setUint8(offset + i, text.charCodeAt(i));
}

export interface MapAttributes {
  readonly type: MapTypeName;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  /** MAP_FLAGS. */
  readonly flags?: number;
  readonly name?: string;
  /** Template of array_of_maps and hash_of_maps. */
  readonly innerFd?: number;
  readonly numaNode?: number;
  readonly btfFd?: number;
  readonly btfKeyTypeId?: number;
  readonly btfValueTypeId?: number;
  readonly btfVmlinuxValueTypeId?: number;
  readonly extra?: number | bigint;
}

/** BPF_MAP_CREATE: a file descriptor or -errno. */
export const mapCreate = (a: MapAttributes): number =>
  bpf('MAP_CREATE', 72, (attr) => {
    attr.setUint32(0, linuxNumber(MAP_TYPES[a.type]), true);
    attr.setUint32(4, a.keySize, true);
    attr.setUint32(8, a.valueSize, true);
    attr.setUint32(12, a.maxEntries, true);
    attr.setUint32(16, a.flags ?? 0, true);
    attr.setUint32(20, a.innerFd ?? 0, true);
    attr.setUint32(24, a.numaNode ?? 0, true);
    putName(attr, 28, a.name);
    attr.setUint32(48, a.btfFd ?? 0, true);
    attr.setUint32(52, a.btfKeyTypeId ?? 0, true);
    attr.setUint32(56, a.btfValueTypeId ?? 0, true);
    attr.setUint32(60, a.btfVmlinuxValueTypeId ?? 0, true);
    attr.setBigUint64(64, BigInt(a.extra ?? 0), true);
  });

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

/** BPF_MAP_UPDATE_ELEM; no key for queue, stack and bloom filter. 0 or -errno. */
export const mapUpdate = (
  fd: number,
  key: Uint8Array | undefined,
  value: Uint8Array,
  flags: number | bigint = 0,
): number =>
  bpf('MAP_UPDATE_ELEM', 32, (attr) => {
    attr.setUint32(0, fd, true);
    putAt(attr, 8, key);
    putAt(attr, 16, value);
    attr.setBigUint64(24, BigInt(flags), true);
  });

export const mapDelete = (fd: number, key: Uint8Array | undefined): number =>
  bpf('MAP_DELETE_ELEM', 32, (attr) => {
    attr.setUint32(0, fd, true);
    putAt(attr, 8, key);
  });

export const mapFreeze = (fd: number): number =>
  bpf('MAP_FREEZE', 4, (attr) => {
    attr.setUint32(0, fd, true);
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

export interface ProgramAttributes {
  readonly type: ProgramTypeName;
  readonly code: Uint8Array;
  readonly license: string;
  readonly name?: string;
  readonly attachType?: AttachTypeName;
  /** BPF_F_* of PROG_LOAD (BPF_F_SLEEPABLE 1 << 4, BPF_F_XDP_HAS_FRAGS 1 << 5, ...). */
  readonly flags?: number;
  readonly kernelVersion?: number;
  readonly btfFd?: number;
  /** Records of bpf_func_info (8 bytes: slot, type id) and bpf_line_info (16 bytes). */
  readonly funcInfo?: Uint8Array;
  readonly lineInfo?: Uint8Array;
  readonly attachBtfId?: number;
  readonly fdArray?: readonly number[];
  /** Verifier log: 0 none, 1 default, 2 with states. With a log a successful load also returns one. */
  readonly logLevel?: number;
}

const LOG_SIZE = 16 << 20;

/** BPF_PROG_LOAD: fd (or -errno) and the verifier's log (empty with logLevel 0). */
export function progLoad(a: ProgramAttributes): { readonly fd: number; readonly log: string } {
  const level = a.logLevel ?? 0;
  let log: Uint8Array | undefined;
  const fd = bpf('PROG_LOAD', 144, (attr) => {
    attr.setUint32(0, linuxNumber(PROGRAM_TYPES[a.type]), true);
    attr.setUint32(4, a.code.length / 8, true);
    putAt(attr, 8, a.code);
    putAt(attr, 16, utf8(`${a.license}\0`));
    if (level > 0) {
      const room = native().room(LOG_SIZE);
      log = room.bytes;
      attr.setUint32(24, level, true);
      attr.setUint32(28, LOG_SIZE, true);
      pointer(attr, 32, room.address);
    }
    attr.setUint32(40, a.kernelVersion ?? 0, true);
    attr.setUint32(44, a.flags ?? 0, true);
    putName(attr, 48, a.name);
    if (a.attachType !== undefined) attr.setUint32(68, linuxNumber(ATTACH_TYPES[a.attachType]), true);
    attr.setUint32(72, a.btfFd ?? 0, true);
    if (a.funcInfo !== undefined) {
      attr.setUint32(76, 8, true);
      putAt(attr, 80, a.funcInfo);
      attr.setUint32(88, a.funcInfo.length / 8, true);
    }
    if (a.lineInfo !== undefined) {
      attr.setUint32(92, 16, true);
      putAt(attr, 96, a.lineInfo);
      attr.setUint32(104, a.lineInfo.length / 16, true);
    }
    attr.setUint32(108, a.attachBtfId ?? 0, true);
    if (a.fdArray !== undefined) putAt(attr, 120, new Uint8Array(Int32Array.from(a.fdArray).buffer));
  });
  return { fd, log: log === undefined ? '' : Buffer.from(log.subarray(0, log.indexOf(0))).toString() };
}

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

/** BPF_BTF_LOAD: fd (or -errno) and, where it failed, the kernel's log. */
export function btfLoad(bytes: Uint8Array): { readonly fd: number; readonly log: string } {
  const load = (logged: boolean): { fd: number; log: string } => {
    let log: Uint8Array | undefined;
    const fd = bpf('BTF_LOAD', 28, (attr) => {
      putAt(attr, 0, bytes);
      attr.setUint32(16, bytes.length, true);
      if (!logged) return;
      const room = native().room(LOG_SIZE);
      log = room.bytes;
      pointer(attr, 8, room.address);
      attr.setUint32(20, LOG_SIZE, true);
      attr.setUint32(24, 1, true);
    });
    return { fd, log: log === undefined ? '' : Buffer.from(log.subarray(0, log.indexOf(0))).toString() };
  };
  const first = load(false);
  return first.fd >= 0 ? first : load(true);
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

export const close = (fd: number): void => native().close(fd);

/** Runs the calling thread on one CPU only, so that per-CPU maps and test runs use that CPU. 0 or -errno. */
export const pinToCpu = (cpu: number): number => native().pinToCpu(cpu);

let cpus: number | undefined;
/** Number of possible CPUs: the values of a per-CPU element. */
export function possibleCpus(): number {
  if (cpus === undefined) {
    const last = readFileSync('/sys/devices/system/cpu/possible', 'utf8').trim().split(/[-,]/).at(-1);
    cpus = Number(last) + 1;
  }
  return cpus;
}

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
