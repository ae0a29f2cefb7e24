import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { it } from 'node:test';
import { onEachDatabase } from '../testing/databases.ts';
import { startInstallation, type TestInstallation } from '../testing/installation.ts';
import { createMarket, type TestMarket } from '../testing/market.ts';
import { changeSeal, closeSeal, mustOpenSeal } from '../testing/seals.ts';

interface Known {
  readonly market: TestMarket;
  readonly id: string;
  readonly secret: string;
}

const CODE = async (installation: TestInstallation, key: string): Promise<string> =>
  (await installation.verify({ key, environment: 'market/test', permission: 'prices:read' })).code;

/** What needs a key answers 503 with a time to come back, and enters nothing. */
async function assertNeedsKey(installation: TestInstallation, { id }: Known): Promise<void> {
  const place = { project: 'market', environment: 'test' };
  const calls: [string, object][] = [
    [`/v1/secrets/${id}/reveal`, {}],
    ['/v1/secrets', { ...place, path: 'known', data: {} }],
    ['/v1/secrets', { ...place, path: 'new', data: {} }],
    ['/v1/seal', {}],
    ['/v1/seal/change', { kind: 'file' }],
  ];
  const before = (await installation.call('GET', '/v1/installation')).body.sequence;
  for (const [path, body] of calls) {
    const answer = await installation.call('POST', path, body);
    assert.deepEqual([answer.status, answer.body.code], [503, 'SEALED'], path);
    assert.match(answer.headers.get('retry-after') ?? '', /^[1-9]\d*$/, path);
  }
  assert.equal((await installation.call('GET', '/v1/installation')).body.sequence, before);
}

/** What needs no key goes on. */
async function assertGoesOn(installation: TestInstallation, { market, id, secret }: Known): Promise<void> {
  const call = async (status: number, method: string, path: string, body?: object) => {
    const answer = await installation.call(method, path, body);
    assert.equal(answer.status, status, `${path}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  assert.equal(await CODE(installation, secret), 'VALID');
  const issued = await market.issue();
  assert.equal(await CODE(installation, issued.secret), 'VALID');
  const { barrier } = await call(200, 'POST', `/v1/keys/${issued.keyId}/suspend`);
  assert.deepEqual([barrier.acknowledged, barrier.unconfirmed], [1, 0], 'leases and the feed go on');
  assert.equal(await CODE(installation, issued.secret), 'SUSPENDED');
  await call(200, 'POST', `/v1/keys/${issued.keyId}/resume`);
  await call(201, 'POST', `/v1/keys/${issued.keyId}/rotate`, { overlapSeconds: 60 });
  await call(200, 'POST', `/v1/keys/${issued.keyId}/revoke`, { reason: 'superseded' });
  assert.equal(await CODE(installation, issued.secret), 'REVOKED');
  await call(201, 'POST', '/v1/tokens', { name: 't', scopes: ['read'] });
  assert.equal((await call(200, 'GET', `/v1/secrets/${id}`)).path, 'known');
  await call(200, 'GET', `/v1/secrets/${id}/versions`);
  await call(200, 'GET', '/v1/secrets?project=market&environment=test');
  await call(200, 'PATCH', `/v1/secrets/${id}`, { metadata: { owner: randomUUID() } });
  await call(200, 'POST', `/v1/secrets/${id}/delete`, { versions: [1] });
  await call(200, 'POST', `/v1/secrets/${id}/undelete`, { versions: [1] });
  await call(200, 'GET', '/v1/audit/entries');
  assert.equal((await call(200, 'GET', '/v1/seal')).sealed, true);
}

onEachDatabase('while sealed', (createPlace) => {
  it('what needs no key goes on and what needs one says so, also after a start that comes up sealed', async () => {
    await using place = await createPlace();
    let installation = await startInstallation(place);
    try {
      const market = await createMarket(installation, { leaseSeconds: 1 });
      const body = { project: 'market', environment: 'test', path: 'known', data: { a: randomUUID() } };
      const stored = await installation.call('POST', '/v1/secrets', body);
      const known = { market, id: stored.body.secret.id, secret: (await market.issue()).secret };
      const opener = await changeSeal(installation, 'passphrase');
      await closeSeal(installation);
      await assertNeedsKey(installation, known);
      await assertGoesOn(installation, known);
      await installation[Symbol.asyncDispose]();
      installation = await startInstallation(place);
      const calls = installation;
      const issue = async () => {
        const key = { project: 'market', environment: 'test', consumer: market.consumer, name: 'key' };
        const answer = await calls.call('POST', '/v1/keys', { ...key, permissions: ['prices:read'] });
        return { keyId: answer.body.key.id, credentialId: answer.body.credential.id, secret: answer.body.secret };
      };
      const after = { ...known, market: { ...market, issue } };
      await assertNeedsKey(installation, after);
      await assertGoesOn(installation, after);
      await mustOpenSeal(installation, opener);
      const revealed = await installation.call('POST', `/v1/secrets/${known.id}/reveal`, {});
      assert.deepEqual(revealed.body.data, body.data);
    } finally {
      await installation[Symbol.asyncDispose]();
    }
  });
});
