// Messages about descriptions of a simulated network.
import { message } from '../diagnostic.ts';

export const badAddress = message('network/address', (text: string, wanted: string) => `"${text}" is not ${wanted}`);

export const badNetwork = message(
  'network/description',
  (what: string, why: string) => `${what} of the network description cannot be used: ${why}`,
);
