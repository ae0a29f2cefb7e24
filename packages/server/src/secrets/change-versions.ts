import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { SecretVersion, StoredSecret } from '@keyhold/protocol/operations/secrets';
import type { Caller } from '../access/change-context.ts';
import type { SecretVersionRow } from '../database/schema.ts';
import type { Facts } from '../ledger/facts.ts';
import type { Vault } from '../vault/vault.ts';
import { endLinks } from './end-links.ts';
import { findHeld, secretEntry } from './open-secret.ts';
import { type PlacedSecret, showSecret, showVersion } from './secret-record.ts';
import { findVersions, type ListedVersion } from './secrets.store.ts';

/** What becomes of versions, and the word of the entry. */
const VERSION_CHANGES = {
  delete: { action: 'secret.deleted', patch: (now: number) => ({ deleted_at: now }) },
  undelete: { action: 'secret.undeleted', patch: () => ({ deleted_at: null, expires_at: null }) },
  destroy: { action: 'secret.destroyed', patch: () => ({ envelope: null }) },
} as const satisfies Record<string, { action: string; patch: (now: number) => Partial<SecretVersionRow> }>;

export type VersionChange = keyof typeof VERSION_CHANGES;

/** Of the entry, whose leaf is bounded: a row that was tampered with counts twice. */
const ROOM_OF_ROW = 2;

/**
 * Deletes, undeletes or destroys versions of a secret, all or none; links that wait to give what is deleted or destroyed
 * end with it. Destroying works on rows that somebody wrote past the ledger too (decision 0008); where those are more than
 * one entry holds, the rest has another.
 */
export async function changeVersions(
  { ledger, reader, clock }: Vault,
  caller: Caller,
  secret: PlacedSecret,
  change: VersionChange,
  versions: readonly number[],
): Promise<{ secret: StoredSecret; versions: SecretVersion[]; sequence: number } | Refusal> {
  const listed = await findVersions(reader, secret.id, versions);
  const missing = versions.find((version) => !listed.some((row) => row.version === version));
  if (missing !== undefined) return refuse('SECRET_VERSION_GONE', `There is no version ${missing}.`, '/versions');
  const changed: SecretVersion[] = [];
  for (;;) {
    const recorded = await ledger.record(secretEntry(caller, secret, VERSION_CHANGES[change].action), async (facts) => {
      // Whatever else the row of a tampered secret says, what lies under it is destroyed.
      const held = change === 'destroy' ? await facts.examine('secrets', secret.id) : await findHeld(facts, secret);
      if (isRefusal(held)) return held;
      // Versions first: all that a deletion can be refused for is in the first entry, and no link is made after it.
      const rows = await changeRows(facts, listed.slice(changed.length), change, clock.wall());
      if (isRefusal(rows)) return rows;
      const left = change !== 'undelete' && (await endLinks(facts, secret.id, (version) => versions.includes(version)));
      return { rows, left };
    });
    if (isRefusal(recorded)) return recorded;
    changed.push(...recorded.value.rows);
    if (changed.length === listed.length && !recorded.value.left)
      return { secret: showSecret(secret, secret), versions: changed, sequence: recorded.sequence };
  }
}

async function changeRows(
  facts: Facts,
  listed: readonly ListedVersion[],
  change: VersionChange,
  now: number,
): Promise<SecretVersion[] | Refusal> {
  const changed: SecretVersion[] = [];
  for (const { id, version } of listed) {
    if (facts.room < ROOM_OF_ROW) break;
    const row = await changeRow(facts, id, change, now);
    if (row === undefined) return refuse('SECRET_VERSION_GONE', `There is no version ${version}.`, '/versions');
    if (row.envelope === null && change !== 'destroy')
      return refuse('SECRET_VERSION_GONE', `Version ${version} is destroyed.`, '/versions');
    changed.push(showVersion(row, now));
  }
  return changed;
}

async function changeRow(
  facts: Facts,
  id: string,
  change: VersionChange,
  now: number,
): Promise<SecretVersionRow | undefined> {
  const patch = VERSION_CHANGES[change].patch(now);
  if (change === 'destroy') return await facts.takeAway('secret_versions', id, patch);
  const row = await facts.find('secret_versions', id);
  // Deleted stays deleted since when it was.
  if (row === undefined || row.envelope === null || (change === 'delete' && row.deleted_at !== null)) return row;
  return await facts.update('secret_versions', row, patch);
}
