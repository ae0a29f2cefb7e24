import assert from 'node:assert/strict';
import { it } from 'node:test';
import { onEachDatabase } from '../testing/databases.ts';
import type { PersonAnswer, TestPerson } from '../testing/person.ts';
import { removePolicy, savePolicy, sharePoliced } from '../testing/policies.ts';
import { openRaw } from '../testing/raw-database.ts';
import { assertStatus } from '../testing/shared-market.ts';
import { startInstallation } from '../testing/installation.ts';
import { createPlace } from '../testing/databases.ts';
import { enrolOwner, enrolPerson } from '../testing/person.ts';
import { WrittenPast } from '../testing/written-past.ts';

const outcome = ({ status, body }: PersonAnswer) => (status < 300 ? 'done' : `${status} ${body.code}`);
const save = (by: TestPerson, name: string, actions: readonly string[]) =>
  by.call('PUT', `/v1/custom-roles/${name}`, { actions, about: 'test' }, { confirm: true });

onEachDatabase('a custom role', (createPlace) => {
  const shared = sharePoliced(createPlace);
  const grant = (by: TestPerson, to: TestPerson, role: object) =>
    by.call('POST', `/v1/people/${to.id}/roles`, { reason: 'test', ...role }, { confirm: true });

  it('opens its actions, where it is held, and nothing else', async () => {
    const { owner, enrol, consumer } = shared();
    assertStatus(await save(owner, 'issuer', ['keys.read', 'keys.issue']), 200);
    const person = await enrol({ role: 'issuer', environment: 'market/test' });
    const issue = (environment: string) =>
      person.call('POST', '/v1/keys', {
        ...{ project: 'market', environment, consumer, name: 'key', permissions: ['prices:read'] },
      });
    const issued = await issue('test');
    assert.equal(outcome(issued), 'done');
    assert.equal(outcome(await issue('live')), '404 ENVIRONMENT_NOT_FOUND');
    assert.equal(outcome(await person.call('GET', '/v1/keys?project=market&environment=test')), 'done');
    const revoked = await person.call('POST', `/v1/keys/${issued.body.key.id}/revoke`, { reason: 'superseded' });
    assert.equal(outcome(revoked), '403 FORBIDDEN');
    const { roles } = (await person.call('GET', '/v1/session')).body;
    assert.equal(roles[0].role, 'issuer');
  });

  it('is what was saved last, for whoever holds it', async () => {
    const { owner, enrol } = shared();
    assertStatus(await save(owner, 'shifting', ['keys.read']), 200);
    const person = await enrol({ role: 'shifting' });
    const read = async () => outcome(await person.call('GET', '/v1/keys'));
    assert.equal(await read(), 'done');
    assertStatus(await save(owner, 'shifting', []), 200);
    assert.equal(await read(), '403 FORBIDDEN');
    assertStatus(await save(owner, 'shifting', ['keys.read', 'consumers.read']), 200);
    assert.equal(await read(), 'done');
  });

  it('is given by nobody who has not all of it, nor made more by him for those who hold it', async () => {
    const { owner, enrol } = shared();
    const administrator = await enrol({ role: 'administrator' });
    const local = await enrol({ role: 'administrator', project: 'market' });
    const person = await enrol({ role: 'support', project: 'market' });
    assert.equal(outcome(await save(administrator, 'sealer', ['seal.change'])), '403 FORBIDDEN');
    assert.equal(outcome(await save(owner, 'sealer', ['seal.change'])), 'done');
    assert.equal(outcome(await grant(administrator, person, { role: 'sealer' })), '403 FORBIDDEN');
    assert.equal(outcome(await grant(owner, person, { role: 'sealer' })), 'done');
    assert.equal(outcome(await save(administrator, 'sealer', ['seal.change', 'backup.create'])), '403 FORBIDDEN');
    assert.equal(outcome(await save(administrator, 'sealer', ['seal.change', 'keys.read'])), 'done');
    assert.equal(outcome(await save(local, 'anything', ['keys.read'])), '403 FORBIDDEN');
    assert.equal(outcome(await save(await enrol({ role: 'security-officer' }), 'x', ['keys.read'])), '403 FORBIDDEN');
    // Whoever may grant roles in a project gives what he has there.
    assertStatus(await save(owner, 'reader', ['keys.read', 'consumers.read']), 200);
    assert.equal(outcome(await grant(local, person, { role: 'reader', project: 'market' })), 'done');
    assert.equal(outcome(await grant(local, person, { role: 'reader', project: 'other' })), '404 PROJECT_NOT_FOUND');
    // Who holds it is let enrol anew only by who could give it.
    const invited = await administrator.call('POST', `/v1/people/${person.id}/invite`, {}, { confirm: true });
    assert.equal(outcome(invited), '403 FORBIDDEN');
  });

  it('has a name of its own, actions that there are, and goes only once nobody holds it', async () => {
    const { owner, enrol } = shared();
    assert.equal(outcome(await save(owner, 'owner', ['keys.read'])), '400 INVALID_INPUT');
    assert.equal(outcome(await save(owner, 'wrong', ['keys.reed'])), '400 INVALID_INPUT');
    assert.equal(outcome(await save(owner, 'wrong', ['policies.change'])), '400 INVALID_INPUT');
    const unknown = await owner.call(
      'POST',
      '/v1/people',
      { name: 'X', role: 'nobody-made', reason: 'test' },
      { confirm: true },
    );
    assert.deepEqual([unknown.status, unknown.body.field], [400, '/role']);
    assertStatus(await save(owner, 'leaving', ['keys.read']), 200);
    const person = await enrol({ role: 'leaving' });
    const remove = () => owner.call('DELETE', '/v1/custom-roles/leaving', {});
    assert.equal(outcome(await remove()), '409 ROLE_IN_USE');
    const [role] = (await person.call('GET', '/v1/session')).body.roles;
    assertStatus(await owner.call('DELETE', `/v1/roles/${role.id}`, {}), 200);
    assert.equal(outcome(await remove()), 'done');
    assert.equal(outcome(await remove()), '404 CUSTOM_ROLE_NOT_FOUND');
    assert.equal(outcome(await person.call('GET', '/v1/keys')), '403 FORBIDDEN');
  });

  it('is known to policies by its name', async () => {
    const { owner, enrol } = shared();
    assertStatus(await save(owner, 'named', ['keys.read']), 200);
    const person = await enrol({ role: 'named' });
    assert.equal(outcome(await person.call('GET', '/v1/keys?project=other')), 'done');
    const id = await savePolicy(
      owner,
      'not-named',
      'forbid(principal in Role::"named", action == Action::"keys.read", resource in Project::"other");',
    );
    assert.equal(outcome(await person.call('GET', '/v1/keys?project=other')), '404 PROJECT_NOT_FOUND');
    await removePolicy(owner, id);
  });
});

it('a custom role that was edited past the ledger opens nothing, until it is saved again', async () => {
  await using place = await createPlace('sqlite');
  const first = await startInstallation(place);
  const owner = await enrolOwner(first);
  const { role } = assertStatus(await save(owner, 'edited', ['keys.read']), 200);
  const person = await enrolPerson(first, owner, { role: 'edited' });
  await first[Symbol.asyncDispose]();
  {
    await using raw = await openRaw(place);
    await new WrittenPast(raw).edit('custom_roles', role.id, { actions: '["keys.read","people.read"]' });
  }
  await using installation = await startInstallation(place);
  for (const back of [owner, person]) back.movedTo(installation);
  assert.equal(outcome(await person.call('GET', '/v1/people')), '403 FORBIDDEN');
  assert.equal(outcome(await person.call('GET', '/v1/keys')), '403 FORBIDDEN');
  const { alarms } = assertStatus(await owner.call('GET', '/v1/installation'), 200);
  assert.ok(alarms.some((alarm: { subject: string }) => alarm.subject === role.id));
  assert.equal(outcome(await save(owner, 'edited', ['keys.read'])), 'done');
  assert.equal(outcome(await person.call('GET', '/v1/keys')), 'done');
});
