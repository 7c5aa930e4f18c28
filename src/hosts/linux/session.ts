// A session with the running kernel: the methods of spec/session.ts by bpf(2). Handles are descriptors of this process.
//
//   const session = linuxSession();
//   const { programs } = await session.call('object.load', { object, name: 'drop.bpf.o' });
//   await session.call('link.create', { fd: programs[0].fd, attachType: 'xdp', target: { ifindex: 3 } });
//   await session.close();      // closes every descriptor: what no pin and no prog.attach holds ends
import { readSync } from 'node:fs';
import process from 'node:process';
import { concatBytes } from '../../base/bytes.ts';
import { AnyBpfError, fail } from '../../base/diagnostic.ts';
import { noKernel } from '../../base/messages/linux-host.ts';
import { sessionClosed } from '../../base/messages/session.ts';
import {
  type AttachTarget,
  type EventName,
  type Events,
  type Fd,
  type Id,
  METHOD_ROLES,
  type MethodName,
  type ObjectKind,
  type Params,
  type Result,
  type Session,
} from '../../spec/session.ts';
import { close } from './bpf.ts';
import { checked, refuse, refuseFile, withErrno } from './errors.ts';
import { type Loaded, mapShape } from './info.ts';
import { KernelMap } from './kernel-map.ts';
import { iterCreate } from './link-tracing.ts';
import { methods } from './methods.ts';
import { native } from './native.ts';
import { kindOf } from './objects.ts';
import { Pins } from './pins.ts';
import { inNetns } from './places.ts';

export interface LinuxOptions {
  /** Mount of the bpffs that `/sys/fs/bpf` in paths stands for; the one that is mounted there where absent. */
  readonly bpffs?: string;
  /** Network namespace, by path, that interfaces are of; the caller's where absent. */
  readonly netns?: string;
}

/** What a handle is of: an object, or something that lasts as long as it is open (`stats`). */
export type HandleKind = ObjectKind | 'stats';

interface Handle {
  readonly kind: HandleKind;
  map?: KernelMap;
  /** Called when it is closed. */
  readonly ends: (() => void)[];
}

interface Listener {
  readonly event: EventName;
  readonly hear: (data: never) => void;
}

/**
 * Begins a session with the kernel of this machine.
 *
 * @throws AnyBpfError linux/unavailable where this is no Linux, or koffi is not installed
 */
export function linuxSession(options: LinuxOptions = {}): LinuxSession {
  try {
    native();
  } catch (error) {
    fail(noKernel({}, error instanceof Error ? error.message : String(error)), error);
  }
  return new LinuxSession(options);
}

export class LinuxSession implements Session {
  readonly host = 'linux';
  readonly options: LinuxOptions;
  readonly pins: Pins;
  /** What was loaded here, by program id. */
  readonly loaded = new Map<Id, Loaded>();
  /** What links that were made here are of, by link id: the kernel tells less. */
  readonly linkTargets = new Map<Id, AttachTarget>();
  readonly #handles = new Map<Fd, Handle>();
  readonly #listeners = new Set<Listener>();
  readonly #atClose = new Set<() => void>();
  #closed: string | undefined;

  /** Use linuxSession. */
  constructor(options: LinuxOptions) {
    this.options = options;
    this.pins = new Pins(options.bpffs);
  }

  async call<M extends MethodName>(method: M, params: Params<M>): Promise<Result<M>> {
    return this.callNow(method, params);
  }

  /**
   * As `call`, without waiting: every method answers at once.
   *
   * @throws AnyBpfError with an errno
   */
  callNow<M extends MethodName>(method: M, params: Params<M>): Result<M> {
    this.checkOpen();
    if (!Object.hasOwn(METHOD_ROLES, method)) refuse(String(method), 'EINVAL', 'there is no such method');
    try {
      return inNetns(method, this.options.netns, () => methods[method](this, params));
    } catch (error) {
      throw withErrno(error);
    }
  }

  on<E extends EventName>(event: E, hear: (data: Events[E]) => void): () => void {
    const listener: Listener = { event, hear };
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  emit<E extends EventName>(event: E, data: Events[E]): void {
    for (const { event: wanted, hear } of this.#listeners) {
      if (wanted === event) (hear as (data: Events[E]) => void)(data);
    }
  }

  async close(): Promise<void> {
    if (this.#closed !== undefined) return;
    const why = 'it was closed';
    this.#closed = why;
    for (const end of this.#atClose) end();
    for (const fd of this.#handles.keys()) this.#release(fd);
    this.emit('closed', { why });
    this.#listeners.clear();
  }

  checkOpen(): void {
    if (this.#closed !== undefined) throw new AnyBpfError(sessionClosed({}, this.#closed));
  }

  /** Called at the session's end, before its handles are closed. */
  onClose(end: () => void): void {
    this.#atClose.add(end);
  }

  // Handles.

  /** Takes a descriptor for its own. */
  open(fd: Fd, kind: HandleKind): Fd {
    this.#handles.set(fd, { kind, ends: [] });
    return fd;
  }

  /** @throws AnyBpfError EBADF for what is no handle of this session, EINVAL for one of another kind */
  check(fd: Fd, kind: HandleKind | undefined, operation: string): Fd {
    const found = this.kindOf(fd, operation);
    return kind === undefined || found === kind
      ? fd
      : refuse(operation, 'EINVAL', `handle ${fd} is of a ${found}, not of a ${kind}`);
  }

  kindOf(fd: Fd, operation: string): HandleKind {
    return this.#handle(fd, operation).kind;
  }

  #handle(fd: Fd, operation: string): Handle {
    return this.#handles.get(fd) ?? refuse(operation, 'EBADF', `there is no handle ${fd}`);
  }

  get handles(): ReadonlyMap<Fd, { readonly kind: HandleKind }> {
    return this.#handles;
  }

  duplicate(fd: Fd, operation: string): Fd {
    const { kind } = this.#handle(fd, operation);
    const copy = native().duplicate(fd);
    if (copy < 0) refuse(operation, 'EMFILE', 'no more descriptors');
    return this.open(copy, kind);
  }

  closeHandle(fd: Fd): void {
    this.#handle(fd, 'object.close');
    this.#release(fd);
  }

  onHandleClosed(fd: Fd, end: () => void): void {
    this.#handle(fd, 'onHandleClosed').ends.push(end);
  }

  #release(fd: Fd): void {
    for (const end of this.#handles.get(fd)?.ends ?? []) end();
    this.#handles.delete(fd);
    close(fd);
  }

  /** A descriptor from elsewhere as a handle, e.g. one that another process has sent. It is the session's from now on. */
  adopt(fd: Fd): Fd {
    const kind = kindOf(fd) ?? refuse('adopt', 'EINVAL', `descriptor ${fd} is of no object`);
    return this.open(fd, kind);
  }

  /**
   * A map for calls that wait for nothing and make no objects.
   *
   * @throws AnyBpfError EBADF, EINVAL
   */
  map(fd: Fd, operation = 'map'): KernelMap {
    const handle = this.#handle(fd, operation);
    this.check(fd, 'map', operation);
    if (handle.map === undefined) {
      const shape = mapShape(fd);
      if (typeof shape === 'number') return refuse(operation, 'ENOTSUPP', 'a map of a type that is not known');
      handle.map = new KernelMap(fd, shape);
    }
    return handle.map;
  }

  /**
   * What an iterator gives: its program runs for each of the things that it is over, and this is what it wrote.
   *
   * @throws AnyBpfError EBADF, EINVAL for links of other kinds
   */
  readIterator(link: Fd): Uint8Array {
    const operation = 'readIterator';
    const fd = checked(operation, iterCreate(this.check(link, 'link', operation)), {}, 'the link is of no iterator');
    try {
      const parts: Uint8Array[] = [];
      for (let part = readPart(fd); part.length > 0; part = readPart(fd)) parts.push(part);
      return concatBytes(parts);
    } catch (error) {
      return refuseFile(operation, error);
    } finally {
      close(fd);
    }
  }

  /** What the session's programs are known by. */
  remember(id: Id, loaded: Loaded): void {
    this.loaded.set(id, { pid: process.pid, ...loaded });
  }
}

const PART = 65_536;

function readPart(fd: Fd): Uint8Array {
  const buffer = new Uint8Array(PART);
  return buffer.subarray(0, readSync(fd, buffer));
}
