import assert from 'node:assert/strict';
import { it } from 'node:test';
import { isRefusal } from '@keyhold/protocol/errors';
import { onEachDatabase } from '../testing/databases.ts';
import { openOwnVault } from '../testing/own-vault.ts';
import { expose } from '../vault/expose.ts';
import { rewrapAll } from '../vault/rewrap.ts';
import { rotateEnvironmentKeys } from '../vault/rotate-keys.ts';
import { Secret } from '../vault/secret.ts';
import { createDelivery } from './create-delivery.ts';
import { takeDelivery } from './take-delivery.ts';

onEachDatabase('a delivery that was prepared under a key which was replaced and retired since', (createPlace) => {
  it('moves with the next run, and that nothing lies under the old key is stated again, once', async () => {
    await using place = await createPlace();
    await using own = await openOwnVault(place);
    const { vault, store } = own;
    const late = await createDelivery(vault, own.place, 600);
    assert.ok(!isRefusal(late));
    const { id } = await store.reader.selectFrom('vault_keys').select('id').executeTakeFirstOrThrow();
    const statements = async () => {
      const entries = store.reader.selectFrom('entries').select('sequence').where('subject', '=', id);
      const found = await entries.where('action', '=', 'vault-key.retired').orderBy('sequence').execute();
      return found.map(({ sequence }) => sequence);
    };
    const run = () => rewrapAll(vault, () => false);
    assert.ok(!isRefusal(await rotateEnvironmentKeys(vault, { actor: 'tok_test' }, own.place)));
    for (const _ of [1, 2]) await run();
    assert.equal((await statements()).length, 1);
    const draft = { actor: 'system', action: 'delivery.created', subject: late.id };
    const inserted = await vault.ledger.record(draft, (facts) => late.insert(facts, late.id, new Secret('"x"')));
    assert.ok(!isRefusal(inserted));
    for (const _ of [1, 2]) await run();
    const [, again, ...more] = await statements();
    assert.ok(again !== undefined && again > inserted.sequence, 'what the log says last holds');
    assert.deepEqual(more, []);
    const taken = await takeDelivery(vault, expose(late.token), '127.0.0.1');
    assert.ok(!isRefusal(taken) && expose(taken.content) === '"x"');
  });
});
