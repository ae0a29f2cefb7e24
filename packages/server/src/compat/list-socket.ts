import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { ListFramer } from './list-framer.ts';

/** A connection whose `LIST` requests reach Node's parser as `LINK`. */
class ListSocket extends Duplex {
  readonly #socket: Socket;
  readonly #framer: ListFramer;

  constructor(socket: Socket, below: string) {
    super({ allowHalfOpen: true });
    this.#socket = socket;
    this.#framer = new ListFramer(below);
    socket.on('data', (chunk: Buffer) => {
      for (const piece of this.#framer.push(chunk)) if (!this.push(piece)) socket.pause();
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

/**
 * Lets a server take `LIST`: its connections go through {@link ListSocket} before its parser sees them.
 * @param below what a target begins with that it is taken of; where that is said, only connections whose first request
 * is of it go through, and the others are Node's alone, as fast as they were
 * @returns to be called before the server closes: it does not know of connections on which nothing came yet
 */
export function acceptListMethod(server: Server, secure: boolean, below = ''): () => void {
  const event = secure ? 'secureConnection' : 'connection';
  const listeners = server.listeners(event) as ((socket: Duplex) => void)[];
  const hand = (socket: Duplex) => {
    for (const listener of listeners) listener.call(server, socket);
  };
  const waiting = new Set<Socket>();
  let closing = false;
  server.removeAllListeners(event);
  server.on(event, (socket: Socket) => {
    if (below === '') return hand(new ListSocket(socket, below));
    if (closing) return hand(socket);
    waiting.add(socket);
    onFirstBytes(socket, server.headersTimeout, (first) => {
      waiting.delete(socket);
      if (first !== undefined) hand(mayBeBelow(first, below) ? new ListSocket(socket, below) : socket);
    });
  });
  return () => {
    closing = true;
    for (const socket of waiting) socket.destroy();
  };
}

/** Looks at what comes first and leaves it there to be read; undefined where the connection ended before. */
function onFirstBytes(socket: Socket, patienceMs: number, came: (first: Buffer | undefined) => void): void {
  const drop = () => void socket.destroy();
  const readable = () => settle(socket.read() ?? undefined);
  const closed = () => settle(undefined);
  const settle = (first: Buffer | undefined) => {
    socket.setTimeout(0);
    socket.off('timeout', drop).off('error', drop).off('readable', readable).off('close', closed);
    if (first === undefined) socket.destroy();
    else socket.unshift(first);
    came(first);
  };
  socket.on('error', drop).on('timeout', drop).on('close', closed).on('readable', readable);
  socket.setTimeout(patienceMs);
}

/** Whether a connection's first request may be of what lies below; less than its target may have come. */
function mayBeBelow(first: Buffer, below: string): boolean {
  const target = /^[\r\n]*\S* (\S*)/.exec(first.toString('latin1', 0, 128))?.[1];
  return target === undefined || target.startsWith(below) || below.startsWith(target);
}
