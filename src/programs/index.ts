// All program types, one row each. A host puts them into its platforms (hosts/platform.ts).
import type { ProgramTypeRow } from '../spec/program.ts';
import { bind } from './bind.ts';
import { cgroupDevice } from './cgroup-device.ts';
import { cgroupSkb } from './cgroup-skb.ts';
import { cgroupSock } from './cgroup-sock.ts';
import { cgroupSockopt } from './cgroup-sockopt.ts';
import { cgroupSysctl } from './cgroup-sysctl.ts';
import { flowDissector } from './flow-dissector.ts';
import { kprobe } from './kprobe.ts';
import { lircMode2 } from './lirc-mode2.ts';
import { lwtIn, lwtOut, lwtSeg6local, lwtXmit } from './lwt.ts';
import { netfilter } from './netfilter.ts';
import { perfEvent } from './perf-event.ts';
import { schedAct, schedCls } from './sched.ts';
import { skLookup } from './sk-lookup.ts';
import { skMsg } from './sk-msg.ts';
import { skReuseport } from './sk-reuseport.ts';
import { skSkb } from './sk-skb.ts';
import { cgroupSockAddr } from './sock-addr.ts';
import { sockOps } from './sock-ops.ts';
import { socketFilter } from './socket-filter.ts';
import { syscall } from './syscall.ts';
import { tracepoint } from './tracepoint.ts';
import { ext, lsm, rawTracepoint, rawTracepointWritable, structOps, tracing } from './tracing.ts';
import { xdp } from './xdp.ts';

export const PROGRAM_TYPE_ROWS: readonly ProgramTypeRow[] = [
  xdp,
  socketFilter,
  schedCls,
  schedAct,
  cgroupSkb,
  cgroupSock,
  cgroupSockAddr,
  cgroupSockopt,
  cgroupSysctl,
  cgroupDevice,
  sockOps,
  skMsg,
  skSkb,
  skLookup,
  skReuseport,
  flowDissector,
  lwtIn,
  lwtOut,
  lwtXmit,
  lwtSeg6local,
  netfilter,
  kprobe,
  tracepoint,
  rawTracepoint,
  rawTracepointWritable,
  perfEvent,
  tracing,
  lsm,
  ext,
  structOps,
  syscall,
  lircMode2,
  bind,
];
