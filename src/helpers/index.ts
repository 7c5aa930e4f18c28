import type { HelperFamily } from '../spec/helper.ts';
import { checksumHelpers, packetChecksumHelpers } from './checksum.ts';
import { dynptrHelpers } from './dynptr.ts';
import { fibHelpers, mtuHelpers } from './fib.ts';
import { kprobeHelpers } from './kprobe.ts';
import { lockHelpers, loopHelpers } from './loop.ts';
import { mapHelpers } from './map.ts';
import { perfEventHelpers, perfProgramHelpers } from './perf-event.ts';
import { perfOutputHelpers } from './perf-output.ts';
import { probeReadHelpers, probeWriteHelpers } from './probe-read.ts';
import { processHelpers } from './process.ts';
import { redirectHelpers, redirectMapHelpers, redirectNeighbourHelpers } from './redirect.ts';
import { ringBufferHelpers } from './ring-buffer.ts';
import { sampleHelpers } from './sample.ts';
import { skbLoadHelpers, skbStoreHelpers } from './skb-bytes.ts';
import { ecnHelpers, skbEditHelpers } from './skb-edit.ts';
import { skbRoomHelpers } from './skb-room.ts';
import { packetSocketHelpers, socketCgroupHelpers, socketCookieHelpers, taskCgroupHelpers } from './socket-identity.ts';
import { socketAssignHelpers, socketFieldHelpers, socketLookupHelpers } from './socket-lookup.ts';
import { bindHelpers, socketOptionHelpers, sockOpsHelpers } from './socket-options.ts';
import { messageHelpers, reuseportHelpers, skbSocketRedirectHelpers, sockMapUpdateHelpers } from './socket-redirect.ts';
import { cgroupStorageHelpers, inodeStorageHelpers, socketStorageHelpers, taskStorageHelpers } from './storage.ts';
import { stringHelpers } from './strings.ts';
import { systemHelpers } from './system.ts';
import { tailCallHelpers } from './tail-call.ts';
import { timeHelpers } from './time.ts';
import { traceHelpers } from './trace.ts';
import { tunnelHelpers } from './tunnel.ts';
import { windowsHelpers, windowsSocketHelpers } from './windows.ts';
import { xdpHelpers } from './xdp.ts';

/** Every helper that is built in, by family. Program types name the families that they admit. */
export const HELPER_FAMILIES: readonly HelperFamily[] = [
  checksumHelpers,
  packetChecksumHelpers,
  dynptrHelpers,
  fibHelpers,
  mtuHelpers,
  kprobeHelpers,
  lockHelpers,
  loopHelpers,
  mapHelpers,
  perfEventHelpers,
  perfProgramHelpers,
  perfOutputHelpers,
  probeReadHelpers,
  probeWriteHelpers,
  processHelpers,
  redirectHelpers,
  redirectMapHelpers,
  redirectNeighbourHelpers,
  ringBufferHelpers,
  skbLoadHelpers,
  skbStoreHelpers,
  ecnHelpers,
  skbEditHelpers,
  skbRoomHelpers,
  packetSocketHelpers,
  socketCgroupHelpers,
  socketCookieHelpers,
  taskCgroupHelpers,
  socketAssignHelpers,
  socketFieldHelpers,
  socketLookupHelpers,
  bindHelpers,
  socketOptionHelpers,
  sockOpsHelpers,
  messageHelpers,
  reuseportHelpers,
  skbSocketRedirectHelpers,
  sockMapUpdateHelpers,
  cgroupStorageHelpers,
  inodeStorageHelpers,
  socketStorageHelpers,
  taskStorageHelpers,
  stringHelpers,
  systemHelpers,
  tailCallHelpers,
  timeHelpers,
  traceHelpers,
  tunnelHelpers,
  windowsHelpers,
  windowsSocketHelpers,
  sampleHelpers,
  xdpHelpers,
];
