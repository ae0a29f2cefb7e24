import { hash } from 'node:crypto';
import { formatCredential, SESSION_PREFIX } from '@keyhold/protocol/credential-format';
import { ID_PREFIXES } from '@keyhold/protocol/id';
import type { Session } from '@keyhold/protocol/operations/sign-in';
import type { Clock } from '../../clock.ts';
import type { PersonRow, SessionRow } from '../../database/people-rows.ts';
import type { Random } from '../../random.ts';
import { Secret } from '../../vault/secret.ts';

const MINUTE_MS = 60_000;

/** Whether what a session began with is who somebody is at a provider, and no passkey. */
export function isIdentity(way: string): boolean {
  return way.startsWith(`${ID_PREFIXES.identity}_`);
}

/** Whether it is a password and an app. */
export function isPassword(way: string): boolean {
  return way.startsWith(`${ID_PREFIXES.personPassword}_`);
}

const HOUR_MS = 60 * MINUTE_MS;

/** However much it is used. */
export const LIFETIME_MS = 12 * HOUR_MS;
/** How long a session may lie unused. */
const IDLE_MS: Readonly<Record<SessionRow['kind'], number>> = { browser: 30 * MINUTE_MS, cli: 4 * HOUR_MS };
/** A browser's secret is replaced when it is older, with the next request. */
export const RENEW_AFTER_MS = HOUR_MS;
/** The secret before is good for so long beside the new one: for requests that were under way, and a lost answer. */
const OVERLAP_MS = MINUTE_MS;

export interface MadeSession {
  readonly secret: Secret;
  readonly row: Omit<SessionRow, 'salt'>;
}

/** Id and secret are new with every sign-in: nobody can have put them there before. */
export function makeSession(
  { random, clock }: { readonly random: Random; readonly clock: Clock },
  { person_id, passkey_id, kind }: Pick<SessionRow, 'person_id' | 'passkey_id' | 'kind'>,
): MadeSession {
  const now = clock.wall();
  const { secret, digest } = makeSessionSecret(random);
  return {
    secret,
    row: {
      ...{ id: random.newId('session'), person_id, passkey_id, kind, digest, previous_digest: null },
      ...{ renewed_at: now, state: 'active', expires_at: now + LIFETIME_MS, created_at: now },
    },
  };
}

export function makeSessionSecret(random: Random): { secret: Secret; digest: string } {
  const text = formatCredential(SESSION_PREFIX, random.bytes(32));
  return { secret: new Secret(text), digest: hash('sha256', text, 'hex') };
}

/** What a secret is worth that belongs to a session. */
export type Worth = 'good' | 'over' | 'reused';

/**
 * `reused`: the secret was replaced, and not just now. Two hold what one had: whoever was given the new one, and
 * whoever still has the old.
 * @param lastUsedAt epoch milliseconds; null: not since it began
 */
export function worthOf(session: SessionRow, digest: string, lastUsedAt: number | null, nowMs: number): Worth {
  const { state, kind, expires_at, created_at, renewed_at } = session;
  const idleSince = Math.max(lastUsedAt ?? 0, created_at, renewed_at);
  if (state !== 'active' || nowMs >= expires_at || nowMs >= idleSince + IDLE_MS[kind]) return 'over';
  if (digest === session.digest) return 'good';
  return nowMs < renewed_at + OVERLAP_MS ? 'good' : 'reused';
}

export function showSession(
  { id, kind, created_at, expires_at }: Pick<SessionRow, 'id' | 'kind' | 'created_at' | 'expires_at'>,
  use: { readonly at: number; readonly from: string } | undefined,
  current: boolean,
): Session {
  return {
    ...{ id, kind, current },
    createdAt: new Date(created_at).toISOString(),
    expiresAt: new Date(expires_at).toISOString(),
    lastUsedAt: use === undefined ? null : new Date(use.at).toISOString(),
    lastUsedFrom: use?.from || null,
  };
}

export function showBegan({
  person,
  session,
}: {
  readonly person: Pick<PersonRow, 'id' | 'name'>;
  readonly session: SessionRow;
}) {
  return { person: { id: person.id, name: person.name }, session: showSession(session, undefined, true) };
}
