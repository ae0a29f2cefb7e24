import assert from 'node:assert/strict';
import { before, it } from 'node:test';
import { connectVerifier } from '@keyhold/verifier/connect';
import { onEachDatabase } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { startRelay } from '../testing/relay.ts';
import { openRaw } from '../testing/raw-database.ts';
import { shareMarket } from '../testing/shared-market.ts';

onEachDatabase('a permission that is asked of the control plane', (createPlace) => {
  // Short leases: one test leaves a verifier behind whose lease is waited out.
  const shared = shareMarket(createPlace, { leaseSeconds: 3 });
  const SETTINGS = '/v1/projects/market/environments/test/permissions';

  before(async () => {
    const { expect } = shared();
    const confirm = await expect(200, 'PUT', `${SETTINGS}/orders:write`, { confirm: 'online' });
    assert.equal(confirm.barrier.acknowledged, 1);
    await expect(200, 'PUT', `${SETTINGS}/funds:*`, { audit: 'every-use' });
  });

  const permissions = ['orders:write', 'funds:move', 'prices:read'];
  const usesOf = async (keyId: string) =>
    (await shared().expect(200, 'GET', `/v1/audit/entries?action=key.used&subject=${keyId}`)).items;

  it('has its entry before the verdict, with who and what and from where', async () => {
    const { keyId, credentialId, secret } = await shared().market.issue({ permissions });
    for (let uses = 1; uses <= 3; uses++) {
      assert.equal(await shared().codeOf(secret, { permission: 'funds:move', clientIp: '192.0.2.5' }), 'VALID');
      assert.equal((await usesOf(keyId)).length, uses);
    }
    const [entry] = await usesOf(keyId);
    assert.equal(entry.actor, credentialId);
    assert.deepEqual(entry.side, { clientIp: '192.0.2.5', permission: 'funds:move' });
  });

  it('leaves no entry for a refusal, and none for permissions beside it', async () => {
    const { keyId, secret } = await shared().market.issue({ permissions: ['prices:read'] });
    assert.equal(await shared().codeOf(secret, { permission: 'funds:move' }), 'INSUFFICIENT_PERMISSIONS');
    assert.equal(await shared().codeOf(secret, { permission: 'prices:read' }), 'VALID');
    assert.deepEqual(await usesOf(keyId), []);
  });

  it('shows no use after a revocation, however many uses race it', async () => {
    const { keyId, secret } = await shared().market.issue({ permissions });
    const race = Array.from({ length: 40 }, () => shared().codeOf(secret, { permission: 'funds:move' }));
    const revoked = shared().expect(200, 'POST', `/v1/keys/${keyId}/revoke`, { reason: 'key_compromise' });
    const codes = await Promise.all(race);
    const { barrier } = await revoked;
    const uses = await usesOf(keyId);
    assert.equal(codes.filter((code) => code === 'VALID').length <= uses.length, true);
    for (const { sequence } of uses) assert.ok(sequence < barrier.sequence);
    for (const code of codes) assert.ok(code === 'VALID' || code === 'REVOKED', code);
    assert.equal(await shared().codeOf(secret, { permission: 'funds:move' }), 'REVOKED');
  });

  it('stays valid for a key that is changed in the same moment', async () => {
    const { keyId, secret } = await shared().market.issue({ permissions });
    for (let i = 0; i < 5; i++) {
      const use = () => shared().codeOf(secret, { permission: 'funds:move' });
      const rename = (j: number) => shared().expect(200, 'PATCH', `/v1/keys/${keyId}`, { name: `renamed ${i} ${j}` });
      const uses: Promise<string>[] = [];
      const changes: Promise<unknown>[] = [];
      for (let j = 0; j < 15; j++) {
        uses.push(use());
        changes.push(rename(j));
      }
      const codes = await Promise.all(uses);
      await Promise.all(changes);
      assert.deepEqual(
        codes,
        codes.map(() => 'VALID'),
      );
    }
  });

  it('gets no verdict without its control plane, while others still do', async () => {
    const token = await shared().expect(201, 'POST', '/v1/tokens', { name: 'v', scopes: ['feed'] });
    await using relay = await startRelay(shared().installation.controlUrl);
    const verifier = connectVerifier({ controlUrl: relay.url, token: token.secret });
    try {
      await eventually('the verifier is ready', async () => verifier.ready);
      const { secret } = await shared().market.issue({ permissions });
      const decide = async (permission: string) =>
        (await verifier.verify({ key: secret, environment: 'market/test', permission })).code;
      for (const permission of permissions) assert.equal(await decide(permission), 'VALID');
      relay.cut();
      await eventually('the connection ends', async () => !verifier.connected);
      assert.equal(await decide('prices:read'), 'VALID');
      assert.equal(await decide('orders:write'), 'STORE_UNAVAILABLE');
      assert.equal(await decide('funds:move'), 'STORE_UNAVAILABLE');
      assert.equal(await decide('prices:read or funds:move'), 'STORE_UNAVAILABLE');
    } finally {
      await verifier.stop();
    }
  });

  it('is decided by the committed rows: a row written past the ledger is not believed', async () => {
    const { keyId, secret } = await shared().market.issue({ permissions });
    await using raw = await openRaw(shared().place);
    await raw.run(`update keys set name = 'edited' where id = '${keyId}'`);
    assert.equal(await shared().codeOf(secret, { permission: 'orders:write' }), 'NOT_FOUND');
    assert.equal(await shared().codeOf(secret, { permission: 'funds:move' }), 'NOT_FOUND');
    assert.deepEqual(await usesOf(keyId), []);
  });

  it('is decided alone again once its setting is taken back', async () => {
    await shared().expect(200, 'PUT', `${SETTINGS}/rare:thing`, { audit: 'every-use' });
    const { keyId, secret } = await shared().market.issue({ permissions: ['rare:thing'] });
    await shared().expect(200, 'PUT', `${SETTINGS}/rare:thing`, {});
    assert.equal(await shared().codeOf(secret, { permission: 'rare:thing' }), 'VALID');
    assert.deepEqual(await usesOf(keyId), []);
  });
});
