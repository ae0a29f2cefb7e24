import assert from 'node:assert/strict';
import { generateKeyPairSync, hash, sign } from 'node:crypto';
import { it } from 'node:test';
import { possessionStatement } from '@keyhold/protocol/possession';
import { onEachDatabase } from '../testing/databases.ts';
import { moveClock } from '../testing/moved-clock.ts';
import { openRaw } from '../testing/raw-database.ts';
import { shareMarket } from '../testing/shared-market.ts';

/** A public key with the proof that its holder has the private one. */
function proven(holder: string, at: string): object {
  const pair = generateKeyPairSync('ed25519');
  const publicKey = pair.publicKey.export({ format: 'der', type: 'spki' }).toString('hex');
  const statement = possessionStatement({ environment: 'market/test', holder, publicKey, at });
  return {
    kind: 'public-key',
    publicKey,
    proof: { at, signature: sign(null, statement, pair.privateKey).toString('base64') },
  };
}

onEachDatabase('a call repeated under one Idempotency-Key', (createPlace) => {
  const shared = shareMarket(createPlace);
  const under = (key: string, token?: string) => ({
    headers: { 'idempotency-key': key },
    ...(token === undefined ? {} : { token }),
  });
  const newKey = (settings: object = {}) => ({
    project: 'market',
    environment: 'test',
    consumer: shared().market.consumer,
    name: 'key',
    permissions: [],
    ...settings,
  });

  it('issues once, and the repetition says that the secret was shown', async () => {
    const first = await shared().expect(201, 'POST', '/v1/keys', newKey(), under('issue-1'));
    const again = await shared().expect(200, 'POST', '/v1/keys', newKey(), under('issue-1'));
    assert.equal(again.secretShown, true);
    assert.equal('secret' in again, false);
    assert.deepEqual([again.key, again.credential], [first.key, first.credential]);
    assert.equal(JSON.stringify(again).includes(first.secret), false);
  });

  it('issues once when both calls come at the same time', async () => {
    const answers = await Promise.all(
      [1, 2, 3].map(() => shared().installation.call('POST', '/v1/keys', newKey(), under('issue-2'))),
    );
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 200, 201]);
    assert.equal(new Set(answers.map(({ body }) => body.key.id)).size, 1);
  });

  it('answers the members of metadata as they were, whatever their names', async () => {
    const settings = newKey({ metadata: { secret: 'handshake', plan: 'pro' } });
    const first = await shared().expect(201, 'POST', '/v1/keys', settings, under('issue-3'));
    const again = await shared().expect(200, 'POST', '/v1/keys', settings, under('issue-3'));
    assert.deepEqual(again.key.metadata, first.key.metadata);
  });

  it('takes the order of members for nothing, and another body for another request', async () => {
    await shared().expect(201, 'POST', '/v1/keys', newKey(), under('issue-4'));
    const reversed = Object.fromEntries(Object.entries(newKey()).reverse());
    await shared().expect(200, 'POST', '/v1/keys', reversed, under('issue-4'));
    const problem = await shared().expect(422, 'POST', '/v1/keys', newKey({ name: 'another' }), under('issue-4'));
    assert.deepEqual([problem.code, problem.field], ['IDEMPOTENCY_KEY_REUSED', 'Idempotency-Key']);
    const elsewhere = { project: 'market', name: 'bot' };
    await shared().expect(422, 'POST', '/v1/consumers', elsewhere, under('issue-4'));
  });

  it('belongs to its principal: another token does it anew', async () => {
    const { secret: token } = await shared().expect(201, 'POST', '/v1/tokens', { name: 'keys', scopes: ['keys'] });
    const mine = await shared().expect(201, 'POST', '/v1/keys', newKey(), under('issue-5'));
    const theirs = await shared().expect(201, 'POST', '/v1/keys', newKey(), under('issue-5', token));
    assert.notEqual(mine.key.id, theirs.key.id);
  });

  it('keeps nothing of a refusal: the corrected call goes through', async () => {
    await shared().expect(400, 'POST', '/v1/keys', newKey({ permissions: ['x'] }), under('issue-6'));
    await shared().expect(404, 'POST', '/v1/keys', newKey({ project: 'absent' }), under('issue-6'));
    await shared().expect(201, 'POST', '/v1/keys', newKey(), under('issue-6'));
  });

  it('rotates once, and waits for the same barrier again', async () => {
    const { keyId } = await shared().market.issue();
    const rotate = (status: number) =>
      shared().expect(status, 'POST', `/v1/keys/${keyId}/rotate`, { overlapSeconds: 0 }, under('rotate-1'));
    const first = await rotate(201);
    const again = await rotate(200);
    assert.deepEqual([again.credential, again.previous], [first.credential, first.previous]);
    assert.equal(again.secretShown, true);
    assert.equal(again.barrier.sequence, first.barrier.sequence);
    assert.equal((await shared().expect(200, 'GET', `/v1/keys/${keyId}`)).credentials.length, 2);
  });

  it('creates projects, environments, consumers and tokens once', async () => {
    const calls: [path: string, body: object][] = [
      ['/v1/projects', { slug: 'twice', name: 'Twice' }],
      ['/v1/projects/twice/environments', { name: 'live', prefix: 'twice' }],
      ['/v1/consumers', { project: 'twice', name: 'bot', externalId: 'x' }],
      ['/v1/tokens', { name: 'reader', scopes: ['read'] }],
    ];
    for (const [path, body] of calls) {
      const first = await shared().expect(201, 'POST', path, body, under(`create ${path}`.replaceAll(' ', '-')));
      const again = await shared().expect(200, 'POST', path, body, under(`create ${path}`.replaceAll(' ', '-')));
      const { secret: _, ...rest } = first;
      assert.deepEqual(again, 'secret' in first ? { ...rest, secretShown: true } : first);
    }
  });

  it('answers what the first one made, also after the end of what was made and of the proof that it came with', async () => {
    const { consumer } = shared().market;
    const at = new Date().toISOString();
    const expiresAt = new Date(Date.now() + 60_000).toISOString();
    const credential = proven(consumer, at);
    const calls: [path: string, body: object][] = [
      ['/v1/keys', newKey({ expiresAt })],
      ['/v1/keys', newKey({ credential })],
      ['/v1/tokens', { name: 'reader', scopes: ['read'], expiresAt }],
    ];
    const send = async (status: number) => {
      const made: unknown[] = [];
      for (const [i, [path, body]] of calls.entries()) {
        const { key, token } = await shared().expect(status, 'POST', path, body, under(`late-${i}`));
        made.push(key ?? token.id);
      }
      return made;
    };
    const first = await send(201);
    using _ = moveClock(11 * 60_000);
    assert.deepEqual(await send(200), first);
    const anew = await shared().expect(400, 'POST', '/v1/keys', newKey({ expiresAt }), under('late-anew'));
    assert.deepEqual([anew.code, anew.field], ['INVALID_INPUT', '/expiresAt']);
  });

  it('refuses a key that no header can carry safely, by name', async () => {
    const problem = await shared().expect(400, 'POST', '/v1/keys', newKey(), under('x'.repeat(129)));
    assert.equal(problem.field, 'Idempotency-Key');
  });

  it('stores no secret', async () => {
    const { secret } = await shared().expect(201, 'POST', '/v1/keys', newKey(), under('issue-7'));
    await using raw = await openRaw(shared().place);
    const kept = JSON.stringify(await raw.rows('select * from idempotency'));
    assert.ok(kept.includes(hash('sha256', 'issue-7', 'hex')));
    assert.equal(kept.includes('issue-7'), false);
    assert.equal(kept.includes(secret) || kept.includes('[secret]'), false);
  });
});
