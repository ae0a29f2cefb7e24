import assert from 'node:assert/strict';
import { it } from 'node:test';
import { onEachDatabase } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { shareMarket } from '../testing/shared-market.ts';

interface ShownCredential {
  readonly id: string;
  readonly state: string;
  readonly uses: number;
  readonly lastUsedAt: string | null;
  readonly lastUsedFrom: string | null;
}

onEachDatabase('rotating a key', (createPlace) => {
  const shared = shareMarket(createPlace);
  const rotate = (keyId: string, overlapSeconds: number) =>
    shared().expect(201, 'POST', `/v1/keys/${keyId}/rotate`, { overlapSeconds });
  const get = (keyId: string) => shared().expect(200, 'GET', `/v1/keys/${keyId}`);

  it('keeps both secrets valid during the overlap, and lets the old one expire afterwards', async () => {
    const { keyId, credentialId, secret } = await shared().market.issue();
    const rotated = await rotate(keyId, 1);
    assert.equal(rotated.previous.id, credentialId);
    assert.equal(rotated.barrier.acknowledged, 1);
    assert.equal(await shared().codeOf(secret), 'VALID');
    assert.equal(await shared().codeOf(rotated.secret), 'VALID');
    await new Promise((resolve) => setTimeout(resolve, Date.parse(rotated.previous.expiresAt) - Date.now() + 5));
    assert.equal(await shared().codeOf(secret), 'EXPIRED');
    assert.equal(await shared().codeOf(rotated.secret), 'VALID');
    const states = (await get(keyId)).credentials.map(({ id, state }: ShownCredential) => [id, state]);
    assert.deepEqual(states, [
      [rotated.credential.id, 'active'],
      [credentialId, 'deactivated'],
    ]);
  });

  it('waits for no barrier when every lease is renewed before the overlap ends', async () => {
    const { keyId } = await shared().market.issue();
    const { leaseSeconds } = (await shared().expect(200, 'GET', '/v1/projects/market/environments')).items[0];
    assert.ok((await rotate(keyId, 2 * leaseSeconds)).barrier);
    assert.equal('barrier' in (await rotate(keyId, 2 * leaseSeconds + 1)), false);
  });

  it('revokes the old secret at once without overlap, behind the barrier', async () => {
    const { keyId, secret } = await shared().market.issue();
    const rotated = await rotate(keyId, 0);
    assert.equal(rotated.barrier.acknowledged, 1);
    assert.equal(rotated.previous.state, 'deactivated');
    assert.equal(rotated.previous.reason, 'superseded');
    assert.equal(await shared().codeOf(secret), 'REVOKED');
    assert.equal(await shared().codeOf(rotated.secret), 'VALID');
  });

  it('ends every older credential, and never later than it would have ended', async () => {
    const { keyId, secret } = await shared().market.issue();
    const second = await rotate(keyId, 60);
    const third = await rotate(keyId, 3600);
    const [, , first] = (await get(keyId)).credentials;
    assert.equal(first.expiresAt, second.previous.expiresAt);
    assert.equal(third.previous.id, second.credential.id);
    const fourth = await rotate(keyId, 0);
    for (const old of [secret, second.secret, third.secret]) assert.equal(await shared().codeOf(old), 'REVOKED');
    assert.equal(await shared().codeOf(fourth.secret), 'VALID');
  });

  it('adds no thirty-third that lives, and ends all of so many at once without overlap', async () => {
    const { keyId, secret } = await shared().market.issue();
    await Promise.all(Array.from({ length: 31 }, () => rotate(keyId, 3600)));
    const refused = await shared().expect(409, 'POST', `/v1/keys/${keyId}/rotate`, { overlapSeconds: 3600 });
    assert.equal(refused.code, 'ILLEGAL_TRANSITION');
    const rotated = await rotate(keyId, 0);
    assert.equal(await shared().codeOf(secret), 'REVOKED');
    assert.equal(await shared().codeOf(rotated.secret), 'VALID');
    const living = (await get(keyId)).credentials.filter(({ state }: ShownCredential) => state === 'active');
    assert.deepEqual(
      living.map(({ id }: ShownCredential) => id),
      [rotated.credential.id],
    );
  });

  it('keeps id, settings, counters and history of the key', async () => {
    const { keyId, secret } = await shared().market.issue({
      quota: { limit: 10, period: 'month' },
      metadata: { a: 1 },
    });
    await shared().codeOf(secret, { cost: 4 });
    const { secret: fresh } = await rotate(keyId, 60);
    const verdict = await shared().installation.verify({ key: fresh, environment: 'market/test' });
    assert.equal(verdict.keyId, keyId);
    assert.equal(verdict.quota?.remaining, 5);
    assert.deepEqual(verdict.metadata, { a: 1 });
  });

  it('shows for each credential how often, when and from where it was last used', async () => {
    const { keyId, credentialId, secret } = await shared().market.issue();
    const rotated = await rotate(keyId, 60);
    const from = Date.now();
    await shared().codeOf(secret, { clientIp: '192.0.2.7' });
    await shared().codeOf(secret, { clientIp: '192.0.2.8' });
    await shared().codeOf(rotated.secret, { clientIp: '2001:db8::1' });
    await shared().codeOf(secret, { permission: 'orders:write', clientIp: '192.0.2.9' });
    const used = await eventually('the verifier reports three uses', async () => {
      const credentials: ShownCredential[] = (await get(keyId)).credentials;
      return credentials.reduce((sum, { uses }) => sum + uses, 0) === 3 && credentials;
    });
    const seen = used.map(({ id, uses, lastUsedFrom }) => [id, uses, lastUsedFrom]);
    assert.deepEqual(seen, [
      [rotated.credential.id, 1, '2001:db8::1'],
      [credentialId, 2, '192.0.2.8'],
    ]);
    for (const { lastUsedAt } of used) {
      assert.ok(Date.parse(lastUsedAt ?? '') >= from && Date.parse(lastUsedAt ?? '') <= Date.now());
    }
  });

  it('keeps a suspended key suspended', async () => {
    const { keyId } = await shared().market.issue();
    await shared().expect(200, 'POST', `/v1/keys/${keyId}/suspend`);
    assert.equal(await shared().codeOf((await rotate(keyId, 60)).secret), 'SUSPENDED');
  });

  it('refuses a dead key and an overlap that is none', async () => {
    const { keyId } = await shared().market.issue();
    const wrong = await shared().expect(400, 'POST', `/v1/keys/${keyId}/rotate`, { overlapSeconds: -1 });
    assert.equal(wrong.field, '/overlapSeconds');
    await shared().expect(200, 'POST', `/v1/keys/${keyId}/revoke`, { reason: 'unspecified' });
    const dead = await shared().expect(409, 'POST', `/v1/keys/${keyId}/rotate`, { overlapSeconds: 0 });
    assert.equal(dead.code, 'ILLEGAL_TRANSITION');
  });
});
