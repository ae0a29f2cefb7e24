import { isRefusal, type Refusal } from '@keyhold/protocol/errors';
import type { Factor } from '@keyhold/protocol/operations/factors';
import { type TotpAlgorithm, toBase32, totpUri } from '@keyhold/protocol/totp';
import type { Caller } from '../access/change-context.ts';
import type { ConsumerRow, EnvironmentRow, ProjectRow } from '../database/schema.ts';
import type { Recorded } from '../ledger/entry.ts';
import { sealEnvelope } from '../vault/envelope.ts';
import { keyToEncrypt } from '../vault/open-vault-key.ts';
import { Secret } from '../vault/secret.ts';
import { placeIn, type Vault } from '../vault/vault.ts';
import { MAX_FACTORS, showFactor, TOO_MANY } from './factor.ts';
import { countFactors } from './factors.store.ts';
import { enrolmentEntry } from './open-factor.ts';

/** The length of the hash, as RFC 4226 §4 recommends; SHA-256 keys its HMAC with as many and no more. */
const SECRET_BYTES: Readonly<Record<TotpAlgorithm, number>> = { sha1: 20, sha256: 32 };

export interface NewTotp {
  readonly name: string;
  readonly issuer: string;
  readonly algorithm: TotpAlgorithm;
}

/** What an app is to be shown, once. */
export interface EnrolledTotp extends Recorded<Factor> {
  /** Base32. */
  readonly secret: Secret;
  readonly uri: Secret;
}

/** Makes the secret of an authenticator app, encrypted to its place. It counts once a code of it was confirmed. */
export async function enrolTotp(
  vault: Vault,
  caller: Caller,
  consumer: ConsumerRow,
  { project, environment }: { readonly project: ProjectRow; readonly environment: EnvironmentRow },
  { name, issuer, algorithm }: NewTotp,
): Promise<EnrolledTotp | Refusal> {
  const place = { project_id: project.id, environment_id: environment.id };
  const key = await keyToEncrypt(vault, place, 'distribution');
  if (isRefusal(key)) return key;
  const id = vault.random.newId('factor');
  const bytes = Buffer.from(vault.random.bytes(SECRET_BYTES[algorithm]));
  const text = toBase32(bytes);
  const envelope = sealEnvelope(key, bytes, placeIn(vault, 'factor.secret', place, id, 1));
  bytes.fill(0);
  const recorded = await vault.ledger.record(enrolmentEntry(caller, id, consumer, place), async (facts) => {
    if ((await countFactors(facts.db, consumer.id, environment.id)) >= MAX_FACTORS) return TOO_MANY;
    const row = await facts.insert('consumer_factors', {
      ...{ id, ...place, consumer_id: consumer.id, kind: 'totp', name, state: 'unconfirmed', algorithm },
      ...{ used_step: null, vault_key_id: key.id, envelope, created_at: vault.clock.wall() },
    });
    return showFactor(row, { project: project.slug, environment: environment.name });
  });
  if (isRefusal(recorded)) return recorded;
  const uri = totpUri({ issuer, account: consumer.name, secret: text, algorithm });
  return { ...recorded, secret: new Secret(text), uri: new Secret(uri) };
}
