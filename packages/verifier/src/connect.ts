import { hash, randomUUID } from 'node:crypto';
import { systemClock } from './clock.ts';
import { FeedClient, type FeedEvents } from './feed-client.ts';
import { type FeedAddress, feedOverWebSocket } from './feed-socket.ts';
import { CompactReplica } from './compact-replica.ts';
import type { SharedStore } from './shared-store.ts';
import { Verifier } from './verifier.ts';

/**
 * Starts a verifier in this process, fed by a control plane. It decides as soon as it holds a lease.
 * @param store what it shares with other verifiers, closed with it; null: it remembers and counts alone
 */
export function connectVerifier(
  address: FeedAddress,
  events: FeedEvents = {},
  store: SharedStore | null = null,
): Verifier {
  const feed = new FeedClient({
    verifierId: `ver_${randomUUID()}`,
    clock: systemClock,
    connect: feedOverWebSocket(address),
    emptyReplica: () => new CompactReplica(),
    random: Math.random,
    events,
  });
  const verifier = new Verifier(systemClock, feed, store);
  verifier.start();
  return verifier;
}

/** The digest by which a credential is stored and fed: lower-case hex SHA-256. */
export function credentialDigest(secret: string): string {
  return hash('sha256', secret, 'hex');
}
