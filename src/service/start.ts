// A service as the command runs it: an execution context on this machine behind the sockets of server.ts. This is where what belongs to a
// service is put together: who keeps what is pinned, who loads beside the context, who counts and logs.
import { ExecutionContext } from '../context/context.ts';
import { nodeHost } from '../hosts/node/host.ts';
import type { Host } from '../spec/host.ts';
import type { Role } from '../spec/session.ts';
import type { ServiceLimits } from './limits.ts';
import type { ServiceStatus } from './protocol.ts';
import type { ServiceObserver } from './served.ts';
import { type Opened, serve, type Service } from './server.ts';
import { readTokens } from './tokens.ts';

export interface StartOptions {
  readonly socket: string;
  readonly version: string;
  /** Folder that pinned objects outlive the service in; where absent they do not. */
  readonly state?: string;
  readonly group?: { readonly name: string; readonly role: Role };
  /** File of tokens (tokens.ts). */
  readonly tokens?: string;
  readonly limits?: Partial<ServiceLimits>;
  readonly observers?: readonly ServiceObserver[];
  /** Where programs run; this machine where absent. */
  readonly host?: Host;
}

/** How many objects a context has. */
export const contextCounts = (context: ExecutionContext): ServiceStatus['objects'] => ({
  maps: context.maps.size,
  programs: context.programs.size,
  links: context.links.size,
  btfs: context.btfs.size,
  pins: [...context.pins.below('')].length,
});

/**
 * Starts a service in this process; it takes requests when this resolves.
 *
 * @throws AnyBpfError service/running, service/place, service/start; state/* where its state cannot be taken up
 */
export async function startService(options: StartOptions): Promise<Service> {
  const { socket, version, group, tokens, limits, observers } = options;
  return serve({
    socket,
    version,
    open: () => openContext(options),
    ...(group === undefined ? {} : { group }),
    ...(tokens === undefined ? {} : { tokenRole: readTokens(tokens) }),
    ...(limits === undefined ? {} : { limits }),
    ...(observers === undefined ? {} : { observers }),
  });
}

async function openContext({ host = nodeHost() }: StartOptions): Promise<Opened> {
  const context = new ExecutionContext({ host });
  return {
    context: { session: (caller) => context.session(caller), counts: () => contextCounts(context) },
    close: () => context[Symbol.dispose](),
  };
}
