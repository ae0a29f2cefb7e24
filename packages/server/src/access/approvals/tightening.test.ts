import assert from 'node:assert/strict';
import { it } from 'node:test';
import { outcome, shareApproving, wanting } from '../../testing/approving.ts';
import { onEachDatabase } from '../../testing/databases.ts';
import { startInstallation } from '../../testing/installation.ts';
import { enrolOwner } from '../../testing/person.ts';
import { savePolicy } from '../../testing/policies.ts';
import { assertStatus } from '../../testing/shared-market.ts';

onEachDatabase('approvals', (createPlace) => {
  const { shared, settled } = shareApproving(createPlace);

  it('are wanted for nothing that takes away and gives nothing, whatever it is done by', async () => {
    const { owner, consumer } = shared();
    const asker = await settled({ role: 'administrator' });
    const send = async (method: string, target: string, body: object) =>
      outcome(await asker.call(method, target, body, { confirm: true }));
    const environment = '/v1/projects/market/environments/live';
    const key = {
      ...{ project: 'market', environment: 'live', consumer, name: 'key', allowedNetworks: [], metadata: { tier: 1 } },
      ...{ permissions: ['prices:read', 'orders:read'], quota: { limit: 10, period: 'day' } },
      rateLimits: [{ name: 'all', limit: 10, windowSeconds: 1 }],
    };
    const issue = async (more: object = {}) =>
      assertStatus(await asker.call('POST', '/v1/keys', { ...key, ...more }, { confirm: true }), 201).key.id;
    const [id, anywhere] = [await issue(), await issue()];
    const funds = { permissions: ['funds:withdraw'], addressBook: ['bc1-of-this-test'] };
    const withdrawing = await issue(funds);
    const open = await issue({ ...funds, allowedNetworks: ['0.0.0.0/0', '10.0.0.0/8'] });
    const role = { actions: ['keys.read', 'audit.read'], about: 'test' };
    assert.equal(await send('PUT', '/v1/custom-roles/watcher', role), 'done');
    await savePolicy(
      owner,
      'all',
      'forbid(principal, action, resource) unless { action in Action::"reading" || action in Action::"people" || context.approvals >= 1 };',
    );
    const inAnHour = new Date(Date.now() + 3_600_000).toISOString();
    const waits = '403 APPROVALS_REQUIRED';
    for (const [method, target, body, wanted] of [
      ['PATCH', `/v1/keys/${id}`, { permissions: ['prices:read'] }, 'done'],
      ['PATCH', `/v1/keys/${id}`, { permissions: ['prices:read', 'orders:read'] }, waits],
      ['PATCH', `/v1/keys/${id}`, { allowedNetworks: ['10.0.0.0/8'], expiresAt: inAnHour }, 'done'],
      ['PATCH', `/v1/keys/${id}`, { expiresAt: null }, waits],
      ['PATCH', `/v1/keys/${id}`, { allowedNetworks: [] }, waits],
      ['PATCH', `/v1/keys/${id}`, { quota: { limit: 9, period: 'day' }, name: 'less' }, 'done'],
      ['PATCH', `/v1/keys/${id}`, { quota: { limit: 9, period: 'minute' } }, waits],
      ['PATCH', `/v1/keys/${id}`, { quota: null }, waits],
      ['PATCH', `/v1/keys/${id}`, { rateLimits: [{ name: 'all', limit: 9, windowSeconds: 1 }] }, 'done'],
      ['PATCH', `/v1/keys/${id}`, { rateLimits: [{ name: 'all', limit: 9, windowSeconds: 2 }] }, waits],
      ['PATCH', `/v1/keys/${id}`, { rateLimits: [] }, waits],
      ['PATCH', `/v1/keys/${id}`, { permissions: [], metadata: { tier: 2 } }, waits],
      ['PATCH', `/v1/keys/${anywhere}`, { allowedNetworks: ['10.0.0.0/8'] }, 'done'],
      // It shows a secret.
      ['POST', `/v1/keys/${id}/rotate`, { overlapSeconds: 0 }, waits],
      ['PUT', `${environment}/permissions/orders:write`, { confirm: 'online' }, 'done'],
      ['PUT', `${environment}/permissions/orders:write`, { audit: 'every-use' }, waits],
      ['PUT', `${environment}/permissions/orders:write`, { confirm: 'online', audit: 'every-use' }, 'done'],
      ['PUT', `${environment}/rules`, { withdrawals: ['funds:withdraw'], unusedDays: 30 }, 'done'],
      ['PUT', `${environment}/rules`, { withdrawals: ['funds:withdraw'], unusedDays: 31 }, waits],
      // They were kept from withdrawing, having none, or one that is all addresses.
      ['PATCH', `/v1/keys/${withdrawing}`, { allowedNetworks: ['10.0.0.0/8'] }, waits],
      ['PATCH', `/v1/keys/${open}`, { allowedNetworks: ['10.0.0.0/8'] }, waits],
      ['PUT', `${environment}/rules`, { unusedDays: 30 }, waits],
      ['PUT', '/v1/custom-roles/watcher', { ...role, actions: ['keys.read'] }, 'done'],
      ['PUT', '/v1/custom-roles/watcher', role, waits],
      ['PUT', '/v1/custom-roles/another', role, waits],
      ['DELETE', '/v1/custom-roles/watcher', {}, 'done'],
    ] as const) {
      assert.equal(await send(method, target, body), wanted, `${method} ${target} ${JSON.stringify(body)}`);
    }
  });

  it('are wanted for no sealing: whoever fears for the keys closes them now', async () => {
    await using place = await createPlace();
    await using installation = await startInstallation(place);
    const owner = await enrolOwner(installation);
    await savePolicy(
      owner,
      'seal',
      'forbid(principal, action == Action::"seal.change", resource) unless { context.approvals >= 1 };',
    );
    const change = { kind: 'passphrase', passphrase: 'of this test alone' };
    assert.equal(
      outcome(await owner.call('POST', '/v1/seal/change', change, { confirm: true })),
      '403 APPROVALS_REQUIRED',
    );
    assert.equal(outcome(await owner.call('POST', '/v1/seal', {}, { confirm: true })), 'done');
  });

  it('are wanted of what takes away nothing any more, because somebody took it away at that moment', async () => {
    const { owner, consumer } = shared();
    const [one, other] = [await settled({ role: 'developer' }), await settled({ role: 'developer' })];
    const both = ['a:read', 'b:read'];
    const key = { project: 'market', environment: 'live', consumer, name: 'key', permissions: both };
    const ids: string[] = [];
    while (ids.length < 10)
      ids.push(assertStatus(await owner.call('POST', '/v1/keys', key, { confirm: true }), 201).key.id);
    await savePolicy(owner, 'one', wanting(1, 'keys.change'));
    const set = async (by: typeof one, id: string, permissions: readonly string[]) =>
      outcome(await by.call('PATCH', `/v1/keys/${id}`, { permissions }));
    let overtaken = 0;
    for (const id of ids) {
      const [narrowed, ...kept] = await Promise.all([
        set(one, id, ['a:read']),
        ...Array.from({ length: 5 }, () => set(other, id, both)),
      ]);
      assert.equal(narrowed, 'done');
      const { permissions } = assertStatus(await owner.call('GET', `/v1/keys/${id}`), 200);
      assert.deepEqual(permissions, ['a:read']);
      overtaken += kept.filter((answer) => answer !== 'done').length;
    }
    assert.ok(overtaken > 0, 'none came too late');
  });

  it('are still wanted of whom a policy permits it only with them', async () => {
    const { owner, consumer } = shared();
    const key = {
      project: 'market',
      environment: 'live',
      consumer,
      name: 'key',
      permissions: ['prices:read', 'a:read'],
    };
    const { id } = assertStatus(await owner.call('POST', '/v1/keys', key, { confirm: true }), 201).key;
    const auditor = await settled({ role: 'auditor' });
    const narrow = () => auditor.call('PATCH', `/v1/keys/${id}`, { permissions: ['a:read'] }, { confirm: true });
    const what = 'action == Action::"keys.change", resource in Environment::"market/live"';
    const permit = `permit(principal == Person::"${auditor.id}", ${what}) when { context.approvals >= 1 };`;
    await savePolicy(owner, 'permit', permit);
    assert.notEqual(outcome(await narrow()), 'done');
    await savePolicy(owner, 'forbid', `forbid(principal, ${what}) unless { context.approvals >= 1 };`);
    assert.equal(outcome(await narrow()), '403 APPROVALS_REQUIRED');
  });

  it('are wanted for no policy that wants more of them, and for one that wants less', async () => {
    const { owner } = shared();
    await savePolicy(owner, 'two', wanting(2));
    await settled({ role: 'owner' });
    await savePolicy(owner, 'two', wanting(3));
    const body = { name: 'two', text: wanting(2) };
    const { basis } = assertStatus(await owner.call('POST', '/v1/policies/preview', body), 200);
    const saved = { text: wanting(2), reason: 'less', basis };
    assert.equal(
      outcome(await owner.call('PUT', '/v1/policies/two', saved, { confirm: true })),
      '403 APPROVALS_REQUIRED',
    );
  });
});
