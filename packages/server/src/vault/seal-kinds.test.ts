import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { it } from 'node:test';
import { onEachDatabase } from '../testing/databases.ts';
import { startInstallation, type TestInstallation } from '../testing/installation.ts';
import { createMarket } from '../testing/market.ts';
import { changeSeal, closeSeal, mustOpenSeal, type Opener } from '../testing/seals.ts';

/** From `file` on, every kind into every kind, its own included. */
const WALK = ['passphrase', 'file', 'shamir', 'passphrase', 'passphrase', 'shamir', 'shamir', 'file', 'file'] as const;

async function store(installation: TestInstallation, path: string, data: unknown): Promise<string> {
  const body = { project: 'market', environment: 'test', path, data };
  const answer = await installation.call('POST', '/v1/secrets', body);
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  return answer.body.secret.id;
}

async function assertReveals(installation: TestInstallation, id: string, data: unknown, when: string): Promise<void> {
  const { status, body } = await installation.call('POST', `/v1/secrets/${id}/reveal`, {});
  assert.deepEqual([status, body.data], [200, data], `${when}: ${JSON.stringify(body)}`);
}

onEachDatabase('a seal', (createPlace) => {
  it('is changed into every kind while running, and secrets open before and after, closed, opened and restarted', async () => {
    await using place = await createPlace();
    let installation = await startInstallation(place);
    try {
      await createMarket(installation);
      const data = { apiSecret: randomUUID() };
      const id = await store(installation, 'before', data);
      for (const [i, kind] of WALK.entries()) {
        const when = `${WALK[i - 1] ?? 'file'} into ${kind}`;
        const opener: Opener = await changeSeal(installation, kind);
        await assertReveals(installation, id, data, when);
        await closeSeal(installation);
        await mustOpenSeal(installation, opener);
        await assertReveals(installation, id, data, `${when}, opened`);
        assert.equal(existsSync(`${place.folder}.key`), kind === 'file', when);
        await installation[Symbol.asyncDispose]();
        installation = await startInstallation(place);
        const { body } = await installation.call('GET', '/v1/seal');
        assert.deepEqual([body.kind, body.sealed], [kind, kind !== 'file'], when);
        if (kind !== 'file') await mustOpenSeal(installation, opener);
        await assertReveals(installation, id, data, `${when}, started again`);
      }
      const { body } = await installation.call('GET', '/v1/audit/entries?action=seal.changed&limit=50');
      assert.equal(body.items.length, WALK.length);
    } finally {
      await installation[Symbol.asyncDispose]();
    }
  });

  it('opens with nothing of the seal before it', async () => {
    await using place = await createPlace();
    await using installation = await startInstallation(place);
    const fileBefore = readFileSync(`${place.folder}.key`, 'utf8');
    const first = (await changeSeal(installation, 'passphrase')) as Opener & { kind: 'passphrase' };
    const second = (await changeSeal(installation, 'shamir')) as Opener & { kind: 'shamir' };
    const third = (await changeSeal(installation, 'shamir')) as Opener & { kind: 'shamir' };
    await closeSeal(installation);
    const { nonce } = (await installation.call('GET', '/v1/seal')).body.attempt;
    const refused = await installation.call('POST', '/v1/unseal', { share: second.shares[0], nonce });
    assert.deepEqual([refused.status, refused.body.code], [409, 'UNSEAL_REFUSED']);
    assert.match(refused.body.detail, /Share 1 belongs to another set/);
    assert.equal((await installation.call('POST', '/v1/unseal', { passphrase: first.passphrase })).status, 400);
    await mustOpenSeal(installation, third);
    const fourth = await changeSeal(installation, 'file');
    assert.notEqual(readFileSync(`${place.folder}.key`, 'utf8'), fileBefore);
    await closeSeal(installation);
    await mustOpenSeal(installation, fourth);
  });

  it('opens with what one of many changes at once gave, and every other says that it changed nothing', async () => {
    await using place = await createPlace();
    {
      await using installation = await startInstallation(place);
      await createMarket(installation);
      await store(installation, 'before', {});
      const kinds = ['file', 'file', 'file', 'file'] as const;
      const answers = await Promise.all(kinds.map((kind) => installation.call('POST', '/v1/seal/change', { kind })));
      for (const { status, body } of answers) assert.ok(status === 200 || body.code === 'ATTEMPT_OVER', `${status}`);
      assert.ok(answers.some(({ status }) => status === 200));
    }
    await using again = await startInstallation(place);
    await store(again, 'after', {});
  });

  it('stays closed when it was closed while a change was on its way', async () => {
    await using place = await createPlace();
    await using installation = await startInstallation(place);
    const passphrase = randomUUID();
    const changing = installation.call('POST', '/v1/seal/change', { kind: 'passphrase', passphrase });
    const closing = installation.call('POST', '/v1/seal');
    const [changed, closed] = await Promise.all([changing, closing]);
    assert.equal(closed.status, 200);
    assert.ok(changed.status === 200 || changed.body.code === 'SEALED', JSON.stringify(changed.body));
    assert.equal((await installation.call('GET', '/v1/seal')).body.sealed, true);
    const opener: Opener = changed.status === 200 ? { kind: 'passphrase', passphrase } : { kind: 'file' };
    await mustOpenSeal(installation, opener);
  });
});
