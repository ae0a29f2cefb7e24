import assert from 'node:assert/strict';
import { it } from 'node:test';
import { isRefusal } from '@keyhold/protocol/errors';
import { onEachDatabase } from '../testing/databases.ts';
import { openOwnVault } from '../testing/own-vault.ts';
import { expose } from '../vault/expose.ts';
import { Secret } from '../vault/secret.ts';
import { createDelivery } from './create-delivery.ts';
import { expireDeliveries } from './expire-deliveries.ts';
import { takeDelivery } from './take-delivery.ts';

onEachDatabase('a delivery that nobody took in time', (createPlace) => {
  it('is emptied, one batch after another, and whoever comes then raises no alarm', async () => {
    await using place = await createPlace();
    await using own = await openOwnVault(place);
    const { vault } = own;
    const deliver = async (seconds: number) => {
      const made = await createDelivery(vault, own.place, seconds);
      assert.ok(!isRefusal(made));
      const draft = { actor: 'system', action: 'delivery.created', subject: made.id };
      await vault.ledger.record(draft, (facts) => made.insert(facts, made.id, new Secret('"x"')));
      return expose(made.token);
    };
    const waiting = await deliver(600);
    const late = [];
    for (let i = 0; i < 41; i++) late.push(await deliver(0));
    assert.equal(await expireDeliveries(vault), 41);
    assert.equal(await expireDeliveries(vault), 0);
    const kept = await own.store.reader
      .selectFrom('deliveries')
      .select('expires_at')
      .where('envelope', 'is not', null)
      .execute();
    assert.equal(kept.length, 1);
    const came = await takeDelivery(vault, late[0] as string, '127.0.0.1');
    assert.ok(isRefusal(came) && came.refused === 'DELIVERY_GONE');
    assert.deepEqual(own.alarms, []);
    assert.ok(!isRefusal(await takeDelivery(vault, waiting, '127.0.0.1')));
    await takeDelivery(vault, waiting, '127.0.0.1');
    assert.equal(own.alarms.length, 1, 'that one was taken twice');
  });

  it('is emptied though more of them than one batch were tampered with', async () => {
    await using place = await createPlace();
    await using own = await openOwnVault(place);
    for (let i = 0; i < 43; i++) {
      const made = await createDelivery(own.vault, own.place, 0);
      assert.ok(!isRefusal(made));
      const draft = { actor: 'system', action: 'delivery.created', subject: made.id };
      await own.vault.ledger.record(draft, (facts) => made.insert(facts, made.id, new Secret('"x"')));
    }
    const ids = (await own.store.reader.selectFrom('deliveries').select('id').orderBy('id').execute()).map(
      (row) => row.id,
    );
    await own.store.writer.transaction((db) =>
      db.updateTable('deliveries').set({ subject: 'x' }).where('id', 'in', ids.slice(0, 41)).execute(),
    );
    assert.equal(await expireDeliveries(own.vault), 2);
    assert.equal(await expireDeliveries(own.vault), 0);
  });

  it('stays when it can not be opened now', async () => {
    await using place = await createPlace();
    await using own = await openOwnVault(place);
    const made = await createDelivery(own.vault, own.place, 600);
    assert.ok(!isRefusal(made));
    const draft = { actor: 'system', action: 'delivery.created', subject: made.id };
    await own.vault.ledger.record(draft, (facts) => made.insert(facts, made.id, new Secret('"x"')));
    own.vault.keyring.unload(
      (await own.store.reader.selectFrom('vault_keys').select('id').executeTakeFirstOrThrow()).id,
    );
    const change = (root_version: number) =>
      own.store.writer.transaction((db) => db.updateTable('vault_keys').set({ root_version }).execute());
    await change(7);
    const refused = await takeDelivery(own.vault, expose(made.token), '127.0.0.1');
    assert.ok(isRefusal(refused) && refused.refused === 'ROW_TAMPERED');
    await change(1);
    assert.ok(!isRefusal(await takeDelivery(own.vault, expose(made.token), '127.0.0.1')));
  });
});
