import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Caller, ChangeContext } from '../access/change-context.ts';
import { StoreUnavailable } from '../database/store-fault.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { systemRandom } from '../random.ts';
import { onEachDatabase } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { startInstallation } from '../testing/installation.ts';
import { type OwnVault, openOwnVault } from '../testing/own-vault.ts';
import { openRaw } from '../testing/raw-database.ts';
import { destroyKey } from './change-key-state.ts';
import { finishDestroying } from './finish-destroying.ts';
import { findPlacedKey } from './keys.store.ts';

const { newId } = systemRandom;
/** Rows of one insertion: a credential and its secret are two. */
const SECRETS_AT_ONCE = 25;

/** Keys whose credentials are verified with stored secrets. */
async function world({ vault, place, store }: OwnVault) {
  const common = { ...place, created_at: Date.now() };
  const consumer = newId('consumer');
  const made = (subject: string) => ({ actor: 'system', action: 'test.made', subject });
  const settings = { rate_limits: '[]', metadata: null };
  await vault.ledger.record(made(consumer), async (facts) => {
    const own = { id: consumer, project_id: place.project_id, name: 'bot', external_id: null, ...settings };
    return await facts.insert('consumers', { ...own, created_at: common.created_at });
  });
  const ends = { state: 'active' as const, reason: null, starts_at: null, expires_at: null };
  const issue = async (secrets: number): Promise<string> => {
    const id = newId('key');
    await vault.ledger.record(made(id), (facts) => {
      const lists = { permissions: '[]', allowed_networks: '[]', quota: null, ...settings };
      return facts.insert('keys', { id, ...common, consumer_id: consumer, name: 'key', ...lists, ...ends });
    });
    for (let left = secrets; left > 0; left -= SECRETS_AT_ONCE) {
      await vault.ledger.record(made(id), async (facts) => {
        for (let i = 0; i < Math.min(left, SECRETS_AT_ONCE); i++) {
          const credential_id = newId('credential');
          const own = { id: credential_id, ...common, key_id: id, digest: credential_id, hint: 'abcd', ...ends };
          await facts.insert('credentials', { ...own, kind: 'hmac' });
          const secret = { algorithm: 'hmac' as const, public_key: null, vault_key_id: null, envelope: 'x' };
          await facts.insert('signature_keys', { id: newId('signatureKey'), ...common, credential_id, ...secret });
        }
        return null;
      });
    }
    return id;
  };
  /** Its first entry is committed, and the store fails at its second. */
  const destroyHalfWay = async (id: string) => {
    let entries = 0;
    const record: Ledger['record'] = async (draft, change) => {
      if (++entries === 2) throw new StoreUnavailable('the second entry was not written');
      return await vault.ledger.record(draft, change);
    };
    const context = { ...vault, ledger: { record } } as unknown as ChangeContext;
    const judge = { glassOf: () => undefined, guard: () => null };
    const principal = { id: 'system', kind: 'service', grants: [], judge };
    const key = await findPlacedKey(store.reader, id);
    assert.ok(key);
    const caller = { principal, ip: '127.0.0.1', idempotency: undefined } as unknown as Caller;
    await assert.rejects(destroyKey(context, caller, key), StoreUnavailable);
    assert.ok((await openable(id)) > 0);
  };
  const openable = async (id: string): Promise<number> =>
    (
      await store.reader
        .selectFrom('signature_keys')
        .innerJoin('credentials', 'credentials.id', 'signature_keys.credential_id')
        .select('signature_keys.id')
        .where('credentials.key_id', '=', id)
        .where('envelope', 'is not', null)
        .execute()
    ).length;
  return { issue, destroyHalfWay, openable };
}

onEachDatabase('a key that was destroyed half-way', (createPlace) => {
  it('loses all its secrets, and one that lives none, whatever somebody wrote past the ledger', async () => {
    await using place = await createPlace();
    await using own = await openOwnVault(place);
    const { issue, destroyHalfWay, openable } = await world(own);
    const [half, living, seeming, moved] = [await issue(130), await issue(2), await issue(2), await issue(1)];
    await destroyHalfWay(half);
    const left = await openable(half);
    await using raw = await openRaw(place);
    await raw.run(`update keys set state = 'destroyed' where id = '${seeming}'`);
    await raw.run(`update credentials set key_id = '${half}' where key_id = '${moved}'`);
    assert.equal(await finishDestroying(own.vault), left);
    assert.equal(await finishDestroying(own.vault), 0);
    const kept = [await openable(half), await openable(living), await openable(seeming)];
    assert.deepEqual(kept, [1, 2, 2], 'the one is the secret of another key');
    const entries = await own.store.reader
      .selectFrom('entries')
      .select('subject')
      .where('action', '=', 'key.destroyed')
      .execute();
    assert.deepEqual(entries, Array(1 + Math.ceil(left / 40)).fill({ subject: half }));
  });

  it('loses the rest once the control plane starts again', async () => {
    await using place = await createPlace();
    await using stack = new AsyncDisposableStack();
    const own = stack.use(await openOwnVault(place));
    const { issue, destroyHalfWay } = await world(own);
    const half = await issue(70);
    await destroyHalfWay(half);
    await stack.disposeAsync();
    await using _ = await startInstallation(place, { keyFile: own.keyFile });
    await using raw = await openRaw(place);
    await eventually(`${half} loses its secrets`, async () => {
      const [{ left }] = await raw.rows('select count(*) as left from signature_keys where envelope is not null');
      return Number(left) === 0;
    });
  });
});
