// Programs at perf events: tracepoints, user probes, kernel probes, software counters. perf_event_open(2), and a BPF link on it.
import { readFileSync } from 'node:fs';
import { utf8 } from '../../base/bytes.ts';
import type { ProgramTypeName } from '../../spec/program-types.ts';
import type { Fd } from '../../spec/session.ts';
import { close } from './bpf.ts';
import { checked, refuse, refuseFile } from './errors.ts';
import { linkCreate, type LinkRequest } from './link-request.ts';
import { withTracefs } from './mounts.ts';
import { native } from './native.ts';
import { placeInBinary } from './uprobe.ts';

/** struct perf_event_attr (include/uapi/linux/perf_event.h), PERF_ATTR_SIZE_VER5. */
const ATTR = {
  type: 0,
  size: 4,
  config: 8,
  samplePeriod: 16,
  sampleType: 24,
  bits: 40,
  wakeup: 48,
  config1: 56,
  config2: 64,
  bytes: 112,
} as const;

const PERF_TYPE = { software: 1, tracepoint: 2 } as const;
const PERF_SAMPLE_RAW = 1n << 10n;
const PERF_FLAG_FD_CLOEXEC = 8;
const IOC_ENABLE = 0x2400;
/** Offset of a cookie in BPF_LINK_CREATE's part for perf events. */
const COOKIE = 16;

export interface PerfEvent {
  readonly type: number;
  readonly config: bigint;
  readonly sampleType?: bigint;
  readonly period?: bigint;
  /** A text for config1, and config2: what a probe is at. */
  readonly at?: { readonly text: string; readonly offset: bigint };
  readonly wakeup?: number;
}

/** perf_event_open(2): a descriptor or the negated errno. */
export function openPerfEvent(event: PerfEvent, pid: number, cpu: number): number {
  const lib = native();
  lib.reset();
  const { view, address } = lib.room(ATTR.bytes);
  view.setUint32(ATTR.type, event.type, true);
  view.setUint32(ATTR.size, ATTR.bytes, true);
  view.setBigUint64(ATTR.config, event.config, true);
  view.setBigUint64(ATTR.samplePeriod, event.period ?? 1n, true);
  view.setBigUint64(ATTR.sampleType, event.sampleType ?? 0n, true);
  view.setUint32(ATTR.wakeup, event.wakeup ?? 1, true);
  if (event.at !== undefined) {
    view.setBigUint64(ATTR.config1, BigInt(lib.put(utf8(`${event.at.text}\0`))), true);
    view.setBigUint64(ATTR.config2, event.at.offset, true);
  }
  return lib.syscall(lib.numbers.perfEventOpen, address, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

export const enablePerfEvent = (fd: Fd): number => native().ioctl(fd, IOC_ENABLE, 0);

/** `category/name` of a tracepoint. */
function tracepoint(name: string, operation: string): PerfEvent {
  if (!/^[\w.-]+\/[\w.-]+$/.test(name)) refuse(operation, 'EINVAL', `'${name}' is no tracepoint: category/name`);
  const id = withTracefs(operation, (folder) => readNumber(`${folder}/events/${name}/id`, operation));
  return { type: PERF_TYPE.tracepoint, config: id, sampleType: PERF_SAMPLE_RAW };
}

function readNumber(file: string, operation: string): bigint {
  try {
    return BigInt(readFileSync(file, 'utf8').trim());
  } catch (error) {
    return refuseFile(operation, error);
  }
}

const SOURCES = '/sys/bus/event_source/devices';
/** BPF_F_*_RETURN of link flags, as the multi kinds have it: at the return of the function. */
const AT_RETURN = 1;

/** A kind of probe as a type of event: its number, and the bit of config for returns (its `format/retprobe`: `config:0`). */
function probe(kind: 'uprobe' | 'kprobe', atReturn: boolean, operation: string): Pick<PerfEvent, 'type' | 'config'> {
  const type = Number(readNumber(`${SOURCES}/${kind}/type`, operation));
  const bit = BigInt(/config:(\d+)/.exec(readText(`${SOURCES}/${kind}/format/retprobe`))?.[1] ?? 0);
  return { type, config: atReturn ? 1n << bit : 0n };
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** PERF_COUNT_SW_*, by perf's names: events that a program samples. */
const SOFTWARE = [
  'cpu-clock',
  'task-clock',
  'page-faults',
  'context-switches',
  'cpu-migrations',
  'minor-faults',
  'major-faults',
  'alignment-faults',
  'emulation-faults',
] as const;
/** A sample each millisecond of those that count nanoseconds; each event of the others. */
const CLOCK_PERIOD = 1_000_000n;

function software(name: string, operation: string): PerfEvent {
  const config = SOFTWARE.findIndex((one) => one === name);
  if (config < 0) refuse(operation, 'EINVAL', `'${name}' is none of ${SOFTWARE.join(', ')}`);
  return { type: PERF_TYPE.software, config: BigInt(config), period: name.endsWith('-clock') ? CLOCK_PERIOD : 1n };
}

/** What an event is, by the program's type and the target's name. */
function eventOf(programType: ProgramTypeName, name: string, flags: number, operation: string): PerfEvent {
  if (programType === 'tracepoint') return tracepoint(name, operation);
  if (programType === 'perf_event') return software(name, operation);
  if (programType !== 'kprobe') return refuse(operation, 'EINVAL', `a ${programType} program is for no perf event`);
  const atReturn = (flags & AT_RETURN) !== 0;
  const binary = placeInBinary(name, operation);
  if (binary !== undefined)
    return { ...probe('uprobe', atReturn, operation), at: { text: binary.file, offset: BigInt(binary.offset) } };
  const [, symbol = name, offset = '0'] = /^(.*)\+(0x[0-9a-f]+|\d+)$/i.exec(name) ?? [];
  return { ...probe('kprobe', atReturn, operation), at: { text: symbol, offset: BigInt(offset) } };
}

/** Tracepoints and kernel probes are of all CPUs, whichever one their event is opened on. Flag 1: at the return. */
export function linkPerfEvent(request: LinkRequest): Fd {
  const { target, operation, programType, flags, cookie } = request;
  const { name, pid = -1 } = target;
  if (name === undefined) return refuse(operation, 'EINVAL', 'the target is an event: name');
  const event = checked(
    operation,
    openPerfEvent(eventOf(programType, name, flags, operation), pid, pid === -1 ? 0 : -1),
    {},
    name,
  );
  const link = linkCreate({ ...request, flags: 0 }, event, (attr) => attr.setBigUint64(COOKIE, cookie ?? 0n, true));
  if (link >= 0) enablePerfEvent(event);
  // The link holds it.
  close(event);
  return checked(operation, link, {}, name);
}
