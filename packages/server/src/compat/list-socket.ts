import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { ListFramer } from './list-framer.ts';

/** A connection whose `LIST` requests reach Node's parser as `LINK`. */
class ListSocket extends Duplex {
  readonly #socket: Socket;
  readonly #framer = new ListFramer();

  constructor(socket: Socket) {
    super({ allowHalfOpen: true });
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      const bytes = this.#framer.push(chunk);
      if (bytes.length > 0 && !this.push(bytes)) socket.pause();
    });
    socket.on('end', () => this.push(null));
    socket.on('timeout', () => this.emit('timeout'));
    socket.on('error', (error) => this.destroy(error));
    socket.on('close', () => this.destroy());
  }

  get remoteAddress(): string | undefined {
    return this.#socket.remoteAddress;
  }

  get remotePort(): number | undefined {
    return this.#socket.remotePort;
  }

  get encrypted(): boolean {
    return 'encrypted' in this.#socket;
  }

  setTimeout(milliseconds: number, listener?: () => void): this {
    this.#socket.setTimeout(milliseconds);
    if (listener !== undefined) this.once('timeout', listener);
    return this;
  }

  setNoDelay(on?: boolean): this {
    this.#socket.setNoDelay(on);
    return this;
  }

  setKeepAlive(on?: boolean, delayMs?: number): this {
    this.#socket.setKeepAlive(on, delayMs);
    return this;
  }

  /** What Node calls when an answer says `Connection: close`: written to the end, and then no longer waited for. */
  destroySoon(): void {
    this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.write(chunk, encoding, done);
  }

  override _final(done: () => void): void {
    this.#socket.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (this.#socket.closed) return done(error);
    // Closed when the connection is, as a socket of Node's own: a request that came in whole is not cut off before.
    this.#socket.once('close', () => done(error));
    this.#socket.destroy();
  }
}

/** Lets a server take `LIST`: its connections go through {@link ListSocket} before its parser sees them. */
export function acceptListMethod(server: Server, secure: boolean): void {
  const event = secure ? 'secureConnection' : 'connection';
  const listeners = server.listeners(event) as ((socket: Duplex) => void)[];
  server.removeAllListeners(event);
  server.on(event, (socket: Socket) => {
    const through = new ListSocket(socket);
    for (const listener of listeners) listener.call(server, through);
  });
}
