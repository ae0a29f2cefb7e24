import assert from 'node:assert/strict';
import { before, it } from 'node:test';
import { onEachDatabase } from '../testing/databases.ts';
import { openRaw } from '../testing/raw-database.ts';
import { shareSignedIn } from '../testing/signed-in.ts';
import { WrittenPast } from '../testing/written-past.ts';

onEachDatabase('keys, to a person', (createPlace) => {
  const shared = shareSignedIn(createPlace);
  const consumers = new Map<string, string>();
  let tried = 0;

  before(async () => {
    const { owner } = shared();
    await owner.call('POST', '/v1/projects', { slug: 'shop', name: 'Shop' });
    for (const [name, kind] of [
      ['live', 'production'],
      ['play', 'development'],
    ] as const) {
      await owner.call('POST', '/v1/projects/shop/environments', { name, prefix: `shop_${name}`, kind });
    }
    consumers.set('bot', (await owner.call('POST', '/v1/consumers', { project: 'shop', name: 'bot' })).body.id);
  });

  const issue = (environment: string, settings: object, confirm = false) => {
    const consumer = consumers.get('bot');
    const key = { project: 'shop', environment, consumer, name: `key ${++tried}`, ...settings };
    return shared().owner.call('POST', '/v1/keys', key, { confirm });
  };
  /** Whether it was asked for a passkey; else it was done. */
  const asks = async (call: Promise<{ status: number; body: { code?: string } }>): Promise<boolean> => {
    const { status, body } = await call;
    assert.ok(status < 300 || body.code === 'CONFIRMATION_REQUIRED', JSON.stringify(body));
    return status >= 300;
  };

  it('are issued and rotated with a passkey where they do more in production than read', async () => {
    const [reads, writes] = [
      { permissions: ['prices:read', '*:read'] },
      { permissions: ['prices:read', 'orders:write'] },
    ];
    assert.equal(await asks(issue('live', reads)), false);
    assert.equal(await asks(issue('play', writes)), false);
    for (const permissions of [['orders:write'], ['funds:withdraw'], ['orders:*']]) {
      assert.equal(await asks(issue('live', { permissions })), true, permissions.join());
    }
    const rotate = (id: string) => shared().owner.call('POST', `/v1/keys/${id}/rotate`, { overlapSeconds: 60 });
    assert.equal(await asks(rotate((await issue('live', reads)).body.key.id)), false);
    const { id } = (await issue('live', writes, true)).body.key;
    assert.equal(await asks(rotate(id)), true);
    const resume = (key: string) => shared().owner.call('POST', `/v1/keys/${key}/resume`, {});
    await shared().owner.call('POST', `/v1/keys/${id}/suspend`, {});
    assert.equal(await asks(resume(id)), true);
    const reading = (await issue('live', reads)).body.key.id;
    await shared().owner.call('POST', `/v1/keys/${reading}/suspend`, {});
    assert.equal(await asks(resume(reading)), false);
  });

  it('do more only with a passkey, and less without', async () => {
    const settings = {
      permissions: ['prices:read', 'orders:write'],
      allowedNetworks: ['10.0.0.0/8'],
      addressBook: ['addr1'],
      startsAt: '2031-01-01T00:00:00Z',
      expiresAt: '2032-01-01T00:00:00Z',
    };
    const { id } = (await issue('play', settings)).body.key;
    const update = (patch: object) => asks(shared().owner.call('PATCH', `/v1/keys/${id}`, patch));
    const wider: object[] = [
      { permissions: ['prices:read', 'orders:write', 'funds:withdraw'] },
      { permissions: ['candles:read'] },
      { allowedNetworks: [] },
      { allowedNetworks: ['10.0.0.0/8', '11.0.0.0/8'] },
      { addressBook: ['addr1', 'addr2'] },
      { addressBook: ['addr2'] },
      { expiresAt: '2032-01-01T00:00:01Z' },
      { expiresAt: null },
      { startsAt: '2030-12-31T23:59:59Z' },
      { startsAt: null },
    ];
    for (const patch of wider) assert.equal(await update(patch), true, JSON.stringify(patch));
    const narrower: object[] = [
      { name: 'renamed' },
      { ...settings },
      { startsAt: '2031-01-02T00:00:00Z' },
      { expiresAt: '2031-12-31T00:00:00Z' },
      { permissions: ['prices:read'] },
      { addressBook: [] },
    ];
    for (const patch of narrower) assert.equal(await update(patch), false, JSON.stringify(patch));
  });

  it('do more by a later start where their days without networks begin with it', async () => {
    const issued = async (settings: object) =>
      (await issue('play', { permissions: ['orders:write'], ...settings })).body.key.id as string;
    const [open, kept] = [await issued({}), await issued({ allowedNetworks: ['10.0.0.0/8'] })];
    const begin = (id: string, startsAt: string) => asks(shared().owner.call('PATCH', `/v1/keys/${id}`, { startsAt }));
    assert.equal(await begin(open, '2031-01-01T00:00:00Z'), false, 'without a rule');
    const rules = { withoutNetworks: { permissions: ['orders:*'], days: 30 } };
    const set = await shared().owner.call('PUT', '/v1/projects/shop/environments/play/rules', rules);
    assert.equal(set.status, 200, JSON.stringify(set.body));
    assert.equal(await begin(open, '2031-01-02T00:00:00Z'), true);
    assert.equal(await begin(kept, '2031-01-02T00:00:00Z'), false);
    await shared().owner.call('PUT', '/v1/projects/shop/environments/play/rules', {}, { confirm: true });
  });

  it('are of production in doubt: an environment that was made harmless past the ledger is not', async () => {
    const { owner, place } = shared();
    const { items } = (await owner.call('GET', '/v1/projects/shop/environments')).body;
    const { id } = items.find(({ name }: { name: string }) => name === 'live');
    await using raw = await openRaw(place);
    await new WrittenPast(raw).edit('environments', id, { kind: 'development' });
    assert.equal(await asks(issue('live', { permissions: ['orders:write'] })), true);
  });
});
