import assert from 'node:assert/strict';
import { it } from 'node:test';
import { outcome, shareApproving, wanting } from '../../testing/approving.ts';
import { onEachDatabase } from '../../testing/databases.ts';
import { moveClock } from '../../testing/moved-clock.ts';
import { TestPerson } from '../../testing/person.ts';
import { openRaw } from '../../testing/raw-database.ts';
import { savePolicy, settle } from '../../testing/policies.ts';
import { assertStatus } from '../../testing/shared-market.ts';
import { WrittenPast } from '../../testing/written-past.ts';

const DAY_MS = 86_400_000;

onEachDatabase('approvals', (createPlace) => {
  const { shared, path, reveal, ask, waiting, approve, settled } = shareApproving(createPlace);
  const settledAsk = (by: TestPerson) => ask(by, 'binance/spare');

  it('of as many others as a policy wants let just that request run, once', async () => {
    const { owner } = shared();
    const [asker, one, two] = [
      await settled({ role: 'developer' }),
      await settled({ role: 'developer' }),
      await settled({ role: 'owner' }),
    ];
    await savePolicy(owner, 'two', wanting(2));
    const bare = await reveal(asker);
    assert.equal(outcome(bare), '403 APPROVALS_REQUIRED');
    assert.match(bare.body.detail, /2 others.*keyhold-approval-reason/s);
    assert.equal(bare.body.approval, undefined);
    const id = await ask(asker);
    assert.equal(await ask(asker), id);
    const seen = await waiting(one, id);
    assert.deepEqual(
      [seen.by, seen.method, seen.target, seen.reason, seen.needed, seen.place, seen.action],
      [asker.id, 'POST', path('plain'), 'rotate it', 2, 'market/live/plain', 'secrets.reveal'],
    );
    const sent = { 'keyhold-approval': id };
    assert.equal(outcome(await reveal(asker, sent)), '403 APPROVALS_REQUIRED');
    assert.equal(outcome(await approve(one, id)), 'done');
    assert.equal(outcome(await approve(one, id)), '409 APPROVAL_OVER');
    assert.equal(outcome(await reveal(asker, sent)), '403 APPROVALS_REQUIRED');
    assert.equal(outcome(await approve(two, id)), 'done');
    // Nothing else, and nobody else.
    assert.equal(outcome(await reveal(asker, sent, 'kraken/main')), '403 APPROVALS_REQUIRED');
    assert.equal(outcome(await reveal(asker, sent, 'plain', { version: 1 })), '403 APPROVALS_REQUIRED');
    assert.equal(outcome(await reveal(one, sent)), '403 APPROVALS_REQUIRED');
    // Without his passkey it is not done, and not used up.
    assert.equal(outcome(await asker.call('POST', path('plain'), {}, { headers: sent })), '403 CONFIRMATION_REQUIRED');
    const answers = await Promise.all(Array.from({ length: 20 }, () => reveal(asker, sent)));
    assert.equal(answers.filter(({ status }) => status === 200).length, 1);
    assert.equal(outcome(await reveal(asker, sent)), '403 APPROVALS_REQUIRED');
    assert.deepEqual([(await waiting(asker, id)).state, (await waiting(asker, id)).body], ['used', '']);
    const entries = async (action: string) =>
      assertStatus(await owner.call('GET', `/v1/audit/entries?action=${action}&subject=${id}`), 200).items.length;
    assert.deepEqual([await entries('approval.asked'), await entries('approval.given')], [1, 2]);
  });

  it('are given by fifty at the same moment, each once', async () => {
    const { owner } = shared();
    const asker = await settled({ role: 'developer' });
    const approver = await settled({ role: 'developer' });
    await savePolicy(owner, 'two', wanting(2));
    const id = await ask(asker);
    const answers = await Promise.all(Array.from({ length: 50 }, () => approve(approver, id)));
    assert.equal(answers.filter(({ status }) => status === 200).length, 1);
    assert.equal((await waiting(asker, id)).given.length, 1);
  });

  it("are never one's own, nor of whom one made, let enrol anew or gave a role, or whom these did, within a day", async () => {
    const { owner } = shared();
    const asker = await settled({ role: 'administrator' });
    await savePolicy(owner, 'one', wanting(1));
    const id = await ask(asker);
    assert.equal(outcome(await approve(asker, id)), '403 FORBIDDEN');
    const invite = async (by: TestPerson, role: string) => {
      const body = { name: 'Second', role, reason: 'test' };
      const { secret } = assertStatus(await by.call('POST', '/v1/people', body, { confirm: true }), 201);
      return secret as string;
    };
    const made = await shared().enrol({ role: 'support' });
    const second = await settled({ role: 'support' });
    assertStatus(
      await asker.call(
        'POST',
        `/v1/people/${second.id}/roles`,
        { role: 'developer', reason: 'test' },
        { confirm: true },
      ),
      201,
    );
    assert.equal(outcome(await approve(second, id)), '403 FORBIDDEN');
    const third = Object.create(null) as { person?: TestPerson };
    third.person = await settled({ role: 'administrator' });
    assertStatus(await asker.call('POST', `/v1/people/${third.person.id}/invite`, {}, { confirm: true }), 200);
    assert.equal(outcome(await approve(third.person, id)), '403 FORBIDDEN');
    const fourth = await settled({ role: 'support' });
    assertStatus(
      await third.person.call(
        'POST',
        `/v1/people/${fourth.id}/roles`,
        { role: 'developer', reason: 'test' },
        { confirm: true },
      ),
      201,
    );
    assert.equal(outcome(await approve(fourth, id)), '403 FORBIDDEN');
    assert.equal(typeof (await invite(asker, 'developer')), 'string');
    assert.equal(outcome(await approve(made, id)), '404 APPROVAL_NOT_FOUND');
    const other = await settled({ role: 'developer' });
    assert.equal(outcome(await approve(other, id)), 'done');
  });

  it('are never of whoever made the one who asks, nor of another whom he made', async () => {
    const { owner } = shared();
    const master = await settled({ role: 'administrator' });
    await savePolicy(owner, 'one', wanting(1));
    const make = async () => {
      const body = { name: 'Puppet', role: 'developer', reason: 'test' };
      const { secret } = assertStatus(await master.call('POST', '/v1/people', body, { confirm: true }), 201);
      const puppet = new TestPerson(shared().installation);
      assertStatus(await puppet.enrol(secret), 201);
      return puppet;
    };
    const [puppet, sibling] = [await make(), await make()];
    const id = await ask(puppet);
    assert.equal(outcome(await approve(master, id)), '403 FORBIDDEN');
    assert.equal(outcome(await approve(sibling, id)), '403 FORBIDDEN');
    // An invitation counts from when it was used.
    const late = await settled({ role: 'developer' });
    assertStatus(await master.call('POST', `/v1/people/${late.id}/invite`, {}, { confirm: true }), 200);
    await settle(shared().place, late.id, ['invitations']);
    const body = await settledAsk(master);
    assert.equal(outcome(await approve(late, body)), 'done');
    const again = assertStatus(await master.call('POST', `/v1/people/${late.id}/invite`, {}, { confirm: true }), 200);
    await settle(shared().place, late.id, ['invitations']);
    const anew = new TestPerson(shared().installation);
    assertStatus(await anew.enrol(again.secret), 201);
    assert.equal(anew.id, late.id);
    assert.equal(outcome(await approve(anew, await ask(master, 'kraken/main'))), '403 FORBIDDEN');
  });

  it('are wanted of whoever gives away what they are wanted for', async () => {
    const { owner } = shared();
    const asker = await settled({ role: 'owner' });
    await savePolicy(owner, 'one', wanting(1));
    const create = (binding: object) =>
      asker.call('POST', '/v1/tokens', { name: 't', scopes: ['feed', 'feed:hmac'], ...binding }, { confirm: true });
    assert.equal(outcome(await create({ environment: 'market/live' })), '403 APPROVALS_REQUIRED');
    assert.equal(outcome(await create({ projects: ['market'] })), '403 APPROVALS_REQUIRED');
    assert.equal(outcome(await create({})), '403 APPROVALS_REQUIRED');
    assert.equal(outcome(await create({ environment: 'market/test' })), 'done');
  });

  it('open nothing else in the same request', async () => {
    const { owner } = shared();
    const asker = await settled({ role: 'administrator' });
    const local = await settled({ role: 'administrator', project: 'market' });
    for (const project of ['market', 'other']) {
      const text = `forbid(principal, action == Action::"tokens.create", resource in Project::"${project}") unless { context.approvals >= 1 };`;
      await savePolicy(owner, project, text);
    }
    const create = (headers: Record<string, string>) =>
      asker.call(
        'POST',
        '/v1/tokens',
        { name: 't', scopes: ['read'], projects: ['market', 'other'] },
        { confirm: true, headers },
      );
    const { body } = await create({ 'keyhold-approval-reason': 'both' });
    assert.equal(outcome(await approve(local, body.approval)), 'done');
    assert.equal(outcome(await create({ 'keyhold-approval': body.approval })), '403 APPROVALS_REQUIRED');
  });

  it('are asked for in an address that is written as it is read', async () => {
    const { owner, secrets } = shared();
    const asker = await settled({ role: 'developer' });
    await savePolicy(owner, 'one', wanting(1));
    const headers = { 'keyhold-approval-reason': 'test' };
    const odd = `/v1/secrets/${secrets.get('plain')?.replace('sec_', 's%65c_')}/reveal`;
    const answer = await asker.call('POST', odd, {}, { confirm: true, headers });
    assert.deepEqual([outcome(answer), answer.body.approval], ['403 APPROVALS_REQUIRED', undefined]);
  });

  it('are used up by what has no entry of a person, too', async () => {
    const { owner } = shared();
    const asker = await settled({ role: 'security-officer' });
    const approver = await settled({ role: 'security-officer' });
    const text =
      'forbid(principal, action in [Action::"audit.export", Action::"backup.create"], resource) unless { context.approvals >= 1 };';
    await savePolicy(owner, 'exports', text);
    const body = { name: 'siem', kind: 'webhook', url: 'https://siem.example/hook' };
    const create = (headers: Record<string, string>) =>
      asker.call('POST', '/v1/audit/exports', body, { confirm: true, headers });
    const asked = await create({ 'keyhold-approval-reason': 'test' });
    assert.equal(outcome(asked), '403 APPROVALS_REQUIRED');
    assert.equal(outcome(await approve(approver, asked.body.approval)), 'done');
    const answers = await Promise.all([1, 2, 3].map(() => create({ 'keyhold-approval': asked.body.approval })));
    assert.equal(answers.filter(({ status }) => status < 300).length, 1);
    assert.equal((await waiting(asker, asked.body.approval)).state, 'used');
  });

  it('are given by those alone who could do it themselves, there', async () => {
    const { owner } = shared();
    const asker = await settled({ role: 'developer' });
    await savePolicy(owner, 'one', wanting(1));
    const id = await ask(asker);
    for (const role of [
      { role: 'auditor' },
      { role: 'developer', project: 'other' },
      { role: 'developer', environment: 'market/test' },
    ]) {
      const person = await settled(role);
      assert.equal(await waiting(person, id), undefined);
      assert.equal(outcome(await approve(person, id, asker)), '404 APPROVAL_NOT_FOUND');
      assert.equal(
        outcome(await person.call('POST', `/v1/approvals/${id}/deny`, { reason: 'no' })),
        '404 APPROVAL_NOT_FOUND',
      );
    }
    // What opened it to somebody only today does not count either.
    const auditor = await settled({ role: 'auditor' });
    const permit = `permit(principal == Person::"${auditor.id}", action == Action::"secrets.reveal", resource in Environment::"market/live");`;
    await savePolicy(owner, 'today', permit);
    assert.equal(outcome(await approve(auditor, id)), '403 FORBIDDEN');
    const wrong = { digest: '0'.repeat(64), reason: 'blind' };
    const blind = await (await settled({ role: 'developer' })).call('POST', `/v1/approvals/${id}/approve`, wrong, {
      confirm: true,
    });
    assert.deepEqual([blind.status, blind.body.field], [400, '/digest']);
    const unsigned = await owner.call('POST', `/v1/approvals/${id}/approve`, wrong);
    assert.equal(outcome(unsigned), '403 CONFIRMATION_REQUIRED');
  });

  it('are over with a denial, a withdrawal, a day, and whoever gave them', async () => {
    const { owner } = shared();
    const [asker, approver] = [await settled({ role: 'developer' }), await settled({ role: 'developer' })];
    await savePolicy(owner, 'one', wanting(1));
    const denied = await ask(asker);
    assert.equal(outcome(await approver.call('POST', `/v1/approvals/${denied}/deny`, { reason: 'no' })), 'done');
    assert.equal(outcome(await reveal(asker, { 'keyhold-approval': denied })), '403 APPROVALS_REQUIRED');
    assert.equal((await waiting(asker, denied)).state, 'denied');
    const withdrawn = await ask(asker);
    assert.notEqual(withdrawn, denied);
    assert.equal(
      outcome(await asker.call('POST', `/v1/approvals/${withdrawn}/deny`, { reason: 'changed my mind' })),
      'done',
    );
    assert.equal(outcome(await approve(approver, withdrawn, asker)), '409 APPROVAL_OVER');
    const late = await ask(asker);
    assert.equal(outcome(await approve(approver, late)), 'done');
    {
      using _ = moveClock(DAY_MS);
      assert.notEqual(outcome(await reveal(asker, { 'keyhold-approval': late })), 'done');
    }
    assertStatus(await owner.call('POST', `/v1/people/${approver.id}/suspend`, {}), 200);
    assert.equal(outcome(await reveal(asker, { 'keyhold-approval': late })), '403 APPROVALS_REQUIRED');
    assertStatus(await owner.call('POST', `/v1/people/${approver.id}/resume`, {}, { confirm: true }), 200);
    assert.equal(outcome(await reveal(asker, { 'keyhold-approval': late })), 'done');
  });

  it('count for nothing where a row was written past the ledger', async () => {
    const { owner, place } = shared();
    const [asker, approver] = [await settled({ role: 'developer' }), await settled({ role: 'developer' })];
    await savePolicy(owner, 'one', wanting(1));
    const id = await ask(asker);
    const sent = { 'keyhold-approval': id };
    await using raw = await openRaw(place);
    await raw.run(`insert into approvals (id, salt, request_id, person_id, verdict, digest, reason, created_at)
      select 'appv_01900000-0000-7000-8000-000000000001', '', id, '${approver.id}', 'approve', digest, '', 0
      from approval_requests where id = '${id}'`);
    assert.equal(outcome(await reveal(asker, sent)), '403 APPROVALS_REQUIRED');
    await raw.run(`delete from approvals where request_id = '${id}'`);
    assert.equal(outcome(await approve(approver, id)), 'done');
    const past = new WrittenPast(raw);
    const before = await past.row('approval_requests', id);
    await past.edit('approval_requests', id, { needed: 9 });
    assert.notEqual(outcome(await reveal(asker, sent)), 'done');
    await past.restore('approval_requests', before);
    assert.equal(outcome(await reveal(asker, sent)), 'done');
  });

  it('can not be wished away by one owner alone, nor by putting the other out', async () => {
    const { owner } = shared();
    const id = await savePolicy(owner, 'two', wanting(1));
    const second = await settled({ role: 'owner' });
    const { basis } = assertStatus(await owner.call('POST', '/v1/policies/preview', { remove: id }), 200);
    const remove = (headers: Record<string, string> = {}) =>
      owner.call('DELETE', `/v1/policies/${id}`, { basis }, { confirm: true, headers });
    assert.equal(outcome(await remove()), '403 APPROVALS_REQUIRED');
    const weaker = { text: wanting(1, 'keys.issue'), reason: 'test', basis };
    const replaced = await owner.call('PUT', '/v1/policies/two', weaker, { confirm: true });
    assert.equal(outcome(replaced), '403 APPROVALS_REQUIRED');
    assertStatus(await owner.call('POST', `/v1/people/${second.id}/suspend`, {}), 200);
    assert.equal(outcome(await remove()), '403 APPROVALS_REQUIRED');
    assertStatus(await owner.call('POST', `/v1/people/${second.id}/resume`, {}, { confirm: true }), 200);
    assertStatus(await second.signIn(), 200);
    const { body } = await remove({ 'keyhold-approval-reason': 'no longer needed' });
    assert.equal(outcome(await approve(second, body.approval)), 'done');
    assert.equal(outcome(await remove({ 'keyhold-approval': body.approval })), 'done');
  });

  it('wait for nothing that only takes away or reads, for no service, and for no secret in the request', async () => {
    const { owner, token, consumer } = shared();
    const asker = await settled({ role: 'developer' });
    const { secret: service } = await token(['admin']);
    await savePolicy(
      owner,
      'all',
      'forbid(principal, action, resource in Environment::"market/live") unless { action in Action::"reading" || context.approvals >= 1 };',
    );
    const body = { project: 'market', environment: 'live', path: 'new', data: { a: 'secret' } };
    const headers = { 'keyhold-approval-reason': 'test' };
    const stored = await asker.call('POST', '/v1/secrets', body, { headers });
    assert.deepEqual([outcome(stored), stored.body.approval], ['403 APPROVALS_REQUIRED', undefined]);
    const key = { project: 'market', environment: 'live', consumer, name: 'key', permissions: ['prices:read'] };
    const sent = { token: service, headers };
    assert.equal((await shared().installation.call('POST', '/v1/keys', key, sent)).body.code, 'FORBIDDEN');
    const issued = await asker.call('POST', '/v1/keys', key, { headers });
    assert.equal(outcome(issued), '403 APPROVALS_REQUIRED');
    const approver = await settled({ role: 'developer' });
    assert.equal(outcome(await approve(approver, issued.body.approval)), 'done');
    const done = await asker.call('POST', '/v1/keys', key, { headers: { 'keyhold-approval': issued.body.approval } });
    assert.equal(outcome(done), 'done');
    assert.equal(
      outcome(await asker.call('POST', `/v1/keys/${done.body.key.id}/revoke`, { reason: 'superseded' })),
      'done',
    );
    const { items } = assertStatus(
      await owner.call('GET', `/v1/audit/entries?action=key.issued&subject=${done.body.key.id}`),
      200,
    );
    assert.ok(JSON.parse(items[0].leaf).changes.some(({ id }: { id: string }) => id === issued.body.approval));
  });
});
