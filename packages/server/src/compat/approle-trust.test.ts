import assert from 'node:assert/strict';
import { it } from 'node:test';
import { onEachDatabase } from '../testing/databases.ts';
import { hands, knownOf, left } from '../testing/leaving.ts';
import { moveClock } from '../testing/moved-clock.ts';
import { type Policed, sharePoliced } from '../testing/policies.ts';
import { openRaw } from '../testing/raw-database.ts';
import { assertStatus } from '../testing/shared-market.ts';
import { type VaultWire, vaultWire } from '../testing/shared-vault.ts';
import { WrittenPast } from '../testing/written-past.ts';

const IN_MARKET = { namespace: 'market/test' } as const;
const ROLE = 'auth/approle/role';

onEachDatabase('what a secret id gave', (createPlace) => {
  const shared = sharePoliced(createPlace);

  /** Somebody who makes app roles with a token of his own. */
  const maker = async () => {
    const person = await shared().enrol({ role: 'owner' });
    const { secret } = await hands(shared(), person).token(['admin']);
    return { person, wire: vaultWire(shared().installation.vaultUrl, secret) };
  };
  const make = async (wire: VaultWire, name: string, settings: object = {}) => {
    await wire.expect(204, 'POST', `${ROLE}/${name}`, { token_policies: ['admin'], ...settings }, IN_MARKET);
    const { data } = await wire.expect(200, 'GET', `${ROLE}/${name}/role-id`, undefined, IN_MARKET);
    return data.role_id as string;
  };
  const secretOf = async (wire: VaultWire, name: string, body: object = {}) =>
    (await wire.expect(200, 'POST', `${ROLE}/${name}/secret-id`, body, IN_MARKET)).data;
  const login = (role_id: string, secret_id: string) => loginTo(shared(), role_id, secret_id);
  const signIn = async (role: string, secret: string): Promise<string> =>
    assertStatus(await login(role, secret), 200).auth.client_token;
  const opens = async (token: string) =>
    (await vaultWire(shared().installation.vaultUrl, token).call('LIST', 'secret/metadata', undefined, IN_MARKET))
      .status !== 403;

  it('ends with whoever made it, and is in the list of what he knows', async () => {
    const { owner } = shared();
    const [stays, leaves] = [await maker(), await maker()];
    const role = await make(stays.wire, 'shared');
    const [own, other] = [await secretOf(leaves.wire, 'shared'), await secretOf(stays.wire, 'shared')];
    const [his, theirs] = [await signIn(role, own.secret_id), await signIn(role, other.secret_id)];
    assert.deepEqual([await opens(his), await opens(theirs)], [true, true]);
    const { id } = await left(owner, leaves.person.id);
    assert.deepEqual([await opens(his), await opens(theirs)], [false, true]);
    assert.equal((await login(role, own.secret_id)).status, 400);
    const known = await knownOf(owner, `/v1/offboardings/${id}/exposures`);
    const lines = known.map(({ kind, name, state, environment }) => `${kind} ${name} ${state} ${environment}`).sort();
    const [secret, token, exchanged] = lines;
    assert.equal(lines.length, 3, lines.join());
    assert.equal(secret, 'app-secret shared over test');
    assert.deepEqual(
      [token, exchanged].map((line) => line?.split(' ').at(-2)),
      ['over', 'over'],
    );
    assert.ok(known.some(({ kind, by }) => kind === 'token' && by.includes(own.secret_id_accessor)));
  });

  it('ends with its role, however often that is asked, and whatever was edited', async () => {
    const { wire } = await maker();
    const role = await make(wire, 'ends');
    const { secret_id, secret_id_accessor: id } = await secretOf(wire, 'ends');
    const [one, two] = [await signIn(role, secret_id), await signIn(role, secret_id)];
    await using raw = await openRaw(shared().place);
    const past = new WrittenPast(raw);
    const tokenOf = async (secret: string) => {
      const { data } = await wire.expect(200, 'GET', 'auth/token/lookup-self', undefined, { token: secret });
      return await past.row('tokens', data.accessor);
    };
    const [first, second] = [await tokenOf(one), await tokenOf(two)];
    const kept = await past.row('app_role_secrets', id);
    // As it were no token of the role's, over already, and the secret id another's.
    await past.edit('tokens', first.id, { name: 'mine', state: 'deactivated' });
    await past.edit('tokens', second.id, { expires_at: 1 });
    await past.edit('app_role_secrets', id, { state: 'destroyed' });
    await wire.expect(204, 'DELETE', `${ROLE}/ends`, undefined, IN_MARKET);
    for (const row of [first, second]) await past.edit('tokens', row.id, row);
    await past.edit('app_role_secrets', id, kept);
    assert.deepEqual([await opens(one), await opens(two)], [false, false]);
    assert.notEqual((await login(role, secret_id)).status, 200);
    // As it is where the process dies after its first entry.
    for (const [table, row] of [
      ['tokens', first],
      ['app_role_secrets', kept],
    ] as const)
      await past.restore(table, row);
    await wire.expect(204, 'DELETE', `${ROLE}/ends`, undefined, IN_MARKET);
    assert.equal((await past.row('tokens', first.id))['state'], 'deactivated');
    assert.equal((await past.row('app_role_secrets', id))['state'], 'destroyed');
    await wire.expect(204, 'DELETE', `${ROLE}/never-was`, undefined, IN_MARKET);
    // What is removed is not made again under its old id.
    assert.notEqual(await make(wire, 'ends'), role);
    const [now] = await raw.rows(`select id from app_roles where name = 'ends' and state = 'active'`);
    await past.edit('app_roles', String(now?.['id']), { name: 'hidden' });
    // Neither by one of that name that was removed before, nor by none.
    assert.equal((await wire.call('DELETE', `${ROLE}/ends`, undefined, IN_MARKET)).status, 409);
    await raw.run(`update app_roles set name = 'older' where name = 'ends'`);
    assert.equal((await wire.call('DELETE', `${ROLE}/ends`, undefined, IN_MARKET)).status, 409);
    await raw.run(`update app_roles set name = 'ends' where name in ('hidden', 'older')`);
    await wire.expect(204, 'DELETE', `${ROLE}/ends`, undefined, IN_MARKET);
  });

  it('is no more than its role gives now', async () => {
    const { wire } = await maker();
    const role = await make(wire, 'narrowed', { token_policies: ['admin', 'read'] });
    const { secret_id } = await secretOf(wire, 'narrowed');
    const wide = await signIn(role, secret_id);
    await make(wire, 'narrowed', { token_policies: ['read'] });
    assert.equal(await opens(wide), false);
    const narrow = await signIn(role, secret_id);
    await make(wire, 'narrowed', { token_policies: ['admin', 'read'] });
    assert.equal(await opens(narrow), true);
  });

  it('is destroyed also where it was edited, and is listed while it is good', async () => {
    const { wire } = await maker();
    const role = await make(wire, 'destroys', { secret_id_ttl: '1h' });
    await using raw = await openRaw(shared().place);
    const past = new WrittenPast(raw);
    const destroy = (accessor: string) =>
      wire.expect(
        204,
        'POST',
        `${ROLE}/destroys/secret-id-accessor/destroy`,
        { secret_id_accessor: accessor },
        IN_MARKET,
      );
    const [other] = await raw.rows('select app_role_id from app_role_secrets limit 1');
    for (const columns of [
      { state: 'destroyed' },
      { digest: '0'.repeat(64) },
      { app_role_id: String(other?.['app_role_id']) },
    ]) {
      const { secret_id, secret_id_accessor: id } = await secretOf(wire, 'destroys');
      const before = await past.row('app_role_secrets', id);
      await past.edit('app_role_secrets', id, columns);
      await destroy(id);
      await past.edit('app_role_secrets', id, before);
      assert.notEqual((await login(role, secret_id)).status, 200, JSON.stringify(columns));
    }
    // Another role's it does not destroy.
    await make(wire, 'another');
    await make(wire, 'lists', { secret_id_ttl: '1h' });
    const theirs = await secretOf(wire, 'another');
    await destroy(theirs.secret_id_accessor);
    const [spent, good] = [await secretOf(wire, 'lists', { num_uses: 1 }), await secretOf(wire, 'lists')];
    const { data } = await wire.expect(200, 'GET', `${ROLE}/lists/role-id`, undefined, IN_MARKET);
    await signIn(data.role_id, spent.secret_id);
    const listed = async () =>
      (await wire.call('LIST', `${ROLE}/lists/secret-id/`, undefined, IN_MARKET)).body.data?.keys ?? [];
    assert.deepEqual(await listed(), [good.secret_id_accessor]);
    const found = await wire.expect(200, 'POST', `${ROLE}/another/secret-id/lookup`, theirs, IN_MARKET);
    assert.equal(found.data.secret_id_ttl, 0);
    using _ = moveClock(61 * 60_000);
    assert.deepEqual(await listed(), []);
  });

  it('takes settings as they are answered, and no names that only look like some', async () => {
    const { wire } = await maker();
    await make(wire, 'round', { secret_id_num_uses: 5, token_max_ttl: '15m' });
    const { data } = await wire.expect(200, 'GET', `${ROLE}/round`, undefined, IN_MARKET);
    assert.match(data.keyhold_id, /^apr_/);
    assert.deepEqual([data.token_ttl, data.token_max_ttl], [0, 0]);
    await wire.expect(204, 'POST', `${ROLE}/round`, data, IN_MARKET);
    assert.deepEqual((await wire.expect(200, 'GET', `${ROLE}/round`, undefined, IN_MARKET)).data, data);
    for (const wrong of [
      { toString: 1 },
      { constructor: 'x' },
      { token_ttl: '20m', token_max_ttl: '10m' },
      { token_max_ttl: '14m' },
    ])
      assert.equal((await wire.call('POST', `${ROLE}/round`, wrong, IN_MARKET)).status, 400, JSON.stringify(wrong));
    const large = await login('x'.repeat(20_000), 'y');
    assert.equal(large.status, 413);
  });
});

function loginTo({ installation }: Policed, role_id: string, secret_id: string) {
  return vaultWire(installation.vaultUrl, '').call(
    'POST',
    'auth/approle/login',
    { role_id, secret_id },
    { token: undefined },
  );
}
