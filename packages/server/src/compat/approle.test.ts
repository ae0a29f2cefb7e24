import assert from 'node:assert/strict';
import { it } from 'node:test';
import { onEachDatabase } from '../testing/databases.ts';
import { moveClock } from '../testing/moved-clock.ts';
import { enrolOwner } from '../testing/person.ts';
import { savePolicy } from '../testing/policies.ts';
import { openRaw } from '../testing/raw-database.ts';
import { assertStatus } from '../testing/shared-market.ts';
import { shareVault } from '../testing/shared-vault.ts';
import { WrittenPast } from '../testing/written-past.ts';

const IN_MARKET = { namespace: 'market/test' } as const;
const ROLE = 'auth/approle/role';

onEachDatabase("services sign in over Vault's AppRole", (createPlace) => {
  const shared = shareVault(createPlace);
  const wire = () => shared().wire;
  const make = async (name: string, settings: object = {}) => {
    await wire().expect(204, 'POST', `${ROLE}/${name}`, { token_policies: ['admin'], ...settings }, IN_MARKET);
    const { data } = await wire().expect(200, 'GET', `${ROLE}/${name}/role-id`, undefined, IN_MARKET);
    return data.role_id as string;
  };
  const secretOf = async (name: string, body: object = {}) =>
    (await wire().expect(200, 'POST', `${ROLE}/${name}/secret-id`, body, IN_MARKET)).data;
  const login = (role_id: string, secret_id: string) =>
    wire().call('POST', 'auth/approle/login', { role_id, secret_id }, { token: undefined });
  const signIn = async (role: string, secret: string): Promise<string> =>
    assertStatus(await login(role, secret), 200).auth.client_token;
  const read = (token: string, path: string) => wire().call('GET', `secret/data/${path}`, undefined, { token });

  it('with a role id and a secret id, for a short-lived token of its environment', async () => {
    await wire().expect(200, 'POST', 'secret/data/app', { data: { a: 1 } }, IN_MARKET);
    const role = await make('bot', { token_ttl: '10m', token_policies: 'admin' });
    const { secret_id: secret, secret_id_accessor: accessor } = await secretOf('bot', { metadata: '{"a":"b"}' });
    const { auth } = assertStatus(await login(role, secret), 200);
    assert.deepEqual([auth.lease_duration, auth.renewable, auth.policies], [600, false, ['admin']]);
    assert.deepEqual((await read(auth.client_token, 'app')).body.data.data, { a: 1 });
    const other = await wire().call('GET', 'secret/data/app', undefined, {
      ...{ token: auth.client_token, namespace: 'default/production' },
    });
    assert.equal(other.status, 404);
    const shown = (await wire().expect(200, 'GET', `${ROLE}/bot`, undefined, IN_MARKET)).data;
    assert.deepEqual([shown.token_ttl, shown.token_policies, shown.bind_secret_id], [600, ['admin'], true]);
    for (const [path, body] of [
      ['secret-id/lookup', { secret_id: secret }],
      ['secret-id-accessor/lookup', { secret_id_accessor: accessor }],
    ] as const) {
      const found = await wire().expect(200, 'POST', `${ROLE}/bot/${path}`, body, IN_MARKET);
      assert.equal(found.data.secret_id_accessor, accessor);
    }
    assert.deepEqual((await wire().expect(200, 'GET', `${ROLE}?list=true`, undefined, IN_MARKET)).data.keys, ['bot']);
    assert.deepEqual(await shared().actionsOn(accessor), ['app-secret.created']);
    using _ = moveClock(11 * 60_000);
    assert.equal((await read(auth.client_token, 'app')).status, 403);
  });

  it('only where they sign in: nothing else is opened by a login that a request brings along', async () => {
    await wire().expect(200, 'POST', 'secret/data/inline', { data: { a: 1 } }, IN_MARKET);
    const role_id = await make('inline');
    const { secret_id } = await secretOf('inline');
    // A header of a relative of Vault (OpenBao) signs in and asks at once; there it once reached internal operations.
    const parameters = [role_id, secret_id].map((value) =>
      Buffer.from(JSON.stringify({ value })).toString('base64url'),
    );
    const headers = {
      ...{ 'x-vault-inline-auth-path': 'auth/approle/login', 'x-vault-inline-auth-operation': 'update' },
      ...{ 'x-vault-inline-auth-parameter-role': parameters[0] as string },
      ...{ 'x-vault-inline-auth-parameter-secret': parameters[1] as string },
    };
    const options = { token: undefined, headers, ...IN_MARKET };
    for (const [method, path] of [
      ['GET', 'secret/data/inline'],
      ['POST', 'sys/wrapping/wrap'],
      ['POST', 'sys/wrapping/unwrap'],
      ['GET', 'auth/token/lookup-self'],
      ['POST', `${ROLE}/inline/secret-id`],
      ['PUT', 'sys/seal'],
      ['POST', 'transit/keys/inline'],
    ] as const) {
      const { status, body } = await wire().call(
        method,
        path,
        method === 'GET' ? undefined : { role_id, secret_id },
        options,
      );
      assert.ok([400, 403, 404].includes(status) && body.errors.length === 1, `${path}: ${status}`);
      assert.doesNotMatch(JSON.stringify(body), /"(?:data|auth)":\{/);
    }
    const entries = await shared().installation.call('GET', '/v1/audit/entries?action=token.exchanged');
    const before = entries.body.items.length;
    await signIn(role_id, secret_id);
    const after = await shared().installation.call('GET', '/v1/audit/entries?action=token.exchanged');
    assert.equal(after.body.items.length, before + 1, 'nobody was signed in by the way');
  });

  it('says no more of what is wrong than that it is', async () => {
    const [one, other] = [await make('one'), await make('other')];
    const { secret_id: secret } = await secretOf('one');
    const wrong = [
      ['00000000-0000-4000-8000-000000000000', secret],
      [one, `${secret.slice(0, -1)}${secret.endsWith('x') ? 'y' : 'x'}`],
      [one, 'x'],
      [other, secret],
    ] as const;
    for (const [role, given] of wrong) {
      const { status, body } = await login(role, given);
      assert.deepEqual([status, body.errors], [400, ['invalid role or secret ID']]);
    }
    for (const body of [{}, { role_id: one }, { role_id: 1, secret_id: secret }, { role_id: one, secret_id: {} }])
      assert.equal((await wire().call('POST', 'auth/approle/login', body, { token: undefined })).status, 400);
    assert.equal((await wire().call('GET', 'auth/approle/login', undefined, { token: undefined })).status, 405);
    await signIn(one, secret);
  });

  it('as often, as long and from where a secret id is good: of 20 at once with its last use one does', async () => {
    const role = await make('limits', { secret_id_num_uses: 3, secret_id_ttl: '1h' });
    const wider = [{ num_uses: 4 }, { num_uses: 0 }, { ttl: '2h' }, { ttl: 0 }];
    for (const body of wider)
      assert.equal((await wire().call('POST', `${ROLE}/limits/secret-id`, body, IN_MARKET)).status, 400);
    const { secret_id: once } = await secretOf('limits', { num_uses: 1 });
    const answers = await Promise.all(Array.from({ length: 20 }, () => login(role, once)));
    assert.equal(answers.filter(({ status }) => status === 200).length, 1);
    const { secret_id: elsewhere } = await secretOf('limits', { cidr_list: ['10.0.0.0/8'] });
    assert.equal((await login(role, elsewhere)).status, 400);
    const { secret_id: here } = await secretOf('limits', { cidr_list: '127.0.0.0/8,10.0.0.0/8' });
    await signIn(role, here);
    const { secret_id: destroyed } = await secretOf('limits');
    await wire().expect(204, 'POST', `${ROLE}/limits/secret-id/destroy`, { secret_id: destroyed }, IN_MARKET);
    assert.equal((await login(role, destroyed)).status, 400);
    const { secret_id: late } = await secretOf('limits');
    using _ = moveClock(61 * 60_000);
    assert.equal((await login(role, late)).status, 400);
  });

  it('until the role is removed: then none of its secret ids and tokens opens anything', async () => {
    const role = await make('gone');
    const { secret_id: secret } = await secretOf('gone');
    const tokens = await Promise.all(Array.from({ length: 60 }, () => signIn(role, secret)));
    await wire().expect(204, 'DELETE', `${ROLE}/gone`, undefined, IN_MARKET);
    assert.equal((await login(role, secret)).status, 400);
    for (const token of [tokens[0], tokens[59]]) assert.equal((await read(token as string, 'app')).status, 403);
    assert.equal((await wire().call('GET', `${ROLE}/gone`, undefined, IN_MARKET)).status, 404);
    assert.notEqual(await make('gone'), role);
  });

  it('by no row that was edited', async () => {
    const role = await make('edited', { token_policies: ['read'] });
    const { secret_id: secret, secret_id_accessor: id } = await secretOf('edited', { num_uses: 2 });
    await using raw = await openRaw(shared().place);
    const past = new WrittenPast(raw);
    const [row] = await raw.rows(`select id from app_roles where role_id = '${role}'`);
    for (const [table, of, columns] of [
      ['app_roles', String(row?.['id']), { scopes: '["admin"]' }],
      ['app_role_secrets', id, { uses_left: 900 }],
    ] as const) {
      const before = await past.row(table, of);
      await past.edit(table, of, columns);
      assert.equal((await login(role, secret)).status, 409, table);
      await past.edit(table, of, before);
    }
    await signIn(role, secret);
  });

  it('gives nobody more than he has who makes it, refuses what it cannot do, and is wrapped where asked', async () => {
    const reader = await shared().token({ scopes: ['read'], environment: 'market/test' });
    const bound = await shared().token({ scopes: ['admin'], environment: 'market/test' });
    const body = { token_policies: ['read'] };
    assert.equal((await wire().call('POST', `${ROLE}/mine`, body, { ...IN_MARKET, token: reader })).status, 403);
    assert.equal((await wire().call('POST', `${ROLE}/mine`, body, { ...IN_MARKET, token: bound })).status, 204);
    const elsewhere = { token: bound, namespace: 'default/production' };
    assert.equal((await wire().call('POST', `${ROLE}/mine`, body, elsewhere)).status, 404);
    for (const wrong of [
      { token_policies: ['default'] },
      { token_policies: ['scim'] },
      { token_policies: [] },
      { ...body, bind_secret_id: false },
      { ...body, token_bound_cidrs: ['10.0.0.0/8'] },
      { ...body, token_ttl: '2h' },
      { ...body, secret_id_bound_cidrs: ['nowhere'] },
      { ...body, unknown: 1 },
    ])
      assert.equal((await wire().call('POST', `${ROLE}/wrong`, wrong, IN_MARKET)).status, 400, JSON.stringify(wrong));
    const role = await make('wrapped');
    const asked = { ...IN_MARKET, wrapTtl: '60' };
    const { wrap_info } = await wire().expect(200, 'POST', `${ROLE}/wrapped/secret-id`, {}, asked);
    const { data } = await wire().expect(200, 'POST', 'sys/wrapping/unwrap', {}, { token: wrap_info.token });
    await signIn(role, data.secret_id);
  });

  it('as a workload that policies name, once there are people; and is off-boarded as one', async () => {
    const { installation, place } = shared();
    await using raw = await openRaw(place);
    await wire().expect(200, 'POST', 'secret/data/live', { data: { a: 1 } });
    await wire().expect(204, 'POST', `${ROLE}/live`, { token_policies: ['admin'] });
    const { role_id } = (await wire().expect(200, 'GET', `${ROLE}/live/role-id`)).data;
    const { secret_id } = (await wire().expect(200, 'POST', `${ROLE}/live/secret-id`, {})).data;
    const [{ id }] = (await raw.rows(`select id from app_roles where role_id = '${role_id}'`)) as [{ id: string }];
    const owner = await enrolOwner(installation);
    const token = await signIn(role_id, secret_id);
    assert.equal((await read(token, 'live')).status, 403);
    const at = 'action == Action::"secrets.reveal", resource == Secret::"default/production/live"';
    await savePolicy(owner, 'app', `permit(principal in Workload::"${id}", ${at});`);
    assert.equal((await read(token, 'live')).status, 200);
    // Nor does it make others like it.
    assert.equal((await wire().call('POST', `${ROLE}/more`, { token_policies: ['read'] }, { token })).status, 403);
    const left = await owner.call('POST', '/v1/offboardings', { of: id, reason: 'test' });
    const { offboarding } = assertStatus(left, 201);
    assert.deepEqual([offboarding.name, offboarding.state], ['live', 'done']);
    assert.equal((await read(token, 'live')).status, 403);
    assert.equal((await login(role_id, secret_id)).status, 400);
    const { items } = assertStatus(await owner.call('GET', `/v1/offboardings/${offboarding.id}/exposures`), 200);
    const kinds = items.map(({ kind, state }: { kind: string; state: string }) => `${kind} ${state}`).sort();
    assert.deepEqual(kinds, ['secret stands', 'token over']);
  });
});
