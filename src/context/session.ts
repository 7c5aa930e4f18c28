// A connection to a context: its handles and what it listens to. All of it goes when it is closed.
import { AnyBpfError } from '../base/diagnostic.ts';
import { sessionClosed } from '../base/messages/session.ts';
import {
  type EventName,
  type Events,
  type Fd,
  METHOD_ROLES,
  type MethodName,
  type Params,
  type Result,
  type Role,
  ROLES,
  type Session,
} from '../spec/session.ts';
import type { ExecutionContext } from './context.ts';
import { refuse, withErrno } from './errors.ts';
import { methods } from './methods.ts';
import { ContextObject, type HandleKind, type Referenced } from './objects.ts';

/** Who is behind a session. */
export interface SessionOptions {
  /** What it may do; `admin` where absent. */
  readonly role?: Role;
  readonly uid?: number;
  readonly pid?: number;
  /** Most handles at a time; 65,536 where absent. */
  readonly mostHandles?: number;
}

const MOST_HANDLES = 65_536;
/** As for a process that has its standard streams: no handle is 0, 1 or 2. */
const FIRST_HANDLE = 3;

/** Whether a role includes what a method needs. */
export const mayCall = (role: Role, needed: Role): boolean => ROLES.indexOf(role) >= ROLES.indexOf(needed);

interface Listener {
  readonly event: EventName;
  readonly hear: (data: never) => void;
}

export class ContextSession implements Session {
  readonly host = 'embedded';
  readonly context: ExecutionContext;
  readonly role: Role;
  readonly uid: number;
  readonly pid: number | undefined;
  readonly #handles = new Map<Fd, Referenced>();
  readonly #mostHandles: number;
  /** No smaller handle is free. */
  #firstFree = FIRST_HANDLE;
  readonly #listeners = new Set<Listener>();
  readonly #ends = new Map<Fd, (() => void)[]>();
  readonly #atClose = new Set<() => void>();
  #closed: string | undefined;
  #paused = false;
  readonly #resumed = new Set<() => void>();

  /** Use ExecutionContext.session. */
  constructor(context: ExecutionContext, { role = 'admin', uid = 0, pid, mostHandles = MOST_HANDLES }: SessionOptions) {
    this.context = context;
    this.role = role;
    this.uid = uid;
    this.pid = pid;
    this.#mostHandles = mostHandles;
  }

  async call<M extends MethodName>(method: M, params: Params<M>): Promise<Result<M>> {
    return this.callNow(method, params);
  }

  /**
   * As `call`, and answers at once where the method can: all but the few that load and wait. For callers that have many small calls
   * in one message.
   *
   * @throws AnyBpfError with an errno; EPERM where the session's role does not include the method's
   */
  callNow<M extends MethodName>(method: M, params: Params<M>): Result<M> | Promise<Result<M>> {
    this.checkOpen();
    if (!Object.hasOwn(METHOD_ROLES, method)) refuse(String(method), 'EINVAL', 'there is no such method');
    const needed = METHOD_ROLES[method];
    if (!mayCall(this.role, needed)) refuse(method, 'EPERM', `the session has the role ${this.role}, not ${needed}`);
    try {
      const result = methods[method](this, params);
      return result instanceof Promise
        ? result.catch((error: unknown) => {
            throw withErrno(error);
          })
        : result;
    } catch (error) {
      throw withErrno(error);
    }
  }

  on<E extends EventName>(event: E, hear: (data: Events[E]) => void): () => void {
    const listener: Listener = { event, hear };
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Tells the listeners of an event. What one of them throws is thrown here when all have heard. */
  emit<E extends EventName>(event: E, data: Events[E]): void {
    const failures: unknown[] = [];
    for (const listener of this.#listeners) {
      if (listener.event !== event) continue;
      try {
        (listener.hear as (data: Events[E]) => void)(data);
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  async close(): Promise<void> {
    this.end('it was closed');
  }

  get closed(): boolean {
    return this.#closed !== undefined;
  }

  /** @throws AnyBpfError session/closed: for work that went on after the session's end */
  checkOpen(): void {
    if (this.#closed !== undefined) throw withErrno(new AnyBpfError(sessionClosed({}, this.#closed)));
  }

  /** Ends the session, says why to its listeners, and releases its handles. */
  end(why: string): void {
    if (this.#closed !== undefined) return;
    this.#closed = why;
    for (const end of this.#atClose) end();
    for (const fd of this.#handles.keys()) this.#release(fd);
    this.context.forget(this);
    this.emit('closed', { why });
    this.#listeners.clear();
  }

  /** Called at the session's end, before its handles are released; gives back what takes the wish away. */
  onClose(end: () => void): () => void {
    this.#atClose.add(end);
    return () => this.#atClose.delete(end);
  }

  // Who sends events on to a slow reader holds them back: records then stay in their rings.

  get paused(): boolean {
    return this.#paused;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    for (const wake of this.#resumed) wake();
  }

  /** Called after each `resume`. */
  onResume(wake: () => void): () => void {
    this.#resumed.add(wake);
    return () => this.#resumed.delete(wake);
  }

  // Handles.

  get handles(): ReadonlyMap<Fd, Referenced> {
    return this.#handles;
  }

  /** A new handle of an object: the smallest that is free. */
  open(object: Referenced): Fd {
    this.checkOpen();
    this.checkRoom(1);
    let fd = this.#firstFree;
    while (this.#handles.has(fd)) fd++;
    this.#handles.set(fd, object.retainUser());
    this.#firstFree = fd + 1;
    return fd;
  }

  /** @throws AnyBpfError EMFILE where so many more handles do not fit */
  checkRoom(count: number): void {
    if (this.#handles.size + count > this.#mostHandles)
      refuse('open a handle', 'EMFILE', `there are ${this.#handles.size}`);
  }

  /** What a handle stands for. */
  handle(fd: Fd, operation: string): Referenced {
    return this.#handles.get(fd) ?? refuse(operation, 'EBADF', `there is no handle ${fd}`);
  }

  /** The object of a table behind a handle. */
  object(fd: Fd, operation: string): ContextObject {
    const found = this.handle(fd, operation);
    return found instanceof ContextObject ? found : refuse(operation, 'EINVAL', `handle ${fd} is not of an object`);
  }

  /** As `handle`, of one kind; EINVAL for others, as the kernel answers to a file of another sort. */
  handleOf<T extends Referenced>(kind: HandleKind, fd: Fd, operation: string): T {
    const found = this.handle(fd, operation);
    return found.kind === kind
      ? (found as T)
      : refuse(operation, 'EINVAL', `handle ${fd} is of a ${found.kind}, not of a ${kind}`);
  }

  /** @throws AnyBpfError EBADF */
  closeHandle(fd: Fd): void {
    this.handle(fd, 'object.close');
    this.#release(fd);
  }

  /** Called when a handle is closed, or the session: for what lasts as long as the handle. */
  onHandleClosed(fd: Fd, end: () => void): void {
    const ends = this.#ends.get(fd);
    if (ends === undefined) this.#ends.set(fd, [end]);
    else ends.push(end);
  }

  #release(fd: Fd): void {
    for (const end of this.#ends.get(fd) ?? []) end();
    this.#ends.delete(fd);
    const object = this.#handles.get(fd);
    this.#handles.delete(fd);
    this.#firstFree = Math.min(this.#firstFree, fd);
    object?.releaseUser();
  }
}
