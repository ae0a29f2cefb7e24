import { hash } from 'node:crypto';
import { credentialPrefixLength } from '@keyhold/protocol/credential-format';
import type { Kysely } from 'kysely';
import type { Clock } from '../clock.ts';
import type { Database, TokenRow } from '../database/schema.ts';
import { digestOfRead } from '../ledger/row-digest.ts';
import type { Judge } from './judge.ts';
import { isAlive, type Principal } from './principal.ts';
import { signOnOf } from './sign-on/sign-on.ts';
import { grantsOfToken } from './token.ts';
import { findTokenByDigest } from './tokens.store.ts';
import { workloadOf } from './token-names.ts';

export interface Authenticating {
  readonly reader: Kysely<Database>;
  readonly clock: Clock;
  readonly tampered: (rowId: string) => void;
  /** @param network address that is asked from */
  readonly judgeFor: (network: string) => Judge;
  /** Told of a token that somebody still uses though it is revoked or over. */
  readonly over: (token: TokenRow, address: string) => void;
}

/**
 * Finds who holds this secret; null for a stranger. Reads the committed row each time, so a token revoked a moment
 * ago opens nothing, and a row written past the ledger neither.
 */
export async function authenticate(
  { reader, clock, tampered, judgeFor, over }: Authenticating,
  secret: string,
  ip: string,
): Promise<Principal | null> {
  if (credentialPrefixLength(secret) < 0) return null;
  const found = await findTokenByDigest(reader, hash('sha256', secret, 'hex'));
  if (found === undefined) return null;
  const { token, recorded } = found;
  // First: of a token that somebody made look dead nothing is entered as if it were.
  if (digestOfRead(token) !== recorded) {
    tampered(token.id);
    return null;
  }
  if (!isAlive(token, clock.wall())) {
    over(token, ip);
    return null;
  }
  const [workload, signOn] = [workloadOf(token), signOnOf(token)];
  return {
    ...{ id: token.id, kind: 'service', grants: grantsOfToken(token) },
    ...(workload === undefined ? {} : { workload }),
    ...(signOn === undefined ? {} : { signOn }),
    judge: judgeFor(ip),
  };
}
