import assert from 'node:assert/strict';
import { it } from 'node:test';
import { outcome, shareApproving, wanting } from '../../testing/approving.ts';
import { onEachDatabase } from '../../testing/databases.ts';
import type { TestPerson } from '../../testing/person.ts';
import { savePolicy } from '../../testing/policies.ts';
import { assertStatus } from '../../testing/shared-market.ts';

onEachDatabase('what was approved and is repeated under its Idempotency-Key', (createPlace) => {
  const { shared, waiting, approve, settled } = shareApproving(createPlace);
  let made = 0;

  /** Two who may issue keys, each with the approval of another, and a key that is not issued yet. */
  const prepared = async () => {
    const { owner, consumer } = shared();
    const people = [await settled({ role: 'developer' }), await settled({ role: 'developer' })] as const;
    await savePolicy(owner, 'one', wanting(1, 'keys.issue'));
    const place = { project: 'market', environment: 'live', consumer };
    const body = { ...place, name: `key ${++made}`, permissions: ['prices:read'] };
    return { people, body };
  };
  const issue = (by: TestPerson, body: object, key: string | null, headers: Record<string, string>) =>
    by.call('POST', '/v1/keys', body, {
      headers: { ...headers, ...(key === null ? {} : { 'idempotency-key': key }) },
    });
  const approved = async (asker: TestPerson, approver: TestPerson, body: object, key: string): Promise<string> => {
    const asked = await issue(asker, body, key, { 'keyhold-approval-reason': 'test' });
    assert.equal(outcome(asked), '403 APPROVALS_REQUIRED');
    assert.equal(outcome(await approve(approver, asked.body.approval)), 'done');
    return asked.body.approval;
  };
  const issuedBy = async ({ id }: TestPerson): Promise<number> =>
    assertStatus(await shared().owner.call('GET', `/v1/audit/entries?action=key.issued&actor=${id}`), 200).items.length;

  it('answers again what was done, does nothing again and shows no secret, whoever has left of those who approved', async () => {
    const { people, body } = await prepared();
    const [asker, approver] = people;
    const id = await approved(asker, approver, body, 'lost');
    const sent = { 'keyhold-approval': id };
    const first = assertStatus(await issue(asker, body, 'lost', sent), 201);
    assert.equal(typeof first.secret, 'string');
    const repeat = async () => {
      const again = assertStatus(await issue(asker, body, 'lost', sent), 200);
      assert.deepEqual([again.key, again.credential, again.secretShown], [first.key, first.credential, true]);
      assert.equal(JSON.stringify(again).includes(first.secret), false);
    };
    await repeat();
    assertStatus(await shared().owner.call('POST', `/v1/people/${approver.id}/suspend`, {}), 200);
    await repeat();
    assert.equal(await issuedBy(asker), 1);
    assert.equal((await waiting(asker, id)).state, 'used');
  });

  it('answers each of those that come while it runs, and runs once', async () => {
    const { people, body } = await prepared();
    const [asker, approver] = people;
    const sent = { 'keyhold-approval': await approved(asker, approver, body, 'at-once') };
    const answers = await Promise.all(Array.from({ length: 10 }, () => issue(asker, body, 'at-once', sent)));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [...Array(9).fill(200), 201]);
    assert.equal(new Set(answers.map((one) => one.body.key.id)).size, 1);
    assert.equal(answers.filter((one) => one.body.secret !== undefined).length, 1);
    assert.equal(await issuedBy(asker), 1);
  });

  it('lets nothing else run: neither without that key, nor under another, nor another request, nor of anybody else', async () => {
    const { people, body } = await prepared();
    const [asker, other] = people;
    const sent = { 'keyhold-approval': await approved(asker, other, body, 'mine') };
    assertStatus(await issue(asker, body, 'mine', sent), 201);
    const changed = { ...body, permissions: ['orders:write'] };
    for (const [by, what, key] of [
      [asker, body, null],
      [asker, body, 'another'],
      [asker, changed, 'mine'],
      [asker, changed, 'another'],
      [other, body, 'mine'],
      [other, body, 'another'],
    ] as const) {
      const answer = await issue(by, what, key, sent);
      assert.equal(outcome(answer), '403 APPROVALS_REQUIRED', `${key} ${JSON.stringify(what)}`);
    }
    // What is approved anew, as another request, is still another one under that key; and was not used by it.
    const anew = { ...body, name: 'another key' };
    const id = await approved(asker, other, anew, 'not-mine');
    const reused = await issue(asker, anew, 'mine', { 'keyhold-approval': id });
    assert.equal(outcome(reused), '422 IDEMPOTENCY_KEY_REUSED');
    assert.equal((await waiting(asker, id)).state, 'waiting');
    assertStatus(await issue(asker, anew, 'not-mine', { 'keyhold-approval': id }), 201);
    const used = await issue(asker, anew, 'mine', { 'keyhold-approval': id });
    assert.equal(outcome(used), '422 IDEMPOTENCY_KEY_REUSED');
    assert.deepEqual([await issuedBy(asker), await issuedBy(other)], [2, 0]);
  });

  it('is left to be sent again where the one that runs is refused, and is not used up', async () => {
    const { people, body } = await prepared();
    const [asker, approver] = people;
    const writing = { ...body, permissions: ['orders:write'] };
    const id = await approved(asker, approver, writing, 'refused');
    const sent = { 'keyhold-approval': id };
    // Without his passkey.
    const answers = await Promise.all(Array.from({ length: 5 }, () => issue(asker, writing, 'refused', sent)));
    for (const answer of answers)
      assert.match(outcome(answer), /^403 (CONFIRMATION_REQUIRED|APPROVALS_REQUIRED)$/, JSON.stringify(answer.body));
    assert.equal((await waiting(asker, id)).state, 'waiting');
    const headers = { ...sent, 'idempotency-key': 'refused' };
    assertStatus(await asker.call('POST', '/v1/keys', writing, { confirm: true, headers }), 201);
    // What is repeated is confirmed again, as everything that is critical.
    assert.equal(outcome(await issue(asker, writing, 'refused', sent)), '403 CONFIRMATION_REQUIRED');
    assertStatus(await asker.call('POST', '/v1/keys', writing, { confirm: true, headers }), 200);
    assert.equal(await issuedBy(asker), 1);
  });

  it('tells nothing to whoever may not do it any more', async () => {
    const { people, body } = await prepared();
    const [asker, approver] = people;
    const sent = { 'keyhold-approval': await approved(asker, approver, body, 'gone') };
    assertStatus(await issue(asker, body, 'gone', sent), 201);
    const never = 'forbid(principal == Person::"%", action == Action::"keys.issue", resource);'.replace('%', asker.id);
    await savePolicy(shared().owner, 'never', never);
    assert.equal(outcome(await issue(asker, body, 'gone', sent)), '403 FORBIDDEN');
  });
});
