import assert from 'node:assert/strict';
import { it } from 'node:test';
import { isRefusal } from '@keyhold/protocol/errors';
import type { Kysely } from 'kysely';
import type { Database } from '../database/schema.ts';
import { onEachDatabase } from '../testing/databases.ts';
import { type OwnVault, openOwnVault } from '../testing/own-vault.ts';
import { keyById, keyToEncrypt } from './open-vault-key.ts';
import { rewrapAll } from './rewrap.ts';
import { rotateRootKey } from './rotate-keys.ts';

type Where = 'before the query' | 'after the query';

/** A reader whose first query takes as long as `meanwhile` does. */
function slowed(reader: Kysely<Database>, where: Where, meanwhile: () => Promise<void>): Kysely<Database> {
  let first = true;
  const executor = reader.getExecutor();
  const execute: typeof executor.executeQuery = async (...query) => {
    const own = first;
    first = false;
    if (own && where === 'before the query') await meanwhile();
    const result = await executor.executeQuery(...query);
    if (own && where === 'after the query') await meanwhile();
    return result as never;
  };
  return overlaid(reader, { getExecutor: () => overlaid(executor, { executeQuery: execute }) });
}

function overlaid<T extends object>(target: T, own: Partial<T>): T {
  const get = (_: T, name: keyof T & string) => {
    const value = own[name] ?? target[name];
    return typeof value === 'function' ? value.bind(target) : value;
  };
  return new Proxy(target, { get: get as never });
}

async function rotate({ vault }: OwnVault): Promise<void> {
  assert.ok(!isRefusal(await rotateRootKey(vault, { actor: 'tok_test' })));
  await rewrapAll(vault, () => false);
  assert.equal(vault.keyring.unsealed?.previousRoot, null, 'the old root key is gone');
}

onEachDatabase('a key that is read while the root key is rotated and the key re-wrapped', (createPlace) => {
  for (const where of ['before the query', 'after the query'] as const) {
    it(`opens, and raises no alarm, where that comes ${where}`, async () => {
      await using place = await createPlace();
      await using own = await openOwnVault(place);
      const key = await keyToEncrypt(own.vault, own.place, 'secrets');
      assert.ok(!isRefusal(key));
      own.vault.keyring.unload(key.id);
      const reader = slowed(own.vault.reader, where, () => rotate(own));
      const read = await keyById({ ...own.vault, reader }, key.id);
      assert.ok(!isRefusal(read), isRefusal(read) ? read.detail : '');
      assert.ok(read.key.equals(key.key));
      assert.deepEqual(own.alarms, []);
    });
  }
});
