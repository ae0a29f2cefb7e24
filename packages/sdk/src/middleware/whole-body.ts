import type { IncomingMessage } from 'node:http';

/** True where somebody has begun to read it. */
export function isRead({ readableDidRead, readableEncoding }: IncomingMessage): boolean {
  return readableDidRead || readableEncoding !== null;
}

/** True once nothing more will be pushed. */
export function isComplete(request: IncomingMessage): boolean {
  // Of HTTP/2 `complete` comes with `end`, when nothing can be put back any more.
  return request.complete || (request as { stream?: { readableEnded?: boolean } }).stream?.readableEnded === true;
}

/**
 * Reads a body whole and puts it back, so that whoever reads the request next finds it there. Beyond the limit nothing
 * more is read.
 * @throws Error where somebody has begun to read it
 */
export async function readWhole(request: IncomingMessage, maxBytes: number) {
  if (isRead(request)) {
    throw new Error('the body of a signed request was read before its guard: mount the guard first');
  }
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) return 'too large';
  return isComplete(request) ? takeWhole(request, maxBytes) : await collect(request, maxBytes);
}

function takeWhole(request: IncomingMessage, maxBytes: number): Uint8Array | 'too large' | 'aborted' {
  if (request.destroyed) return 'aborted';
  // Without a look at what is empty: it would end before its reader listens.
  const bytes = buffered(request);
  // In the same step: afterwards the stream has ended and takes nothing back.
  if (bytes.length > 0) request.unshift(bytes);
  return bytes.length > maxBytes ? 'too large' : bytes;
}

function collect(request: IncomingMessage, maxBytes: number): Promise<Uint8Array | 'too large' | 'aborted'> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const settle = (result: Uint8Array | 'too large' | 'aborted') => {
      Reflect.deleteProperty(request, 'push');
      request.off('error', abort).off('close', abort);
      resolve(result);
    };
    const abort = () => settle('aborted');
    const add = (chunk: Buffer): boolean => {
      chunks.push(chunk);
      length += chunk.length;
      if (length > maxBytes) settle('too large');
      return length <= maxBytes;
    };
    // Where the parser hands over what it read; an instance's own method shadows the stream's. The end goes into the
    // stream behind all that came before it: one that was let in while nothing is there to be read is over for whoever
    // listens later.
    request.push = (chunk: Buffer | null) => {
      if (chunk !== null) return add(chunk);
      const bytes = Buffer.concat(chunks, length);
      settle(bytes);
      if (length > 0) request.push(bytes);
      return request.push(null);
    };
    request.on('error', abort).on('close', abort);
    if (request.destroyed) return abort();
    const early = buffered(request);
    // Asks for more, which is what begins the stream of HTTP/2.
    if (early.length === 0 || add(early)) request.read(0);
  });
}

function buffered(request: IncomingMessage): Buffer {
  return request.readableLength > 0 ? (request.read() as Buffer) : Buffer.alloc(0);
}
