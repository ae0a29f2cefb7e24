import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, it } from 'node:test';
import { formatCredential } from '@keyhold/protocol/credential-format';
import { credentialDigest, connectVerifier } from '@keyhold/verifier/connect';
import type { Verifier } from '@keyhold/verifier/verifier';
import { onEachDatabase } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { openRaw, type RawDatabase } from '../testing/raw-database.ts';
import { shareMarket } from '../testing/shared-market.ts';

onEachDatabase('a row written past the ledger', (createPlace) => {
  const shared = shareMarket(createPlace);
  let raw: RawDatabase;

  before(async () => {
    raw = await openRaw(shared().place);
  });
  after(() => raw[Symbol.asyncDispose]());

  /** What a verifier that connects now makes of these secrets. */
  const decideAnew = async (...secrets: string[]): Promise<string[]> => {
    const token = await shared().expect(201, 'POST', '/v1/tokens', { name: 'v', scopes: ['feed'] });
    const verifier: Verifier = connectVerifier({ controlUrl: shared().installation.controlUrl, token: token.secret });
    try {
      await eventually('the verifier is ready', async () => verifier.ready);
      const verdicts = secrets.map((key) =>
        verifier.verify({ key, environment: 'market/test', permission: 'prices:read' }),
      );
      return (await Promise.all(verdicts)).map(({ code }) => code);
    } finally {
      await verifier.stop();
    }
  };
  const alarmed = async (subject: string): Promise<boolean> => {
    const { alarms } = await shared().expect(200, 'GET', '/v1/installation');
    return alarms.some(
      (alarm: { code: string; subject: string }) => alarm.code === 'ROW_TAMPERED' && alarm.subject === subject,
    );
  };

  it('is fed to no verifier and raises an alarm: a key with wider permissions', async () => {
    const { keyId, secret } = await shared().market.issue();
    const untouched = await shared().market.issue();
    await raw.run(`update keys set permissions = '["*:*"]' where id = '${keyId}'`);
    assert.deepEqual(await decideAnew(secret, untouched.secret), ['NOT_FOUND', 'VALID']);
    assert.equal(await alarmed(keyId), true);
    assert.equal(await alarmed(untouched.keyId), false);
  });

  it('is fed to no verifier and raises an alarm: a credential with the digest of another secret', async () => {
    const { credentialId, secret } = await shared().market.issue();
    const stolen = (await shared().market.issue()).secret;
    await shared().expect(201, 'POST', `/v1/keys/${(await shared().market.issue()).keyId}/rotate`, {
      overlapSeconds: 1,
    });
    await raw.run(`delete from credentials where digest = '${credentialDigest(stolen)}'`);
    await raw.run(`update credentials set digest = '${credentialDigest(stolen)}' where id = '${credentialId}'`);
    assert.deepEqual(await decideAnew(secret, stolen), ['NOT_FOUND', 'NOT_FOUND']);
    assert.equal(await alarmed(credentialId), true);
  });

  it('is fed to no verifier and raises an alarm: a consumer without its limits', async () => {
    const limits = [{ name: 'a', limit: 1, windowSeconds: 60 }];
    const consumer = await shared().expect(201, 'POST', '/v1/consumers', {
      project: 'market',
      name: 'c',
      rateLimits: limits,
    });
    const { secret } = await shared().market.issue({ consumer: consumer.id });
    await raw.run(`update consumers set rate_limits = '[]' where id = '${consumer.id}'`);
    assert.deepEqual(await decideAnew(secret), ['NOT_FOUND']);
    assert.equal(await alarmed(consumer.id), true);
  });

  it('raises an alarm when it is missing', async () => {
    const { keyId, secret } = await shared().market.issue();
    await raw.run(`delete from credentials where key_id = '${keyId}'`);
    await raw.run(`delete from keys where id = '${keyId}'`);
    assert.deepEqual(await decideAnew(secret), ['NOT_FOUND']);
    assert.equal(await alarmed(keyId), true);
  });

  it('is not fed when it is an old one put back: a revoked key stays revoked', async () => {
    const { keyId, secret } = await shared().market.issue();
    const [old] = await raw.rows(`select state, reason from keys where id = '${keyId}'`);
    await shared().expect(200, 'POST', `/v1/keys/${keyId}/revoke`, { reason: 'key_compromise' });
    await raw.run(`update keys set state = '${old.state}', reason = null where id = '${keyId}'`);
    assert.deepEqual(await decideAnew(secret), ['NOT_FOUND']);
    assert.equal(await alarmed(keyId), true);
  });

  it('is not fed when it was slipped in: the ledger knows no such row', async () => {
    const { credentialId, secret } = await shared().market.issue();
    const id = credentialId.replace(/.{4}$/, 'ffff');
    const forged = formatCredential('mkt_test', randomBytes(32));
    const columns =
      'salt, project_id, environment_id, key_id, kind, hint, state, reason, starts_at, expires_at, created_at';
    await raw.run(`insert into credentials (id, digest, ${columns})
      select '${id}', '${credentialDigest(forged)}', ${columns} from credentials where id = '${credentialId}'`);
    assert.deepEqual(await decideAnew(secret, forged), ['VALID', 'NOT_FOUND']);
    assert.equal(await shared().codeOf(forged), 'NOT_FOUND');
  });

  it('does not slip in behind a name that is taken: a slipped-in token opens nothing', async () => {
    const { token, secret } = await shared().expect(201, 'POST', '/v1/tokens', { name: 'mine', scopes: ['read'] });
    const id = token.id.replace(/.{4}$/, 'ffff');
    const forged = (await shared().expect(201, 'POST', '/v1/tokens', { name: 'other', scopes: ['read'] })).secret;
    await raw.run(`delete from tokens where digest = '${credentialDigest(forged)}'`);
    const columns = 'salt, name, projects, environment_id, hint, state, expires_at, created_at';
    await raw.run(`insert into tokens (id, digest, scopes, ${columns})
      select '${id}', '${credentialDigest(forged)}', '["admin"]', ${columns} from tokens where id = '${token.id}'`);
    const call = (as: string) => shared().installation.call('GET', '/v1/projects', undefined, { token: as });
    assert.equal((await call(secret)).status, 200);
    assert.equal((await call(forged)).status, 401);
    assert.equal(await alarmed(id), true);
  });

  it('opens nothing as a token: wider scopes authenticate nobody', async () => {
    const { token, secret } = await shared().expect(201, 'POST', '/v1/tokens', { name: 'r', scopes: ['read'] });
    await raw.run(`update tokens set scopes = '["admin"]' where id = '${token.id}'`);
    const { status } = await shared().installation.call('GET', '/v1/projects', undefined, { token: secret });
    assert.equal(status, 401);
    assert.equal(await alarmed(token.id), true);
  });

  it('is not changed any more, and the refusal says what to do', async () => {
    const { keyId } = await shared().market.issue();
    await raw.run(`update keys set name = 'edited' where id = '${keyId}'`);
    const problem = await shared().expect(409, 'PATCH', `/v1/keys/${keyId}`, { name: 'x' });
    assert.equal(problem.code, 'ROW_TAMPERED');
    assert.equal((await shared().expect(409, 'POST', `/v1/keys/${keyId}/suspend`)).code, 'ROW_TAMPERED');
    assert.equal(await alarmed(keyId), true);
  });

  for (const verb of ['revoke', 'destroy']) {
    it(`can still be taken away for good: ${verb}`, async () => {
      const { keyId, secret } = await shared().market.issue();
      await raw.run(`update keys set permissions = '["*:*"]' where id = '${keyId}'`);
      const body = verb === 'revoke' ? { reason: 'key_compromise' } : {};
      const { barrier } = await shared().expect(200, 'POST', `/v1/keys/${keyId}/${verb}`, body);
      assert.equal(barrier.acknowledged, 1);
      // It was taken out by its id, since nobody knows what else was edited.
      assert.equal(await shared().codeOf(secret), 'NOT_FOUND');
    });
  }

  it('can be taken away although it already claims to be: the verifiers that hold the true row let go of it', async () => {
    for (const [claimed, reason] of [
      ['deactivated', 'superseded'],
      ['compromised', 'key_compromise'],
      ['destroyed', 'unspecified'],
    ]) {
      const { keyId, secret } = await shared().market.issue();
      await raw.run(`update keys set state = '${claimed}' where id = '${keyId}'`);
      const { status } = await shared().installation.call('POST', `/v1/keys/${keyId}/revoke`, { reason });
      assert.equal(status, 200, claimed);
      assert.notEqual(await shared().codeOf(secret), 'VALID', `revoked while the row claimed ${claimed}`);
    }
  });

  it('can be taken away although a credential claims to be revoked', async () => {
    const { credentialId, secret } = await shared().market.issue();
    await raw.run(`update credentials set state = 'compromised' where id = '${credentialId}'`);
    await shared().expect(200, 'POST', `/v1/credentials/${credentialId}/revoke`, { reason: 'key_compromise' });
    assert.equal(await shared().codeOf(secret), 'REVOKED');
  });

  it('can be taken away although it is missing: the verifiers that hold the true row let go of it', async () => {
    const { keyId, secret } = await shared().market.issue();
    await raw.run(`delete from keys where id = '${keyId}'`);
    await shared().installation.call('POST', `/v1/keys/${keyId}/revoke`, { reason: 'key_compromise' });
    assert.notEqual(await shared().codeOf(secret), 'VALID');
  });

  it('can be taken away as a token although it claims to be', async () => {
    const { token, secret } = await shared().expect(201, 'POST', '/v1/tokens', { name: 'v', scopes: ['verify'] });
    await raw.run(`update tokens set state = 'deactivated' where id = '${token.id}'`);
    await shared().expect(200, 'POST', `/v1/tokens/${token.id}/revoke`);
    const body = { key: 'x', environment: 'market/test' };
    await assert.rejects(shared().installation.verify(body, secret), /401/);
  });

  it('raises an alarm as a permission setting, and the environment fails closed', async () => {
    await shared().expect(200, 'PUT', '/v1/projects/market/environments/test/permissions/orders:write', {
      confirm: 'online',
    });
    const [setting] = await raw.rows('select id from permission_settings');
    await raw.run(`update permission_settings set confirm = null where id = '${setting.id}'`);
    await decideAnew();
    assert.equal(await alarmed(setting.id), true);
    const problem = await shared().expect(
      409,
      'PUT',
      '/v1/projects/market/environments/test/permissions/orders:write',
      {},
    );
    assert.equal(problem.code, 'ROW_TAMPERED');
  });
});
