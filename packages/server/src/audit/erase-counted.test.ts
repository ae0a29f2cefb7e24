import assert from 'node:assert/strict';
import { it } from 'node:test';
import { onEachDatabase } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { startInstallation } from '../testing/installation.ts';
import { createMarket } from '../testing/market.ts';
import { openRaw } from '../testing/raw-database.ts';
import { assertStatus } from '../testing/shared-market.ts';

onEachDatabase('an erasure', (createPlace) => {
  it('takes what was counted of its subject until then and is not entered yet, which is not entered after it', async () => {
    await using place = await createPlace();
    await using raw = await openRaw(place);
    await using stack = new AsyncDisposableStack();
    const installation = stack.use(await startInstallation(place));
    const { consumer, issue } = await createMarket(installation);
    const { secret, credentialId } = await issue();
    const request = { key: secret, environment: 'market/test', permission: 'prices:read' };
    assert.equal((await installation.verify(request)).code, 'VALID');
    await eventually('the use is reported', async () => {
      const rows = await raw.rows(`select uses from credential_usage where credential_id = '${credentialId}'`);
      return rows.length === 1;
    });
    const reader = assertStatus(await installation.call('POST', '/v1/tokens', { name: 'r', scopes: ['read'] }), 201);
    const refused = await installation.call('POST', '/v1/projects', { slug: 'x', name: 'x' }, { token: reader.secret });
    assertStatus(refused, 403);
    const erased = [];
    for (const subject of [consumer, reader.token.id])
      erased.push(
        assertStatus(await installation.call('POST', `/v1/audit/subjects/${subject}/erase`, {}), 200).sequence,
      );
    // What is counted and not entered by then is entered before the store is closed.
    await installation[Symbol.asyncDispose]();
    const entered = async (action: string) =>
      (await raw.rows(`select sequence from entries where action = '${action}'`)).map(({ sequence }) =>
        Number(sequence),
      );
    for (const [i, action] of ['key.usage-counted', 'access.denied'].entries()) {
      const sequences = await entered(action);
      assert.equal(sequences.length, 1);
      assert.ok((sequences[0] as number) < erased[i], `${action} is entered at ${sequences}, erased at ${erased[i]}`);
    }
  });
});
