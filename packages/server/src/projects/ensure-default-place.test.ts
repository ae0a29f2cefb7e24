import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createPlace } from '../testing/databases.ts';
import { openOwnVault } from '../testing/own-vault.ts';
import { ensureDefaultPlace } from './ensure-default-place.ts';

it('default/production takes another prefix where somebody had its own before', async () => {
  await using place = await createPlace('sqlite');
  await using own = await openOwnVault(place);
  await ensureDefaultPlace(own.vault);
  await own.store.writer.transaction((db) => db.updateTable('projects').set({ slug: 'mine' }).execute());
  for (let i = 0; i < 2; i++) await ensureDefaultPlace(own.vault);
  const made = await own.store.reader.selectFrom('environments').select(['name', 'prefix']).orderBy('id').execute();
  assert.deepEqual(
    made.map(({ name, prefix }) => [name, prefix]),
    [
      ['production', 'kh_default'],
      ['production', 'kh_default_2'],
    ],
  );
});
