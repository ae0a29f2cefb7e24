import { type WrappingKey, keyFrom } from '@keyhold/verifier/open-envelope';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { it } from 'node:test';
import { isRefusal } from '@keyhold/protocol/errors';
import { systemClock } from '../clock.ts';
import { Scratch } from '../database/scratch.ts';
import { openPostgres, openSqlite, type Store } from '../database/store.ts';
import { Ledger, takeEpoch } from '../ledger/ledger.ts';
import { systemRandom } from '../random.ts';
import { onEachDatabase, type TestPlace } from '../testing/databases.ts';
import { KeyUses, MAX_USES } from './key-uses.ts';
import { collectGarbage } from './collect-garbage.ts';
import { Keyring } from './keyring.ts';
import { keyToEncrypt } from './open-vault-key.ts';
import { Turns } from './turns.ts';
import type { Vault } from './vault.ts';
import { newKeyBytes } from './wrapped-key.ts';

const PLACE = { project_id: 'proj_a', environment_id: 'env_a' };
const newKey = () => keyFrom(newKeyBytes());

/** An unsealed vault over a database with one environment. */
async function openTestVault({ folder, databaseUrl }: TestPlace): Promise<{ store: Store; vault: Vault }> {
  const store = await (databaseUrl === undefined ? openSqlite(join(folder, 'keyhold.db')) : openPostgres(databaseUrl));
  const { head } = await takeEpoch(store, systemRandom.newId);
  const shared = { clock: systemClock, random: systemRandom, tampered: () => {} };
  const newSalt = () => Buffer.from(systemRandom.bytes(32)).toString('hex');
  const followers = { committed: () => {}, recovered: async () => {} };
  const ledger = new Ledger({ ...shared, ...followers, store, newId: systemRandom.newId, newSalt }, head);
  const keyring = new Keyring(collectGarbage);
  keyring.unseal({ root: { id: 'root-key', version: 1, key: newKey() }, previousRoot: null, sealKey: newKey() });
  const vault = {
    ...shared,
    keyring,
    sealTurns: new Turns(),
    ledger,
    reader: store.reader,
    uses: new KeyUses(new Scratch(store)),
    broken: () => {},
    takenTwice: () => {},
  };
  const draft = { actor: 'system', action: 'project.created', subject: 'proj_a' };
  const made = await ledger.record(draft, async (facts) => {
    const seal = { kind: 'file', parameters: '{}', root_key: '', previous_root_key: null } as const;
    await facts.insert('seals', { id: 'seal_a', ...seal, root_version: 1, created_at: 0 });
    await facts.insert('projects', { id: 'proj_a', slug: 'a', name: 'a', created_at: 0 });
    const settings = { kind: 'testing', lease_seconds: 30, after_lease: 'refuse', created_at: 0 } as const;
    return await facts.insert('environments', {
      id: 'env_a',
      project_id: 'proj_a',
      name: 'a',
      prefix: 'a',
      ...settings,
    });
  });
  assert.ok(!isRefusal(made));
  return { store, vault };
}

async function encrypt(vault: Vault, maxUses: number): Promise<WrappingKey> {
  const key = await keyToEncrypt(vault, PLACE, 'secrets', maxUses);
  assert.ok(!isRefusal(key));
  return key;
}

onEachDatabase('a key that wraps', (createPlace) => {
  // The block in which uses are set aside, one below and one above it, and nothing near it.
  for (const maxUses of [255, 256, 257, 90]) {
    it(`encrypts ${maxUses} times at most, then a new version does, one after another or many at once`, async () => {
      await using place = await createPlace();
      const { store, vault } = await openTestVault(place);
      await using _ = store;
      const uses = new Map<string, number>();
      const versions = new Set<number>();
      const count = ({ id, version }: WrappingKey) => {
        uses.set(id, (uses.get(id) ?? 0) + 1);
        versions.add(version);
      };
      for (let i = 0; i < 100; i++) count(await encrypt(vault, maxUses));
      const atOnce = await Promise.all(Array.from({ length: 900 }, () => encrypt(vault, maxUses)));
      for (const key of atOnce) count(key);
      for (const [id, used] of uses) assert.ok(used <= maxUses, `${id} encrypted ${used} times`);
      const expected = Array.from({ length: uses.size }, (_, i) => i + 1);
      assert.deepEqual(
        [...versions].sort((a, b) => a - b),
        expected,
        'one key of each version',
      );
      const made = await store.reader
        .selectFrom('entries')
        .select('id')
        .where('action', '=', 'vault-key.created')
        .execute();
      assert.equal(made.length, uses.size);
    });
  }

  it('is made once where many want the first one, with an entry', async () => {
    await using place = await createPlace();
    const { store, vault } = await openTestVault(place);
    await using _ = store;
    const keys = await Promise.all(Array.from({ length: 60 }, () => encrypt(vault, MAX_USES)));
    assert.equal(new Set(keys.map(({ id }) => id)).size, 1);
  });

  it('is never counted as used less after a restart, and at most a block more', async () => {
    await using place = await createPlace();
    const { store } = await openTestVault(place);
    await using _ = store;
    const scratch = new Scratch(store);
    let last = 0;
    for (let start = 0; start < 4; start++) {
      const uses = new KeyUses(scratch);
      const first = await uses.take('vkey_a');
      assert.ok(first > last && first <= last + 257, `${last} uses, then ${first}`);
      for (let i = 0; i < 300; i++) last = await uses.take('vkey_a');
      assert.equal(last, first + 300);
    }
    assert.equal(await new KeyUses(scratch).take('vkey_b'), 1);
  });

  it('is replaced long before the bound of random nonces (SP 800-38D §8.3)', () => {
    assert.ok(MAX_USES <= 2 ** 32 / 8);
  });
});
