import assert from 'node:assert/strict';
import { it } from 'node:test';
import { onEachDatabase } from '../testing/databases.ts';
import { savePolicy, sharePoliced } from '../testing/policies.ts';

interface Entry {
  readonly subject: string;
  readonly leaf: string;
  readonly side: { readonly set?: Readonly<Record<string, unknown>> };
}

const SETTINGS = '/v1/projects/market/environments/test';

onEachDatabase('the log says what was given', (createPlace) => {
  const shared = sharePoliced(createPlace);
  const call = async (status: number, method: string, path: string, body?: object) => {
    const answer = await shared().owner.call(method, path, body, { confirm: true });
    assert.equal(answer.status, status, `${method} ${path}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  const entries = async (filter: string): Promise<Entry[]> =>
    (await call(200, 'GET', `/v1/audit/entries?${filter}`)).items;
  /** Code, place and what was set by the newest entry of that kind about that subject. */
  const newest = async (action: string, subject: string) => {
    const [entry] = await entries(`action=${action}&subject=${subject}&limit=1`);
    assert.ok(entry, `no ${action} about ${subject}`);
    const { code, project, environment } = JSON.parse(entry.leaf);
    return { code, placed: [project !== undefined, environment !== undefined], set: entry.side.set };
  };

  it('to a person: he is the subject, the role the code, until it is ended and after', async () => {
    const invited = { name: 'Ben', role: 'developer', reason: 'new', environment: 'market/test' };
    const { person } = await call(201, 'POST', '/v1/people', invited);
    assert.deepEqual(await newest('person.invited', person.id), {
      ...{ code: 'developer', placed: [true, true], set: { role: 'developer', expiresAt: null } },
    });
    const { grant } = await call(201, 'POST', `/v1/people/${person.id}/roles`, { role: 'owner', reason: 'trusted' });
    const { code, placed, set } = await newest('role.granted', person.id);
    const given = { grant: grant.id, role: 'owner', expiresAt: null };
    assert.deepEqual([code, placed, set], ['owner', [false, false], given]);
    await call(200, 'DELETE', `/v1/roles/${grant.id}`);
    assert.deepEqual(await newest('role.ended', person.id), { code, placed, set: { grant: grant.id, role: 'owner' } });
    const owners = await entries('code=owner&action=role.granted');
    assert.ok(owners.some(({ subject }) => subject === person.id));
  });

  it('to a key: what it may do is told and found, what it is called is not', async () => {
    const may = { permissions: ['prices:read'], allowedNetworks: ['192.0.2.0/24'] };
    const names = { name: 'a key of Ben’s', metadata: { desk: 'Ben’s' } };
    const issue = { project: 'market', environment: 'test', consumer: shared().consumer, ...may, ...names };
    const { key } = await call(201, 'POST', '/v1/keys', issue);
    const issued = await newest('key.issued', key.id);
    assert.deepEqual(issued.set, { consumer: shared().consumer, permissions: may.permissions, networks: 1 });
    const wider = { permissions: ['prices:read', 'withdrawals:write'], quota: { limit: 5, period: 'day' } };
    await call(200, 'PATCH', `/v1/keys/${key.id}`, { ...wider, name: 'other' });
    const changed = await newest('key.changed', key.id);
    assert.deepEqual([changed.code, changed.set], ['name,permissions,quota', wider]);
    await call(200, 'PATCH', `/v1/keys/${key.id}`, { name: 'third' });
    assert.equal((await newest('key.changed', key.id)).code, 'name', 'a new name looks like nothing else');
    const found = await entries('personal=withdrawals:write');
    assert.deepEqual(
      found.map(({ subject }) => subject),
      [key.id],
    );
  });

  it('to an environment: permission, rules, dialects and what holds for its secrets', async () => {
    const about = (await call(200, 'GET', '/v1/projects/market/environments')).items;
    const { id } = about.find(({ name }: { name: string }) => name === 'test');
    await call(200, 'PUT', `${SETTINGS}/permissions/prices:read`, { audit: 'every-use' });
    const permission = { permission: 'prices:read', confirm: null, audit: 'every-use' };
    assert.deepEqual((await newest('permission.set', id)).set, permission);
    assert.equal((await entries('personal=prices:read&action=permission.set')).length, 1);
    const rules = { withdrawals: ['withdrawals:write'], withoutNetworks: null, unusedDays: 90, secondFactor: [] };
    await call(200, 'PUT', `${SETTINGS}/rules`, rules);
    assert.deepEqual((await newest('rules.set', id)).set, rules);
    await call(200, 'PUT', `${SETTINGS}/signing`, { dialects: [{ dialect: 'binance' }, { dialect: 'okx' }] });
    const signing = await newest('signing.set', id);
    assert.equal(signing.code, 'binance,okx');
    assert.deepEqual(signing.set?.['replay'], 'shared');
    const made = { name: 'eu', prefix: 'market_eu', kind: 'testing', leaseSeconds: 60 };
    const environment = await call(201, 'POST', '/v1/projects/market/environments', made);
    const settings = { kind: 'testing', leaseSeconds: 60, afterLease: 'refuse' };
    assert.deepEqual((await newest('environment.created', environment.id)).set, settings);
  });

  it('to programs: scopes, where they hold, and whom a workload trusts', async () => {
    const asked = { name: 'pager', scopes: ['read', 'keys'], expiresAt: '2099-01-01T00:00:00.000Z' };
    const { token } = await call(201, 'POST', '/v1/tokens', asked);
    const said = await newest('token.created', token.id);
    assert.deepEqual([said.code, said.set], ['read,keys', { ...asked, projects: null, environment: null }]);
    const trusted = { issuer: 'https://ci.example', audience: 'keyhold', claims: { sub: 'repo:market' } };
    const { workload } = await call(201, 'POST', '/v1/workloads', {
      name: 'ci',
      ...trusted,
      scopes: ['read'],
      ttlSeconds: 600,
    });
    const { code, set } = await newest('workload.created', workload.id);
    assert.equal(code, 'read');
    assert.deepEqual([set?.['issuer'], set?.['claims']], [trusted.issuer, trusted.claims]);
  });

  it('by rules of access: what a custom role opens, and the text of a policy', async () => {
    await call(200, 'PUT', '/v1/custom-roles/issuer', { actions: ['keys.read'], about: 'reads' });
    const [role] = await entries('action=custom-role.saved&limit=1');
    assert.deepEqual(role?.side.set, { name: 'issuer', actions: ['keys.read'], about: 'reads' });
    const text = 'forbid (principal, action == Action::"backup.create", resource);';
    await savePolicy(shared().owner, 'no-backups', text);
    const [policy] = await entries('action=policy.saved&limit=1');
    assert.equal(policy?.side.set?.['text'], text);
  });
});
