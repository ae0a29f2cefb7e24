import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createPlace } from '../testing/databases.ts';
import { send, startInstallation } from '../testing/installation.ts';
import { createMarket } from '../testing/market.ts';
import { enrolOwner, enrolPerson, type PersonAnswer } from '../testing/person.ts';
import { POSTGRES_URL } from '../testing/postgres.ts';
import { openRaw } from '../testing/raw-database.ts';
import { assertStatus } from '../testing/shared-market.ts';

const turn = () => new Promise((resolve) => setTimeout(resolve, 150));

/**
 * What was allowed, and waits for its turn behind the entry that its caller is gone, is not done. The writer is held up, so
 * that both are under way before either is committed.
 */
// On SQLite nothing is under way while something is committed.
const options = { skip: POSTGRES_URL === undefined };

it('whoever is gone is shown nothing that was on its way when he was off-boarded', options, async () => {
  await using place = await createPlace('postgres');
  await using installation = await startInstallation(place);
  const { consumer } = await createMarket(installation, { kind: 'testing', leaseSeconds: 1 });
  const stored = { project: 'market', environment: 'test', path: 'one', data: { a: 1 } };
  const { secret } = assertStatus(await installation.call('POST', '/v1/secrets', stored), 201);
  const owner = await enrolOwner(installation);
  const person = await enrolPerson(installation, owner, { role: 'developer' });
  const asked = { name: 'service', scopes: ['admin'] };
  const { secret: token, token: service } = assertStatus(
    await owner.call('POST', '/v1/tokens', asked, { confirm: true }),
    201,
  );
  const issue = { project: 'market', environment: 'test', consumer, name: 'k', permissions: ['prices:read'] };
  const acts: readonly [string, () => Promise<Pick<PersonAnswer, 'status' | 'body'>>][] = [
    [person.id, () => person.call('POST', '/v1/keys', issue)],
    [service.id, () => send(new URL('/v1/keys', installation.controlUrl), 'POST', issue, { token })],
    [
      service.id,
      () => send(new URL(`/v1/secrets/${secret.id}/reveal`, installation.controlUrl), 'POST', {}, { token }),
    ],
  ];
  // They can, as long as they are there.
  for (const [, act] of acts) assert.ok((await act()).status < 300);
  for (const [of, act] of acts.slice(0, 2)) {
    await using raw = await openRaw(place);
    await raw.run('begin');
    await raw.run('select * from ledger_head for update');
    const leaving = owner.call('POST', '/v1/offboardings', { of, reason: 'test' });
    await turn();
    const acting = [act(), ...(of === service.id ? [acts[2]?.[1]()] : [])];
    await turn();
    await raw.run('commit');
    assert.equal((await leaving).status, 201);
    for (const answer of await Promise.all(acting))
      assert.deepEqual([answer?.status, answer?.body.code], [401, 'UNAUTHENTICATED']);
    const { items } = assertStatus(await owner.call('GET', `/v1/audit/entries?actor=${of}&limit=200`), 200);
    const [{ to }] = assertStatus(await owner.call('GET', '/v1/offboardings'), 200).items;
    assert.ok(items.every(({ sequence }: { sequence: number }) => sequence <= to));
  }
});
