import type { IncomingMessage } from 'node:http';
import { BodyDigester, BodyTooLong, type Digests, DigestMismatch } from './body-digester.ts';
import { isComplete, isRead } from './whole-body.ts';

/**
 * The body of a request that is verified by its digest while the application reads it. The request itself is the
 * stream: whatever reads it, a parser or a pipe, gets no clean end unless the bytes were those that were signed.
 */
export class CheckedBody {
  readonly #request: IncomingMessage;
  /** What came before the verdict: at most what the stream buffers, since nobody reads it yet. */
  #early: Uint8Array[] = [];
  #digester: BodyDigester | null = null;
  #ended = false;

  /** Null where all of it is here already: then it can be read as well. */
  static of(request: IncomingMessage): CheckedBody | null {
    if (isRead(request)) {
      throw new Error('the body of a signed request was read before its guard: mount the guard first');
    }
    return isComplete(request) ? null : new CheckedBody(request);
  }

  private constructor(request: IncomingMessage) {
    this.#request = request;
    const buffered = request.readableLength > 0 ? (request.read() as Buffer | null) : null;
    if (buffered !== null) {
      this.#early.push(buffered);
      request.unshift(buffered);
    }
    // Where the parser hands over what it read. An instance's own method shadows the stream's until it is let go.
    request.push = (chunk: Uint8Array | null) => this.#take(chunk);
  }

  /** Lets the end come only where the body has each of these digests, and is no longer than that. */
  check(digests: Digests, maxBytes?: number): void {
    const digester = new BodyDigester(digests, maxBytes);
    const fits = this.#early.every((chunk) => digester.update(chunk));
    this.#early = [];
    this.#digester = digester;
    if (!fits) this.#fail(new BodyTooLong());
    else if (this.#ended) this.#finish(digester);
  }

  /** For what is not handed to the application at all. */
  release(): void {
    Reflect.deleteProperty(this.#request, 'push');
    this.#early = [];
    if (this.#ended) this.#request.push(null);
  }

  #take(chunk: Uint8Array | null): boolean {
    if (chunk === null) {
      this.#ended = true;
      if (this.#digester !== null) this.#finish(this.#digester);
      return false;
    }
    if (this.#digester === null) this.#early.push(chunk);
    else if (!this.#digester.update(chunk)) {
      this.#fail(new BodyTooLong());
      return false;
    }
    return pushInto(this.#request, chunk);
  }

  #finish(digester: BodyDigester): void {
    if (!digester.matches()) return this.#fail(new DigestMismatch());
    Reflect.deleteProperty(this.#request, 'push');
    this.#request.push(null);
  }

  #fail(mismatch: DigestMismatch | BodyTooLong): void {
    const request = this.#request;
    // What still comes is let go as it comes. Else it would hold up the connection, and with it the answer: frameworks
    // wait for a request's end before they say that it failed.
    request.push = () => true;
    // Of HTTP/2 it is read from the stream, and can't be set.
    Reflect.set(request, 'complete', true);
    // The stream alone fails: its connection stays, so that the application can still answer.
    request._destroy = (error, done) => done(request.listenerCount('error') > 0 ? error : null);
    const fail = () => void request.destroy(mismatch);
    if (request.readableFlowing !== null || request.listenerCount('readable') > 0) return fail();
    // Nobody reads it yet. A stream that has failed by then looks like one without a body to some parsers, and others
    // wait for it for ever; so it fails when it is first read. Whoever reads calls `read`; 0 is the stream's own.
    const { read } = request;
    request.read = (size?: number) => {
      if (size === 0) return read.call(request, 0);
      Reflect.deleteProperty(request, 'read');
      fail();
      return null;
    };
  }
}

function pushInto(request: IncomingMessage, chunk: Uint8Array): boolean {
  const { push } = Object.getPrototypeOf(request) as IncomingMessage;
  return push.call(request, chunk);
}
