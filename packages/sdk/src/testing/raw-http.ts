import { once } from 'node:events';
import type { OutgoingRequest } from '@keyhold/protocol/dialects/dialect';
import type { Server } from 'node:http';
import { connect } from 'node:net';

/** What came back over a socket. */
export interface RawAnswer {
  /** 0 where nothing came that is HTTP. */
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** Sends bytes as they are and reads until the server closes, or has answered whatever it was sent. */
export async function sendRaw(port: number, ...pieces: readonly (string | Uint8Array)[]): Promise<RawAnswer> {
  const socket = connect(port, '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    if (isWhole(Buffer.concat(chunks).toString('latin1'))) socket.end();
  });
  // A server that has read enough may close while more is sent.
  socket.on('error', () => {});
  await once(socket, 'connect');
  for (const piece of pieces) {
    socket.write(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece);
    await new Promise(setImmediate);
  }
  // A body that never comes whole is waited for; whoever waits on the other side should know that it won't.
  const patience = setTimeout(() => socket.end(), 250);
  if (!socket.closed) await once(socket, 'close');
  clearTimeout(patience);
  return parse(Buffer.concat(chunks).toString('latin1'));
}

function isWhole(text: string): boolean {
  const end = text.indexOf('\r\n\r\n');
  const length = /^content-length: (\d+)\r$/im.exec(text)?.[1];
  if (end < 0) return false;
  return length === undefined ? /\r\n0\r\n\r\n$/.test(text) : text.length >= end + 4 + Number(length);
}

function parse(text: string): RawAnswer {
  const end = text.indexOf('\r\n\r\n');
  const [line = '', ...fields] = text.slice(0, end < 0 ? undefined : end).split('\r\n');
  const headers = new Map(
    fields.map((field) => {
      const colon = field.indexOf(':');
      return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()] as const;
    }),
  );
  return { status: Number(/^HTTP\/1\.[01] (\d{3})/.exec(line)?.[1] ?? 0), headers, body: text.slice(end + 4) };
}

/** A signed request as a client writes it. */
export function written(request: OutgoingRequest, more: readonly string[] = []): string {
  const { host, pathname, search } = new URL(request.url);
  const lines = [
    `${request.method} ${pathname}${search} HTTP/1.1`,
    `Host: ${host}`,
    ...request.headers.map(([name, value]) => `${name}: ${value}`),
    ...(request.body.length > 0 ? [`Content-Length: ${request.body.length}`] : []),
    ...more,
  ];
  return `${lines.join('\r\n')}\r\n\r\n${Buffer.from(request.body).toString('latin1')}`;
}

/** Listens on a free port of loopback. */
export async function listening(server: Server): Promise<{ port: number } & AsyncDisposable> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as { port: number }).port,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
