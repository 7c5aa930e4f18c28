// Helpers that compiled code runs itself, without a call to the host: one row an intrinsic of spec/helper.ts.
import type { IntrinsicName } from '../../spec/helper.ts';
import type { CallSite } from './call-site.ts';
import { cpuNumber, spinLock, spinUnlock } from './cpu.ts';
import { csumDiff } from './csum-diff.ts';
import { loop } from './loop.ts';
import { mapLookup, mapLookupPerCpu } from './map-lookup.ts';
import { mapDelete, mapPeek, mapPop, mapPush, mapUpdate } from './map-update.ts';
import { packetLength, packetLoad, packetStore, skbStore } from './packet-bytes.ts';
import { ringDiscard, ringOutput, ringQuery, ringReserve, ringSubmit } from './ring.ts';
import { strncmp } from './strings.ts';
import { tailCall } from './tail-call.ts';

/**
 * Emits one call. True where that is all; false where the host's row is still to be called, for which nothing may have been
 * emitted that has an effect by then. What it does and every error must be what the row does (helpers/) after the checks of
 * helper-call.ts, of which code that is not `checked` may leave out those that the verifier has made.
 */
export type Intrinsic = (site: CallSite) => boolean;

export const INTRINSICS: { readonly [N in IntrinsicName]: Intrinsic } = {
  mapLookup,
  mapUpdate,
  mapDelete,
  mapPush,
  mapPop,
  mapPeek,
  tailCall,
  ringOutput,
  ringReserve,
  ringSubmit,
  ringDiscard,
  ringQuery,
  mapLookupPerCpu,
  loop,
  csumDiff,
  strncmp,
  cpuNumber,
  spinLock,
  spinUnlock,
  packetLoad,
  packetStore,
  skbStore,
  packetLength,
};
