// A service as the command runs it: an execution context on this machine behind the sockets of server.ts. This is where what belongs to a
// service is put together: who keeps what is pinned, who loads beside the context, who counts and logs.
import type { Diagnostic } from '../base/diagnostic.ts';
import { ExecutionContext } from '../context/context.ts';
import type { LoadPipeline } from '../context/pipeline.ts';
import type { Provider } from '../context/providers/records.ts';
import { nodeHost } from '../hosts/node/host.ts';
import type { Host } from '../spec/host.ts';
import type { Role } from '../spec/session.ts';
import type { ServiceLimits } from './limits.ts';
import { type PipelineOptions, ProcessPipeline } from './load/pipeline.ts';
import type { LiveHost, ServiceStatus } from './protocol.ts';
import type { ServiceObserver } from './served.ts';
import { durableContext } from './restore.ts';
import { type Opened, serve, type Service } from './server.ts';
import { signatureCheck, type SignatureOptions } from './signatures.ts';
import type { SignaturePolicy } from './choices.ts';
import { openState, type StateOptions } from './state.ts';
import { readTokens } from './tokens.ts';
import { Watch, type WatchOptions } from './watch.ts';

export interface StartOptions {
  readonly socket: string;
  readonly version: string;
  /** Folder that pinned objects outlive the service in; where absent they do not. */
  readonly state?: string;
  /** How they do. */
  readonly durable?: Omit<StateOptions, 'folder' | 'files'>;
  readonly group?: { readonly name: string; readonly role: Role };
  /** File of tokens (tokens.ts). */
  readonly tokens?: string;
  readonly limits?: Partial<ServiceLimits>;
  readonly observers?: readonly ServiceObserver[];
  /** Extensions (context/providers). */
  readonly providers?: readonly Provider[];
  /** Where programs run; this machine where absent. */
  readonly host?: Host;
  /** Limits of the processes that read and verify what is loaded (service/load/); false: the service does that itself. */
  readonly loading?: PipelineOptions | false;
  /** Whose modules made ahead of time are loaded; `warn` where absent. */
  readonly signatures?: Omit<SignatureOptions, 'report' | 'policy'> & { readonly policy?: SignaturePolicy };
  /** Log and metrics. */
  readonly watch?: WatchOptions;
  /** Makes who has the live interfaces (live/interfaces.ts); where absent the service takes no packets of interfaces. */
  readonly live?: (context: ExecutionContext, report: (finding: Diagnostic) => void) => LiveHost;
}

const DEFAULT_POLICY: SignaturePolicy = 'warn';

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
  const { socket, version, group, tokens, limits, observers = [] } = options;
  const watch = new Watch(options.watch ?? {});
  return serve({
    socket,
    version,
    open: () => openContext(options, watch),
    observers: [...watch.observers, ...observers],
    ...(group === undefined ? {} : { group }),
    ...(tokens === undefined ? {} : { tokenRole: readTokens(tokens) }),
    ...(limits === undefined ? {} : { limits }),
  });
}

async function openContext(options: StartOptions, watch: Watch): Promise<Opened> {
  const { host = nodeHost({ trace: watch.trace }), state: folder, version } = options;
  const { loading = {} } = options;
  const { policy = DEFAULT_POLICY, trustedKeys } = options.signatures ?? {};
  const admit = signatureCheck({ policy, report: watch.report, ...(trustedKeys === undefined ? {} : { trustedKeys }) });
  const processes = loading === false ? undefined : new ProcessPipeline(loading);
  const pipeline: LoadPipeline = {
    ...(processes === undefined
      ? {}
      : {
          link: (load, client) => processes.link(load, client),
          verify: (request, client) => processes.verify(request, client),
        }),
    ...(admit === undefined ? {} : { admit }),
  };
  const context = new ExecutionContext({ host, pipeline, providers: options.providers ?? [] });
  const state =
    folder === undefined
      ? undefined
      : await openState(durableContext(context, `anybpf ${version}`), {
          report: watch.report,
          ...options.durable,
          folder,
        });
  const live = options.live?.(context, watch.report);
  const close = async (): Promise<void> => {
    try {
      await live?.closeAll();
      await watch.close();
      await state?.close();
    } finally {
      processes?.[Symbol.dispose]();
      context[Symbol.dispose]();
    }
  };
  try {
    await watch.open(context.session({ role: 'read' }), { socket: options.socket, version });
  } catch (error) {
    await close();
    throw error;
  }
  return {
    context: { session: (caller) => context.session(caller), counts: () => contextCounts(context) },
    ...(state === undefined ? {} : { state: folder, settle: () => state.settle() }),
    ...(live === undefined ? {} : { live }),
    metrics: () => watch.metrics(),
    close,
  };
}
