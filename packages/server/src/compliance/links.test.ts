import assert from 'node:assert/strict';
import { it } from 'node:test';
import { onEachDatabase } from '../testing/databases.ts';
import { hands, inShort, knownOf, left, ONCE } from '../testing/leaving.ts';
import { savePolicy, sharePoliced } from '../testing/policies.ts';
import { assertStatus } from '../testing/shared-market.ts';
import { vaultWire } from '../testing/shared-vault.ts';

onEachDatabase('a link and whoever leaves', (createPlace) => {
  const shared = sharePoliced(createPlace);
  const wireOf = (token: string) => vaultWire(shared().installation.vaultUrl, token);
  const WRAPPED = { namespace: 'market/test', wrapTtl: '1h' };
  const wrap = async (token: string, path: string): Promise<string> =>
    (await wireOf(token).expect(200, 'GET', path, undefined, WRAPPED)).wrap_info.token;
  const take = async (token: string): Promise<string> => {
    const { status, body } = await shared().installation.call('POST', '/v1/deliveries/take', undefined, { token });
    return status === 200 ? 'taken' : body.code;
  };

  it('ends with him: what he, and what he made, put aside is given to nobody; what others did goes on', async () => {
    const { owner, enrol, secrets } = shared();
    const person = await enrol({ role: 'owner' });
    const does = hands(shared(), person);
    const path = `/v1/secrets/${secrets.get('plain')}/deliver`;
    const deliver = async (by: typeof owner) =>
      assertStatus(await by.call('POST', path, { deliverTo: ONCE }, { confirm: true }), 201).delivery.token as string;
    await does.store('put/aside');
    const [gone, kept] = [await does.token(['admin'], 'gone'), await does.token(['admin'], 'kept')];
    for (const { token } of [gone, kept])
      await savePolicy(
        owner,
        `lets-${token.id.slice(-8)}`,
        `permit(principal == Service::"${token.id}", action == Action::"secrets.reveal", resource in Project::"market");`,
      );
    const his = [await deliver(person), await wrap(gone.secret, 'secret/data/put/aside')];
    his.push((await does.issue({ deliverTo: ONCE })).delivery?.token ?? '');
    const again = await wireOf(gone.secret).expect(
      ...([200, 'POST', 'sys/wrapping/rewrap', { token: await wrap(gone.secret, 'secret/data/put/aside') }] as const),
      { namespace: 'market/test' },
    );
    his.push(again.wrap_info.token);
    const others = [await deliver(owner), await wrap(kept.secret, 'secret/data/put/aside')];
    await left(owner, person.id, { keep: [kept.token.id] });
    assert.deepEqual(await Promise.all(his.map(take)), Array(4).fill('DELIVERY_GONE'));
    assert.deepEqual(await Promise.all(others.map(take)), Array(2).fill('taken'));
    const { items } = assertStatus(await owner.call('GET', '/v1/audit/entries?action=delivery.ended'), 200);
    assert.deepEqual(
      items.map(({ subject, actor }: { subject: string; actor: string }) => [subject, actor]),
      [[person.id, owner.id]],
    );
  });

  it('is known to whoever takes it with a token of his own, and what it gave is in his list', async () => {
    const { owner, installation, secrets, consumer, token } = shared();
    const [giver, taker] = [await token(['admin']), await token(['admin'])];
    await savePolicy(
      owner,
      'lets-giver',
      `permit(principal == Service::"${giver.id}", action == Action::"secrets.reveal", resource == Secret::"market/live/plain");`,
    );
    const give = async (path: string, body: object, status = 201) =>
      assertStatus(await installation.call('POST', path, body, { token: giver.secret }), status);
    const place = { project: 'market', environment: 'test' };
    const stored = await give('/v1/secrets', { ...place, path: 'given/one', data: { a: 1 } });
    await give('/v1/secrets', { ...place, path: 'given/one', data: { a: 2 } });
    const issued = await give('/v1/keys', {
      ...{ ...place, consumer, name: 'k', permissions: ['prices:read'], deliverTo: ONCE },
    });
    const plain = await give(`/v1/secrets/${secrets.get('plain')}/deliver`, { deliverTo: ONCE });
    const wire = wireOf(taker.secret);
    const rewrapped = await wrap(giver.secret, 'secret/data/given/one');
    await wire.expect(200, 'POST', 'sys/wrapping/rewrap', { token: rewrapped }, { namespace: 'market/test' });
    const role = await wireOf(giver.secret).call(
      'POST',
      'auth/approle/role/ci',
      { token_policies: ['read'] },
      { namespace: 'market/test' },
    );
    assert.ok(role.status < 300, JSON.stringify(role.body));
    const secretId = (await wireOf(giver.secret).expect(200, 'POST', 'auth/approle/role/ci/secret-id', {}, WRAPPED))
      .wrap_info.token;
    for (const given of [await wrap(giver.secret, 'secret/data/given/one?version=1'), issued.delivery.token])
      await wire.expect(200, 'POST', 'sys/wrapping/unwrap', { token: given });
    await wire.expect(200, 'POST', 'sys/wrapping/unwrap', { token: plain.delivery.token });
    const { data } = await wire.expect(200, 'POST', 'sys/wrapping/unwrap', { token: secretId });
    const known = await knownOf(owner, `/v1/exposures?of=${taker.id}`);
    assert.deepEqual(
      inShort(known),
      [
        `secret ${stored.secret.id} delivery.rewrapped`,
        `secret ${stored.secret.id} delivery.taken`,
        `key ${issued.key.id} delivery.taken`,
        `secret ${secrets.get('plain')} delivery.taken`,
        `app-secret ${data.secret_id_accessor} delivery.taken`,
      ].sort(),
    );
    const partOf = (id: string) => known.filter((one) => one.id === id).map(({ part }) => part);
    assert.deepEqual(partOf(stored.secret.id).sort(), ['1', '2']);
    assert.deepEqual(partOf(issued.key.id), [issued.credential.id]);
    assert.deepEqual(partOf(secrets.get('plain') ?? ''), ['1']);
    assertStatus(await owner.call('DELETE', `/v1/secrets/${stored.secret.id}`), 200);
    const after = await knownOf(owner, `/v1/exposures?of=${taker.id}`);
    assert.equal(after.filter(({ id }) => id === stored.secret.id).length, 2, 'also when it is removed');
  });
});
