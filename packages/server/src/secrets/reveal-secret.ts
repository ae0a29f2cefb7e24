import { EnvelopeBroken, openEnvelope } from '@keyhold/verifier/open-envelope';
import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { SecretVersion } from '@keyhold/protocol/operations/secrets';
import type { Caller } from '../access/change-context.ts';
import type { SecretRow, SecretVersionRow } from '../database/schema.ts';
import type { Facts } from '../ledger/facts.ts';
import { keyById } from '../vault/open-vault-key.ts';
import { Secret } from '../vault/secret.ts';
import { placeIn, SEALED, type Vault } from '../vault/vault.ts';
import { findHeld, secretEntry } from './open-secret.ts';
import { type PlacedSecret, showVersion, stateOfVersion } from './secret-record.ts';
import { findVersionId } from './secrets.store.ts';

/** What was revealed: canonical JSON of the data. */
export interface Revealed {
  /** Of the version. */
  readonly id: string;
  readonly version: SecretVersion;
  readonly json: Secret;
  /** Of the entry that says so. */
  readonly sequence: number;
}

/** Reveals one version: its row is checked and the entry committed, and only then is it opened. */
export async function revealSecret(
  vault: Vault,
  caller: Caller,
  secret: PlacedSecret,
  wanted: number | undefined,
): Promise<Revealed | Refusal> {
  if (vault.keyring.sealed) return SEALED;
  const number = wanted ?? secret.version;
  const id = number === secret.version ? secret.newest_id : await findVersionId(vault.reader, secret.id, number);
  if (id === undefined || id === null) return gone(number, 'There is no');
  const now = vault.clock.wall();
  const draft = {
    ...secretEntry(caller, secret, 'secret.revealed'),
    code: `version-${number}`,
    evenWithoutChange: true as const,
  };
  const recorded = await vault.ledger.record(draft, async (facts) => {
    const held = await findHeld(facts, secret);
    if (isRefusal(held)) return held;
    const row = await findLive(facts, { id, number }, now);
    return isRefusal(row) ? row : { held, row };
  });
  if (isRefusal(recorded)) return recorded;
  const { held, row } = recorded.value;
  const json = await openVersion(vault, held, row);
  return isRefusal(json) ? json : { id, version: showVersion(row, now), json, sequence: recorded.sequence };
}

/** A version that is there to be read now; also asked by whoever puts aside what he read of it. */
export async function findLive(
  facts: Facts,
  { id, number }: { readonly id: string; readonly number: number },
  nowMs: number,
): Promise<SecretVersionRow | Refusal> {
  const row = await facts.find('secret_versions', id);
  if (row === undefined) return gone(number, 'There is no');
  const state = stateOfVersion(row, nowMs);
  return state === 'live' ? row : gone(number, `It is ${state}:`);
}

/** Opens a version that was checked and entered. */
async function openVersion(vault: Vault, held: SecretRow, row: SecretVersionRow): Promise<Secret | Refusal> {
  const key = await keyById(vault, row.vault_key_id);
  if (isRefusal(key)) return key;
  // INVARIANT: where the secret lies, for which it was authorised, and not where the version says that it does.
  const place = placeIn(vault, 'secret.value', held, held.id, row.version);
  try {
    const plaintext = openEnvelope(key, row.envelope ?? '', place);
    const json = new Secret(plaintext.toString('utf8'));
    plaintext.fill(0);
    return json;
  } catch (error) {
    if (!(error instanceof EnvelopeBroken)) throw error;
    vault.broken(place, error.message);
    return refuse('ENVELOPE_BROKEN', `Version ${row.version} does not open where it lies.`);
  }
}

function gone(version: number, what: string): Refusal {
  return refuse('SECRET_VERSION_GONE', `${what} version ${version}.`, '/version');
}
