import { connectVerifier } from '@keyhold/verifier/connect';
import type { FeedEvents } from '@keyhold/verifier/feed-client';
import type { FeedAddress } from '@keyhold/verifier/feed-socket';
import type { Verifier } from '@keyhold/verifier/verifier';

/**
 * Runs a verifier in this process: requests are decided from memory, without a call. Takes a token with the scope
 * `feed`. It is the same verifier as `keyhold verifier`; call `stop()` at the end, so that nobody waits for its lease.
 */
export function embedVerifier(address: FeedAddress, events: FeedEvents = {}): Verifier {
  return connectVerifier(address, events);
}

/** What a guard takes of an embedded verifier: `createGuard({ ...guardedBy(verifier, 'market/live') })`. */
export function guardedBy(verifier: Verifier, environment: string) {
  return {
    environment,
    verify: verifier.verify.bind(verifier),
    dialects: () => verifier.environment(environment)?.signing?.dialects ?? [],
  };
}
