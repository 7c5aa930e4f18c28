// Objects of a context as a skeleton holds them: a session and a handle of it.
import { AnyBpfError, fail } from '../base/diagnostic.ts';
import { notLoaded } from '../base/messages/skeleton.ts';
import type { Fd, ObjectInfo, Session } from '../spec/session.ts';

/** The errno of a refusal, 0 of other failures. */
export const errnoOf = (error: unknown): number => (error instanceof AnyBpfError ? (error.diagnostic.errno ?? 0) : 0);

/** What the body gives, or undefined where the context refuses it with this errno. */
export async function unless<T>(errno: number, body: Promise<T>): Promise<T | undefined> {
  try {
    return await body;
  } catch (error) {
    if (errnoOf(error) !== errno) throw error;
    return undefined;
  }
}

/** A map, program or link: closed with its skeleton, or by itself. */
export class Handle<Info extends ObjectInfo> {
  readonly session: Session;
  readonly name: string;
  readonly #what: Info['kind'];
  #fd: Fd | undefined;

  /** @param fd absent for what was not loaded: every use of it raises skeleton/not-loaded */
  constructor(session: Session, what: Info['kind'], name: string, fd: Fd | undefined) {
    this.session = session;
    this.name = name;
    this.#what = what;
    this.#fd = fd;
  }

  /** A handle of the session. Raises skeleton/not-loaded where there is none, or none any more. */
  get fd(): Fd {
    return this.#fd ?? fail(notLoaded({}, this.#what === 'prog' ? 'the program' : `the ${this.#what}`, this.name));
  }

  /** Whether there is a handle. */
  get loaded(): boolean {
    return this.#fd !== undefined;
  }

  async info(): Promise<Info> {
    return (await this.session.call('object.info', { fd: this.fd })) as Info;
  }

  /** Keeps the object at this path after the last handle of it. */
  async pin(path: string): Promise<void> {
    await this.session.call('object.pin', { fd: this.fd, path });
  }

  /** Gives the handle back; does nothing the second time. */
  async close(): Promise<void> {
    const fd = this.#fd;
    this.#fd = undefined;
    if (fd !== undefined) await this.session.call('object.close', { fd });
  }

  /** As close, without waiting for its end; a session that is gone has taken the handle with it. */
  [Symbol.dispose](): void {
    this.close().catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
