import assert from 'node:assert/strict';
import { it } from 'node:test';
import { onEachDatabase } from '../testing/databases.ts';
import { shareMarket } from '../testing/shared-market.ts';

const HOUR_MS = 3_600_000;
type Settings = Record<string, unknown>;
const at = (ms: number) => new Date(Date.now() + ms).toISOString();

onEachDatabase('changing a key', (createPlace) => {
  const shared = shareMarket(createPlace);
  const patch = (keyId: string, body: object) => shared().expect(200, 'PATCH', `/v1/keys/${keyId}`, body);

  const narrowings: readonly [
    name: string,
    before: Settings,
    after: () => Settings,
    request: Settings,
    code: string,
  ][] = [
    [
      'fewer permissions',
      { permissions: ['prices:read', 'orders:write'] },
      () => ({ permissions: ['prices:read'] }),
      { permission: 'orders:write' },
      'INSUFFICIENT_PERMISSIONS',
    ],
    [
      'a wildcard made concrete',
      { permissions: ['*:read'] },
      () => ({ permissions: ['prices:read'] }),
      { permission: 'orders:read' },
      'INSUFFICIENT_PERMISSIONS',
    ],
    [
      'first networks',
      {},
      () => ({ allowedNetworks: ['10.0.0.0/8'] }),
      { clientIp: '192.0.2.1' },
      'NETWORK_NOT_ALLOWED',
    ],
    [
      'fewer networks',
      { allowedNetworks: ['10.0.0.0/8', '192.0.2.0/24'] },
      () => ({ allowedNetworks: ['10.0.0.0/8'] }),
      { clientIp: '192.0.2.1' },
      'NETWORK_NOT_ALLOWED',
    ],
    ['a later start', {}, () => ({ startsAt: at(HOUR_MS) }), {}, 'NOT_YET_VALID'],
  ];
  for (const [name, before, after, request, code] of narrowings) {
    it(`waits for the barrier and takes effect at once: ${name}`, async () => {
      const { keyId, secret } = await shared().market.issue(before);
      assert.equal(await shared().codeOf(secret, request), 'VALID');
      const { barrier } = await patch(keyId, after());
      assert.equal(barrier.acknowledged, 1);
      assert.equal(barrier.unconfirmed, 0);
      assert.equal(await shared().codeOf(secret, request), code);
    });
  }

  it('waits for the barrier when the end moves nearer, and for a repeated narrowing too', async () => {
    const { keyId } = await shared().market.issue({ ttlSeconds: 7200 });
    const narrowing = { expiresAt: at(HOUR_MS) };
    const first = await patch(keyId, narrowing);
    const again = await patch(keyId, narrowing);
    assert.ok(first.barrier);
    assert.equal(again.barrier.sequence, first.barrier.sequence);
  });

  it('waits, when an address is taken away again, for the entry that took it away', async () => {
    const { keyId } = await shared().market.issue({ addressBook: ['GOOD', 'STOLEN'] });
    const narrowing = { addressBook: ['GOOD'] };
    const first = await patch(keyId, narrowing);
    assert.equal((await patch(keyId, narrowing)).barrier.sequence, first.barrier.sequence);
    const renamed = await patch(keyId, { ...narrowing, name: 'renamed' });
    assert.ok(renamed.barrier.sequence > first.barrier.sequence);
  });

  it('is usable when the reply of a widening returns, and a widening answers without barrier', async () => {
    const { keyId, secret } = await shared().market.issue({ allowedNetworks: ['10.0.0.0/8'] });
    for (const [body, request] of [
      [{ permissions: ['prices:read', 'orders:write'] }, { permission: 'orders:write', clientIp: '10.1.1.1' }],
      [{ allowedNetworks: ['10.0.0.0/8', '2001:db8::/32'] }, { clientIp: '2001:db8::1' }],
      [{ allowedNetworks: [] }, { clientIp: '192.0.2.1' }],
    ] as const) {
      assert.notEqual(await shared().codeOf(secret, request), 'VALID');
      const answer = await patch(keyId, body);
      assert.equal('barrier' in answer, false);
      assert.equal(await shared().codeOf(secret, request), 'VALID');
    }
  });

  it('sets, changes and unsets every setting, and shows what it set', async () => {
    const { keyId } = await shared().market.issue();
    const settings = {
      name: 'renamed',
      permissions: ['orders:*'],
      allowedNetworks: ['2001:db8::/32'],
      rateLimits: [{ name: 'burst', limit: 3, windowSeconds: 10 }],
      quota: { limit: 100, period: 'day' },
      startsAt: at(HOUR_MS),
      expiresAt: at(2 * HOUR_MS),
      metadata: { plan: 'pro' },
    };
    const { key } = await patch(keyId, settings);
    for (const [name, value] of Object.entries(settings)) assert.deepEqual(key[name], value, name);
    const unset = { quota: null, startsAt: null, expiresAt: null, metadata: null, rateLimits: [], allowedNetworks: [] };
    const cleared = (await patch(keyId, unset)).key;
    for (const [name, value] of Object.entries(unset)) assert.deepEqual(cleared[name], value, name);
    assert.equal(cleared.name, 'renamed');
  });

  it('refuses what issuing refuses, and an empty change', async () => {
    const { keyId } = await shared().market.issue({ startsAt: at(HOUR_MS) });
    for (const [body, field] of [
      [{ allowedNetworks: ['10.0.0.0/33'] }, '/allowedNetworks/0'],
      [{ expiresAt: at(HOUR_MS / 2) }, '/expiresAt'],
      [{ metadata: { a: { b: { c: { d: { e: {} } } } } } }, '/metadata'],
      [{ consumer: shared().market.consumer }, '/consumer'],
      [{}, '/'],
    ] as const) {
      assert.equal((await shared().expect(400, 'PATCH', `/v1/keys/${keyId}`, body)).field, field);
    }
  });

  it('can still rename a key or change its limits after its rotation or with an end long set', async () => {
    const { keyId } = await shared().market.issue({ ttlSeconds: 3600 });
    assert.equal((await patch(keyId, { name: 'other' })).key.name, 'other');
  });

  it('changes nothing of a dead key', async () => {
    for (const [path, body] of [
      ['revoke', { reason: 'superseded' }],
      ['destroy', {}],
    ] as const) {
      const { keyId } = await shared().market.issue();
      await shared().expect(200, 'POST', `/v1/keys/${keyId}/${path}`, body);
      assert.equal(
        (await shared().expect(409, 'PATCH', `/v1/keys/${keyId}`, { name: 'x' })).code,
        'ILLEGAL_TRANSITION',
      );
    }
  });
});
