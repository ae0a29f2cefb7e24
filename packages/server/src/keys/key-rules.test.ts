import assert from 'node:assert/strict';
import { it } from 'node:test';
import { onEachDatabase } from '../testing/databases.ts';
import { shareMarket } from '../testing/shared-market.ts';

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
      ['/addressBook', { ...withdrawing, addressBook: [] }],
      ['/allowedNetworks', { permissions: ['*:*'] }],
      ['/allowedNetworks', { permissions: ['funds:*'] }],
    ] as const) {
      const refused = await shared().expect(409, 'POST', '/v1/keys', { ...body, ...settings });
      assert.deepEqual([refused.code, refused.field], ['RULE_NOT_MET', field]);
    }
    const { keyId } = await shared().market.issue(withdrawing);
    assert.deepEqual((await shared().expect(200, 'GET', `/v1/keys/${keyId}`)).addressBook, BOOK);
    const refused = await shared().expect(409, 'PATCH', `/v1/keys/${keyId}`, { addressBook: [] });
    assert.equal(refused.code, 'RULE_NOT_MET');
    await shared().expect(200, 'PATCH', `/v1/keys/${keyId}`, { name: 'renamed' });
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

  it('hold for keys that were issued before them, and where the control plane decides', async () => {
    await setRules({});
    const free = await shared().market.issue({ permissions: ['funds:withdraw'] });
    const ask = (secret: string) =>
      shared().codeOf(secret, { permission: 'funds:withdraw', clientIp: '192.0.2.9', destination: 'bc1qexample' });
    assert.equal(await ask(free.secret), 'VALID');
    await setRules({ withdrawals: ['funds:withdraw'] });
    assert.equal(await ask(free.secret), 'NETWORK_NOT_ALLOWED');
    const setting = '/v1/projects/market/environments/test/permissions/funds:withdraw';
    await shared().expect(200, 'PUT', setting, { audit: 'every-use' });
    const { keyId, secret } = await shared().market.issue(withdrawing);
    assert.equal(await ask(secret), 'VALID');
    const path = `/v1/audit/entries?action=key.used&subject=${keyId}`;
    assert.equal((await shared().expect(200, 'GET', path)).items[0].side.destination, 'bc1qexample');
    await shared().expect(200, 'PUT', setting, {});
  });
});
