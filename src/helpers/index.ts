import type { HelperFamily } from '../spec/helper.ts';
import { checksumHelpers, packetChecksumHelpers } from './checksum.ts';
import { mapHelpers } from './map.ts';
import { perfOutputHelpers } from './perf-output.ts';
import { redirectHelpers, redirectMapHelpers, redirectNeighbourHelpers } from './redirect.ts';
import { ringBufferHelpers } from './ring-buffer.ts';
import { systemHelpers } from './system.ts';
import { tailCallHelpers } from './tail-call.ts';
import { timeHelpers } from './time.ts';
import { xdpHelpers } from './xdp.ts';

/** Every helper that is built in, by family. Program types name the families that they admit. */
export const HELPER_FAMILIES: readonly HelperFamily[] = [
  mapHelpers,
  systemHelpers,
  timeHelpers,
  tailCallHelpers,
  ringBufferHelpers,
  perfOutputHelpers,
  checksumHelpers,
  packetChecksumHelpers,
  redirectHelpers,
  redirectMapHelpers,
  redirectNeighbourHelpers,
  xdpHelpers,
];
