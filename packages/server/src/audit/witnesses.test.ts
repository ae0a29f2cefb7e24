import assert from 'node:assert/strict';
import { it } from 'node:test';
import { verifySignature } from '@keyhold/auditor/note-crypto';
import { leafHash } from '@keyhold/protocol/log/merkle';
import { readCheckpoint } from '@keyhold/protocol/log/checkpoint';
import { verifyInclusion } from '@keyhold/protocol/log/merkle-proofs';
import { readReceipt } from '@keyhold/protocol/log/receipt';
import { signersOf } from '@keyhold/protocol/log/signed-message';
import { readNote } from '@keyhold/protocol/log/signed-note';
import { readTrustPolicy } from '@keyhold/protocol/log/trust-policy';
import { readFileSync } from 'node:fs';
import { sha256 } from '../ledger/tree.ts';
import { createPlace as createSqlite, onEachDatabase } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { startInstallation, type TestInstallation } from '../testing/installation.ts';
import { alarmsOf, change, knownLog, TestWitnesses } from '../testing/witnessed.ts';

/** Whether a stranger who has the policy alone believes the receipt. */
function isBelieved(receipt: string, policyFile: string): boolean {
  const read = readReceipt(receipt);
  const note = readNote(read?.checkpoint ?? '');
  const checkpoint = readCheckpoint(note?.text ?? '');
  if (read?.extra == null || note === null || checkpoint === null) return false;
  const { logs, witnesses, isQuorum } = readTrustPolicy(sha256, readFileSync(policyFile, 'utf8'));
  const signers = signersOf(verifySignature, [...logs, ...witnesses.map(({ key }) => key)], note, checkpoint);
  if (signers === null || !logs.some((log) => signers.has(log)) || !isQuorum(new Set(signers.keys()))) return false;
  const claim = { ...checkpoint, index: read.index, leafHash: leafHash(sha256, read.extra) };
  return verifyInclusion(sha256, claim, read.proof);
}

const witnessesOf = async ({ call }: TestInstallation) => (await call('GET', '/v1/audit/log')).body;

onEachDatabase('2 of 3 witnesses', (createPlace) => {
  it('are enough, with any one gone; one more gone is told, loses nothing, and is made up for when it is back', async () => {
    await using place = await createPlace();
    const log = await knownLog(place);
    await using witnesses = new TestWitnesses(log);
    for (const name of ['w1', 'w2', 'w3']) await witnesses.start(name);
    const lines = [...log.keys.map((key) => `log ${key}`), 'group all-of-us 2 w1 w2 w3'];
    const witnessPolicyFile = witnesses.writePolicy('quorum all-of-us', lines);
    await witnesses.of('w3').kill();
    await using installation = await startInstallation(place, { witnessPolicyFile });
    const { call } = installation;
    const receiptOf = async (sequence: string | null, level: string) =>
      await call('GET', `/v1/audit/entries/${sequence}/receipt?level=${level}`);

    const first = await change(installation, 'one', 'witnessed');
    assert.equal(first.status, 201);
    assert.equal(first.headers.get('keyhold-ack'), 'witnessed');
    const entry = first.headers.get('keyhold-entry');
    assert.equal(first.headers.get('link'), `</v1/audit/entries/${entry}/receipt>; rel="receipt"`);
    const { receipt } = (await receiptOf(entry, 'witnessed')).body;
    assert.ok(isBelieved(receipt, witnessPolicyFile));
    assert.ok(!isBelieved(receipt.replace('index ', 'index 1'), witnessPolicyFile));

    const shown = await witnessesOf(installation);
    assert.ok(shown.witnessedSize >= Number(entry));
    const [, , gone] = shown.witnesses;
    assert.equal(gone.name, 'w3');
    assert.match(gone.lastError, /can't be reached \(ECONNREFUSED\)/);
    assert.equal(gone.lastSeenAt, null);

    await witnesses.of('w2').kill();
    const second = await change(installation, 'two', 'witnessed');
    assert.equal(second.status, 201, 'the change is made all the same');
    assert.equal(second.headers.get('keyhold-ack'), 'integrated');
    const refused = await receiptOf(second.headers.get('keyhold-entry'), 'witnessed');
    assert.deepEqual([refused.status, refused.body.code], [409, 'NOT_WITNESSED']);
    const plain = await receiptOf(second.headers.get('keyhold-entry'), 'integrated');
    assert.equal(plain.status, 200);
    assert.ok(!isBelieved(plain.body.receipt, witnessPolicyFile));

    await witnesses.start('w3');
    await eventually('the quorum is met again', async () => (await witnessesOf(installation)).quorumMet === true);
    const made = await receiptOf(second.headers.get('keyhold-entry'), 'witnessed');
    assert.ok(isBelieved(made.body.receipt, witnessPolicyFile));
    assert.deepEqual(await alarmsOf(installation), []);
    const served = await fetch(new URL('/audit/checkpoint', installation.controlUrl));
    const { witnesses: named } = readTrustPolicy(sha256, readFileSync(witnessPolicyFile, 'utf8'));
    const text = await served.text();
    assert.equal(named.filter(({ key }) => text.includes(`— ${key.name} `)).length, 2);
  });
});

it('a witness that is killed over and over under changes forgets nothing, so that nothing of it raises an alarm', async () => {
  await using place = await createSqlite('sqlite');
  const log = await knownLog(place);
  await using witnesses = new TestWitnesses(log);
  await witnesses.start('w1');
  const witnessPolicyFile = witnesses.writePolicy('quorum w1');
  await using installation = await startInstallation(place, { witnessPolicyFile });
  let [size, count] = [0, 0];
  for (let round = 0; round < 5; round++) {
    // Changes go on while it dies: at some of them it has cosigned, and nobody heard of it.
    const changes = Array.from({ length: 12 }, () => change(installation, `c-${count++}`, 'integrated'));
    await Promise.race(changes);
    await witnesses.of('w1').kill();
    await Promise.all(changes);
    await witnesses.start('w1');
    const shown = await eventually('it has caught up', async () => {
      const state = await witnessesOf(installation);
      return state.quorumMet === true && state;
    });
    assert.ok(shown.witnessedSize > size);
    size = shown.witnessedSize;
  }
  assert.deepEqual(await alarmsOf(installation), []);
  assert.deepEqual(JSON.parse((await witnesses.of('w1').get('/alarms')).text).alarms, []);
});

onEachDatabase('levels of acknowledgement', (createPlace) => {
  it('are told with the entry of each change, and refused by name before anything is done', async () => {
    await using place = await createPlace();
    await using installation = await startInstallation(place);
    const { call } = installation;
    const durable = await change(installation, 'one');
    assert.equal(durable.headers.get('keyhold-ack'), 'durable');
    const head = async () => (await call('GET', '/v1/installation')).body.sequence;
    assert.equal(durable.headers.get('keyhold-entry'), String(await head()));
    const before = await head();
    for (const [level, said] of [
      ['anchored', /anchored is not available yet/],
      ['Durable', /It takes durable, integrated, witnessed/],
      ['', /It takes/],
      ['durable, witnessed', /It takes/],
    ] as const) {
      const { status, body } = await change(installation, 'two', level);
      assert.deepEqual([status, body.code, body.field], [400, 'INVALID_INPUT', 'Keyhold-Ack'], level);
      assert.match(body.detail, said);
    }
    assert.equal(await head(), before);
    const integrated = await change(installation, 'two', 'integrated');
    assert.equal(integrated.headers.get('keyhold-ack'), 'integrated');
    const { size } = (await call('GET', '/v1/audit/log')).body;
    assert.ok(size >= Number(integrated.headers.get('keyhold-entry')));
    const nobody = await change(installation, 'three', 'witnessed');
    assert.equal(nobody.headers.get('keyhold-ack'), 'integrated', 'nobody witnesses this log');
    assert.equal((await call('POST', '/v1/seal', {})).status, 200);
    const sealed = await change(installation, 'four', 'integrated');
    assert.deepEqual([sealed.status, sealed.headers.get('keyhold-ack')], [201, 'durable'], 'nothing can be signed');
  });

  it('name the entry that a change has, whichever change it is', async () => {
    await using place = await createPlace();
    await using installation = await startInstallation(place);
    const { call } = installation;
    const entries: [string, string | null][] = [];
    const made = async (action: string, method: string, path: string, body: unknown) => {
      const answer = await call(method, path, body);
      assert.ok(answer.status < 300, `${action}: ${JSON.stringify(answer.body)}`);
      entries.push([action, answer.headers.get('keyhold-entry')]);
      return answer.body;
    };
    const at = { project: 'market', environment: 'live' };
    await made('project.created', 'POST', '/v1/projects', { slug: 'market', name: 'Market' });
    await made('environment.created', 'POST', '/v1/projects/market/environments', { name: 'live', prefix: 'mkt_live' });
    const permission = '/v1/projects/market/environments/live/permissions/orders:write';
    await made('permission.set', 'PUT', permission, { confirm: 'online' });
    const consumer = await made('consumer.created', 'POST', '/v1/consumers', { project: 'market', name: 'Bot' });
    const issue = { ...at, consumer: consumer.id, name: 'bot', permissions: ['prices:read'] };
    const { key, credential } = await made('key.issued', 'POST', '/v1/keys', issue);
    await made('key.changed', 'PATCH', `/v1/keys/${key.id}`, { name: 'other' });
    await made('key.changed', 'PATCH', `/v1/keys/${key.id}`, { permissions: [] });
    await made('key.rotated', 'POST', `/v1/keys/${key.id}/rotate`, { overlapSeconds: 3_600 });
    await made('credential.revoked', 'POST', `/v1/credentials/${credential.id}/revoke`, { reason: 'superseded' });
    await made('key.suspended', 'POST', `/v1/keys/${key.id}/suspend`, {});
    await made('key.resumed', 'POST', `/v1/keys/${key.id}/resume`, {});
    await made('key.revoked', 'POST', `/v1/keys/${key.id}/revoke`, { reason: 'superseded' });
    await made('key.destroyed', 'POST', `/v1/keys/${key.id}/destroy`, {});
    const token = await made('token.created', 'POST', '/v1/tokens', { name: 'reader', scopes: ['read'] });
    await made('token.revoked', 'POST', `/v1/tokens/${token.token.id}/revoke`, {});
    const { secret } = await made('secret.stored', 'POST', '/v1/secrets', { ...at, path: 'a/b', data: { a: 1 } });
    await made('secret.updated', 'PATCH', `/v1/secrets/${secret.id}`, { maxVersions: 3 });
    await made('secret.revealed', 'POST', `/v1/secrets/${secret.id}/reveal`, {});
    await made('secret.deleted', 'POST', `/v1/secrets/${secret.id}/delete`, { versions: [1] });
    await made('secret.removed', 'DELETE', `/v1/secrets/${secret.id}`, undefined);
    const exported = await made('log-export.created', 'POST', '/v1/audit/exports', { name: 'all', kind: 'file' });
    await made('log-export.removed', 'DELETE', `/v1/audit/exports/${exported.id}`, undefined);
    await made('subject.erased', 'POST', `/v1/audit/subjects/${token.token.id}/erase`, {});
    for (const [action, sequence] of entries) {
      const { body } = await call('GET', `/v1/audit/entries?action=${action}`);
      const sequences = body.items.map((item: { sequence: number }) => String(item.sequence));
      assert.ok(sequences.includes(sequence), `${action}: ${sequence} of ${sequences}`);
    }
    assert.equal(new Set(entries.map(([, sequence]) => sequence)).size, entries.length);
  });
});
