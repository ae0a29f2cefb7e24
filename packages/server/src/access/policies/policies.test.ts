import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { afterEach, it } from 'node:test';
import { onEachDatabase } from '../../testing/databases.ts';
import type { PersonAnswer, TestPerson } from '../../testing/person.ts';
import { removePolicy, savePolicy, sharePoliced, trySavePolicy } from '../../testing/policies.ts';
import { assertStatus } from '../../testing/shared-market.ts';
import { validatePolicy } from './cedar.ts';

const LIVE = 'Environment::"market/live"';

onEachDatabase('policies', (createPlace) => {
  const shared = sharePoliced(createPlace);
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  const items = async (person: TestPerson, path: string): Promise<Record<string, any>[]> =>
    assertStatus(await person.call('GET', path), 200).items;
  const seen = async (person: TestPerson, path: string, name: string) => [
    ...new Set((await items(person, path)).map((item) => item[name])),
  ];
  const reveal = (person: TestPerson, path: string) =>
    person.call('POST', `/v1/secrets/${shared().secrets.get(path)}/reveal`, {}, { confirm: true });
  const outcome = ({ status, body }: PersonAnswer) => (status < 300 ? 'done' : `${status} ${body.code}`);

  // Each begins without any.
  afterEach(async () => {
    const { owner } = shared();
    for (const policy of await items(owner, '/v1/policies')) await removePolicy(owner, policy['id']);
  });

  it('forbid what a role opens, and say which of them did', async () => {
    const { owner, enrol, consumer } = shared();
    const developer = await enrol({ role: 'developer', project: 'market' });
    const issue = (environment: string) =>
      developer.call('POST', '/v1/keys', {
        ...{ project: 'market', environment, consumer, name: 'key', permissions: ['prices:read'] },
      });
    assert.equal(outcome(await issue('live')), 'done');
    const id = await savePolicy(
      owner,
      'no-keys-in-live',
      `forbid(principal in Role::"developer", action == Action::"keys.issue", resource in ${LIVE});`,
    );
    const refused = await issue('live');
    assert.equal(outcome(refused), '403 FORBIDDEN');
    assert.match(refused.body.detail, new RegExp(id));
    assert.equal(outcome(await issue('test')), 'done');
    await removePolicy(owner, id);
    assert.equal(outcome(await issue('live')), 'done');
  });

  it('permit what no role opens, to one and there alone; and what is forbidden stays so', async () => {
    const { owner, enrol } = shared();
    const auditor = await enrol({ role: 'auditor' });
    assert.equal(outcome(await reveal(auditor, 'kraken/main')), '403 FORBIDDEN');
    const permit = `permit(principal == Person::"${auditor.id}", action == Action::"secrets.reveal",
      resource in Folder::"market/live/kraken");`;
    await savePolicy(owner, 'one-folder', permit);
    assert.equal(outcome(await reveal(auditor, 'kraken/main')), 'done');
    assert.equal(outcome(await reveal(auditor, 'binance/main')), '404 SECRET_NOT_FOUND');
    const other = await enrol({ role: 'auditor' });
    assert.equal(outcome(await reveal(other, 'kraken/main')), '403 FORBIDDEN');
    await savePolicy(owner, 'nobody', `forbid(principal, action == Action::"secrets.reveal", resource in ${LIVE});`);
    assert.equal(outcome(await reveal(auditor, 'kraken/main')), '403 FORBIDDEN');
    assert.equal(outcome(await reveal(owner, 'plain')), '403 FORBIDDEN');
  });

  it('let no list show what they deny', async () => {
    const { owner, enrol, consumer } = shared();
    const auditor = await enrol({ role: 'auditor' });
    for (const environment of ['live', 'test']) {
      const body = { project: 'market', environment, consumer, name: 'listed', permissions: ['prices:read'] };
      assertStatus(await owner.call('POST', '/v1/keys', body), 201);
    }
    const environments = async () => (await seen(auditor, '/v1/keys', 'environment')).sort();
    assert.deepEqual(await environments(), ['live', 'test']);
    const who = `principal == Person::"${auditor.id}"`;
    await savePolicy(owner, 'reads-no-keys', `forbid(${who}, action == Action::"keys.read", resource in ${LIVE});`);
    assert.deepEqual(await environments(), ['test']);
    assert.deepEqual(await seen(auditor, '/v1/keys?project=market', 'environment'), ['test']);
    assert.equal(
      outcome(await auditor.call('GET', '/v1/keys?project=market&environment=live')),
      '404 ENVIRONMENT_NOT_FOUND',
    );
    await savePolicy(owner, 'no-live', `forbid(${who}, action == Action::"environments.read", resource in ${LIVE});`);
    assert.deepEqual(await seen(auditor, '/v1/projects/market/environments', 'name'), ['test']);
    await savePolicy(
      owner,
      'no-consumers',
      `forbid(${who}, action in Action::"consumers", resource in Project::"market");`,
    );
    assert.deepEqual(await items(auditor, '/v1/consumers'), []);
    assert.equal(outcome(await auditor.call('GET', `/v1/consumers/${consumer}`)), '404 CONSUMER_NOT_FOUND');
  });

  it('let no list, and no cursor, tell of a secret whose path they deny', async () => {
    const { owner, enrol, secrets } = shared();
    const auditor = await enrol({ role: 'auditor' });
    const who = `principal == Person::"${auditor.id}"`;
    await savePolicy(
      owner,
      'x',
      `forbid(${who}, action in Action::"secrets", resource in Folder::"market/live/binance");`,
    );
    const at = '/v1/secrets?project=market&environment=live';
    assert.deepEqual(await seen(auditor, at, 'path'), ['kraken/main', 'plain']);
    const first = assertStatus(await auditor.call('GET', `${at}&limit=1`), 200);
    assert.deepEqual([first.items.length, first.items[0].path], [1, 'kraken/main']);
    assert.doesNotMatch(Buffer.from(first.nextCursor, 'base64url').toString('latin1'), /binance/);
    const second = assertStatus(await auditor.call('GET', `${at}&limit=1&cursor=${first.nextCursor}`), 200);
    assert.deepEqual([second.items[0].path, second.nextCursor], ['plain', null]);
    const id = secrets.get('binance/main');
    assert.equal(outcome(await auditor.call('GET', `/v1/secrets/${id}`)), '404 SECRET_NOT_FOUND');
    assert.equal(outcome(await auditor.call('GET', `/v1/secrets/${id}/versions`)), '404 SECRET_NOT_FOUND');
  });

  it('close a path that holds nothing yet', async () => {
    const { owner, enrol } = shared();
    const developer = await enrol({ role: 'developer' });
    const store = (path: string) =>
      developer.call('POST', '/v1/secrets', { project: 'market', environment: 'live', path, data: {} });
    const who = `principal == Person::"${developer.id}"`;
    await savePolicy(
      owner,
      'x',
      `forbid(${who}, action == Action::"secrets.write", resource in Folder::"market/live/new");`,
    );
    assert.equal(outcome(await store('new/one')), '403 FORBIDDEN');
    assert.equal(outcome(await store('newer/one')), 'done');
  });

  it('go by the address that is asked from and by what kind of environment it is', async () => {
    const { owner, enrol } = shared();
    const auditor = await enrol({ role: 'auditor' });
    const forbid = (condition: string) =>
      savePolicy(
        owner,
        'x',
        `forbid(principal == Person::"${auditor.id}", action == Action::"keys.read", resource) when { ${condition} };`,
      );
    const open = async () => (await seen(auditor, '/v1/keys', 'environment')).sort();
    await forbid('context.network.isInRange(ip("192.0.2.0/24"))');
    assert.deepEqual(await open(), ['live', 'test']);
    await forbid('context.network.isLoopback()');
    assert.deepEqual(await open(), []);
    await forbid('context.production');
    assert.deepEqual(await open(), ['test']);
    await forbid('context.at < datetime("2020-01-01")');
    assert.deepEqual(await open(), ['live', 'test']);
  });

  it('are refused with what is wrong where they do not fit, name nothing, or could not apply', async () => {
    const { owner, enrol } = shared();
    const { id } = await enrol({ role: 'support' });
    const wrong = async (text: string) => {
      const answer = await trySavePolicy(owner, 'x', text);
      assert.deepEqual([answer.status, answer.body.code, answer.body.field], [400, 'INVALID_INPUT', '/text'], text);
      return answer.body.detail as string;
    };
    assert.match(await wrong('allow everything'), /unexpected token/);
    const deep = (depth: number) => `${'('.repeat(depth)}context.production${')'.repeat(depth)}`;
    assert.match(await wrong(`forbid(principal, action, resource) when { ${deep(150)} };`), /more than 60 brackets/);
    assert.match(
      await wrong(`permit(principal in Person::"${id}", action == Action::"keys.read", resource);`),
      /one, by id/,
    );
    assert.match(await wrong('forbid(principal, action, resource in Folder::"market/live//x");'), /There is no Folder/);
    assert.match(
      await wrong('forbid(principal, action, resource); forbid(principal, action, resource);'),
      /unexpected/,
    );
    assert.match(await wrong('forbid(principal == ?principal, action, resource);'), /template/);
    assert.match(await wrong('forbid(principal, action == Action::"keys.isue", resource);'), /did you mean/);
    assert.match(await wrong('forbid(principal, action, resource) when { context.hour > 9 };'), /hour/);
    assert.match(
      await wrong('forbid(principal, action, resource in Environment::"market/life");'),
      /There is no Environment/,
    );
    assert.match(
      await wrong('forbid(principal, action, resource) unless { principal in Role::"devs" };'),
      /There is no Role/,
    );
    assert.match(await wrong(`permit(principal == Service::"${id}", action, resource);`), /There is no Service/);
    assert.match(await wrong('permit(principal, action == Action::"keys.read", resource);'), /one, by id/);
    assert.match(
      await wrong('permit(principal in Role::"support", action == Action::"keys.issue", resource);'),
      /role/,
    );
    assert.match(await wrong('forbid(principal, action == Action::"keys.revoke", resource);'), /forbid nothing/);
    assert.match(
      await wrong('forbid(principal, action == Action::"policies.change", resource);'),
      /unrecognized action/,
    );
    assert.match(await wrong('forbid(principal, action == Action::"seal.unseal", resource);'), /unrecognized action/);
    assert.match(
      await wrong(`forbid(principal, action, resource) when { 1 + 9223372036854775807 > 1 && false };`),
      /false|never/,
    );
  });

  it('are saved as a preview showed them, and not where they have changed since', async () => {
    const { owner } = shared();
    const text = `forbid(principal, action == Action::"keys.issue", resource in ${LIVE});`;
    const { basis } = assertStatus(await owner.call('POST', '/v1/policies/preview', { name: 'a', text }), 200);
    const put = (name: string) =>
      owner.call('PUT', `/v1/policies/${name}`, { text, reason: 'test', basis }, { confirm: true });
    assert.equal(
      outcome(await owner.call('PUT', '/v1/policies/a', { text, reason: 'test', basis })),
      '403 CONFIRMATION_REQUIRED',
    );
    const both = await Promise.all([put('a'), put('b')]);
    // The other is asked anew, or finds them changed.
    assert.match(both.map(outcome).sort().join(', '), /^(403 FORBIDDEN|409 POLICIES_CHANGED), done$/);
    const [policy] = await items(owner, '/v1/policies');
    assert.equal(
      outcome(await owner.call('DELETE', `/v1/policies/${policy?.['id']}`, { basis }, { confirm: true })),
      '409 POLICIES_CHANGED',
    );
  });

  it('are changed by owners alone, of a project within it; what widens by those whose right has no end', async () => {
    const { owner, enrol, token } = shared();
    const text = `forbid(principal, action == Action::"keys.issue", resource in ${LIVE});`;
    for (const role of ['administrator', 'security-officer', 'developer', 'auditor']) {
      assert.equal(outcome(await trySavePolicy(await enrol({ role }), 'x', text)), '403 FORBIDDEN');
    }
    const service = await token(['admin']);
    const sent = { token: service.secret };
    const asked = await shared().installation.call('POST', '/v1/policies/preview', { name: 'x', text }, sent);
    assert.equal(asked.status, 403);
    const own = await enrol({ role: 'owner', project: 'market' });
    assert.equal(outcome(await trySavePolicy(own, 'x', text)), 'done');
    assert.equal(outcome(await trySavePolicy(own, 'y', text.replace('market', 'other'))), '404 POLICY_NOT_FOUND');
    assert.equal(outcome(await trySavePolicy(own, 'y', text.replace(`in ${LIVE}`, ''))), '403 FORBIDDEN');
    await savePolicy(owner, 'of-all', text.replace(`in ${LIVE}`, ''));
    assert.equal(outcome(await trySavePolicy(own, 'of-all', text)), '403 FORBIDDEN');
    assert.deepEqual(await seen(own, '/v1/policies', 'name'), ['x']);
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
    const soonGone = await enrol({ role: 'owner', project: 'market', expiresAt });
    const permit = `permit(principal == Person::"${own.id}", action == Action::"keys.issue", resource in ${LIVE});`;
    assert.equal(outcome(await trySavePolicy(soonGone, 'z', permit)), '403 FORBIDDEN');
    assert.equal(
      outcome(await trySavePolicy(soonGone, 'x', text.replace('keys.issue', 'keys.rotate'))),
      '403 FORBIDDEN',
    );
    assert.equal(outcome(await trySavePolicy(soonGone, 'z', text)), 'done');
  });

  it('can shut nobody out of changing them, of opening the seal, nor of taking away', async () => {
    const { owner, consumer, installation } = shared();
    const key = { project: 'market', environment: 'test', consumer, name: 'key', permissions: ['prices:read'] };
    const issued = assertStatus(await owner.call('POST', '/v1/keys', key), 201);
    const id = await savePolicy(owner, 'everything', 'forbid(principal, action, resource);');
    assert.equal(outcome(await owner.call('POST', '/v1/keys', key)), '404 PROJECT_NOT_FOUND');
    assert.equal(outcome(await owner.call('GET', '/v1/installation')), '403 FORBIDDEN');
    assert.equal(
      outcome(await owner.call('POST', `/v1/keys/${issued.key.id}/revoke`, { reason: 'superseded' })),
      'done',
    );
    assert.equal(outcome(await owner.call('GET', '/v1/seal')), 'done');
    await removePolicy(owner, id);
    assert.equal(outcome(await owner.call('GET', '/v1/installation')), 'done');
    assert.equal((await installation.call('GET', '/v1/installation')).status, 401);
  });

  it('are not shed by whom they name: not through a token, a role, or whom he makes more', async () => {
    const { owner, enrol } = shared();
    const administrator = await enrol({ role: 'administrator' });
    const make = (binding: object) =>
      administrator.call('POST', '/v1/tokens', { name: 'own', scopes: ['admin'], ...binding }, { confirm: true });
    const readers = { name: 'own', scopes: ['keys'] };
    const makeKeys = (binding: object) =>
      administrator.call('POST', '/v1/tokens', { ...readers, ...binding }, { confirm: true });
    assert.equal(outcome(await makeKeys({})), 'done');
    await savePolicy(
      owner,
      'x',
      `forbid(principal == Person::"${administrator.id}", action == Action::"keys.issue", resource in ${LIVE});`,
    );
    assert.equal(outcome(await makeKeys({})), '403 FORBIDDEN');
    assert.equal(outcome(await makeKeys({ projects: ['market'] })), '403 FORBIDDEN');
    assert.equal(outcome(await makeKeys({ projects: ['other'] })), 'done');
    assert.equal(outcome(await make({})), '403 FORBIDDEN');
    const invite = (body: object) =>
      administrator.call('POST', '/v1/people', { name: 'Second', reason: 'test', ...body }, { confirm: true });
    assert.equal(outcome(await invite({ role: 'developer' })), '403 FORBIDDEN');
    assert.equal(outcome(await invite({ role: 'developer', project: 'other' })), 'done');
  });

  it('are not shed where they name somebody in a condition, nor taken away by whom they are about', async () => {
    const { owner, enrol } = shared();
    const administrator = await enrol({ role: 'administrator' });
    const make = () => administrator.call('POST', '/v1/tokens', { name: 'own', scopes: ['keys'] }, { confirm: true });
    const condition = `when { principal == Person::"${administrator.id}" }`;
    const id = await savePolicy(
      owner,
      'x',
      `forbid(principal, action == Action::"keys.issue", resource in ${LIVE}) ${condition};`,
    );
    assert.equal(outcome(await make()), '403 FORBIDDEN');
    await removePolicy(owner, id);
    assert.equal(outcome(await make()), 'done');
    const own = await enrol({ role: 'owner', project: 'market' });
    const aimed = `forbid(principal == Person::"${own.id}", action == Action::"secrets.reveal", resource in Project::"market");`;
    const kept = await savePolicy(owner, 'aimed', aimed);
    const { basis } = assertStatus(await own.call('POST', '/v1/policies/preview', { remove: kept }), 200);
    const gone = await own.call('DELETE', `/v1/policies/${kept}`, { basis }, { confirm: true });
    assert.equal(outcome(gone), '403 FORBIDDEN');
    assert.equal(outcome(await trySavePolicy(own, 'aimed', aimed.replace('reveal', 'write'))), '403 FORBIDDEN');
  });

  it('tell an owner of a project nothing of others', async () => {
    const { enrol } = shared();
    const own = await enrol({ role: 'owner', project: 'market' });
    const ask = async (condition: string) => {
      const text = `forbid(principal, action == Action::"keys.issue", resource in ${LIVE}) when { ${condition} };`;
      return (await own.call('POST', '/v1/policies/preview', { name: 'x', text })).body.detail;
    };
    const [there, missing] = [await ask('resource in Project::"other"'), await ask('resource in Project::"nobody"')];
    assert.equal(there.replace('other', ''), missing.replace('nobody', ''));
    const text = `forbid(principal, action == Action::"keys.issue", resource in ${LIVE});`;
    const { gains } = assertStatus(await own.call('POST', '/v1/policies/preview', { name: 'x', text }), 200);
    assert.ok(gains.length > 0 && gains.every(({ name }: { name: string }) => name === ''));
  });

  it('name somebody whom then only an owner can let enrol anew', async () => {
    const { owner, enrol } = shared();
    const administrator = await enrol({ role: 'administrator' });
    const person = await enrol({ role: 'support' });
    const again = (by: TestPerson) => by.call('POST', `/v1/people/${person.id}/invite`, {}, { confirm: true });
    const pending = assertStatus(await again(administrator), 200);
    await savePolicy(
      owner,
      'x',
      `permit(principal == Person::"${person.id}", action == Action::"secrets.reveal", resource in ${LIVE});`,
    );
    assert.equal((await person.enrol(pending.secret)).status, 401);
    assert.equal(outcome(await again(administrator)), '403 FORBIDDEN');
    assert.equal(outcome(await again(owner)), 'done');
  });

  it('that can not be evaluated deny', async () => {
    const { owner, enrol } = shared();
    const auditor = await enrol({ role: 'auditor' });
    const overflows = 'context.approvals - 9223372036854775807 - 10 > 0';
    const who = `principal == Person::"${auditor.id}"`;
    await savePolicy(owner, 'x', `forbid(${who}, action == Action::"keys.read", resource) when { ${overflows} };`);
    assert.deepEqual(await items(auditor, '/v1/keys'), []);
  });

  it('take no name for a pattern', async () => {
    const { owner, enrol } = shared();
    const developer = await enrol({ role: 'developer', environment: 'market/live' });
    for (const path of ['*', 'kr*ken', '..']) {
      const body = { project: 'market', environment: 'live', path: `${path}/own`, data: {} };
      assertStatus(await developer.call('POST', '/v1/secrets', body), 201);
    }
    const auditor = await enrol({ role: 'auditor' });
    const permit = (folder: string) =>
      savePolicy(
        owner,
        'x',
        `permit(principal == Person::"${auditor.id}", action == Action::"secrets.reveal", resource in Folder::"market/live/${folder}");`,
      );
    for (const folder of ['*', 'kr*ken', '..', 'kraken/main']) {
      await permit(folder);
      assert.equal(outcome(await reveal(auditor, 'kraken/main')), '404 SECRET_NOT_FOUND', folder);
    }
  });
});

it('policies in the documentation fit the schema', () => {
  const page = readFileSync(new URL('../../../../../docs/flows/people.md', import.meta.url), 'utf8');
  const block = /```cedar\n(.*?)```/s.exec(page)?.[1] ?? '';
  const inline = [...page.replace(/\s+/g, ' ').matchAll(/`(forbid\(.*?;)`/g)].map((match) => match[1] ?? '');
  const policies = [...block.split(/(?<=;)\n\n/), ...inline];
  assert.equal(policies.length, 5);
  for (const policy of policies) assert.equal(validatePolicy(policy), null, policy);
});
