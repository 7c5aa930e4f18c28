// A client that is none: it writes what bytes it likes, and shows what comes back.
import { connect, type Socket } from 'node:net';
import { encodeFrame, FrameReader } from '../../src/service/frames.ts';
import { CLIENT_FRAMES } from '../../src/service/limits.ts';
import { HELLO } from '../../src/service/protocol.ts';

export interface RawMessage {
  readonly id?: number | string | null;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly code: number; readonly data: { readonly diagnostic: { readonly code: string } } };
}

export class RawClient {
  readonly socket: Socket;
  readonly messages: RawMessage[] = [];
  /** Resolves when the service has ended the connection. */
  readonly ended: Promise<void>;
  readonly #frames = new FrameReader(CLIENT_FRAMES);
  readonly #waiting: (() => void)[] = [];

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (piece: Buffer) => {
      this.#frames.push(piece);
      for (let message = this.#frames.next(); message !== undefined; message = this.#frames.next())
        this.messages.push(message as RawMessage);
      for (const wake of this.#waiting.splice(0)) wake();
    });
    socket.on('error', () => undefined);
    this.ended = new Promise((resolve) => {
      socket.on('close', () => {
        resolve();
        for (const wake of this.#waiting.splice(0)) wake();
      });
    });
  }

  static open(path: string): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = connect(path, () => resolve(new RawClient(socket)));
      socket.once('error', reject);
    });
  }

  /** Opens a connection and greets. */
  static async greeted(path: string): Promise<RawClient> {
    const client = await RawClient.open(path);
    client.send({ jsonrpc: '2.0', id: 'hello', method: HELLO, params: { protocol: [1, 1] } });
    await client.message(({ id }) => id === 'hello');
    return client;
  }

  write(bytes: string | Uint8Array): void {
    this.socket.write(bytes);
  }

  send(message: unknown): void {
    for (const piece of encodeFrame(message)) this.socket.write(piece);
  }

  /** The first message that fits, as soon as it is there. */
  async message(fits: (message: RawMessage) => boolean): Promise<RawMessage> {
    for (;;) {
      const found = this.messages.find(fits);
      if (found !== undefined) return found;
      if (this.socket.destroyed) throw new Error('the connection ended before the message came');
      await new Promise<void>((wake) => this.#waiting.push(wake));
    }
  }

  /** Codes of the errors that came, in order. */
  get errors(): string[] {
    return this.messages.flatMap(({ error }) => (error === undefined ? [] : [error.data.diagnostic.code]));
  }
}
