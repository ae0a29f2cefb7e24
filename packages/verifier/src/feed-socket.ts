import { X509Certificate } from 'node:crypto';
import { type ControlMessage, FEED_PATH } from '@keyhold/protocol/feed';
import WebSocket from 'ws';
import type { ConnectFeed } from './feed-link.ts';

/** How to reach a control plane. */
export interface FeedAddress {
  /** `http(s)://host:port` */
  readonly controlUrl: string;
  /** Secret of a `feed` token. */
  readonly token: string;
  /** PEM of the one certificate to trust, whatever name it carries; default: the system's authorities. */
  readonly pinnedCertificate?: string | undefined;
}

const HANDSHAKE_TIMEOUT_MS = 5_000;
const CLOSE_TIMEOUT_MS = 500;
/** Snapshots come in parts far below this. */
const MAX_FRAME_BYTES = 64 * 1024 * 1024;

/** Opens the feed over a WebSocket. */
export function feedOverWebSocket(address: FeedAddress): ConnectFeed {
  const url = new URL(FEED_PATH, address.controlUrl);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  const pinned = address.pinnedCertificate;
  return (handlers) => {
    const socket = new WebSocket(url, {
      headers: { authorization: `Bearer ${address.token}` },
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      maxPayload: MAX_FRAME_BYTES,
      perMessageDeflate: false,
      ...(pinned === undefined ? {} : pinTo(pinned)),
    });
    let failure = 'closed';
    socket.on('open', () => handlers.opened());
    socket.on('message', (data) => {
      const message = parse(String(data));
      if (message === null) socket.terminate();
      else handlers.received(message);
    });
    socket.on('error', (error) => {
      failure = wordsOf(error);
    });
    socket.on('close', (code, reason) => {
      const why = String(reason) || failure;
      handlers.closed(code === 1006 ? why : `${why} (${code})`);
    });
    return {
      send: (message) => {
        if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
      },
      close: () => {
        // Politely first, so that what was sent last (a `bye`) arrives.
        const impatience = setTimeout(() => socket.terminate(), CLOSE_TIMEOUT_MS);
        socket.once('close', () => clearTimeout(impatience));
        socket.close();
      },
    };
  };
}

/** Trusts this very certificate, whoever signed it and whatever name it carries, and no other. */
function pinTo(pinned: string) {
  const expected = new X509Certificate(pinned).raw;
  return {
    ca: pinned,
    // A leaf may be trusted by itself, without the authorities above it.
    allowPartialTrustChain: true,
    checkServerIdentity: (_host: string, { raw }: { readonly raw: Buffer }) =>
      raw.equals(expected) ? undefined : new Error('the control plane does not have the pinned certificate'),
  };
}

/** Of several addresses that a name has, none of which could be reached, Node has no message. */
function wordsOf({ message, code }: Error & { readonly code?: string }): string {
  const status = /^Unexpected server response: (\d+)$/.exec(message)?.[1];
  if (status === '401') return 'the token opens nothing, or lacks the scope feed (401)';
  if (status !== undefined) return `this address answers ${status} in place of the feed`;
  return message || (code ?? 'unreachable');
}

function parse(text: string): ControlMessage | null {
  try {
    return JSON.parse(text) as ControlMessage;
  } catch {
    return null;
  }
}
