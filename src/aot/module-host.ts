// The host that a module's maps are made on, when it is compiled and when AnyBPF opens it: both times the same maps.
import type { Host, HostServices } from '../spec/host.ts';

/** Numerical Recipes' linear congruential generator, its high bits mixed into the low ones. */
function fixedNumbers(): () => number {
  let state = 0x5eed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state ^ (state >>> 15)) >>> 0;
  };
}

export interface ModuleHost extends Host {
  /** From here on random numbers are the host's own. */
  made(): void;
}

/**
 * The host, but its random numbers are always the same ones while maps are made: the seeds of their hashes are in the code.
 * @param cpus those that the module was made for, where it is opened
 */
export function moduleHost(host: Host, cpus = host.services.cpus): ModuleHost {
  let random32 = fixedNumbers();
  const services = Object.create(host.services, {
    cpus: { value: cpus },
    cpu: { value: () => host.services.cpu() % cpus },
    random32: { value: () => random32() },
  }) as HostServices;
  return {
    name: host.name,
    services,
    platform: (dialect) => host.platform(dialect),
    made: () => {
      random32 = () => host.services.random32();
    },
  };
}
