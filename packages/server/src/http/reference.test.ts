import assert from 'node:assert/strict';
import { it } from 'node:test';
import { MANAGEMENT_OPERATIONS, SIGN_IN_OPERATIONS, VERIFIER_OPERATIONS } from '@keyhold/protocol/operations/registry';
import { createPlace } from '../testing/databases.ts';
import { startInstallation } from '../testing/installation.ts';

it('describes every operation of each plane in OpenAPI 3.1, and asks nothing of other hosts to show it', async () => {
  await using place = await createPlace('sqlite');
  await using installation = await startInstallation(place);
  const planes = [
    // Routes that are not mounted alike: a backup is a stream of bytes, and an exchange takes no token of ours.
    [installation.controlUrl, [...MANAGEMENT_OPERATIONS, ...SIGN_IN_OPERATIONS], ['create-backup', 'exchange-token']],
    // The time is for everybody, and gateways say what they ask by fields of their own.
    [installation.verifierUrl, VERIFIER_OPERATIONS, ['get-time', 'auth-nginx', 'auth-forward']],
  ] as const;
  for (const [url, operations, streamed] of planes) {
    const description = (await (await fetch(new URL('/openapi.json', url))).json()) as {
      openapi: string;
      paths: Record<string, Record<string, { operationId: string; responses: Record<string, unknown> }>>;
    };
    assert.match(description.openapi, /^3\.1\./);
    const described = Object.values(description.paths).flatMap((methods) => Object.values(methods));
    assert.deepEqual(
      described.map(({ operationId }) => operationId).sort(),
      [...operations.map(({ id }) => id), ...streamed].sort(),
    );
    for (const { path, method, status } of operations) {
      const operation = description.paths[path]?.[method.toLowerCase()];
      assert.ok(operation?.responses[status] !== undefined, `${method} ${path} says what it answers`);
    }
    const page = await fetch(new URL('/docs', url));
    assert.equal(page.status, 200);
    const policy = page.headers.get('content-security-policy') ?? '';
    assert.match(policy, /default-src 'none'/);
    assert.doesNotMatch(policy, /https:|\*/);
    assert.doesNotMatch(await page.text(), /(?:src|href)="(?:https?:)?\/\//);
  }
});
