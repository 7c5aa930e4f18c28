// The least network that a host can have: a loopback interface, no routes, no sockets.
import { FIB_RESULT, type Network } from '../../spec/network.ts';

const LOOPBACK_INDEX = 1;
const LOOPBACK_MTU = 65_536;

/** Interface 1 (`lo`), nothing else. */
export const LOOPBACK_NETWORK: Network = {
  netnsCookie: 1n,
  fibLookup: () => ({ result: FIB_RESULT.NOT_FWDED }),
  mtu: (ifindex) => (ifindex === LOOPBACK_INDEX ? LOOPBACK_MTU : undefined),
  lookupSocket: () => undefined,
};
