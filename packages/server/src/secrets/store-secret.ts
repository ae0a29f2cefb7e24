import type { WrappingKey } from '@keyhold/verifier/open-envelope';
import { canonicalJson, type Json } from '@keyhold/protocol/canonical-json';
import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import {
  MAX_SECRET_BYTES,
  type SecretMetadata,
  type SecretVersion,
  type StoredSecret,
} from '@keyhold/protocol/operations/secrets';
import type { Caller } from '../access/change-context.ts';
import type { EnvironmentRow, ProjectRow, SecretRow } from '../database/schema.ts';
import type { Recorded } from '../ledger/entry.ts';
import type { Facts } from '../ledger/facts.ts';
import { sealEnvelope } from '../vault/envelope.ts';
import { keyToEncrypt } from '../vault/open-vault-key.ts';
import { placeIn, type Vault } from '../vault/vault.ts';
import { destroyBatch, destroyOldVersions } from './destroy-old-versions.ts';
import { heldSettings } from './find-secret-settings.ts';
import { secretEntry } from './open-secret.ts';
import { showSecret, showVersion } from './secret-record.ts';
import { findSecretByPath } from './secrets.store.ts';

export interface NewVersion {
  readonly path: string;
  readonly data: Readonly<Record<string, unknown>>;
  /** The version that this one replaces, as the caller named it. */
  readonly cas?: number;
  /** The version that the data was made from: one that came after it is not to be lost. */
  readonly readVersion?: number;
  readonly ttlSeconds?: number;
  readonly metadata?: SecretMetadata;
}

/** Stores a secret, or a new version of it. */
export async function storeSecret(
  vault: Vault,
  caller: Caller,
  { project, environment }: { readonly project: ProjectRow; readonly environment: EnvironmentRow },
  input: NewVersion,
): Promise<Recorded<{ secret: StoredSecret; version: SecretVersion }> | Refusal> {
  const plaintext = Buffer.from(canonicalJson(input.data as Json));
  if (plaintext.length > MAX_SECRET_BYTES) {
    plaintext.fill(0);
    return refuse('SECRET_TOO_LARGE', `${plaintext.length} bytes; ${MAX_SECRET_BYTES} is the most.`, '/data');
  }
  const place = { project_id: project.id, environment_id: environment.id };
  const key = await keyToEncrypt(vault, place, 'secrets');
  if (isRefusal(key)) return key;
  const names = { project_slug: project.slug, environment_name: environment.name };
  const known = await findSecretByPath(vault.reader, environment.id, input.path);
  const id = known?.id ?? vault.random.newId('secret');
  const recorded = await vault.ledger.record(secretEntry(caller, { id, ...place }, 'secret.stored'), async (facts) => {
    const row = await findOrInsert(vault, facts, { id, ...place }, input, known !== undefined);
    if (isRefusal(row)) return row;
    return await addVersion(vault, facts, row, { key, plaintext, input, names });
  });
  plaintext.fill(0);
  if (isRefusal(recorded)) return recorded;
  const { stored, version, tooMany } = recorded.value;
  if (tooMany) await destroyOldVersions(vault, caller, { id, ...place });
  return { ...recorded, value: { secret: stored, version } };
}

async function findOrInsert(
  { clock }: Vault,
  facts: Facts,
  place: { readonly id: string; readonly project_id: string; readonly environment_id: string },
  { path, metadata }: NewVersion,
  wasThere: boolean,
): Promise<SecretRow | Refusal> {
  const known = await facts.find('secrets', place.id);
  if (known !== undefined) return known;
  // A removed secret never comes back under its id: its versions' places would be used twice.
  if (wasThere) return refuse('CAS_MISMATCH', 'Somebody removed the secret meanwhile; try again.');
  if ((await findSecretByPath(facts.db, place.environment_id, path)) !== undefined) {
    return refuse('CAS_MISMATCH', 'Somebody stored the first version meanwhile; try again.');
  }
  const now = clock.wall();
  const settings = { version: 0, max_versions: 0, cas_required: 0 as const, metadata: JSON.stringify(metadata ?? {}) };
  return await facts.insert('secrets', { ...place, path, ...settings, created_at: now, updated_at: now });
}

interface Addition {
  readonly key: WrappingKey;
  readonly plaintext: Buffer;
  readonly input: NewVersion;
  readonly names: { readonly project_slug: string; readonly environment_name: string };
}

async function addVersion(
  vault: Vault,
  facts: Facts,
  row: SecretRow,
  { key, plaintext, input, names }: Addition,
): Promise<{ stored: StoredSecret; version: SecretVersion; tooMany: boolean } | Refusal> {
  const settings = await heldSettings(facts, row.environment_id);
  const refusal = checkAndSet(row, row.cas_required === 1 || settings?.cas_required === 1, input);
  if (refusal !== null) return refusal;
  const now = vault.clock.wall();
  const ttlSeconds = input.ttlSeconds ?? settings?.delete_after_seconds ?? 0;
  const version = row.version + 1;
  const added = await facts.insert('secret_versions', {
    id: vault.random.newId('secretVersion'),
    project_id: row.project_id,
    environment_id: row.environment_id,
    secret_id: row.id,
    version,
    vault_key_id: key.id,
    envelope: sealEnvelope(key, plaintext, placeIn(vault, 'secret.value', row, row.id, version)),
    deleted_at: null,
    expires_at: ttlSeconds === 0 ? null : now + ttlSeconds * 1000,
    created_at: now,
  });
  const metadata = JSON.stringify(nextDue(JSON.parse(row.metadata) as SecretMetadata, input.metadata, now));
  const updated = await facts.update('secrets', row, { version, updated_at: now, metadata });
  const tooMany = await destroyBatch(facts, updated);
  // Not named `secret`: what has that name is never kept for a repeated call.
  return { stored: showSecret(updated, names), version: showVersion(added, now), tooMany };
}

/** What was due is done, and due again after the days that it says. */
function nextDue(
  { rotateBy: _, ...kept }: SecretMetadata,
  given: SecretMetadata | undefined,
  now: number,
): SecretMetadata {
  const known: SecretMetadata = given ?? kept;
  if (known.rotateBy !== undefined || known.rotateEveryDays === undefined) return known;
  return { ...known, rotateBy: new Date(now + known.rotateEveryDays * 86_400_000).toISOString() };
}

function checkAndSet(
  { version }: SecretRow,
  required: boolean,
  { cas, readVersion }: Pick<NewVersion, 'cas' | 'readVersion'>,
): Refusal | null {
  if (required && cas === undefined) {
    return refuse('CAS_MISMATCH', `Name the version that this one replaces; the newest is ${version}.`, '/cas');
  }
  const other = [cas, readVersion].find((one) => one !== undefined && one !== version);
  if (other === undefined) return null;
  const detail = `The newest version is ${version}, not ${other}; read it first.`;
  return refuse('CAS_MISMATCH', detail, cas === undefined ? undefined : '/cas');
}
