// A session with a service: calls go out at once and in order, however many wait for their answers. When the connection ends, all that
// wait are refused; nothing is connected again behind the caller's back, because handles would mean something else then.
import type { Socket } from 'node:net';
import {
  createMessageConnection,
  type Message,
  type MessageConnection,
  ParameterStructures,
  ResponseError,
  type ResponseMessage,
} from 'vscode-jsonrpc/node';
import { AnyBpfError, fail } from '../base/diagnostic.ts';
import { sessionClosed } from '../base/messages/session.ts';
import { CodecError } from '../service/codec.ts';
import { fromResponse, isErrorMessage } from '../service/errors.ts';
import { CLIENT_FRAMES } from '../service/limits.ts';
import {
  DIRECT,
  eventMethod,
  HELLO,
  type HelloParams,
  type HelloResult,
  PROTOCOL,
  SHARE,
  SHARED,
  type ServiceMethodName,
  type ServiceMethods,
} from '../service/protocol.ts';
import { type PackedRecords, unpackRecords } from '../service/records.ts';
import type { SharedFile } from '../service/shared/memory.ts';
import { SharedReader } from '../service/shared/ring.ts';
import { Wire } from '../service/wire.ts';
import type { EventName, Events, MethodName, Params, Result, Role, Session } from '../spec/session.ts';

const WIRE_LIMITS = { frame: CLIENT_FRAMES, frameTime: 2 ** 31 - 1, queueMost: Number.POSITIVE_INFINITY };

type Listeners = { readonly [E in EventName]: Set<(data: Events[E]) => void> };

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export class ServiceSession implements Session {
  readonly host = 'service';
  readonly #wire: Wire;
  readonly #rpc: MessageConnection;
  readonly #listeners: Listeners = { records: new Set(), trace: new Set(), closed: new Set() };
  readonly #direct = new Map<number, Waiting>();
  #lastDirect = 0;
  readonly #ended: Promise<void>;
  #end: () => void = () => undefined;
  #hello: HelloResult | undefined;
  /** What the service said before it ended the connection. */
  #last: AnyBpfError | undefined;
  #closed: string | undefined;
  #sharing: Promise<boolean> | undefined;

  /** Use connect. */
  constructor(socket: Socket) {
    this.#ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#wire = new Wire(socket, WIRE_LIMITS, {
      arrived: (message) => this.#arrived(message),
      ready: () => true,
      drained: () => this.#wire.resume(),
      keeps: () => undefined,
      sent: () => undefined,
      broken: (why) => this.#wire.destroy(`what the service sends cannot be understood: ${why}`),
      closed: (why) => this.#close(why),
    });
    this.#rpc = createMessageConnection(this.#wire.reader, this.#wire.writer);
    for (const event of Object.keys(this.#listeners) as EventName[])
      this.#rpc.onNotification(eventMethod(event), (data) => this.#heard(event, data));
    this.#rpc.listen();
  }

  /** What the handshake gave; the service's release and process. */
  get service(): HelloResult {
    return this.#hello ?? fail(sessionClosed({}, 'there was no handshake'));
  }

  get role(): Role {
    return this.service.role;
  }

  /**
   * Lets large answers and records come through memory that service and client both see, where they can: on one Linux machine, with koffi.
   * Without it all goes by the socket. map.subscribe does it by itself.
   *
   * @returns whether memory is shared
   */
  share(): Promise<boolean> {
    this.#sharing ??= this.#share();
    return this.#sharing;
  }

  /** All goes by the socket, whatever there is. */
  doNotShare(): void {
    this.#sharing = Promise.resolve(false);
  }

  async #share(): Promise<boolean> {
    const { canShare, openMemory } = await import('../service/shared/memory.ts');
    if (!canShare()) return false;
    try {
      const file = await this.#request<Partial<SharedFile>>(SHARE, {});
      const mapping = file.fd === undefined ? undefined : openMemory(file as SharedFile);
      if (mapping !== undefined) this.#wire.share({ reader: new SharedReader(mapping) });
      await this.#request(SHARED, { taken: mapping !== undefined });
      return mapping !== undefined;
    } catch (error) {
      // A service of before.
      if (error instanceof AnyBpfError && error.code === 'service/method') return false;
      throw error;
    }
  }

  /** The handshake, once. @throws AnyBpfError service/version, service/token, service/full */
  async greet(wishes: Omit<HelloParams, 'protocol'>): Promise<void> {
    const params: HelloParams = { protocol: [PROTOCOL.first, PROTOCOL.last], ...wishes };
    this.#hello = await this.#request<HelloResult>(HELLO, params);
  }

  call<M extends MethodName>(method: M, params: Params<M>): Promise<Result<M>> {
    if (method === 'map.subscribe' && this.#sharing === undefined)
      return this.share().then(() => this.#request<Result<M>>(method, params));
    return DIRECT.has(method) ? this.#requestNow(method, params) : this.#request(method, params);
  }

  /** A method of the service itself. */
  ask<M extends ServiceMethodName>(
    method: M,
    params: ServiceMethods[M]['params'],
  ): Promise<ServiceMethods[M]['result']> {
    return this.#request(method, params);
  }

  on<E extends EventName>(event: E, listener: (data: Events[E]) => void): () => void {
    const listeners = this.#listeners[event] as Set<(data: Events[E]) => void>;
    // Twice the same function is two listeners.
    const own = (data: Events[E]): void => listener(data);
    listeners.add(own);
    return () => listeners.delete(own);
  }

  async close(): Promise<void> {
    if (this.#closed === undefined) this.#wire.end('it was closed');
    await this.#ended;
  }

  async #request<T>(method: string, params: unknown): Promise<T> {
    if (this.#closed !== undefined) fail(sessionClosed({}, this.#closed));
    try {
      return await this.#rpc.sendRequest<T>(method, ParameterStructures.byName, params);
    } catch (error) {
      throw this.#finding(error);
    }
  }

  /** Past JSON-RPC's queue; ids below 0 are these. */
  #requestNow<T>(method: string, params: unknown): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#closed !== undefined) fail(sessionClosed({}, this.#closed));
      const id = --this.#lastDirect;
      this.#direct.set(id, { resolve: resolve as (result: unknown) => void, reject });
      this.#wire.send({ jsonrpc: '2.0', id, method, params } as Message);
    });
  }

  /** True where a message is dealt with. */
  #arrived(message: unknown): boolean {
    if (isErrorMessage(message)) {
      this.#last = fromResponse(message.error);
      return true;
    }
    const { id, result, error } = message as Partial<ResponseMessage>;
    if (typeof id !== 'number' || id >= 0) return false;
    const waiting = this.#direct.get(id);
    this.#direct.delete(id);
    if (error === undefined) waiting?.resolve(result);
    else waiting?.reject(fromResponse(error));
    return true;
  }

  /** Why a call that waited has no answer. */
  #ending(): AnyBpfError {
    return this.#last ?? new AnyBpfError(sessionClosed({}, this.#closed ?? 'it has ended'));
  }

  #finding(error: unknown): unknown {
    if (this.#closed !== undefined) return this.#ending();
    return error instanceof ResponseError ? fromResponse(error) : error;
  }

  #heard(event: EventName, data: unknown): void {
    // Its end is told once, when the connection is over.
    if (event === 'closed') this.#closed ??= (data as Events['closed']).why;
    else if (event === 'records') this.#heardRecords(data as PackedRecords);
    else this.#emit(event, data as Events[typeof event]);
  }

  #heardRecords(packed: PackedRecords): void {
    let records: Events['records'];
    try {
      records = unpackRecords(packed);
    } catch (error) {
      if (!(error instanceof CodecError)) throw error;
      this.#wire.destroy(`what the service sends cannot be understood: ${error.message}`);
      return;
    }
    this.#emit('records', records);
  }

  #emit<E extends EventName>(event: E, data: Events[E]): void {
    for (const listener of Array.from(this.#listeners[event])) (listener as (data: Events[E]) => void)(data);
  }

  #close(why: string): void {
    this.#closed ??= this.#last?.diagnostic.message ?? why;
    this.#rpc.dispose();
    for (const { reject } of this.#direct.values()) reject(this.#ending());
    this.#direct.clear();
    this.#emit('closed', { why: this.#closed });
    for (const listeners of Object.values(this.#listeners)) listeners.clear();
    this.#end();
  }
}
