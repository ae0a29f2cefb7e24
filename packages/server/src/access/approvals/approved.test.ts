import assert from 'node:assert/strict';
import { createPublicKey, hash, verify } from 'node:crypto';
import { it } from 'node:test';
import { canonicalJson } from '@keyhold/protocol/canonical-json';
import { decodeCredentialPublicKey } from '@simplewebauthn/server/helpers';
import { outcome, shareApproving, wanting } from '../../testing/approving.ts';
import { onEachDatabase } from '../../testing/databases.ts';
import { moveClock } from '../../testing/moved-clock.ts';
import { TestPerson } from '../../testing/person.ts';
import { savePolicy } from '../../testing/policies.ts';
import { assertStatus } from '../../testing/shared-market.ts';

const DAY_MS = 86_400_000;

onEachDatabase('what was approved', (createPlace) => {
  const { shared, path, reveal, ask, waiting, approve, settled } = shareApproving(createPlace);

  it('let one request run where several approve it and it is sent fifty times, all at the same moment', async () => {
    const { owner } = shared();
    const asker = await settled({ role: 'developer' });
    const approvers: TestPerson[] = [];
    while (approvers.length < 3) approvers.push(await settled({ role: 'developer' }));
    await savePolicy(owner, 'two', wanting(2));
    const id = await ask(asker);
    const sent = { 'keyhold-approval': id };
    const [runs] = await Promise.all([
      Promise.all(Array.from({ length: 50 }, () => reveal(asker, sent))),
      Promise.all(approvers.flatMap((one) => [approve(one, id), approve(one, id)])),
    ]);
    const late = await Promise.all(Array.from({ length: 50 }, () => reveal(asker, sent)));
    assert.equal([...runs, ...late].filter(({ status }) => status === 200).length, 1);
    const { given, state } = await waiting(asker, id);
    assert.ok(given.length >= 2 && given.length <= 3 && state === 'used', JSON.stringify({ given, state }));
    const action = `/v1/audit/entries?action=secret.revealed&actor=${asker.id}`;
    assert.equal(assertStatus(await owner.call('GET', action), 200).items.length, 1);
  });

  it('stay as they were signed: the digest, the reason and when it is over', async () => {
    const { owner } = shared();
    const [asker, approver] = [await settled({ role: 'developer' }), await settled({ role: 'developer' })];
    await savePolicy(owner, 'one', wanting(1));
    const id = await ask(asker);
    const { expiresAt } = await waiting(approver, id);
    assert.equal(outcome(await approve(approver, id)), 'done');
    const found = `/v1/audit/entries?action=request.confirmed&actor=${approver.id}`;
    const [{ side }] = assertStatus(await owner.call('GET', found), 200).items;
    const { body, at, publicKey, clientDataJSON, authenticatorData, signature } = side.signed;
    // By whoever has the entry, and nothing else of ours.
    const sha256 = (text: string) => hash('sha256', text, 'hex');
    const bodySha256 = sha256('{}');
    const asked = { bodySha256, expiresAt, id, method: 'POST', target: path('plain'), version: 2 };
    assert.deepEqual(JSON.parse(body), { digest: sha256(canonicalJson(asked)), reason: 'seen' });
    const statement = {
      ...{ at, bodySha256: sha256(body), credential: side.session, method: 'POST', statement: 'confirm request' },
      ...{ target: `/v1/approvals/${id}/approve`, version: 1 },
    };
    const challenge = hash('sha256', canonicalJson(statement), 'base64url');
    const client = Buffer.from(clientDataJSON, 'base64url');
    assert.equal(JSON.parse(client.toString('utf8')).challenge, challenge);
    const signed = Buffer.concat([Buffer.from(authenticatorData, 'base64url'), hash('sha256', client, 'buffer')]);
    const cose: unknown = decodeCredentialPublicKey(new Uint8Array(Buffer.from(publicKey, 'hex')));
    const coordinate = (name: number) =>
      Buffer.from((cose as ReadonlyMap<number, Uint8Array>).get(name) ?? []).toString('base64url');
    const [x, y] = [coordinate(-2), coordinate(-3)];
    const key = createPublicKey({ key: { kty: 'EC', crv: 'P-256', x, y }, format: 'jwk' });
    assert.ok(verify('sha256', signed, key, Buffer.from(signature, 'base64url')));
    assert.ok(Date.parse(expiresAt) - Date.now() < DAY_MS);
  });

  it('are never of a passkey that was ended when its person enrolled anew: he approves it once more, with his own', async () => {
    const { owner } = shared();
    const [asker, approver] = [await settled({ role: 'developer' }), await settled({ role: 'developer' })];
    await savePolicy(owner, 'one', wanting(1));
    const id = await ask(asker);
    assert.equal(outcome(await approve(approver, id)), 'done');
    const invited = await owner.call('POST', `/v1/people/${approver.id}/invite`, {}, { confirm: true });
    const anew = new TestPerson(shared().installation);
    assertStatus(await anew.enrol(assertStatus(invited, 200).secret), 201);
    const sent = { 'keyhold-approval': id };
    assert.equal(outcome(await reveal(asker, sent)), '403 APPROVALS_REQUIRED');
    assert.equal(outcome(await approve(anew, id)), 'done');
    assert.equal(outcome(await approve(anew, id)), '409 APPROVAL_OVER');
    assert.equal(outcome(await reveal(asker, sent)), 'done');
  });

  it('are never of a passkey that its person removed since, of whichever he has', async () => {
    const { owner, installation } = shared();
    const [asker, approver] = [await settled({ role: 'developer' }), await settled({ role: 'developer' })];
    await savePolicy(owner, 'one', wanting(1));
    const id = await ask(asker);
    assert.equal(outcome(await approve(approver, id)), 'done');
    const later = new TestPerson(installation);
    const { options } = assertStatus(await approver.call('POST', '/v1/passkeys/options', {}), 200);
    const added = { name: 'later', response: later.device.create(options) };
    assertStatus(await approver.call('POST', '/v1/passkeys', added, { confirm: true }), 201);
    assertStatus(await later.signIn(), 200);
    const [first] = assertStatus(await later.call('GET', '/v1/session'), 200).passkeys;
    assertStatus(await later.call('DELETE', `/v1/passkeys/${first.id}`, undefined, { confirm: true }), 200);
    const sent = { 'keyhold-approval': id };
    assert.equal(outcome(await reveal(asker, sent)), '403 APPROVALS_REQUIRED');
    assert.equal(outcome(await approve(later, id)), 'done');
    assert.equal(outcome(await approve(later, id)), '409 APPROVAL_OVER');
    assert.equal(outcome(await reveal(asker, sent)), 'done');
  });

  it('are never of an account that the one who asks made, however it is used', async () => {
    const { owner } = shared();
    const asker = await settled({ role: 'administrator' });
    await savePolicy(owner, 'one', wanting(1));
    const id = await ask(asker);
    const body = { name: 'Second self', role: 'developer', reason: 'test' };
    const { secret } = assertStatus(await asker.call('POST', '/v1/people', body, { confirm: true }), 201);
    const second = new TestPerson(shared().installation);
    assertStatus(await second.enrol(secret), 201);
    assert.equal(outcome(await approve(second, id, asker)), '403 FORBIDDEN');
    assert.equal((await waiting(asker, id)).given.length, 0);
  });

  it('are never by a custom role that was changed within a day', async () => {
    const { owner } = shared();
    const asker = await settled({ role: 'developer' });
    const role = { actions: ['secrets.read', 'secrets.reveal'], about: 'test' };
    assertStatus(await owner.call('PUT', '/v1/custom-roles/revealer', role, { confirm: true }), 200);
    const approver = await settled({ role: 'revealer' });
    await savePolicy(owner, 'one', wanting(1));
    const id = await ask(asker);
    assert.equal(outcome(await approve(approver, id)), '403 FORBIDDEN');
    using _moved = moveClock(DAY_MS + 60_000);
    await approver.signIn();
    await asker.signIn();
    assert.equal(outcome(await approve(approver, await ask(asker))), 'done');
  });
});
