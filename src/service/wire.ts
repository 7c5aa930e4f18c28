// JSON-RPC over one socket, for both ends: messages go to and from vscode-jsonrpc, with a say in whether more is read, and with limits.
import type { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import process from 'node:process';
import {
  AbstractMessageReader,
  AbstractMessageWriter,
  type DataCallback,
  type Disposable,
  type Message,
  type MessageReader,
  type MessageWriter,
} from 'vscode-jsonrpc/node';
import { CodecError } from './codec.ts';
import { encodeFrame, FrameError, FrameReader } from './frames.ts';
import type { FrameLimits } from './limits.ts';
import type { SharedReader, SharedWriter } from './shared/ring.ts';

export interface WireEvents {
  /** Looks at a message before JSON-RPC does; true where it is dealt with. Raises a FrameError for one that has no place here. */
  arrived(message: unknown): boolean;
  /** Whether the next message is taken; where not, nothing more is read until `resume`. */
  ready(): boolean;
  /** A message was handed over for writing. */
  sent(message: Message): void;
  /** Everything that waited was read by the other side. */
  drained(): void;
  /** So many bytes are kept of a message that is not whole. */
  keeps(bytes: number): void;
  /** Nothing can be understood any more. The wire is still open for writing. */
  broken(why: string): void;
  /** The other side, or this one, has ended the connection; once. */
  closed(why: string): void;
}

export interface WireLimits {
  readonly frame: FrameLimits;
  /** Milliseconds from a frame's first byte to its last. */
  readonly frameTime: number;
  /** Most bytes that wait to be read by the other side. */
  readonly queueMost: number;
}

/** What is kept below it is not worth a word. */
const LARGE = 2 ** 20;
/** Milliseconds of work for one connection until others have their turn. */
const TURN = 4;
/** Milliseconds that the other side has to take the last words. */
const LINGER = 1_000;

class Reader extends AbstractMessageReader implements MessageReader {
  deliver: DataCallback = () => undefined;

  listen(callback: DataCallback): Disposable {
    this.deliver = callback;
    return { dispose: () => undefined };
  }
}

class Writer extends AbstractMessageWriter implements MessageWriter {
  readonly #wire: Wire;

  constructor(wire: Wire) {
    super();
    this.#wire = wire;
  }

  async write(message: Message): Promise<void> {
    this.#wire.send(message);
  }

  end(): void {
    this.#wire.end();
  }
}

export class Wire {
  readonly reader = new Reader();
  readonly writer: Writer = new Writer(this);
  readonly #socket: Socket;
  readonly #events: WireEvents;
  readonly #limits: WireLimits;
  readonly #frames: FrameReader;
  #shared: SharedWriter | undefined;
  #corked = false;
  /** In `resume`: an answer that is sent there does not begin another. */
  #taking = false;
  #broken = false;
  #closed = false;
  #ending = false;
  #why = 'the other side has ended it';
  /** While a frame has begun to arrive. */
  #late: NodeJS.Timeout | undefined;

  constructor(socket: Socket, limits: WireLimits, events: WireEvents) {
    this.#socket = socket;
    this.#events = events;
    this.#limits = limits;
    this.#frames = new FrameReader(limits.frame);
    socket.on('data', (piece: Buffer) => this.#take(piece));
    socket.on('drain', () => events.drained());
    socket.on('error', (error) => (this.#why = error.message));
    socket.on('close', () => this.#close());
  }

  /** From the next frame. */
  set frameLimits(limits: FrameLimits) {
    this.#frames.limits = limits;
  }

  /** Memory that large tails go through from now on, this way and the other. Given back when the wire is closed. */
  share({ writer, reader }: { readonly writer?: SharedWriter; readonly reader?: SharedReader }): void {
    if (this.#closed) {
      writer?.close();
      reader?.close();
      return;
    }
    if (writer !== undefined) this.#shared = writer;
    if (reader !== undefined) this.#frames.shared = reader;
  }

  /** Bytes that were written and not taken by the other side. */
  get queued(): number {
    return this.#socket.writableLength;
  }

  /** Bytes of memory that what has arrived and was not taken keeps. */
  get kept(): number {
    return this.#frames.kept;
  }

  send(message: Message): void {
    if (this.#closed || this.#ending || this.#socket.destroyed) return;
    const pieces = encodeFrame(message, this.#shared);
    // What is said in one turn goes in one piece.
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      process.nextTick(() => {
        this.#corked = false;
        this.#socket.uncork();
      });
    }
    for (const piece of pieces) this.#socket.write(piece);
    if (this.queued > this.#limits.queueMost) this.destroy('it does not read its answers');
    else this.#events.sent(message);
  }

  /** Takes messages again, as long as there are some and `ready` says so; after a while others have their turn. */
  resume(): void {
    if (this.#taking || this.#broken || this.#closed) return;
    this.#taking = true;
    let took = 0;
    const until = performance.now() + TURN;
    try {
      while (this.#events.ready() && (took === 0 || performance.now() < until)) {
        const message = this.#frames.next();
        if (message === undefined) break;
        took++;
        if (!this.#events.arrived(message)) this.reader.deliver(message as Message);
      }
    } catch (error) {
      if (!(error instanceof FrameError || error instanceof CodecError)) throw error;
      this.#break(error.message);
      return;
    } finally {
      this.#taking = false;
    }
    this.#waitForMore(took > 0, performance.now() >= until);
  }

  #waitForMore(took: boolean, turnIsOver: boolean): void {
    const { kept } = this.#frames;
    if (kept >= LARGE) this.#events.keeps(kept);
    const ready = this.#events.ready();
    if (turnIsOver && ready && kept > 0) {
      this.#socket.pause();
      setImmediate(() => this.resume());
      return;
    }
    if (ready) this.#socket.resume();
    else this.#socket.pause();
    this.#watch(ready, took);
  }

  /** Sends what waits, then ends. */
  end(why = 'ended'): void {
    if (this.#ending || this.#closed) return;
    this.#ending = true;
    this.#why = why;
    this.#socket.end();
    // What still comes is not read, but taken, so that the end of the stream is seen.
    this.#broken = true;
    this.#socket.resume();
    setTimeout(() => this.#socket.destroy(), LINGER).unref();
  }

  destroy(why: string): void {
    if (!this.#ending) this.#why = why;
    this.#socket.destroy();
  }

  #take(piece: Buffer): void {
    if (this.#broken) return;
    this.#frames.push(piece);
    this.resume();
  }

  /** A part of a frame must become whole in time, unless it is this side that does not read. */
  #watch(ready: boolean, took: boolean): void {
    const waiting = ready && this.#frames.kept > 0;
    if (took || !waiting) {
      clearTimeout(this.#late);
      this.#late = undefined;
    }
    if (!waiting || this.#late !== undefined) return;
    const { frameTime } = this.#limits;
    this.#late = setTimeout(() => this.#break(`a message was not whole after ${frameTime} ms`), frameTime);
    this.#late.unref();
  }

  #break(why: string): void {
    if (this.#broken) return;
    this.#broken = true;
    clearTimeout(this.#late);
    this.#events.broken(why);
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#late);
    this.#shared?.close();
    this.#frames.shared?.close();
    this.#events.closed(this.#why);
  }
}
