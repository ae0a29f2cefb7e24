import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Scratch } from '../database/scratch.ts';
import { deletePruned } from '../ledger/pruned.store.ts';
import { onEachDatabase } from '../testing/databases.ts';
import { type OwnVault, openOwnVault } from '../testing/own-vault.ts';
import { systemRandom } from '../random.ts';
import { lapseUnusedKeys } from './lapse-unused-keys.ts';

const DAY_MS = 86_400_000;
const { newId } = systemRandom;

/** A consumer, a rule of 30 days, and keys that are used through their credentials. */
async function world({ vault, place, store }: OwnVault) {
  const now = Date.now();
  const consumer = newId('consumer');
  const draft = { actor: 'system', action: 'test.made', subject: consumer };
  const common = { ...place, created_at: now };
  await vault.ledger.record(draft, async (facts) => {
    const own = { id: consumer, project_id: place.project_id, name: 'bot', external_id: null, created_at: now };
    await facts.insert('consumers', { ...own, rate_limits: '[]', metadata: null });
    const rules = { withdrawals: '[]', without_networks: null, unused_days: 30, second_factor: '[]' };
    return await facts.insert('key_rules', { id: newId('keyRules'), ...common, ...rules });
  });
  const key = async (period: Partial<Record<'created_at' | 'starts_at' | 'expires_at', number>> = {}) => {
    const [id, credential] = [newId('key'), newId('credential')];
    await vault.ledger.record({ ...draft, subject: id }, async (facts) => {
      const lists = { permissions: '[]', allowed_networks: '[]', rate_limits: '[]', quota: null, metadata: null };
      const ends = { state: 'active' as const, reason: null, starts_at: null, expires_at: null };
      await facts.insert('keys', { id, ...common, consumer_id: consumer, name: 'key', ...lists, ...ends, ...period });
      const own = { id: credential, ...common, key_id: id, kind: 'bearer' as const, digest: credential, hint: 'abcd' };
      return await facts.insert('credentials', { ...own, ...ends });
    });
    return { id, credential };
  };
  const stateOf = async (id: string) =>
    await store.reader.selectFrom('keys').select(['state', 'reason']).where('id', '=', id).executeTakeFirstOrThrow();
  /** @param aheadDays how far the clock is ahead of what was lived */
  const lapse = (days: number, aheadDays = 0) =>
    lapseUnusedKeys({
      ledger: vault.ledger,
      reader: store.reader,
      clock: { ...vault.clock, wall: () => now + (days + aheadDays) * DAY_MS },
      livedTime: { now: () => now + days * DAY_MS },
    });
  return { now, key, stateOf, lapse };
}

onEachDatabase('a key that nobody uses', (createPlace) => {
  it('is suspended after its days, once, with an entry; one that was used or changed since is not', async () => {
    await using place = await createPlace();
    await using own = await openOwnVault(place);
    const { now, key, stateOf, lapse } = await world(own);
    const [unused, used] = [await key(), await key()];
    const use = { uses: 1, last_used_at: now + 10 * DAY_MS, last_used_from: null };
    await new Scratch(own.store).write(async (db) => {
      await db
        .insertInto('credential_usage')
        .values({ credential_id: used.credential, ...use })
        .execute();
    });
    assert.equal(await lapse(29), 0);
    assert.equal(await lapse(31), 1);
    assert.deepEqual(await stateOf(unused.id), { state: 'suspended', reason: 'unused' });
    assert.equal((await stateOf(used.id)).state, 'active');
    assert.equal(await lapse(31), 0);
    const entries = await own.store.reader
      .selectFrom('entries')
      .select('subject')
      .where('action', '=', 'key.lapsed')
      .execute();
    assert.deepEqual(entries, [{ subject: unused.id }]);
    assert.equal(await lapse(41), 1);
  });

  it('does not lapse while entries are given up that would say that it was changed', async () => {
    await using place = await createPlace();
    await using own = await openOwnVault(place);
    const { now, key, stateOf, lapse } = await world(own);
    const { id } = await key({ created_at: now - 60 * DAY_MS });
    const { vault, store } = own;
    const { sequence } = vault.ledger.head;
    const kept = newId('project');
    await vault.ledger.record({ actor: 'test', action: 'test.made', subject: kept }, (facts) =>
      facts.insert('projects', { id: kept, slug: 'kept', name: 'kept', created_at: now }),
    );
    assert.equal(await lapse(8), 0, 'its entry is there');
    await store.writer.alone(() => store.writer.transaction((db) => deletePruned(db, sequence, 1_000)));
    assert.equal(await lapse(8), 0, 'its entry was given up');
    assert.equal((await stateOf(id)).state, 'active');
    assert.equal(await lapse(31), 1, 'the log is whole for as long as counts');
  });

  it('does not lapse by a clock that is ahead', async () => {
    await using place = await createPlace();
    await using own = await openOwnVault(place);
    const { key, stateOf, lapse } = await world(own);
    const { id } = await key();
    assert.equal(await lapse(1, 365), 0);
    assert.equal((await stateOf(id)).state, 'active');
    assert.equal(await lapse(31, 365), 1);
  });

  it('counts from when it began, and lapses no more once it has ended', async () => {
    await using place = await createPlace();
    await using own = await openOwnVault(place);
    const { now, key, stateOf, lapse } = await world(own);
    const later = await key({ starts_at: now + 90 * DAY_MS });
    const ended = await key({ expires_at: now + 10 * DAY_MS });
    const ending = await key({ expires_at: now + 60 * DAY_MS });
    assert.equal(await lapse(31), 1);
    assert.equal((await stateOf(ending.id)).state, 'suspended');
    assert.equal(await lapse(119), 0);
    assert.equal((await stateOf(later.id)).state, 'active');
    assert.equal(await lapse(121), 1);
    assert.deepEqual(await stateOf(later.id), { state: 'suspended', reason: 'unused' });
    assert.equal((await stateOf(ended.id)).state, 'active');
  });
});
