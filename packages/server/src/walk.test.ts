import assert from 'node:assert/strict';
import { it } from 'node:test';
import { onEachDatabase } from './testing/databases.ts';
import { startInstallation } from './testing/installation.ts';
import { createMarket } from './testing/market.ts';

onEachDatabase('the main walk', (createPlace) => {
  it('issues a key that is accepted until its revocation returns', async () => {
    await using place = await createPlace();
    await using installation = await startInstallation(place);
    const market = await createMarket(installation);
    const { keyId, secret } = await market.issue();
    const request = { key: secret, environment: 'market/test', permission: 'prices:read' };
    assert.equal((await installation.verify(request)).code, 'VALID');
    const revoked = await installation.call('POST', `/v1/keys/${keyId}/revoke`, { reason: 'key_compromise' });
    assert.equal(revoked.status, 200);
    assert.equal(revoked.body.barrier.acknowledged, 1);
    assert.equal((await installation.verify(request)).code, 'REVOKED');
  });

  it('makes revocations of the same key that arrive together wait for the same entry', async () => {
    await using place = await createPlace();
    await using installation = await startInstallation(place);
    const market = await createMarket(installation);
    for (let round = 0; round < 10; round++) {
      const { keyId } = await market.issue();
      const answers = await Promise.all(
        [1, 2, 3].map(() => installation.call('POST', `/v1/keys/${keyId}/revoke`, { reason: 'superseded' })),
      );
      const sequences = new Set(answers.map(({ body }) => body.barrier.sequence));
      assert.equal(sequences.size, 1);
      for (const { body } of answers) assert.equal(body.barrier.acknowledged, 1);
    }
  });
});
