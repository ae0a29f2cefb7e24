import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Quota, RateLimit } from '@keyhold/protocol/feed';
import type { Credential } from '@keyhold/protocol/operations/credentials';
import type { Key } from '@keyhold/protocol/operations/keys';
import { attributionWith, type Caller, type ChangeContext } from '../access/change-context.ts';
import type { EnvironmentRow, ProjectRow } from '../database/schema.ts';
import type { Recorded } from '../ledger/entry.ts';
import { showRules } from '../projects/project.ts';
import { findRules } from '../projects/projects.store.ts';
import { checkMetadata, checkRateLimits } from '../projects/settings.ts';
import type { Secret } from '../vault/secret.ts';
import { showKey } from './key.ts';
import { checkNetworks, checkPeriod, LATEST_MS, readTime } from './key-settings.ts';
import { givenTo } from './key-entry.ts';
import { insertCredential } from './insert-credential.ts';
import { checkRules } from './key-rules.ts';
import type { Prepared } from './prepare-delivered.ts';
import { writeAddressBook } from './write-address-book.ts';

export interface NewKey {
  readonly consumer: string;
  readonly name: string;
  readonly permissions: readonly string[];
  readonly allowedNetworks?: readonly string[];
  readonly addressBook?: readonly string[];
  readonly rateLimits?: readonly RateLimit[];
  readonly quota?: Quota;
  readonly startsAt?: string;
  readonly ttlSeconds?: number;
  readonly expiresAt?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

export interface IssuedKey {
  readonly key: Key;
  readonly credential: Credential;
  /** Null: a public key has none. */
  readonly secret: Secret | null;
  readonly passphrase: Secret | null;
}

/**
 * Issues a key with its first credential.
 * @param prepared that credential, or why there is none, which a repeated call does not hear
 */
export async function issueKey(
  context: ChangeContext,
  caller: Caller,
  { project, environment }: { readonly project: ProjectRow; readonly environment: EnvironmentRow },
  input: NewKey,
  prepared: Prepared | Refusal,
): Promise<Recorded<IssuedKey> | Refusal> {
  const { ledger, propagation, clock, random } = context;
  const now = clock.wall();
  const wrong = checkSettings(input);
  if (wrong !== null) return wrong;
  const keyId = random.newId('key');
  const draft = {
    ...attributionWith(caller, givenTo(input)),
    action: 'key.issued',
    subject: keyId,
    project: project.id,
    environment: environment.id,
    locks: [input.consumer],
  };
  const recorded = await ledger.record(draft, async (facts) => {
    // Here, since a call that is repeated has been done, whatever time has made of it since.
    const period = periodOf(input, now);
    if (isRefusal(period)) return period;
    if (isRefusal(prepared)) return prepared;
    const consumer = await facts.find('consumers', input.consumer);
    if (consumer?.project_id !== project.id) {
      return refuse('CONSUMER_NOT_FOUND', `${project.slug} has no consumer ${input.consumer}.`, '/consumer');
    }
    const { permissions, allowedNetworks = [], addressBook = [] } = input;
    const rules = showRules(await findRules(facts.db, environment.id));
    const unmet = checkRules(rules, { permissions, allowedNetworks, addressBook });
    if (unmet !== null) return unmet;
    const row = await facts.insert('keys', {
      id: keyId,
      project_id: project.id,
      environment_id: environment.id,
      consumer_id: consumer.id,
      name: input.name,
      state: 'active',
      reason: null,
      permissions: JSON.stringify(input.permissions),
      allowed_networks: JSON.stringify(input.allowedNetworks ?? []),
      rate_limits: JSON.stringify(input.rateLimits ?? []),
      quota: input.quota === undefined ? null : JSON.stringify(input.quota),
      metadata: input.metadata === undefined ? null : JSON.stringify(input.metadata),
      starts_at: period.startsAt,
      expires_at: period.expiresAt,
      created_at: now,
    });
    if (addressBook.length > 0) await writeAddressBook(facts, random, row, addressBook);
    const credential = await insertCredential(facts, keyId, prepared.credential, prepared.way, now);
    if (isRefusal(credential)) return credential;
    const names = { project: project.slug, environment: environment.name };
    const { secret, passphrase } = prepared.credential;
    const parts = { credentials: [credential], addressBook };
    return { key: showKey(row, names, parts, now), credential, secret, passphrase };
  });
  if (!isRefusal(recorded)) await propagation.given(recorded.sequence);
  return recorded;
}

function checkSettings(input: NewKey): Refusal | null {
  return checkNetworks(input.allowedNetworks) ?? checkRateLimits(input.rateLimits) ?? checkMetadata(input.metadata);
}

function periodOf(
  { startsAt, expiresAt, ttlSeconds }: NewKey,
  nowMs: number,
): { startsAt: number | null; expiresAt: number | null } | Refusal {
  if (ttlSeconds !== undefined && expiresAt !== undefined) {
    return refuse('INVALID_INPUT', 'Give either ttlSeconds or expiresAt.', '/ttlSeconds');
  }
  const start = readTime(startsAt, '/startsAt');
  const end = readTime(expiresAt, '/expiresAt');
  if (isRefusal(start)) return start;
  if (isRefusal(end)) return end;
  const period = {
    startsAt: start,
    expiresAt: ttlSeconds === undefined ? end : (start ?? nowMs) + ttlSeconds * 1000,
  };
  if ((period.expiresAt ?? 0) > LATEST_MS)
    return refuse('INVALID_INPUT', 'The key would end after the year 9999.', '/ttlSeconds');
  return checkPeriod(period.startsAt, period.expiresAt, nowMs) ?? period;
}
