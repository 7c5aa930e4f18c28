// Links of programs that were loaded for something in the kernel: raw tracepoints, functions, iterators.
import { utf8 } from '../../base/bytes.ts';
import type { Fd } from '../../spec/session.ts';
import { bpf, putAt } from './bpf.ts';
import { checked, refuse } from './errors.ts';
import { linkCreate, type LinkRequest } from './link-request.ts';
import type { LinuxSession } from './session.ts';

/** Offsets in union bpf_attr of BPF_RAW_TRACEPOINT_OPEN. */
const RAW = { name: 0, program: 8, cookie: 16, size: 24 } as const;
/** Offset of a cookie in BPF_LINK_CREATE's part for tracing. */
const TRACING_COOKIE = 24;
/** Of iterators: address and bytes of union bpf_iter_link_info. */
const ITER = { info: 16, length: 24 } as const;

/** A raw tracepoint by name; programs of type tracing know theirs since they were loaded. */
export function openRawTracepoint({ fd, target, cookie, operation, programType }: LinkRequest): Fd {
  const known = programType === 'tracing';
  if (!known && target.name === undefined) refuse(operation, 'EINVAL', 'the target is a tracepoint: name');
  const link = bpf('RAW_TRACEPOINT_OPEN', RAW.size, (attr) => {
    if (!known) putAt(attr, RAW.name, utf8(`${target.name}\0`));
    attr.setUint32(RAW.program, fd, true);
    attr.setBigUint64(RAW.cookie, cookie ?? 0n, true);
  });
  return checked(operation, link, {}, target.name);
}

/** fentry, fexit, fmod_ret, lsm: at what the program was loaded for. */
export const createTracing = (request: LinkRequest): Fd =>
  checked(
    request.operation,
    linkCreate(request, 0, (attr) => attr.setBigUint64(TRACING_COOKIE, request.cookie ?? 0n, true)),
  );

/** Of tasks, sockets and others that the kernel has; of the elements of `mapFd`, where there is one. */
export function createIterator(session: LinuxSession, request: LinkRequest): Fd {
  const { operation, target } = request;
  const { mapFd } = target;
  if (mapFd !== undefined) session.check(mapFd, 'map', operation);
  const link = linkCreate(request, 0, (attr) => {
    if (mapFd === undefined) return;
    const info = new Uint8Array(16);
    new DataView(info.buffer).setUint32(0, mapFd, true);
    putAt(attr, ITER.info, info);
    attr.setUint32(ITER.length, info.length, true);
  });
  return checked(operation, link);
}

/** BPF_ITER_CREATE: a descriptor to read the iterator's output from, or the negated errno. */
export const iterCreate = (link: Fd): number => bpf('ITER_CREATE', 8, (attr) => attr.setUint32(0, link, true));
