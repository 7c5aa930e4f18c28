// bpf(2): maps and programs of the running kernel, by their file descriptors.
//
//   const fd = mapCreate({ type: 'hash', keySize: 4, valueSize: 8, maxEntries: 16 });   // fd or -errno
//   const { fd: prog, log } = progLoad({ type: 'xdp', code, license: 'GPL' });
//   close(fd);
//
// Every failure is a negated errno (spec/errno.ts), never a throw, but native() throws where bpf(2) cannot exist.
// Layouts: union bpf_attr in include/uapi/linux/bpf.h.
import { readFileSync } from 'node:fs';
import { text, utf8 } from '../../base/bytes.ts';
import { MAP_TYPES, type MapTypeName } from '../../spec/map-types.ts';
import { ATTACH_TYPES, type AttachTypeName, PROGRAM_TYPES, type ProgramTypeName } from '../../spec/program-types.ts';
import { native } from './native.ts';

export const CMD = {
  MAP_CREATE: 0,
  MAP_LOOKUP_ELEM: 1,
  MAP_UPDATE_ELEM: 2,
  MAP_DELETE_ELEM: 3,
  MAP_GET_NEXT_KEY: 4,
  PROG_LOAD: 5,
  OBJ_PIN: 6,
  OBJ_GET: 7,
  PROG_ATTACH: 8,
  PROG_DETACH: 9,
  PROG_TEST_RUN: 10,
  PROG_GET_NEXT_ID: 11,
  MAP_GET_NEXT_ID: 12,
  PROG_GET_FD_BY_ID: 13,
  MAP_GET_FD_BY_ID: 14,
  OBJ_GET_INFO_BY_FD: 15,
  PROG_QUERY: 16,
  RAW_TRACEPOINT_OPEN: 17,
  BTF_LOAD: 18,
  BTF_GET_FD_BY_ID: 19,
  MAP_LOOKUP_AND_DELETE_ELEM: 21,
  MAP_FREEZE: 22,
  BTF_GET_NEXT_ID: 23,
  MAP_LOOKUP_BATCH: 24,
  MAP_LOOKUP_AND_DELETE_BATCH: 25,
  MAP_UPDATE_BATCH: 26,
  MAP_DELETE_BATCH: 27,
  LINK_CREATE: 28,
  LINK_UPDATE: 29,
  LINK_GET_FD_BY_ID: 30,
  LINK_GET_NEXT_ID: 31,
  ENABLE_STATS: 32,
  ITER_CREATE: 33,
  LINK_DETACH: 34,
  PROG_BIND_MAP: 35,
} as const;

/** Bytes of the attr that we fill; the kernel takes the rest as zero. */
const ATTR_SIZE = 152;

type Fill = (attr: DataView) => void;

/** One bpf(2) call. Lays out the arena in `fill`; so `fill` must do all of its own `put`s. */
export function bpf(command: Command, size: number, fill: Fill, after?: (attr: DataView) => void): number {
  const lib = native();
  lib.reset();
  const attr = lib.room(ATTR_SIZE);
  fill(attr.view);
  const result = lib.syscall(lib.numbers.bpf, CMD[command], attr.address, size);
  after?.(attr.view);
  return result;
}

export type Command = keyof typeof CMD;

/** Linux' number of a type; one that Linux does not have becomes a number that it refuses. */
export const linuxNumber = (row: { readonly linux: number } | { readonly windows: number }): number =>
  'linux' in row ? row.linux : 0xffff;

export const pointer = (attr: DataView, offset: number, address: number): void =>
  attr.setBigUint64(offset, BigInt(address), true);
export const putAt = (attr: DataView, offset: number, bytes: Uint8Array | undefined): void =>
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

export const mapFreeze = (fd: number): number =>
  bpf('MAP_FREEZE', 4, (attr) => {
    attr.setUint32(0, fd, true);
  });

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
  /** BTF of the module, or the program, that attachBtfId is of; the kernel's own where absent. */
  readonly attachBtfFd?: number;
  readonly fdArray?: readonly number[];
  /** Verifier log: 0 none, 1 default, 2 with states. With a log a successful load also returns one. */
  readonly logLevel?: number;
  /** Bytes of the log at most; 16 MB where absent. */
  readonly logSize?: number;
}

const LOG_SIZE = 16 << 20;

/** BPF_PROG_LOAD: fd (or -errno) and the verifier's log (empty with logLevel 0). */
export function progLoad(a: ProgramAttributes): { readonly fd: number; readonly log: string } {
  const level = a.logLevel ?? 0;
  const logSize = a.logSize ?? LOG_SIZE;
  let log: Uint8Array | undefined;
  const fd = bpf('PROG_LOAD', 144, (attr) => {
    attr.setUint32(0, linuxNumber(PROGRAM_TYPES[a.type]), true);
    attr.setUint32(4, a.code.length / 8, true);
    putAt(attr, 8, a.code);
    putAt(attr, 16, utf8(`${a.license}\0`));
    if (level > 0) {
      const room = native().room(logSize);
      log = room.bytes;
      attr.setUint32(24, level, true);
      attr.setUint32(28, logSize, true);
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
    attr.setUint32(112, a.attachBtfFd ?? 0, true);
    if (a.fdArray !== undefined) putAt(attr, 120, new Uint8Array(Int32Array.from(a.fdArray).buffer));
  });
  return { fd, log: log === undefined ? '' : text(log.subarray(0, log.indexOf(0))) };
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
    return { fd, log: log === undefined ? '' : text(log.subarray(0, log.indexOf(0))) };
  };
  const first = load(false);
  return first.fd >= 0 ? first : load(true);
}

export const close = (fd: number): void => native().close(fd);

let cpus: number | undefined;
/** Number of possible CPUs: the values of a per-CPU element. */
export function possibleCpus(): number {
  if (cpus === undefined) {
    const last = readFileSync('/sys/devices/system/cpu/possible', 'utf8').trim().split(/[-,]/).at(-1);
    cpus = Number(last) + 1;
  }
  return cpus;
}
