// Who runs the examples: each host gives a session, attaches a program to the near end's ingress, and says whether verdicts are enforced there.
import { requireCapability } from '../support/capability.ts';
import { createRuntime } from '../../src/context/create.ts';
import { linuxSession } from '../../src/hosts/linux/session.ts';
import type { Session } from '../../src/spec/session.ts';
import type { Scene } from './scenes.ts';

/** Where a program is attached. */
export interface Interface {
  readonly device: string;
  readonly ifindex: number;
}

export interface MatrixHost {
  readonly name: string;
  /** Why it is not there, with the errno where the system gave one. */
  missing(): string | undefined;
  /** Hooks that it feeds. */
  readonly hooks: readonly Scene['attachType'][];
  session(): Promise<Session>;
  /** Begins to feed the hook from the interface; nothing where attaching is enough. Absent: frames are fed by hand, after the traffic. */
  readonly feed?: (session: Session, where: Interface) => Promise<AsyncDisposable | undefined>;
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
  feed: async () => undefined,
};

export const HOSTS: readonly MatrixHost[] = [embedded, linux];
