import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { FEED_PATH, MAX_VERIFIER_FRAME_BYTES, VerifierMessage } from '@keyhold/protocol/feed';
import { Compile } from 'typebox/compile';
import { type WebSocket, WebSocketServer } from 'ws';
import type { FeedHub } from './feed-hub.ts';
import type { FeedScope } from './scope.ts';

/** Who opens a feed connection, as `access/` found it; null for a stranger. */
export type AuthenticateFeed = (secret: string | null) => Promise<{ scope: FeedScope; tokenId: string } | null>;

const PING_INTERVAL_MS = 15_000;
const POLICY_VIOLATION = 1008;
const UNAUTHORIZED = 'HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\n\r\n';
const NOT_FOUND = 'HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n';
const UNAVAILABLE =
  'HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n';

const messages = Compile(VerifierMessage);

/** Serves the feed on a running HTTP server. The returned function closes every connection. */
export function serveFeed(server: Server, hub: FeedHub, authenticate: AuthenticateFeed): () => void {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_VERIFIER_FRAME_BYTES,
    perMessageDeflate: false,
  });
  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    if (request.url !== FEED_PATH) return socket.end(NOT_FOUND);
    authenticate(bearer(request)).then(
      (caller) => {
        if (caller === null) return socket.end(UNAUTHORIZED);
        sockets.handleUpgrade(request, socket, head, (opened) => attach(opened, hub, caller.scope, caller.tokenId));
      },
      () => socket.end(UNAVAILABLE),
    );
  };
  server.on('upgrade', upgrade);
  const heartbeat = setInterval(() => sockets.clients.forEach(beat), PING_INTERVAL_MS);
  return () => {
    clearInterval(heartbeat);
    server.off('upgrade', upgrade);
    for (const client of sockets.clients) client.terminate();
    sockets.close();
  };
}

function bearer(request: IncomingMessage): string | null {
  return /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? null;
}

const silent = new WeakSet<WebSocket>();

/** A peer that did not answer the last ping is gone. */
function beat(socket: WebSocket): void {
  if (silent.has(socket)) return socket.terminate();
  silent.add(socket);
  socket.ping();
}

function attach(socket: WebSocket, hub: FeedHub, scope: FeedScope, tokenId: string): void {
  const connection = {
    send: (text: string) => socket.send(text),
    get bufferedBytes() {
      return socket.bufferedAmount;
    },
    // A close reason has at most 123 bytes (RFC 6455 §5.5).
    close: (reason: string) => socket.close(POLICY_VIOLATION, reason.slice(0, 120)),
  };
  const session = hub.attach(connection, scope, tokenId);
  socket.on('pong', () => silent.delete(socket));
  socket.on('error', () => socket.terminate());
  socket.on('close', () => hub.detach(session));
  socket.on('message', (data, isBinary) => {
    const message = isBinary ? null : parse(String(data));
    if (message === null) session.close('not a message of the feed');
    else session.receive(message);
  });
}

function parse(text: string): VerifierMessage | null {
  try {
    const message: unknown = JSON.parse(text);
    return messages.Check(message) ? message : null;
  } catch {
    return null;
  }
}
