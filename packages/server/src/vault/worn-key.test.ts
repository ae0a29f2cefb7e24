import assert from 'node:assert/strict';
import { it } from 'node:test';
import { onEachDatabase } from '../testing/databases.ts';
import { startInstallation } from '../testing/installation.ts';
import { openRaw } from '../testing/raw-database.ts';
import { assertStatus } from '../testing/shared-market.ts';
import { MAX_USES } from './key-uses.ts';

onEachDatabase('a key of an environment that was used often enough', (createPlace) => {
  it('is replaced once, however many encrypt at the same time, and still opens what it encrypted', async () => {
    await using place = await createPlace();
    const secret = (n: number) => ({ project: 'default', environment: 'production', path: `worn/${n}`, data: { n } });
    const ids: string[] = [];
    {
      await using before = await startInstallation(place);
      ids.push(assertStatus(await before.call('POST', '/v1/secrets', secret(0)), 201).secret.id);
    }
    const keys = `select version, id from vault_keys where purpose = 'secrets' order by version`;
    {
      // What is counted in memory is read at the start.
      await using raw = await openRaw(place);
      const [{ id }] = await raw.rows(keys);
      await raw.run(`update key_uses set uses = ${MAX_USES - 3} where key_id = '${id}'`);
    }
    await using installation = await startInstallation(place);
    const stored = await Promise.all(
      Array.from({ length: 60 }, (_, n) => installation.call('POST', '/v1/secrets', secret(n + 1))),
    );
    for (const answer of stored) ids.push(assertStatus(answer, 201).secret.id);
    await using raw = await openRaw(place);
    assert.deepEqual(
      (await raw.rows(keys)).map(({ version }) => version),
      [1, 2],
    );
    const counted = await raw.rows(
      `select k.version, count(*) as n from secret_versions v join vault_keys k on k.id = v.vault_key_id
       group by k.version order by k.version`,
    );
    assert.deepEqual(
      counted.map(({ version, n }) => [version, Number(n)]),
      [
        [1, 4],
        [2, 57],
      ],
    );
    for (const [n, id] of ids.entries()) {
      const { data } = assertStatus(await installation.call('POST', `/v1/secrets/${id}/reveal`, {}), 200);
      assert.deepEqual(data, { n });
    }
  });
});
