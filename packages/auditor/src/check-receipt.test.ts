import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Leaf } from '@keyhold/protocol/leaf';
import { checkReceipt } from './check-receipt.ts';
import { explainReceipt } from './explain.ts';
import { NODE_CHECKER } from './node-checker.ts';
import { type SmallLog, type SmallLogOptions, smallLog } from './testing/small-log.ts';
import { readTrust } from './trust.ts';

const check = (log: SmallLog, sequence: number) =>
  checkReceipt(NODE_CHECKER, readTrust(NODE_CHECKER.sha256, log.keys), log.receipt(sequence));

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
