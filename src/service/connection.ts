// One client of the service: the handshake, then its requests with its role, in the order in which they came. What it does wrong ends it,
// and nothing else.
import type { Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import {
  createMessageConnection,
  type Message,
  type MessageConnection,
  type RequestMessage,
  type ResponseError,
  type ResponseMessage,
} from 'vscode-jsonrpc/node';
import { AnyBpfError, type Diagnostic, fail } from '../base/diagnostic.ts';
import {
  badFrame,
  badToken,
  internalError,
  noHello,
  noSuchMethod,
  notPermitted,
  versionMismatch,
} from '../base/messages/service.ts';
import { type EventName, type Events, METHOD_ROLES, type MethodName, type Role } from '../spec/session.ts';
import { errorMessage, toResponse } from './errors.ts';
import { FrameError } from './frames.ts';
import type { ServiceLimits } from './limits.ts';
import { checked, PARAMS } from './params.ts';
import { packRecords } from './records.ts';
import { type CreatedMemory, createMemory, type SharedFile } from './shared/memory.ts';
import { SHARED_BYTES, SharedWriter } from './shared/ring.ts';
import {
  commonVersion,
  DIRECT,
  eventMethod,
  HELLO,
  HELLO_PARAMS,
  type HelloParams,
  type HelloResult,
  PROTOCOL,
  SERVICE_PARAMS,
  SERVICE_ROLES,
  SHARE,
  SHARED,
  SHARED_PARAMS,
  type ServiceMethodName,
  type ServiceMethods,
  versionRange,
} from './protocol.ts';
import { allows, lesser, neededRole } from './roles.ts';
import type { Caller, Peer, ServedContext, ServedSession, ServiceObserver } from './served.ts';
import { Wire } from './wire.ts';

/** What a connection has of its service. */
export interface ConnectionHost {
  readonly context: ServedContext;
  readonly limits: ServiceLimits;
  readonly version: string;
  readonly observers: readonly ServiceObserver[];
  /** Role of a token; undefined where it is none. Absent where the service asks for no token. */
  readonly tokenRole?: (token: string) => Role | undefined;
  readonly methods: {
    readonly [M in ServiceMethodName]: (
      caller: Caller,
      params: ServiceMethods[M]['params'],
    ) => ServiceMethods[M]['result'] | Promise<ServiceMethods[M]['result']>;
  };
  /** An answer goes out when this is done: the journal. */
  readonly settle?: () => Promise<void> | undefined;
  /** It keeps so many bytes of a message that is not whole. */
  keeps(connection: ServiceConnection, bytes: number): void;
  /** It is over: its handles are released. */
  ended(connection: ServiceConnection): void;
}

interface Failure {
  readonly error: ReturnType<ResponseError<unknown>['toJson']>;
  readonly finding: Diagnostic;
}

/** Connections of this process that have shared memory. */
let sharing = 0;

type State = 'handshake' | 'open' | 'draining' | 'ended';

/** Characters of a request's id. */
const MOST_ID = 64;

const has = <T extends object>(table: T, name: string): name is keyof T & string => Object.hasOwn(table, name);

let connections = 0;

export class ServiceConnection {
  readonly number = ++connections;
  readonly peer: Peer;
  readonly #host: ConnectionHost;
  readonly #ceiling: Role;
  readonly #wire: Wire;
  readonly #rpc: MessageConnection;
  readonly #handshake: NodeJS.Timeout;
  /** Ids of requests without an answer. */
  readonly #open = new Set<number | string>();
  #requests = 0;
  #dropped = 0;
  #state: State = 'handshake';
  #caller: Caller | undefined;
  #session: ServedSession | undefined;
  #memory: CreatedMemory | undefined;
  #sharing = false;
  #idle: (() => void) | undefined;

  /** @param ceiling the role of the socket that it came by */
  constructor(socket: Socket, peer: Peer, ceiling: Role, host: ConnectionHost) {
    const { limits } = host;
    this.peer = peer;
    this.#ceiling = ceiling;
    this.#host = host;
    this.#wire = new Wire(
      socket,
      { frame: limits.frames.handshake, frameTime: limits.frameTime, queueMost: limits.queueMost },
      {
        arrived: (message) => this.#arrived(message),
        ready: () => this.#ready(),
        sent: (message) => this.#sent(message),
        drained: () => this.#flow(),
        keeps: (bytes) => host.keeps(this, bytes),
        broken: (why) => this.refuse(badFrame({}, why)),
        closed: (why) => void this.#ended(why),
      },
    );
    this.#rpc = createMessageConnection(this.#wire.reader, this.#wire.writer);
    this.#rpc.onRequest((method, params) => this.#answer(method, params));
    this.#rpc.listen();
    this.#handshake = setTimeout(
      () => this.refuse(badFrame({}, `no handshake within ${limits.handshakeTime} ms`)),
      limits.handshakeTime,
    );
    this.#handshake.unref();
  }

  get greeted(): boolean {
    return this.#state !== 'handshake';
  }

  /** Bytes of a message that has not arrived whole. */
  get kept(): number {
    return this.#wire.kept;
  }

  /** Says why, and ends the connection. */
  refuse(finding: Diagnostic): void {
    if (this.#state === 'ended') return;
    for (const observer of this.#host.observers) observer.refused?.(this.peer, finding);
    this.#wire.send(errorMessage(finding) as unknown as Message);
    this.#wire.end(finding.message);
  }

  /** Takes no more requests; resolves when those that were begun have their answers, or when their time is over. */
  async drain(why: string): Promise<void> {
    if (this.#state === 'ended') return;
    this.#state = 'draining';
    if (this.#open.size > 0) {
      await new Promise<void>((done) => {
        const late = setTimeout(done, this.#host.limits.drainTime);
        this.#idle = () => {
          clearTimeout(late);
          done();
        };
      });
    }
    this.#notify('closed', { why });
    this.#wire.end(why);
  }

  destroy(why: string): void {
    this.#wire.destroy(why);
  }

  #ready(): boolean {
    const { inFlight, queueHigh } = this.#host.limits;
    if (this.#state === 'handshake') return this.#open.size === 0;
    return this.#state === 'open' && this.#open.size < inFlight && this.#wire.queued <= queueHigh;
  }

  #arrived(message: unknown): boolean {
    const { id, method, params } = (message ?? {}) as Partial<RequestMessage>;
    const request =
      (typeof id === 'number' || (typeof id === 'string' && id.length <= MOST_ID)) &&
      typeof method === 'string' &&
      (params === undefined || (typeof params === 'object' && params !== null && !Array.isArray(params)));
    if (!request) throw new FrameError('what arrived is no request');
    if (this.#open.has(id)) throw new FrameError(`the request ${id} has no answer yet`);
    this.#requests++;
    // Never before a request that came earlier.
    const direct = DIRECT.has(method) && this.#open.size === 0;
    this.#open.add(id);
    if (direct) this.#answerNow(id, method, params);
    return direct;
  }

  #answerNow(id: number | string, method: string, params: unknown): void {
    const begun = performance.now();
    try {
      const result = this.#call(method, params ?? {});
      const wait = result instanceof Promise ? result : this.#host.settle?.();
      if (wait === undefined) this.#reply(id, method, begun, { result });
      else void this.#replyLater(id, method, begun, result);
    } catch (error) {
      this.#reply(id, method, begun, this.#failure(method, error));
    }
  }

  async #replyLater(id: number | string, method: string, begun: number, pending: unknown): Promise<void> {
    try {
      const result = await pending;
      await this.#host.settle?.();
      this.#reply(id, method, begun, { result });
    } catch (error) {
      this.#reply(id, method, begun, this.#failure(method, error));
    }
  }

  #failure(method: string, error: unknown): Failure {
    const finding = this.#finding(method, error);
    return { error: toResponse(finding).toJson(), finding };
  }

  #reply(id: number | string, method: string, begun: number, answer: { readonly result: unknown } | Failure): void {
    const { finding, ...body } = 'finding' in answer ? answer : { ...answer, finding: undefined };
    this.#tellCalled(method, begun, finding);
    this.#wire.send({ jsonrpc: '2.0', id, ...body } as ResponseMessage);
  }

  #tellCalled(method: string, begun: number, finding: Diagnostic | undefined): void {
    const took = performance.now() - begun;
    for (const observer of this.#host.observers) observer.called?.(this.number, method, took, finding);
  }

  #sent(message: Message): void {
    const { id } = message as { readonly id?: number | string };
    if (id === undefined || !this.#open.delete(id)) return;
    if (this.#open.size === 0) this.#idle?.();
    this.#flow();
  }

  /** Reads on, or holds the session back, by how much the client has not read. */
  #flow(): void {
    if (this.#wire.queued > this.#host.limits.queueHigh) this.#session?.pause();
    else this.#session?.resume();
    this.#wire.resume();
  }

  async #answer(method: string, params: unknown): Promise<unknown> {
    const begun = performance.now();
    let finding: Diagnostic | undefined;
    try {
      const result = await this.#call(method, params ?? {});
      await this.#host.settle?.();
      return result;
    } catch (error) {
      finding = this.#finding(method, error);
      throw toResponse(finding);
    } finally {
      this.#tellCalled(method, begun, finding);
    }
  }

  #finding(method: string, error: unknown): Diagnostic {
    if (error instanceof AnyBpfError) return error.diagnostic;
    for (const observer of this.#host.observers) observer.failed?.(method, error);
    return internalError({}, error instanceof Error ? error.message : String(error));
  }

  #call(method: string, params: unknown): unknown {
    const caller = this.#caller;
    const session = this.#session;
    if (method === HELLO) return this.#hello(checked(method, HELLO_PARAMS, params));
    if (caller === undefined || session === undefined) fail(noHello({}, method));
    if (method === SHARE) return this.#share();
    if (method === SHARED) return this.#shared(checked(method, SHARED_PARAMS, params).taken);
    if (has(SERVICE_ROLES, method)) {
      this.#permit(method, SERVICE_ROLES[method], caller);
      return this.#callService(method, params, caller);
    }
    if (!has(METHOD_ROLES, method)) fail(noSuchMethod({}, method));
    return this.#callContext(method, params, caller, session);
  }

  #callService<M extends ServiceMethodName>(method: M, params: unknown, caller: Caller): unknown {
    const given = checked(method, SERVICE_PARAMS[method], params) as ServiceMethods[M]['params'];
    return this.#host.methods[method](caller, given);
  }

  /** Memory is made once, and used when the client says that it has it, too. */
  #share(): Partial<SharedFile> {
    if (this.#memory !== undefined || sharing >= this.#host.limits.sharing) return {};
    this.#memory = createMemory(SHARED_BYTES);
    if (this.#memory === undefined) return {};
    sharing++;
    return this.#memory.file;
  }

  #shared(taken: boolean): Record<never, never> {
    const memory = this.#memory;
    if (memory === undefined || this.#sharing) return {};
    memory.hide();
    if (taken) {
      this.#sharing = true;
      this.#wire.share({ writer: new SharedWriter(memory) });
    }
    return {};
  }

  #callContext(method: MethodName, params: unknown, caller: Caller, session: ServedSession): unknown {
    this.#permit(method, METHOD_ROLES[method], caller);
    const good = checked<never>(method, PARAMS[method] as never, params);
    this.#permit(method, neededRole(method, good), caller);
    return session.callNow(method, good);
  }

  #permit(what: string, needs: Role, { role }: Caller): void {
    if (!allows(role, needs)) fail(notPermitted({}, what, needs, role));
  }

  #hello({ protocol, role, token, client }: HelloParams): HelloResult {
    const { context, limits, observers, tokenRole, version } = this.#host;
    if (this.greeted) fail(noSuchMethod({}, `${HELLO} after the handshake`));
    const spoken = commonVersion(protocol);
    if (spoken === undefined)
      this.#reject(versionMismatch({}, versionRange(protocol), versionRange([PROTOCOL.first, PROTOCOL.last])));
    const ofToken = tokenRole === undefined ? 'admin' : token === undefined ? undefined : tokenRole(token);
    if (ofToken === undefined) this.#reject(badToken({}));
    const granted = lesser(lesser(this.#ceiling, ofToken), role ?? 'admin');
    clearTimeout(this.#handshake);
    this.#caller = { ...this.peer, role: granted, ...(client === undefined ? {} : { client }) };
    this.#session = context.session(this.#caller);
    for (const event of ['records', 'trace', 'closed'] as const)
      this.#session.on(event, (data) => this.#notify(event, data));
    this.#wire.frameLimits = granted === 'read' ? limits.frames.read : limits.frames.other;
    this.#state = 'open';
    for (const observer of observers) observer.connected?.(this.number, this.#caller);
    return { protocol: spoken, role: granted, version, pid: process.pid };
  }

  /** Refuses the handshake: the answer says why, and is the last. */
  #reject(finding: Diagnostic): never {
    for (const observer of this.#host.observers) observer.refused?.(this.peer, finding);
    this.#state = 'draining';
    this.#idle = () => this.#wire.end(finding.message);
    fail(finding);
  }

  #notify(event: EventName, data: unknown): void {
    if (this.#state === 'ended') return;
    const { queueHigh } = this.#host.limits;
    // Records are held back in their rings; lines of a trace have no ring.
    if (event === 'trace' && this.#wire.queued > queueHigh) {
      this.#dropped++;
      return;
    }
    if (this.#dropped > 0) {
      for (const observer of this.#host.observers) observer.dropped?.(this.number, this.#dropped);
      this.#dropped = 0;
    }
    const params = event === 'records' ? packRecords(data as Events['records']) : data;
    this.#wire.send({ jsonrpc: '2.0', method: eventMethod(event), params } as Message);
    if (this.#wire.queued > queueHigh) this.#session?.pause();
  }

  /** The wire has given back what it used. */
  #endSharing(): void {
    if (this.#memory === undefined) return;
    sharing--;
    if (!this.#sharing) this.#memory.close();
    this.#memory = undefined;
  }

  async #ended(why: string): Promise<void> {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    clearTimeout(this.#handshake);
    this.#idle?.();
    this.#rpc.dispose();
    this.#endSharing();
    await this.#session?.close();
    if (this.#caller !== undefined) {
      const end = { why, requests: this.#requests };
      for (const observer of this.#host.observers) observer.disconnected?.(this.number, end);
    }
    this.#host.ended(this);
  }
}
