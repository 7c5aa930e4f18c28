import type { HelperFamily } from '../spec/helper.ts';
import { checksumHelpers, packetChecksumHelpers } from './checksum.ts';
import { dynptrHelpers } from './dynptr.ts';
import { fibHelpers, mtuHelpers } from './fib.ts';
import { kprobeHelpers } from './kprobe.ts';
import { lockHelpers, loopHelpers } from './loop.ts';
import { mapHelpers } from './map.ts';
import { perfCounterHelpers, perfProgramHelpers, stackHelpers } from './perf-event.ts';
import { perfOutputHelpers } from './perf-output.ts';
import { probeReadAnyHelpers, probeReadHelpers, probeWriteHelpers } from './probe-read.ts';
import { processHelpers } from './process.ts';
import { cloneHelpers, redirectHelpers, redirectMapHelpers, redirectNeighbourHelpers } from './redirect.ts';
import { ringBufferHelpers } from './ring-buffer.ts';
import { skbLoadHelpers, skbLoadRelativeHelpers, skbPullHelpers, skbStoreHelpers } from './skb-bytes.ts';
import { ecnHelpers, skbEditHelpers, skbFlowHelpers, skbHashHelpers } from './skb-edit.ts';
import { skbProtocolHelpers, skbResizeHelpers, skbRoomHelpers } from './skb-room.ts';
import {
  namespaceHelpers,
  packetCgroupHelpers,
  socketCgroupHelpers,
  socketCookieHelpers,
  socketOwnerHelpers,
  taskCgroupHelpers,
  underCgroupHelpers,
} from './socket-identity.ts';
import {
  socketAssignHelpers,
  socketFieldHelpers,
  socketLookupHelpers,
  socketReleaseHelpers,
  tcpSocketHelpers,
} from './socket-lookup.ts';
import { bindHelpers, sockOpsHelpers, socketOptionHelpers } from './socket-options.ts';
import { messageHelpers, reuseportHelpers, skbSocketRedirectHelpers, sockMapUpdateHelpers } from './socket-redirect.ts';
import { cgroupStorageHelpers, inodeStorageHelpers, socketStorageHelpers, taskStorageHelpers } from './storage.ts';
import { stringHelpers } from './strings.ts';
import { systemHelpers } from './system.ts';
import { tailCallHelpers } from './tail-call.ts';
import { coarseTimeHelpers, timeHelpers } from './time.ts';
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
  perfCounterHelpers,
  perfProgramHelpers,
  stackHelpers,
  perfOutputHelpers,
  probeReadAnyHelpers,
  probeReadHelpers,
  probeWriteHelpers,
  processHelpers,
  cloneHelpers,
  redirectHelpers,
  redirectMapHelpers,
  redirectNeighbourHelpers,
  ringBufferHelpers,
  skbLoadHelpers,
  skbLoadRelativeHelpers,
  skbPullHelpers,
  skbStoreHelpers,
  ecnHelpers,
  skbEditHelpers,
  skbFlowHelpers,
  skbHashHelpers,
  skbProtocolHelpers,
  skbResizeHelpers,
  skbRoomHelpers,
  namespaceHelpers,
  packetCgroupHelpers,
  socketCgroupHelpers,
  socketCookieHelpers,
  socketOwnerHelpers,
  taskCgroupHelpers,
  underCgroupHelpers,
  socketAssignHelpers,
  socketFieldHelpers,
  socketLookupHelpers,
  socketReleaseHelpers,
  tcpSocketHelpers,
  bindHelpers,
  sockOpsHelpers,
  socketOptionHelpers,
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
  coarseTimeHelpers,
  timeHelpers,
  traceHelpers,
  tunnelHelpers,
  windowsHelpers,
  windowsSocketHelpers,
  xdpHelpers,
];
