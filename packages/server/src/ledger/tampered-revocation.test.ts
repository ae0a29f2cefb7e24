import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { onEachDatabase } from '../testing/databases.ts';
import { openRaw, type RawDatabase } from '../testing/raw-database.ts';
import { shareMarket } from '../testing/shared-market.ts';

onEachDatabase('revoking what was written past the ledger', (createPlace) => {
  const shared = shareMarket(createPlace);
  let raw: RawDatabase;

  before(async () => {
    raw = await openRaw(shared().place);
  });
  after(() => raw[Symbol.asyncDispose]());

  const verdict = async (key: string) =>
    (await shared().installation.verify({ key, environment: 'market/test', permission: 'prices:read' })).code;
  const isDead = async (secret: string) => assert.notEqual(await verdict(secret), 'VALID');

  it('kills the credential that verifiers hold, also when its digest was exchanged', async () => {
    const { credentialId, secret } = await shared().market.issue();
    assert.equal(await verdict(secret), 'VALID');
    await raw.run(`update credentials set digest = '${'ab'.repeat(32)}' where id = '${credentialId}'`);
    await shared().expect(200, 'POST', `/v1/credentials/${credentialId}/revoke`, { reason: 'key_compromise' });
    await isDead(secret);
  });

  it('kills a key that was made to look dead already', async () => {
    const { keyId, secret } = await shared().market.issue();
    assert.equal(await verdict(secret), 'VALID');
    await raw.run(`update keys set state = 'compromised' where id = '${keyId}'`);
    await shared().expect(200, 'POST', `/v1/keys/${keyId}/revoke`, { reason: 'key_compromise' });
    await isDead(secret);
  });

  it('kills a key that was moved to where nobody finds it, or deleted', async () => {
    const [moved, deleted] = [await shared().market.issue(), await shared().market.issue()];
    await raw.run(`update keys set project_id = 'proj_nowhere' where id = '${moved.keyId}'`);
    await raw.run(`delete from keys where id = '${deleted.keyId}'`);
    for (const { keyId, secret } of [moved, deleted]) {
      const problem = await shared().expect(409, 'POST', `/v1/keys/${keyId}/revoke`, { reason: 'key_compromise' });
      assert.equal(problem.code, 'ROW_TAMPERED');
      await isDead(secret);
    }
  });
});
