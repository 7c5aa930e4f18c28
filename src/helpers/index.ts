import type { HelperFamily } from '../spec/helper.ts';
import { checksumHelpers, packetChecksumHelpers } from './checksum.ts';
import { kprobeHelpers } from './kprobe.ts';
import { lockHelpers, loopHelpers } from './loop.ts';
import { mapHelpers } from './map.ts';
import { perfEventHelpers, perfProgramHelpers } from './perf-event.ts';
import { perfOutputHelpers } from './perf-output.ts';
import { probeReadHelpers, probeWriteHelpers } from './probe-read.ts';
import { processHelpers } from './process.ts';
import { redirectHelpers, redirectMapHelpers, redirectNeighbourHelpers } from './redirect.ts';
import { ringBufferHelpers } from './ring-buffer.ts';
import { stringHelpers } from './strings.ts';
import { systemHelpers } from './system.ts';
import { tailCallHelpers } from './tail-call.ts';
import { timeHelpers } from './time.ts';
import { traceHelpers } from './trace.ts';
import { xdpHelpers } from './xdp.ts';

/** Every helper that is built in, by family. Program types name the families that they admit. */
export const HELPER_FAMILIES: readonly HelperFamily[] = [
  checksumHelpers,
  packetChecksumHelpers,
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
  stringHelpers,
  systemHelpers,
  tailCallHelpers,
  timeHelpers,
  traceHelpers,
  xdpHelpers,
];
