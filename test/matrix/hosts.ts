// Who runs the examples: each host gives a session, attaches a program to the near end's ingress, and says whether verdicts are enforced there.
import { requireCapability } from '../support/capability.ts';
import { createRuntime } from '../../src/context/create.ts';
import { LiveInterfaces } from '../../src/live/interfaces.ts';
import { linuxSession } from '../../src/hosts/linux/session.ts';
import type { Fd, Session } from '../../src/spec/session.ts';
import type { Scene } from './scenes.ts';

/** Where a program is attached. */
export interface Interface {
  readonly device: string;
  readonly ifindex: number;
}

export interface Feed extends AsyncDisposable {
  /** Whether packets still come, with the link that they come by. */
  live(link: Fd): Promise<boolean>;
}

export interface MatrixHost {
  readonly name: string;
  /** Why it is not there, with the errno where the system gave one. */
  missing(): string | undefined;
  /** Hooks that it feeds. */
  readonly hooks: readonly Scene['attachType'][];
  session(): Promise<Session>;
  /** Begins to feed the hook from the interface. Absent: frames are fed by hand, after the traffic. */
  readonly feed?: (session: Session, where: Interface) => Promise<Feed>;
}

const embedded: MatrixHost = {
  name: 'memory',
  missing: () => undefined,
  hooks: ['xdp', 'tcx_ingress'],
  session: async () => createRuntime(),
};

/** The kernel's own hooks: what is attached there needs nobody to feed it. */
const linux: MatrixHost = {
  name: 'linux',
  missing: () => requireCapability('kernel-bpf'),
  hooks: ['xdp', 'tcx_ingress'],
  session: async () => linuxSession(),
  feed: async (session) => ({
    live: async (fd) => {
      const info = await session.call('object.info', { fd });
      return info.kind === 'link' && (info.target.ifindex ?? 0) !== 0;
    },
    [Symbol.asyncDispose]: async () => {},
  }),
};

/** Our own engine on a live interface: no program of the user's is in the kernel. */
const engine = (driver: 'af_xdp' | 'af_packet'): MatrixHost => {
  const lives = new WeakMap<Session, LiveInterfaces>();
  return {
    name: `engine by ${driver}`,
    missing: () => requireCapability('kernel-bpf'),
    hooks: ['xdp'],
    session: async () => {
      const runtime = createRuntime();
      lives.set(runtime, new LiveInterfaces(runtime.context));
      return runtime;
    },
    feed: async (session, { device }) => {
      const live = lives.get(session);
      const info = live?.open(device, { driver });
      if (info?.enforces !== true) throw new Error(`${driver} does not enforce on ${device}`);
      return {
        live: async () => live?.list().length === 1,
        [Symbol.asyncDispose]: async () => live?.closeAll(),
      };
    },
  };
};

export const HOSTS: readonly MatrixHost[] = [embedded, engine('af_xdp'), engine('af_packet'), linux];
