import type { ControlMessage, VerifierMessage } from '@keyhold/protocol/feed';

/** One connection to a control plane, over whatever carries it. */
export interface FeedLink {
  send(message: VerifierMessage): void;
  close(): void;
}

export interface FeedHandlers {
  opened(): void;
  received(message: ControlMessage): void;
  /** Once; also when the connection never opened. */
  closed(reason: string): void;
}

/** Opens connections; the WebSocket one is in `feed-socket.ts`, simulations bring their own. */
export type ConnectFeed = (handlers: FeedHandlers) => FeedLink;
