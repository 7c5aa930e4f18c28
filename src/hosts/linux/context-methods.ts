// stats.enable, context.synchronize, trace.subscribe, feature.probe.
import { bpf } from './bpf.ts';
import { checked } from './errors.ts';
import type { LinuxHandlers } from './methods.ts';
import { probeFeatures } from './probe.ts';
import { synchronize } from './synchronize.ts';
import { subscribeTrace } from './trace.ts';

type Names = 'stats.enable' | 'context.synchronize' | 'trace.subscribe' | 'feature.probe';

/** BPF_STATS_RUN_TIME. */
const RUN_TIME = 0;

export const contextMethods: Pick<LinuxHandlers, Names> = {
  'stats.enable': (session) => {
    const fd = bpf('ENABLE_STATS', 4, (attr) => attr.setUint32(0, RUN_TIME, true));
    return { fd: session.open(checked('stats.enable', fd), 'stats') };
  },
  'context.synchronize': () => {
    synchronize();
    return {};
  },
  'trace.subscribe': (session) => {
    subscribeTrace(session);
    return {};
  },
  'feature.probe': () => probeFeatures(),
};
