import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createPlace, type TestPlace } from '../../testing/databases.ts';
import { startInstallation, type TestInstallation } from '../../testing/installation.ts';
import { createMarket } from '../../testing/market.ts';
import { enrolOwner, enrolPerson, type TestPerson } from '../../testing/person.ts';
import { removePolicy, savePolicy } from '../../testing/policies.ts';
import { openRaw } from '../../testing/raw-database.ts';
import { assertStatus } from '../../testing/shared-market.ts';
import { WrittenPast } from '../../testing/written-past.ts';

const FORBID = 'forbid(principal, action == Action::"secrets.reveal", resource in Environment::"market/test");';

/** The same browser, after the server started again at another port. */
function again(person: TestPerson, installation: TestInstallation): TestPerson {
  person.movedTo(installation);
  return person;
}

async function world(place: TestPlace) {
  const installation = await startInstallation(place);
  const { consumer } = await createMarket(installation, { leaseSeconds: 1 });
  const body = { project: 'market', environment: 'test', path: 'one', data: { a: 1 } };
  const { secret } = assertStatus(await installation.call('POST', '/v1/secrets', body), 201);
  const owner = await enrolOwner(installation);
  return { installation, consumer, secret: secret.id as string, owner };
}

it('what a policy forbids is done by nobody any more once that is answered, whatever was on its way', async () => {
  await using place = await createPlace('sqlite');
  const { installation, owner, secret } = await world(place);
  await using _ = installation;
  const developer = await enrolPerson(installation, owner, { role: 'developer' });
  const reveal = () => developer.call('POST', `/v1/secrets/${secret}/reveal`, {}, { confirm: true });
  assert.equal((await reveal()).status, 200);
  let saved = false;
  let late = 0;
  const asking = Array.from({ length: 6 }, async () => {
    for (let i = 0; i < 10; i++) {
      const afterwards = saved;
      const { status } = await reveal();
      if (afterwards && status === 200) late++;
    }
  });
  const id = await savePolicy(owner, 'x', FORBID);
  saved = true;
  await Promise.all(asking);
  assert.equal(late, 0);
  const entries = async (action: string) =>
    assertStatus(await owner.call('GET', `/v1/audit/entries?action=${action}&limit=100`), 200).items;
  const [{ sequence }] = await entries('policy.saved');
  const reveals = await entries('secret.revealed');
  assert.ok(reveals.length > 0);
  assert.deepEqual(
    reveals.filter((entry: { sequence: number }) => entry.sequence > sequence),
    [],
  );
  await removePolicy(owner, id);
  assert.equal((await reveal()).status, 200);
});

for (const [how, tamper] of [
  ['edited', (raw: WrittenPast, id: string) => raw.edit('policies', id, { text: FORBID.replace('forbid', 'permit') })],
  ['made nonsense', (raw: WrittenPast, id: string) => raw.edit('policies', id, { text: 'nonsense' })],
  ['deleted', (_raw: WrittenPast, id: string) => `delete from policies where id = '${id}'`],
] as const) {
  it(`one that was ${how} past the ledger shuts what policies govern, but not taking away; an owner removes it`, async () => {
    await using place = await createPlace('sqlite');
    const { installation: first, owner, secret, consumer } = await world(place);
    const key = { project: 'market', environment: 'test', consumer, name: 'key', permissions: ['prices:read'] };
    const issued = assertStatus(await owner.call('POST', '/v1/keys', key), 201);
    const id = await savePolicy(owner, 'x', FORBID);
    await first[Symbol.asyncDispose]();
    {
      await using raw = await openRaw(place);
      const statement = await tamper(new WrittenPast(raw), id);
      if (typeof statement === 'string') await raw.run(statement);
    }
    await using installation = await startInstallation(place);
    const back = again(owner, installation);
    const reveal = () => back.call('POST', `/v1/secrets/${secret}/reveal`, {}, { confirm: true });
    assert.match((await reveal()).body.code, /FORBIDDEN|NOT_FOUND/);
    assert.equal((await back.call('POST', '/v1/keys', key)).status, 404);
    assert.equal((await back.call('POST', `/v1/keys/${issued.key.id}/revoke`, { reason: 'superseded' })).status, 200);
    const { alarms } = assertStatus(await back.call('GET', '/v1/installation'), 200);
    assert.ok(
      alarms.some((alarm: { code: string; subject: string }) => alarm.code === 'ROW_TAMPERED' && alarm.subject === id),
    );
    assert.equal((await back.call('GET', '/v1/policies')).status, 200);
    const harmless =
      'forbid(principal, action == Action::"keys.read", resource) when { context.at < datetime("2000-01-01") };';
    const { basis } = assertStatus(
      await back.call('POST', '/v1/policies/preview', { name: 'another', text: harmless }),
      200,
    );
    const removed = await back.call('DELETE', `/v1/policies/${id}`, { basis }, { confirm: true });
    assert.match(`${removed.status} ${removed.body.code ?? ''}`, how === 'deleted' ? /409 ROW_TAMPERED/ : /200/);
    assert.equal((await reveal()).status, 200);
  });
}

it('one that was slipped in past the ledger permits nothing', async () => {
  await using place = await createPlace('sqlite');
  const { installation: first, owner, secret } = await world(place);
  const developer = await enrolPerson(first, owner, { role: 'auditor' });
  await first[Symbol.asyncDispose]();
  {
    await using raw = await openRaw(place);
    const text = `permit(principal == Person::"${developer.id}", action == Action::"secrets.reveal", resource);`;
    const id = 'pol_01900000-0000-7000-8000-000000000000';
    await raw.run(`insert into policies (id, salt, name, text, reason, saved_by, created_at, saved_at)
      values ('${id}', '', 'slipped', '${text}', '', '', 0, 0)`);
  }
  await using installation = await startInstallation(place);
  const back = again(developer, installation);
  const answer = await back.call('POST', `/v1/secrets/${secret}/reveal`, {}, { confirm: true });
  assert.equal(answer.status, 403);
});

it('services are not freed again by rows of people that are deleted past the ledger', async () => {
  await using place = await createPlace('sqlite');
  const { installation: first, owner, secret } = await world(place);
  const body = { name: 'service', scopes: ['admin'] };
  const token = assertStatus(await owner.call('POST', '/v1/tokens', body, { confirm: true }), 201).secret;
  await first[Symbol.asyncDispose]();
  {
    await using raw = await openRaw(place);
    for (const table of ['sessions', 'person_passkeys', 'role_grants', 'people']) await raw.run(`delete from ${table}`);
  }
  await using installation = await startInstallation(place);
  const answer = await installation.call('POST', `/v1/secrets/${secret}/reveal`, {}, { token });
  assert.equal(answer.status, 403);
});

it('a place whose row was tampered with is in no list, where policies could have closed it', async () => {
  await using place = await createPlace('sqlite');
  const { installation: first, owner, consumer } = await world(place);
  const key = { project: 'market', environment: 'test', consumer, name: 'key', permissions: ['prices:read'] };
  const issued = assertStatus(await owner.call('POST', '/v1/keys', key), 201);
  await savePolicy(owner, 'x', FORBID.replace('secrets.reveal', 'keys.read'));
  const { items } = assertStatus(await owner.call('GET', '/v1/keys'), 200);
  assert.deepEqual(items, []);
  await first[Symbol.asyncDispose]();
  {
    await using raw = await openRaw(place);
    await raw.run(`update environments set lease_seconds = 77 where name = 'test'`);
  }
  await using installation = await startInstallation(place);
  const back = again(owner, installation);
  assert.deepEqual(assertStatus(await back.call('GET', '/v1/keys'), 200).items, []);
  assert.equal((await back.call('GET', `/v1/keys/${issued.key.id}`)).status, 404);
});
