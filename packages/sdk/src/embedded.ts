import { connectVerifier } from '@keyhold/verifier/connect';
import type { FeedEvents } from '@keyhold/verifier/feed-client';
import type { FeedAddress } from '@keyhold/verifier/feed-socket';
import { RedisStore, type RedisStoreOptions } from '@keyhold/verifier/redis-store';
import type { SharedStore } from '@keyhold/verifier/shared-store';
import type { Verifier } from '@keyhold/verifier/verifier';

/**
 * Runs a verifier in this process: requests are decided from memory, without a call. Takes a token with the scope
 * `feed`. It is the same verifier as `keyhold verifier`; call `stop()` at the end, so that nobody waits for its lease.
 * @param events told of what nobody would see otherwise: `failed` why it cannot follow, as of a token that opens nothing
 */
export function embedVerifier(
  address: FeedAddress,
  events: FeedEvents = {},
  store: SharedStore | null = null,
): Verifier {
  return connectVerifier(address, events, store);
}

/** What verifiers share, in Redis or Valkey: nonces, limits, quotas (`docs/decisions/0019-shared-store.md`). */
export function openSharedStore(options: RedisStoreOptions): SharedStore {
  return new RedisStore(options);
}

/** What a guard takes of an embedded verifier: `createGuard({ ...guardedBy(verifier, 'market/live') })`. */
export function guardedBy(verifier: Verifier, environment: string) {
  return {
    environment,
    verify: verifier.verify.bind(verifier),
    dialects: () => {
      const known = verifier.environment(environment);
      // Before it has heard of any environment, nobody can say how this one's requests are signed.
      return known === undefined && !verifier.ready ? null : (known?.signing?.dialects ?? []);
    },
  };
}
