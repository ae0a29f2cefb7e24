import { EnvelopeBroken, type WrappingKey, keyFrom, unwrapKey } from '@keyhold/verifier/open-envelope';
import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { EntryDraft } from '../ledger/entry.ts';
import { readCheckedRows } from '../ledger/checked-rows.ts';
import type { VaultKeyRow } from '../database/schema.ts';
import { MAX_USES } from './key-uses.ts';
import type { Purpose } from '@keyhold/protocol/sealed-field';
import { type InEnvironment, placeIn, SEALED, type Vault } from './vault.ts';
import { refreshRoot } from './current-root.ts';
import { readRootVersion } from './seals.store.ts';
import { findNewestKey } from './vault-keys.store.ts';
import { newKeyBytes, wrapKey } from './wrapped-key.ts';

/** Rotations that may come between before somebody is told to try again. */
const MAX_OVERTAKEN = 10;

/** Being made right now, by environment and purpose, so that two writers don't make one each. */
const making = new WeakMap<Vault, Map<string, Promise<WrappingKey | Refusal>>>();

/**
 * The key that encrypts for an environment and purpose, counted as used once more. Made where there is none, and
 * replaced where it was used often enough.
 */
export async function keyToEncrypt(
  vault: Vault,
  place: InEnvironment,
  purpose: Purpose,
  maxUses = MAX_USES,
): Promise<WrappingKey | Refusal> {
  for (let overtaken = 0; ; ) {
    const newest = await newestKey(vault, place, purpose);
    if (newest !== null && isRefusal(newest)) return newest;
    if (newest !== null && (await vault.uses.take(newest.id)) <= maxUses) return newest;
    // Many may have waited for it: each counts its own use, and the last of them may need the one after it.
    const made = await madeOnce(vault, place, purpose, (newest?.version ?? 0) + 1);
    if (!isRefusal(made)) continue;
    if (made.refused !== 'ATTEMPT_OVER' || ++overtaken >= MAX_OVERTAKEN) return made;
    // Somebody rotated meanwhile: his is the newest now.
    vault.keyring.forgetNewest(place.environment_id, purpose);
    const refused = await refreshRoot(vault);
    if (refused !== null) return refused;
  }
}

/** A key by its id, to decrypt with. */
export async function keyById(vault: Vault, id: string): Promise<WrappingKey | Refusal> {
  const { keyring } = vault;
  if (keyring.sealed) return SEALED;
  const loaded = keyring.loaded(id);
  if (loaded !== undefined) return loaded;
  let row = await readKeyRow(vault, id);
  // The root key may have been rotated, and the row re-wrapped, while it was read.
  if (!isRefusal(row) && rootOf(keyring, row) === undefined) row = await readKeyRow(vault, id);
  if (isRefusal(row)) return row;
  if (keyring.unsealed === null) return SEALED;
  const place = placeIn(vault, 'environment-key', row, id, row.version);
  try {
    const root = rootOf(keyring, row) ?? keyring.unsealed.root;
    const key = {
      id,
      version: row.version,
      key: keyFrom(unwrapKey(root, Buffer.from(row.wrapped, 'hex'), place)),
    };
    keyring.load(key, null);
    return key;
  } catch (error) {
    if (!(error instanceof EnvelopeBroken)) throw error;
    vault.broken(place, error.message);
    return refuse('ENVELOPE_BROKEN', `The key ${id} does not open.`);
  }
}

async function readKeyRow(vault: Vault, id: string): Promise<VaultKeyRow | Refusal> {
  const [checked] = await readCheckedRows(vault.reader, ['vault_keys'], [id]);
  if (checked !== undefined && !('tampered' in checked)) return checked.row as VaultKeyRow;
  vault.tampered(id);
  return refuse('ROW_TAMPERED', `The key ${id} was tampered with.`);
}

/** The root key that the row lies under, where it is in memory now. */
function rootOf({ unsealed }: Vault['keyring'], { root_version }: VaultKeyRow): WrappingKey | null | undefined {
  return [unsealed?.root, unsealed?.previousRoot].find((root) => root?.version === root_version);
}

async function newestKey(
  vault: Vault,
  { environment_id }: InEnvironment,
  purpose: Purpose,
): Promise<WrappingKey | Refusal | null> {
  const { keyring, reader } = vault;
  if (keyring.sealed) return SEALED;
  const loaded = keyring.newest(environment_id, purpose);
  if (loaded !== undefined) return loaded;
  const found = await findNewestKey(reader, environment_id, purpose);
  if (found === undefined) return null;
  const key = await keyById(vault, found.id);
  if (!isRefusal(key)) keyring.load(key, { environment: environment_id, purpose });
  return key;
}

function madeOnce(
  vault: Vault,
  place: InEnvironment,
  purpose: Purpose,
  version: number,
): Promise<WrappingKey | Refusal> {
  const pending = making.get(vault) ?? new Map<string, Promise<WrappingKey | Refusal>>();
  making.set(vault, pending);
  const name = `${place.environment_id} ${purpose}`;
  const before = pending.get(name);
  if (before !== undefined) return before;
  const work = makeKey(vault, { actor: 'system' }, place, purpose, version).finally(() => pending.delete(name));
  pending.set(name, work);
  return work;
}

const ROTATED_MEANWHILE = refuse('ATTEMPT_OVER', 'The keys were rotated meanwhile; look again.');

/** The same, with the sequence of the entry that made it; without one where another had made it already. */
export interface MadeKey extends WrappingKey {
  readonly sequence?: number;
}

/** A fresh key, wrapped under the root key and entered: it encrypts from now on. */
export async function makeKey(
  vault: Vault,
  caller: Pick<EntryDraft, 'actor' | 'side'>,
  place: InEnvironment,
  purpose: Purpose,
  version: number,
): Promise<MadeKey | Refusal> {
  const { keyring, ledger, random, clock } = vault;
  const { unsealed } = keyring;
  if (unsealed === null) return SEALED;
  // Who counted his use of the old key when the new one was being made comes here after that.
  const newest = keyring.newest(place.environment_id, purpose);
  if (newest !== undefined && newest.version >= version) return newest;
  const id = random.newId('vaultKey');
  const bytes = newKeyBytes();
  const wrapped = wrapKey(unsealed.root, bytes, placeIn(vault, 'environment-key', place, id, version));
  const { project_id, environment_id } = place;
  const draft = {
    ...caller,
    action: 'vault-key.created',
    subject: id,
    project: project_id,
    environment: environment_id,
    code: `version-${version}`,
  };
  const recorded = await ledger.record(draft, async (facts) => {
    // INVARIANT: no key is added under a root key that is being given up, and no version twice.
    const rootVersion = await readRootVersion(facts.db);
    const newest = await findNewestKey(facts.db, environment_id, purpose);
    if (rootVersion !== unsealed.root.version || (newest?.version ?? 0) >= version) return ROTATED_MEANWHILE;
    return await facts.insert('vault_keys', {
      id,
      project_id,
      environment_id,
      purpose,
      version,
      root_version: unsealed.root.version,
      wrapped: wrapped.toString('hex'),
      created_at: clock.wall(),
    });
  });
  if (isRefusal(recorded)) {
    bytes.fill(0);
    return recorded;
  }
  const key = { id, version, key: keyFrom(bytes) };
  keyring.load(key, { environment: environment_id, purpose });
  return { ...key, sequence: recorded.sequence };
}
