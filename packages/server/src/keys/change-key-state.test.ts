import assert from 'node:assert/strict';
import { it } from 'node:test';
import { REVOCATION_REASONS } from '@keyhold/protocol/state';
import { Ledger } from '../ledger/ledger.ts';
import { onEachDatabase } from '../testing/databases.ts';
import { openRaw } from '../testing/raw-database.ts';
import { shareMarket } from '../testing/shared-market.ts';

onEachDatabase('taking a key away', (createPlace) => {
  const shared = shareMarket(createPlace);
  const post = (keyId: string, verb: string, body: object = {}) =>
    shared().expect(200, 'POST', `/v1/keys/${keyId}/${verb}`, body);

  it('suspends at once and gives back at once', async () => {
    const { keyId, secret } = await shared().market.issue();
    const { key, barrier } = await post(keyId, 'suspend');
    assert.deepEqual([key.state, key.credentials[0].state], ['suspended', 'suspended']);
    assert.equal(barrier.acknowledged, 1);
    assert.equal(await shared().codeOf(secret), 'SUSPENDED');
    const { key: resumed } = await post(keyId, 'resume');
    assert.deepEqual([resumed.state, resumed.credentials[0].state], ['active', 'active']);
    assert.equal(await shared().codeOf(secret), 'VALID');
  });

  it('resumes a key whose time has not come into pre-active', async () => {
    const startsAt = new Date(Date.now() + 3_600_000).toISOString();
    const { keyId, secret } = await shared().market.issue({ startsAt });
    await post(keyId, 'suspend');
    for (let i = 0; i < 2; i++) assert.equal((await post(keyId, 'resume')).key.state, 'pre-active');
    const { items } = await shared().expect(200, 'GET', `/v1/audit/entries?subject=${keyId}&action=key.resumed`);
    assert.equal(items.length, 1);
    assert.equal(await shared().codeOf(secret), 'NOT_YET_VALID');
  });

  it('neither suspends nor resumes what time has ended, and still revokes it', async () => {
    const issued = [await shared().market.issue(), await shared().market.issue()];
    const [active, suspended] = issued.map(({ keyId }) => keyId) as [string, string];
    await post(suspended, 'suspend');
    const expiresAt = new Date(Date.now() + 1_000);
    for (const keyId of [active, suspended]) await shared().expect(200, 'PATCH', `/v1/keys/${keyId}`, { expiresAt });
    await new Promise((resolve) => setTimeout(resolve, expiresAt.getTime() - Date.now() + 5));
    for (const keyId of [active, suspended]) {
      for (const verb of ['suspend', 'resume']) {
        const { code } = await shared().expect(409, 'POST', `/v1/keys/${keyId}/${verb}`, {});
        assert.equal(code, 'ILLEGAL_TRANSITION');
      }
      assert.equal((await post(keyId, 'revoke', { reason: 'superseded' })).key.reason, 'superseded');
    }
  });

  for (const reason of REVOCATION_REASONS) {
    const state = reason === 'key_compromise' ? 'compromised' : 'deactivated';
    it(`revokes for ${reason} into ${state}, and the entry says why`, async () => {
      const { keyId, secret } = await shared().market.issue();
      const { key, barrier } = await post(keyId, 'revoke', { reason });
      for (const shown of [key, key.credentials[0]]) assert.deepEqual([shown.state, shown.reason], [state, reason]);
      assert.equal(barrier.acknowledged, 1);
      assert.equal(await shared().codeOf(secret), 'REVOKED');
      const { items } = await shared().expect(200, 'GET', `/v1/audit/entries?subject=${keyId}&action=key.revoked`);
      assert.equal(items.length, 1);
      assert.equal(items[0].sequence, barrier.sequence);
      assert.equal(JSON.parse(items[0].leaf).code, reason);
    });
  }

  it('answers a repeated revocation with the barrier of the entry that did it', async () => {
    const { keyId } = await shared().market.issue();
    const first = await post(keyId, 'revoke', { reason: 'superseded' });
    await shared().market.issue();
    const again = await post(keyId, 'revoke', { reason: 'superseded' });
    assert.equal(again.barrier.sequence, first.barrier.sequence);
    assert.equal(again.barrier.acknowledged, 1);
    const { items } = await shared().expect(200, 'GET', `/v1/audit/entries?subject=${keyId}`);
    assert.equal(items.length, 2);
  });

  it('answers a repeated revocation with that entry, whoever repeats it and whatever was entered of him since', async () => {
    const { keyId } = await shared().market.issue();
    const first = await post(keyId, 'revoke', { reason: 'superseded' });
    const { secret } = await shared().expect(201, 'POST', '/v1/tokens', { name: 'newer', scopes: ['admin'] });
    const path = `/v1/keys/${keyId}/revoke`;
    const again = await shared().installation.call('POST', path, { reason: 'superseded' }, { token: secret });
    assert.equal(again.status, 200);
    assert.equal(again.body.barrier.sequence, first.barrier.sequence);
    assert.equal(again.headers.get('keyhold-entry'), String(first.barrier.sequence));
  });

  it('lets a deactivated key become compromised, and never the other way', async () => {
    const { keyId } = await shared().market.issue();
    await post(keyId, 'revoke', { reason: 'superseded' });
    assert.equal((await post(keyId, 'revoke', { reason: 'key_compromise' })).key.state, 'compromised');
    const back = await post(keyId, 'revoke', { reason: 'superseded' });
    assert.deepEqual([back.key.state, back.key.reason], ['compromised', 'key_compromise']);
  });

  it('revokes one credential and leaves the others', async () => {
    const { keyId, credentialId, secret } = await shared().market.issue();
    const rotated = await shared().expect(201, 'POST', `/v1/keys/${keyId}/rotate`, { overlapSeconds: 60 });
    const path = `/v1/credentials/${credentialId}/revoke`;
    const { credential, barrier } = await shared().expect(200, 'POST', path, { reason: 'key_compromise' });
    assert.deepEqual([credential.state, credential.reason], ['compromised', 'key_compromise']);
    assert.equal(barrier.acknowledged, 1);
    assert.equal(await shared().codeOf(secret), 'REVOKED');
    assert.equal(await shared().codeOf(rotated.secret), 'VALID');
    const again = await shared().expect(200, 'POST', path, { reason: 'key_compromise' });
    assert.equal(again.barrier.sequence, barrier.sequence);
    assert.equal((await shared().expect(200, 'GET', `/v1/keys/${keyId}`)).state, 'active');
  });

  it('destroys a key with its credentials: to verifiers it was never there', async () => {
    const { keyId, credentialId, secret } = await shared().market.issue();
    const { key, barrier } = await post(keyId, 'destroy');
    assert.equal(key.state, 'destroyed');
    assert.equal(key.credentials[0].state, 'destroyed');
    assert.equal(barrier.acknowledged, 1);
    const verdict = await shared().installation.verify({ key: secret, environment: 'market/test' });
    assert.deepEqual(verdict, { valid: false, code: 'NOT_FOUND' });
    const refused = await shared().expect(409, 'POST', `/v1/credentials/${credentialId}/revoke`, {
      reason: 'superseded',
    });
    assert.equal(refused.code, 'ILLEGAL_TRANSITION');
  });

  it('destroys a key that was rotated more often than one entry has room for, though its token ends meanwhile', async (t) => {
    const { key } = await shared().expect(201, 'POST', '/v1/keys', {
      ...{ project: 'market', environment: 'test', consumer: shared().market.consumer, name: 'often' },
      ...{ permissions: ['prices:read'], credential: { kind: 'hmac' } },
    });
    for (let rotations = 0; rotations < 130; rotations++)
      await shared().expect(201, 'POST', `/v1/keys/${key.id}/rotate`, { overlapSeconds: 0 });
    const { token, secret } = await shared().expect(201, 'POST', '/v1/tokens', { name: 'ends', scopes: ['admin'] });
    const { record } = Ledger.prototype;
    let entries = 0;
    t.mock.method(Ledger.prototype, 'record', async function (this: Ledger, ...args: Parameters<typeof record>) {
      if (args[0].action === 'key.destroyed' && ++entries === 2)
        await shared().expect(200, 'POST', `/v1/tokens/${token.id}/revoke`);
      return await record.apply(this, args);
    });
    const destroyed = await shared().expect(200, 'POST', `/v1/keys/${key.id}/destroy`, {}, { token: secret });
    assert.deepEqual([destroyed.key.state, destroyed.barrier.acknowledged, entries], ['destroyed', 1, 3]);
    await using raw = await openRaw(shared().place);
    const kept = await raw.rows(
      `select s.id from signature_keys s join credentials c on c.id = s.credential_id
       where c.key_id = '${key.id}' and s.envelope is not null`,
    );
    assert.deepEqual(kept, []);
  });

  it('refuses a reason that is none and a key that is not there', async () => {
    const { keyId } = await shared().market.issue();
    const wrong = await shared().expect(400, 'POST', `/v1/keys/${keyId}/revoke`, { reason: 'because' });
    assert.equal(wrong.field, '/reason');
    const absent = keyId.replace(/.$/, (last) => (last === '0' ? '1' : '0'));
    for (const verb of ['suspend', 'resume', 'destroy']) {
      assert.equal((await shared().expect(404, 'POST', `/v1/keys/${absent}/${verb}`, {})).code, 'KEY_NOT_FOUND');
    }
  });

  it('revokes each of many keys once, however many callers ask at the same time', async () => {
    const issued = await Promise.all(Array.from({ length: 5 }, () => shared().market.issue()));
    await Promise.all(
      issued.flatMap(({ keyId }) => [1, 2, 3].map(() => post(keyId, 'revoke', { reason: 'privilege_withdrawn' }))),
    );
    for (const { keyId, secret } of issued) {
      assert.equal(await shared().codeOf(secret), 'REVOKED');
      const { items } = await shared().expect(200, 'GET', `/v1/audit/entries?subject=${keyId}&action=key.revoked`);
      assert.equal(items.length, 1);
    }
  });
});
