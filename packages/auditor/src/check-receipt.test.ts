import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Leaf } from '@keyhold/protocol/leaf';
import { type Checkpoint, readCheckpoint } from '@keyhold/protocol/log/checkpoint';
import { type Receipt, readReceipt, writeReceipt } from '@keyhold/protocol/log/receipt';
import { readNote, type SignedNote, writeNote, writeVerifierKey } from '@keyhold/protocol/log/signed-note';
import { type CheckedReceipt, checkReceipt } from './check-receipt.ts';
import { explainReceipt } from './explain.ts';
import { NODE_CHECKER } from './node-checker.ts';
import { signCheckpoint } from './note-crypto.ts';
import { type SmallLog, type SmallLogOptions, smallLog } from './testing/small-log.ts';
import { readTrust } from './trust.ts';
import { newKeys, openKey, type StoredKey } from './witness/cosigner.ts';

const check = (log: SmallLog, sequence: number) =>
  checkReceipt(NODE_CHECKER, readTrust(NODE_CHECKER.sha256, log.keys), log.receipt(sequence));

it('believes one of the log’s keys, whichever it is', () => {
  const log = smallLog(11);
  for (const keys of log.keys.split('\n')) assert.equal(typeof check({ ...log, keys }, 7), 'object');
});

it('refuses an entry that names another place than the one that is proven', () => {
  for (const by of [1, -1]) {
    const change = (leaf: Leaf) => (leaf.sequence === 5 ? { ...leaf, sequence: 5 + by } : leaf);
    const log = smallLog(11, { change });
    assert.equal(check(log, 5), 'the entry names another place than the one that is proven');
    assert.notEqual(typeof check(log, 4), 'string');
  }
});

it('refuses an entry of another installation than the one that the log is named after', () => {
  const change = (leaf: Leaf) => ({ ...leaf, installation: 'inst_other' });
  assert.match(String(check(smallLog(3, { change }), 2)), /installation "inst_other".* log "keyhold\/inst_test"/);
  assert.match(String(check(smallLog(3, { origin: 'keyhold/' }), 2)), /installation "inst_test"/);
});

it('says that only the operator says so where the log is not named after its installation', () => {
  const said = (options: SmallLogOptions) => {
    const checked = check(smallLog(3, options), 2);
    assert.ok(typeof checked !== 'string');
    return explainReceipt(checked).attributed.filter((line) => line.includes('inst_test'));
  };
  assert.match(said({ origin: 'log.test/1' }).join(), /that the log "log\.test\/1" is of the installation "inst_test"/);
  assert.deepEqual(said({}), []);
});

it('refuses an entry that is none, whatever its proof shows', () => {
  for (const wrong of [{ changes: [null] }, { side: 'x' }, { actor: 7 }, { more: 'unknown' }]) {
    const log = smallLog(3, { change: (leaf) => ({ ...leaf, ...wrong }) as Leaf });
    assert.match(String(check(log, 2)), /^the entry cannot be read: /);
  }
});

it('says of a witness no more than it says: nothing without a time, and no date where there is none', () => {
  const log = smallLog(5);
  const witness = openKey('witness.test/1', newKeys()[0] as StoredKey);
  const logs = log.keys.split('\n').map((key) => `log ${key}`);
  const policy = [...logs, `witness w1 ${writeVerifierKey(witness.note)}`, 'quorum w1'].join('\n');
  const receiptAt = (atSeconds: number) => {
    const receipt = readReceipt(log.receipt(3)) as Receipt;
    const note = readNote(receipt.checkpoint) as SignedNote;
    const checkpoint = readCheckpoint(note.text) as Checkpoint;
    const cosignature = signCheckpoint(witness.note, witness.privateKey, checkpoint, atSeconds);
    const signed = writeNote({ ...note, signatures: [...note.signatures, cosignature] });
    const text = writeReceipt({ ...receipt, extra: receipt.extra as Uint8Array, checkpoint: signed });
    return checkReceipt(NODE_CHECKER, readTrust(NODE_CHECKER.sha256, policy), text);
  };
  assert.match(String(receiptAt(0)), /seen by 0 of the trusted witnesses/);
  const said = (atSeconds: number) => explainReceipt(receiptAt(atSeconds) as CheckedReceipt).proven.join('\n');
  assert.match(said(4_000_000_000), /"w1" .*by 2096-10-02T07:06:40Z/);
  assert.match(said(9e12), /by second 9000000000000 since 1970, which is no time that can be/);
});
