// What the service needs of an execution context, and who may listen to what happens in the service.
import type { Diagnostic } from '../base/diagnostic.ts';
import type { MethodName, Params, Result, Role, Session } from '../spec/session.ts';
import type { ServiceStatus } from './protocol.ts';

/** Process at the other end of a connection, as far as the system shows it. */
export interface Peer {
  readonly pid?: number;
  readonly uid?: number;
}

export interface Caller extends Peer {
  readonly role: Role;
  /** As it calls itself. */
  readonly client?: string;
}

/** A session that can be held back, and that answers at once where a method allows it. */
export interface ServedSession extends Session {
  /** As `call`, without a promise where there is nothing to wait for. */
  callNow<M extends MethodName>(method: M, params: Params<M>): Result<M> | Promise<Result<M>>;
  /** Records stay in their rings until `resume`. */
  pause(): void;
  resume(): void;
}

/** The context behind a service. Each connection is a session of it. */
export interface ServedContext {
  /** A new session: its handles go when it is closed. */
  session(caller: Caller): ServedSession;
  counts(): ServiceStatus['objects'];
}

/** Why a connection ended, and how much it asked for. */
export interface ConnectionEnd {
  readonly why: string;
  readonly requests: number;
}

/** Whoever counts and logs. None of these may raise. */
export interface ServiceObserver {
  connected?(connection: number, caller: Caller): void;
  /** A connection that was not let in, or a frame that was none. */
  refused?(peer: Peer, finding: Diagnostic): void;
  disconnected?(connection: number, end: ConnectionEnd): void;
  /** A request was answered. */
  called?(connection: number, method: string, milliseconds: number, finding?: Diagnostic): void;
  /** Events that a client that reads too slowly did not get. */
  dropped?(connection: number, events: number): void;
  /** An error that is no AnyBpfError: a bug. */
  failed?(method: string, error: unknown): void;
  stopping?(): void;
}
