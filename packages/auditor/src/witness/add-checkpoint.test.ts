import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { originHash, writeAddCheckpoint } from '@keyhold/protocol/log/add-checkpoint';
import { writeCheckpoint } from '@keyhold/protocol/log/checkpoint';
import { signersOf } from '@keyhold/protocol/log/signed-message';
import { readNote, type SignedNote, writeNote } from '@keyhold/protocol/log/signed-note';
import { sha256, signCheckpoint, verifySignature } from '../note-crypto.ts';
import { OwnLog } from '../testing/own-log.ts';
import { startWitness, type WitnessProcess } from '../testing/witness-process.ts';

describe('add-checkpoint', () => {
  let [folder, witness] = ['', null as unknown as WitnessProcess];
  let count = 0;
  const logs = Array.from({ length: 16 }, (_, i) => new OwnLog(`log.test/${i}`));
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'keyhold-witness-'));
    witness = await startWitness({ folder, logs: logs.flatMap(({ verifierKeys }) => verifierKeys) });
  });
  after(async () => {
    await witness.kill();
    rmSync(folder, { recursive: true });
  });
  /** Of each test its own log. */
  const ownLog = () => logs[count++] as OwnLog;
  const post = async (log: OwnLog, ...args: Parameters<OwnLog['request']>) =>
    (await witness.post(log.request(...args))).status;
  const alarms = async ({ origin }: OwnLog) =>
    JSON.parse((await witness.get('/alarms')).text).alarms.filter(
      (alarm: { origin: string }) => alarm.origin === origin,
    );

  it('answers with a cosignature of each of its keys over the whole tree, with its time', async () => {
    const log = ownLog().grow(5);
    const { status, text } = await witness.post(log.request(0));
    assert.equal(status, 200);
    const note = readNote(`${writeCheckpoint(log.checkpoint())}\n${text}`) as SignedNote;
    assert.equal(note.signatures.length, 2);
    const signers = signersOf(verifySignature, witness.keys, note, log.checkpoint());
    assert.equal(signers?.size, 2);
    for (const atSeconds of signers?.values() ?? []) assert.ok(Math.abs((atSeconds ?? 0) - Date.now() / 1_000) < 60);
    assert.deepEqual(
      witness.keys.map(({ type }) => type),
      [6, 4],
    );
  });

  it('serves the newest note with the signatures of the log that it checked and its own, and no others', async () => {
    const log = ownLog().grow(3);
    assert.equal((await witness.newest(log.origin)).status, 404);
    const stranger = new OwnLog('stranger.test').grow(3);
    const signed = readNote(log.signed()) as SignedNote;
    const foreign = readNote(stranger.signed()) as SignedNote;
    const both = writeNote({ ...signed, signatures: [...foreign.signatures, ...signed.signatures] });
    assert.equal((await witness.post(writeAddCheckpoint({ oldSize: 0, proof: [], checkpoint: both }))).status, 200);
    const { status, text } = await witness.newest(log.origin);
    assert.equal(status, 200);
    const served = readNote(text) as SignedNote;
    const keys = [...log.keys.map(({ note }) => note), ...witness.keys];
    assert.equal(served.signatures.length, 4);
    assert.equal(signersOf(verifySignature, keys, served, log.checkpoint())?.size, 4);
  });

  it('follows a log that grows, and cosigns the same tree again', async () => {
    const log = ownLog();
    let old = 0;
    for (const count of [1, 1, 5, 0, 249, 1, 300]) {
      log.grow(count);
      assert.equal(await post(log, old), 200, `from ${old} to ${log.size}`);
      old = log.size;
    }
    assert.deepEqual(await alarms(log), []);
  });

  it('says 404 of an unknown log, and 403 of what no known key signed', async () => {
    const [log, other] = [ownLog().grow(2), new OwnLog('unknown.test').grow(2)];
    assert.equal(await post(other, 0), 404);
    assert.equal(await post(new OwnLog(log.origin).grow(2), 0), 403, 'other keys of this name');
    assert.equal((await witness.newest(log.origin)).status, 404);
  });

  it('says 403 where a signature names a known key and is not its, though another one is', async () => {
    const log = ownLog().grow(2);
    const signed = readNote(log.signed()) as SignedNote;
    const [first, second] = signed.signatures;
    assert.ok(first && second);
    for (const wrong of [0, 1]) {
      const signatures = [first, second].map((signature, i) =>
        i === wrong ? { ...signature, bytes: signature.bytes.with(9, (signature.bytes[9] as number) ^ 1) } : signature,
      );
      const body = writeAddCheckpoint({ oldSize: 0, proof: [], checkpoint: writeNote({ ...signed, signatures }) });
      assert.equal((await witness.post(body)).status, 403);
    }
    assert.equal(await post(log, 0), 200);
  });

  it('says 400 of what is malformed, and of an old size above the new one', async () => {
    const log = ownLog().grow(4);
    const whole = log.request(0);
    const malformed = [
      '',
      'old 0\n',
      whole.slice(4),
      whole.replace('old 0', 'old 00'),
      whole.replace('old 0', 'old -1'),
      whole.replace('old 0', 'old  0'),
      whole.replace('old 0\n', 'old 0\nAAAA\n'),
      whole.replace('old 0\n', `old 0\n${`${Buffer.alloc(32).toString('base64')}\n`.repeat(64)}`),
      whole.replace('\n4\n', '\n04\n'),
      whole.replace('\n4\n', `\n${'9'.repeat(17)}\n`),
      whole.trimEnd(),
      whole.replaceAll('\n', '\r\n'),
    ];
    for (const body of malformed) assert.equal((await witness.post(body)).status, 400, JSON.stringify(body));
    assert.equal((await witness.post(Buffer.concat([Buffer.from(whole), Buffer.of(0xff)]))).status, 400);
    assert.equal(await post(log, 5), 400);
    assert.equal((await witness.newest(log.origin)).status, 404);
  });

  it('says 409 with its size to whoever knows another one', async () => {
    const log = ownLog().grow(6);
    assert.equal(await post(log, 0, 4), 200);
    for (const old of [0, 3, 5]) {
      assert.deepEqual(await witness.post(log.request(old)), { status: 409, type: 'text/x.tlog.size', text: '4\n' });
    }
    assert.equal(await post(log, 4), 200);
    const never = ownLog().grow(3);
    assert.deepEqual(await witness.post(never.request(2)), { status: 409, type: 'text/x.tlog.size', text: '0\n' });
  });

  it('says 422 of a proof that fails, of one where there is nothing to prove, and of a strange empty tree', async () => {
    const log = ownLog().grow(7);
    const checkpoint = log.signed();
    const ask = async (oldSize: number, proof: Uint8Array[]) =>
      (await witness.post(writeAddCheckpoint({ oldSize, proof, checkpoint }))).status;
    assert.equal(await ask(0, [new Uint8Array(32)]), 422);
    assert.equal(await post(log, 0, 3), 200);
    assert.equal(await ask(3, []), 422);
    assert.equal(await ask(3, log.consistency(2)), 422);
    assert.equal(await ask(3, [...log.consistency(3), new Uint8Array(32)]), 422);
    assert.equal(await ask(3, log.consistency(3)), 200);
    assert.equal(await ask(7, [new Uint8Array(32)]), 422, 'a proof between two trees that are the same');
    const empty = ownLog();
    const wrong = { origin: empty.origin, size: 0, root: new Uint8Array(32) };
    const signatures = empty.keys.map(({ note, privateKey }) => signCheckpoint(note, privateKey, wrong, 1_000));
    const note = writeNote({ text: writeCheckpoint(wrong), signatures });
    assert.equal((await witness.post(writeAddCheckpoint({ oldSize: 0, proof: [], checkpoint: note }))).status, 422);
    assert.equal(await post(empty, 0), 200);
    assert.equal(await post(empty.grow(2), 0), 200, 'an empty tree is continued by any');
  });

  it('refuses a fork, keeps both notes, says so loudly, and goes on with the log that it knows', async () => {
    const log = ownLog().grow(8);
    assert.equal(await post(log, 0), 200);
    const fork = log.fork(6).grow(2, 'another');
    assert.equal(await post(fork, 8), 422, 'another root of the same size');
    assert.equal(await post(fork, 6), 409, 'and with the size that it would have');
    assert.equal(await post(fork.grow(3, 'another'), 8), 422, 'and when it has outgrown it');
    const raised = await alarms(log);
    assert.deepEqual(raised.map(({ kind }: { kind: string }) => kind).sort(), ['forked', 'unproven']);
    const [forked] = raised.filter(({ kind }: { kind: string }) => kind === 'forked');
    assert.deepEqual(forked.sizes, { cosigned: 8, refused: 8 });
    const keys = log.keys.map(({ note }) => note);
    for (const [note, of] of [
      [forked.cosigned, log.checkpoint(8)],
      [forked.refused, fork.checkpoint(8)],
    ]) {
      assert.equal(signersOf(verifySignature, keys, readNote(note) as SignedNote, of)?.size, 2);
    }
    assert.match(witness.output(), new RegExp(`ALARM: the log signed two trees of one size: ${log.origin}`));
    assert.equal(await post(log.grow(1), 8), 200);
  });

  it('takes a smaller tree that was signed later for a shrunk log, and one that only comes late for nothing', async () => {
    const log = ownLog().grow(9);
    assert.equal(await post(log, 0, 9, 2_000), 200);
    assert.equal(await post(log, 4, 5, 1_999), 409);
    assert.deepEqual(await alarms(log), []);
    assert.equal(await post(log, 4, 5, 2_001), 409);
    assert.deepEqual(
      (await alarms(log)).map(({ kind }: { kind: string }) => kind),
      ['shrunk'],
    );
  });

  it('keeps a bounded number of alarms, and what anybody can bring about takes no room from proofs', async () => {
    const log = ownLog().grow(100);
    assert.equal(await post(log, 0, 10), 200);
    for (let size = 11; size <= 60; size++) {
      const body = writeAddCheckpoint({ oldSize: 10, proof: [], checkpoint: log.signed(size) });
      assert.equal((await witness.post(body)).status, 422);
    }
    assert.equal(await post(log.fork(9).grow(1, 'another'), 10), 422);
    const kinds = (await alarms(log)).map(({ kind }: { kind: string }) => kind);
    assert.ok(kinds.filter((kind: string) => kind === 'unproven').length <= 32);
    assert.equal(kinds.filter((kind: string) => kind === 'forked').length, 1);
    assert.ok(readdirSync(join(folder, 'evidence')).length < 70);
  });

  it('takes no more than a request can be, answers nothing else, and closes its files to others', async () => {
    assert.equal((await witness.post(`old 0\n${'x'.repeat(300_000)}`)).status, 413);
    assert.equal((await witness.get('/add-checkpoint')).status, 405);
    assert.equal((await witness.get('/')).status, 404);
    assert.equal((await witness.get(`/${originHash(sha256, 'unknown.test')}/checkpoint`)).status, 404);
    assert.deepEqual(JSON.parse((await witness.get('/health/live')).text), { status: 'live' });
    for (const name of readdirSync(folder)) {
      assert.equal(statSync(join(folder, name)).mode & 0o077, 0, name);
    }
    assert.equal(statSync(folder).mode & 0o777, 0o700);
  });
});
