// The session that a verb speaks to: the running service, a context in this process, or the kernel.
import { type Command, Option } from 'commander';
import type { Session } from '../spec/session.ts';
import { knownExtensions } from './extensions.ts';
import type { Io } from './io.ts';

/** Who answers a verb's session. */
export const SESSION_HOSTS = ['service', 'embedded', 'linux'] as const;
export type SessionHost = (typeof SESSION_HOSTS)[number];

/** Options that every verb with a session has. */
export interface SessionOptions {
  readonly host?: SessionHost;
  /** The service's socket; `ANYBPF_SOCKET` where absent, then the usual place. */
  readonly socket?: string;
}

/** Each host, and how a session with it begins. What a host needs is loaded only when it is asked for. */
const OPEN: { readonly [H in SessionHost]: (io: Io, options: SessionOptions) => Promise<Session> } = {
  service: async ({ env }, { socket }) => {
    const [{ connect }, { defaultSocket }] = await Promise.all([
      import('../client/connect.ts'),
      import('../service/paths.ts'),
    ]);
    const token = env.ANYBPF_TOKEN;
    return connect({
      socket: socket ?? defaultSocket(env),
      client: 'anybpf',
      ...(token === undefined ? {} : { token }),
    });
  },
  embedded: async () => {
    const { createRuntime } = await import('../context/create.ts');
    return createRuntime({ providers: knownExtensions() });
  },
  linux: async () => {
    const { linuxSession } = await import('../hosts/linux/session.ts');
    return linuxSession();
  },
};

/** Adds `--host` and `--socket` to a verb. */
export const sessionOptions = (command: Command): Command =>
  command
    .addOption(
      new Option('--host <host>', 'who answers: the running service, or a context that lives as long as this command')
        .choices(SESSION_HOSTS)
        .default('service'),
    )
    .option('--socket <path>', "the service's socket (ANYBPF_SOCKET; else the usual place)");

/** A session that the caller closes. Raises as withSession. */
export const openSession = async (io: Io, options: SessionOptions): Promise<Session> =>
  io.session?.() ?? OPEN[options.host ?? 'service'](io, options);

/**
 * Runs a verb's body with a session, and closes it however the body ends. Under test the session is the one that `io.session` gives.
 *
 * @throws AnyBpfError where no service answers; its hint says how one is started
 */
export async function withSession<T>(
  io: Io,
  options: SessionOptions,
  body: (session: Session) => T | Promise<T>,
): Promise<T> {
  const session = await openSession(io, options);
  try {
    return await body(session);
  } finally {
    await session.close();
  }
}
