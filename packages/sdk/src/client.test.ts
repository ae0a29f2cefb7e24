import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { createPlace, onEachDatabase } from '@keyhold/server/testing/databases';
import { startInstallation } from '@keyhold/server/testing/installation';
import { createClient, createVerifierClient } from './client.ts';
import { embedVerifier } from './embedded.ts';
import { KeyholdError } from './keyhold-error.ts';

onEachDatabase('a client', (createPlace) => {
  it('issues, verifies over HTTP and in this process, and revokes: dead in both when it returns', async () => {
    await using place = await createPlace();
    await using installation = await startInstallation(place);
    const client = createClient({ url: installation.controlUrl, token: installation.bootstrapToken });
    await client.projects.create({ slug: 'market', name: 'Market' });
    await client.environments.create({ slug: 'market', name: 'test', prefix: 'sdk_test' });
    const { id: consumer } = await client.consumers.create({ project: 'market', name: 'bot' });
    const embedded = embedVerifier({
      controlUrl: installation.controlUrl,
      token: readFileSync(installation.verifierTokenFile, 'utf8').trim(),
    });
    try {
      await waitUntil(() => embedded.ready);
      const issue = { project: 'market', environment: 'test', consumer, name: 'k', permissions: ['prices:read'] };
      const issued = await client.keys.issue(issue, { idempotencyKey: 'once' });
      const again = await client.keys.issue(issue, { idempotencyKey: 'once' });
      assert.deepEqual([again.key.id, again.secret, again.secretShown], [issued.key.id, undefined, true]);
      const remote = createVerifierClient({ url: installation.verifierUrl, token: installation.bootstrapToken });
      const request = { key: issued.secret as string, environment: 'market/test', permission: 'prices:read' };
      assert.equal((await remote.verify(request)).code, 'VALID');
      assert.equal((await embedded.verify(request)).code, 'VALID');
      const { barrier } = await client.keys.revoke({ id: issued.key.id, reason: 'superseded' });
      assert.equal(barrier.acknowledged, 2);
      assert.equal((await remote.verify(request)).code, 'REVOKED');
      assert.equal((await embedded.verify(request)).code, 'REVOKED');
    } finally {
      await embedded.stop();
    }
  });
});

it('throws a refusal with its code, status and field; a missing path parameter before anything is sent', async () => {
  await using place = await createPlace('sqlite');
  await using installation = await startInstallation(place);
  const client = createClient({ url: installation.controlUrl, token: installation.bootstrapToken });
  await assert.rejects(client.projects.create({ slug: 'Not a slug', name: 'x' }), (error) => {
    assert.ok(error instanceof KeyholdError);
    assert.deepEqual([error.code, error.status, error.field], ['INVALID_INPUT', 400, '/slug']);
    return true;
  });
  await assert.rejects(client.keys.get({ id: '' }), /"id" is missing/);
});

async function waitUntil(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 1000 && !holds(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.ok(holds());
}
