import assert from 'node:assert/strict';
import { it } from 'node:test';
import { onEachDatabase } from '../testing/databases.ts';
import { openRaw } from '../testing/raw-database.ts';
import { shareMarket } from '../testing/shared-market.ts';

const MISSING = 'key_01900000-0000-7000-8000-000000000000';

onEachDatabase('revoking many keys', (createPlace) => {
  const shared = shareMarket(createPlace, { leaseSeconds: 2 });
  const issueMany = async (count: number) =>
    await Promise.all(Array.from({ length: count }, () => shared().market.issue()));

  it('ends each of them everywhere before it is answered, whatever is refused of others', async () => {
    const { expect, codeOf } = shared();
    const issued = await issueMany(60);
    for (const { secret } of issued.slice(0, 3)) assert.equal(await codeOf(secret), 'VALID');
    const ids = issued.map(({ keyId }) => keyId);
    const body = { keys: [MISSING, ...ids], reason: 'key_compromise' };
    const { revoked, entries, refused, barrier } = await expect(200, 'POST', '/v1/keys/revoke', body);
    assert.deepEqual([...revoked].sort(), [...ids].sort());
    assert.deepEqual(
      refused.map(({ id, code }: { id: string; code: string }) => [id, code]),
      [[MISSING, 'KEY_NOT_FOUND']],
    );
    assert.ok(barrier.acknowledged + barrier.waitedOut >= 1, JSON.stringify(barrier));
    for (const { secret } of issued) assert.equal(await codeOf(secret), 'REVOKED');
    const { items } = await expect(200, 'GET', `/v1/audit/entries?action=key.revoked&code=key_compromise&limit=100`);
    assert.equal(items.length, 60);
    assert.deepEqual(
      new Map(entries.map(({ key, sequence }: { key: string; sequence: number }) => [sequence, key])),
      new Map(items.map(({ sequence, subject }: { sequence: number; subject: string }) => [sequence, subject])),
      'the entry of each is named',
    );
  });

  it("ends all of a consumer's, and nothing of others", async () => {
    const { expect, codeOf, market } = shared();
    const other = await expect(201, 'POST', '/v1/consumers', { project: 'market', name: 'other' });
    const kept = await market.issue({ consumer: other.id });
    const issued = await issueMany(5);
    await expect(200, 'POST', `/v1/keys/${issued[0]?.keyId}/suspend`);
    const body = { consumer: market.consumer, reason: 'cessation_of_operation' };
    const { revoked, refused } = await expect(200, 'POST', '/v1/keys/revoke', body);
    assert.deepEqual([revoked.length, refused], [5, []]);
    for (const { secret } of issued) assert.equal(await codeOf(secret), 'REVOKED');
    assert.equal(await codeOf(kept.secret), 'VALID');
  });

  it('repeated for a consumer it waits for what ended the last of his keys, and enters nothing', async () => {
    const { expect, market } = shared();
    const { consumer } = market;
    const body = { consumer, reason: 'unspecified' };
    const [first, second] = [await market.issue(), await market.issue()];
    const { sequence } = (await expect(200, 'POST', `/v1/keys/${first.keyId}/revoke`, { reason: 'unspecified' }))
      .barrier;
    const both = await expect(200, 'POST', '/v1/keys/revoke', body);
    assert.deepEqual(both.revoked, [second.keyId]);
    const again = await expect(200, 'POST', '/v1/keys/revoke', body);
    assert.deepEqual([again.revoked, again.entries, again.refused], [[], [], []]);
    assert.equal(again.barrier.sequence, both.barrier.sequence);
    assert.ok(again.barrier.sequence > sequence);
    assert.ok(again.barrier.acknowledged + again.barrier.waitedOut >= 1, JSON.stringify(again.barrier));
  });

  it('says worse of what is only deactivated, and ends what was made to look dead past the ledger', async () => {
    const { expect, codeOf, market, place } = shared();
    const { id: consumer } = await expect(201, 'POST', '/v1/consumers', { project: 'market', name: 'worse' });
    const [known, forged] = [await market.issue({ consumer }), await market.issue({ consumer })];
    await expect(200, 'POST', `/v1/keys/${known.keyId}/revoke`, { reason: 'unspecified' });
    await using raw = await openRaw(place);
    await raw.run(`update keys set state = 'compromised' where id = '${forged.keyId}'`);
    assert.equal(await codeOf(forged.secret), 'VALID');
    const { revoked } = await expect(200, 'POST', '/v1/keys/revoke', { consumer, reason: 'key_compromise' });
    assert.deepEqual([...revoked].sort(), [known.keyId, forged.keyId].sort());
    assert.notEqual(await codeOf(forged.secret), 'VALID');
    const { state, reason } = await expect(200, 'GET', `/v1/keys/${known.keyId}`);
    assert.deepEqual([state, reason], ['compromised', 'key_compromise']);
    // Nor does it become less dead by an edit that is found: what was said of it may be true.
    await raw.run(`update keys set name = 'edited' where id = '${known.keyId}'`);
    await expect(200, 'POST', '/v1/keys/revoke', { consumer, reason: 'unspecified' });
    assert.equal((await expect(200, 'GET', `/v1/keys/${known.keyId}`)).state, 'compromised');
  });

  it('takes keys or a consumer, and says that there are none', async () => {
    const { expect, market } = shared();
    await expect(400, 'POST', '/v1/keys/revoke', { reason: 'unspecified' });
    await expect(400, 'POST', '/v1/keys/revoke', { keys: [MISSING], consumer: market.consumer, reason: 'unspecified' });
    const missing = await expect(404, 'POST', '/v1/keys/revoke', { keys: [MISSING], reason: 'unspecified' });
    assert.equal(missing.code, 'KEY_NOT_FOUND');
  });
});
