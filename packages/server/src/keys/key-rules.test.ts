import assert from 'node:assert/strict';
import { it } from 'node:test';
import { embedVerifier } from '@keyhold/sdk/embedded';
import { onEachDatabase } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { openRaw } from '../testing/raw-database.ts';
import { shareMarket } from '../testing/shared-market.ts';
import { type RawRow, WrittenPast } from '../testing/written-past.ts';

const RULES = '/v1/projects/market/environments/test/rules';

onEachDatabase("an environment's rules", (createPlace) => {
  const shared = shareMarket(createPlace);
  const setRules = (rules: object) => shared().expect(200, 'PUT', RULES, rules);
  const BOOK = ['bc1qexample', '0xAbC'];
  const withdrawing = { permissions: ['funds:withdraw'], allowedNetworks: ['192.0.2.0/24'], addressBook: BOOK };

  it('take networks and an address book of a key that may withdraw, when it is issued and when it is changed', async () => {
    const { barrier, rules } = await setRules({ withdrawals: ['funds:withdraw'] });
    assert.equal(barrier.acknowledged, 1);
    assert.deepEqual(rules, {
      withdrawals: ['funds:withdraw'],
      withoutNetworks: null,
      secondFactor: [],
      unusedDays: null,
    });
    const { consumer } = shared().market;
    const body = { project: 'market', environment: 'test', consumer, name: 'key' };
    for (const [field, settings] of [
      ['/allowedNetworks', { ...withdrawing, allowedNetworks: [] }],
      ['/allowedNetworks', { ...withdrawing, allowedNetworks: ['192.0.2.0/24', '0.0.0.0/0'] }],
      ['/allowedNetworks', { ...withdrawing, allowedNetworks: ['::/1', '8000::/1'] }],
      ['/addressBook', { ...withdrawing, addressBook: [] }],
      ['/allowedNetworks', { permissions: ['*:*'] }],
      ['/allowedNetworks', { permissions: ['funds:*'] }],
    ] as const) {
      const refused = await shared().expect(409, 'POST', '/v1/keys', { ...body, ...settings });
      assert.deepEqual([refused.code, refused.field], ['RULE_NOT_MET', field]);
    }
    const { keyId } = await shared().market.issue(withdrawing);
    assert.deepEqual((await shared().expect(200, 'GET', `/v1/keys/${keyId}`)).addressBook, BOOK);
    const opened = await shared().expect(409, 'PATCH', `/v1/keys/${keyId}`, { allowedNetworks: ['::/0'] });
    assert.deepEqual([opened.code, opened.field], ['RULE_NOT_MET', '/allowedNetworks']);
    await shared().expect(200, 'PATCH', `/v1/keys/${keyId}`, { name: 'renamed' });
  });

  it('refuse nothing that only takes from a key, be it without what they ask for already or only now', async () => {
    await setRules({});
    const free = await shared().market.issue({ permissions: ['funds:withdraw', 'orders:write', 'prices:read'] });
    await setRules({ withdrawals: ['funds:withdraw'] });
    const ask = (secret: string, permission: string, clientIp = '192.0.2.9') =>
      shared().codeOf(secret, { permission, clientIp, destination: 'bc1qexample' });
    const change = (keyId: string, body: object) => shared().expect(200, 'PATCH', `/v1/keys/${keyId}`, body);
    const fewer = { permissions: ['funds:withdraw', 'prices:read'] };
    for (const _again of [false, true]) {
      assert.equal((await change(free.keyId, fewer)).barrier.acknowledged, 1);
      assert.equal(await ask(free.secret, 'orders:write'), 'INSUFFICIENT_PERMISSIONS');
    }
    for (const allowedNetworks of [['192.0.2.0/24', '10.0.0.0/8'], ['192.0.2.0/24']]) {
      assert.equal((await change(free.keyId, { allowedNetworks })).barrier.acknowledged, 1);
    }
    assert.equal(await ask(free.secret, 'prices:read', '10.0.0.1'), 'NETWORK_NOT_ALLOWED');
    assert.equal(await ask(free.secret, 'funds:withdraw'), 'DESTINATION_NOT_ALLOWED');
    const { keyId, secret } = await shared().market.issue(withdrawing);
    assert.equal(await ask(secret, 'funds:withdraw'), 'VALID');
    for (const _again of [false, true]) {
      assert.equal((await change(keyId, { addressBook: [] })).barrier.acknowledged, 1);
      assert.equal(await ask(secret, 'funds:withdraw'), 'DESTINATION_NOT_ALLOWED');
    }
    // What gives anything is looked at as a whole.
    for (const [id, more] of [
      [free.keyId, { permissions: ['funds:withdraw', 'prices:read', 'orders:write'] }],
      [free.keyId, { allowedNetworks: [] }],
      [free.keyId, { allowedNetworks: ['198.51.100.0/24'] }],
      [keyId, { allowedNetworks: ['192.0.2.0/24', '198.51.100.0/24'] }],
    ] as const) {
      const { code } = await shared().expect(409, 'PATCH', `/v1/keys/${id}`, more);
      assert.equal(code, 'RULE_NOT_MET', JSON.stringify(more));
    }
  });

  it('refuse no network within one that the key had, nor a permission that one of its covers', async () => {
    await setRules({});
    const held = { permissions: ['funds:*', 'orders:write'], allowedNetworks: ['10.0.0.0/8', '2001:db8::/32'] };
    const { keyId } = await shared().market.issue(held);
    await setRules({ withdrawals: ['funds:withdraw'] });
    for (const body of [
      { permissions: ['funds:*', 'orders:*'] },
      { permissions: ['*:withdraw'] },
      { allowedNetworks: ['10.0.0.0/7'] },
      { allowedNetworks: ['10.1.0.0/16', '11.0.0.0/16'] },
      { allowedNetworks: ['2001:db8::/31'] },
      { allowedNetworks: ['0.0.0.0/0'] },
      { allowedNetworks: [] },
    ]) {
      const { code } = await shared().expect(409, 'PATCH', `/v1/keys/${keyId}`, body);
      assert.equal(code, 'RULE_NOT_MET', JSON.stringify(body));
    }
    for (const body of [
      { allowedNetworks: ['10.1.0.0/16', '10.2.3.4', '2001:db8:1::/48'] },
      { allowedNetworks: ['::ffff:10.1.2.0/120'] },
      { permissions: ['funds:withdraw', 'funds:*'] },
      { permissions: ['funds:withdraw'] },
    ])
      await shared().expect(200, 'PATCH', `/v1/keys/${keyId}`, body);
  });

  it('hold each withdrawal against the address book, and forget an address behind the barrier', async () => {
    await setRules({ withdrawals: ['funds:withdraw'] });
    const { keyId, secret } = await shared().market.issue(withdrawing);
    const code = (destination?: string, more: object = {}) =>
      shared().codeOf(secret, { permission: 'funds:withdraw', clientIp: '192.0.2.9', destination, ...more });
    assert.equal(await code('bc1qexample'), 'VALID');
    assert.equal(await code('0xAbC'), 'VALID');
    for (const elsewhere of ['0xabc', 'bc1qexampl', undefined]) {
      assert.equal(await code(elsewhere), 'DESTINATION_NOT_ALLOWED', String(elsewhere));
    }
    assert.equal(await code('bc1qexample', { clientIp: '198.51.100.1' }), 'NETWORK_NOT_ALLOWED');
    const { barrier } = await shared().expect(200, 'PATCH', `/v1/keys/${keyId}`, { addressBook: ['0xAbC'] });
    assert.equal(barrier.acknowledged, 1);
    assert.equal(await code('bc1qexample'), 'DESTINATION_NOT_ALLOWED');
    assert.equal(await code('0xAbC'), 'VALID');
  });

  it('take from a key whose networks are opened, behind the barrier', async () => {
    await setRules({ withoutNetworks: { permissions: ['orders:*'], days: 1 } });
    const { keyId } = await shared().market.issue({ permissions: ['orders:write'], allowedNetworks: ['10.0.0.0/8'] });
    for (const allowedNetworks of [['10.0.0.0/8', '::/0'], ['10.0.0.0/8'], []]) {
      const { barrier } = await shared().expect(200, 'PATCH', `/v1/keys/${keyId}`, { allowedNetworks });
      assert.equal(barrier?.acknowledged, 1, allowedNetworks.join());
    }
  });

  it('take from a key that began sooner, behind the barrier: the days that it has without networks begin with it', async () => {
    await setRules({ withoutNetworks: { permissions: ['orders:*'], days: 1 } });
    const startsAt = new Date(Date.now() - 1_000).toISOString();
    for (const [settings, acknowledged] of [
      [{}, 1],
      [{ allowedNetworks: ['10.0.0.0/8'] }, undefined],
    ] as const) {
      const { keyId } = await shared().market.issue({ permissions: ['orders:write'], startsAt, ...settings });
      const { barrier } = await shared().expect(200, 'PATCH', `/v1/keys/${keyId}`, { startsAt: null });
      assert.equal(barrier?.acknowledged, acknowledged);
    }
  });

  it('hold for keys that were issued before them, and where the control plane decides', async () => {
    await setRules({});
    const free = await shared().market.issue({ permissions: ['funds:withdraw'] });
    const open = await shared().market.issue({ ...withdrawing, allowedNetworks: ['0.0.0.0/0'] });
    const ask = (secret: string) =>
      shared().codeOf(secret, { permission: 'funds:withdraw', clientIp: '192.0.2.9', destination: 'bc1qexample' });
    assert.equal(await ask(free.secret), 'VALID');
    await setRules({ withdrawals: ['funds:withdraw'] });
    assert.equal(await ask(free.secret), 'NETWORK_NOT_ALLOWED');
    assert.equal(await ask(open.secret), 'NETWORK_NOT_ALLOWED', 'a network that is all addresses is none');
    const setting = '/v1/projects/market/environments/test/permissions/funds:withdraw';
    await shared().expect(200, 'PUT', setting, { audit: 'every-use' });
    const { keyId, secret } = await shared().market.issue(withdrawing);
    assert.equal(await ask(secret), 'VALID');
    const path = `/v1/audit/entries?action=key.used&subject=${keyId}`;
    assert.equal((await shared().expect(200, 'GET', path)).items[0].side.destination, 'bc1qexample');
    await shared().expect(200, 'PUT', setting, {});
  });

  it('stay closed to a verifier that starts, where somebody wrote past the ledger what they forbid', async () => {
    await setRules({});
    const free = await shared().market.issue({ permissions: ['funds:withdraw'] });
    await setRules({ withdrawals: ['funds:withdraw'] });
    await using raw = await openRaw(shared().place);
    const past = new WrittenPast(raw);
    const token = await shared().expect(201, 'POST', '/v1/tokens', { name: 'verifier', scopes: ['feed'] });
    /** What a verifier decides that was fed the tables as they are now. */
    const decide = async (permission: string): Promise<string> => {
      const verifier = embedVerifier({ controlUrl: shared().installation.controlUrl, token: token.secret });
      try {
        await eventually('it is fed', async () => verifier.ready);
        return (await verifier.verify({ key: free.secret, environment: 'market/test', permission })).code;
      } finally {
        await verifier.stop();
      }
    };
    const rowOf = async (table: string) =>
      (await raw.rows(`select * from ${table} where environment_id = '${shared().market.environmentId}'`)).at(
        -1,
      ) as RawRow;
    const rules = await rowOf('key_rules');
    assert.equal(await decide('funds:withdraw'), 'NETWORK_NOT_ALLOWED');
    await past.edit('key_rules', rules.id, { withdrawals: '[]' });
    assert.equal(await decide('funds:withdraw'), 'NETWORK_NOT_ALLOWED', 'edited');
    await raw.run(`delete from key_rules where id = '${rules.id}'`);
    assert.equal(await decide('funds:withdraw'), 'NETWORK_NOT_ALLOWED', 'deleted');
  });
});
