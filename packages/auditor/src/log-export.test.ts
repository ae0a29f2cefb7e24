import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Leaf } from '@keyhold/protocol/leaf';
import type { CheckedCheckpoint } from './check-checkpoint.ts';
import { explainRun } from './explain.ts';
import { ExportCheck, isExportHeader } from './log-export.ts';
import { NODE_CHECKER } from './node-checker.ts';
import { type SmallLog, smallLog } from './testing/small-log.ts';
import { readTrust } from './trust.ts';

const parsed = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

interface Checked {
  readonly check: ExportCheck;
  readonly checkpoint: CheckedCheckpoint | null;
}

function check({ keys }: SmallLog, [header, ...entries]: readonly unknown[]): Checked {
  assert.ok(isExportHeader(header));
  const check = new ExportCheck(NODE_CHECKER, header);
  for (const entry of entries) check.chain.take(entry);
  return { check, checkpoint: check.finish(readTrust(NODE_CHECKER.sha256, keys)) };
}

function faultOf(log: SmallLog, lines: readonly unknown[]): string {
  const { check: checked, checkpoint } = check(log, lines);
  assert.equal(checkpoint, null);
  return checked.chain.fault?.detail ?? '';
}

const log = smallLog(11);
const [header, ...entries] = parsed(log.exported(1, 11));

describe('an export is refused', () => {
  it('where its first line says what nobody proves: another log, or more than there is to say', () => {
    assert.match(faultOf(log, [{ ...header, origin: 'keyhold/inst_other' }, ...entries]), /its checkpoint of another/);
    assert.ok(!isExportHeader({ ...header, note: 'approved' }));
  });

  it('where its entries are another log’s, as many, linked without a fault', () => {
    const other = smallLog(11, { change: (leaf) => ({ ...leaf, subject: `${leaf.subject}_other` }) });
    const [, ...others] = parsed(other.exported(1, 11));
    assert.equal(faultOf(log, [header, ...others]), 'the entries do not make the tree that the checkpoint names');
    const [part] = parsed(log.exported(4, 9));
    const [, ...someOthers] = parsed(other.exported(4, 9));
    assert.equal(faultOf(log, [part, ...someOthers]), 'the entries do not make the tree that the checkpoint names');
  });

  it('where it names another size than the checkpoint, though the hashes come to the same root', () => {
    const small = smallLog(3);
    const [first, ...rest] = parsed(small.exported(1, 2));
    assert.equal(first.after.length, 1);
    const detail = faultOf(small, [{ ...first, size: 4 }, ...rest]);
    assert.equal(detail, 'the entries do not make the tree that the checkpoint names');
  });

  it('where its entries are of another installation than the one that the log is named after', () => {
    const other = smallLog(5, { change: (leaf) => ({ ...leaf, installation: 'inst_other' }) });
    assert.match(faultOf(other, parsed(other.exported(2, 4))), /"inst_other", and the log "keyhold\/inst_test"/);
  });

  it('where a leaf is none, or a side is nothing that a leaf can commit to', () => {
    for (const wrong of [{ changes: [null] }, { changes: [{}] }, { side: 'x' }, { code: null }, { more: 1 }]) {
      const broken = smallLog(3, { change: (leaf) => ({ ...leaf, ...wrong }) as Leaf });
      assert.match(faultOf(broken, parsed(broken.exported(1, 3))), /^the leaf cannot be read: /, JSON.stringify(wrong));
    }
    const sided = smallLog(3, { change: (leaf) => ({ ...leaf, side: 'ab'.repeat(32) }) });
    const [first, second, ...rest] = parsed(sided.exported(1, 3));
    const deep = JSON.parse(`${'['.repeat(500_000)}${']'.repeat(500_000)}`);
    for (const side of [{ note: '\ud800' }, { '\udc00': 1 }, deep]) {
      const shown = { ...second, side, sideSalt: 'cd'.repeat(32), sideState: 'shown' };
      assert.match(faultOf(sided, [first, shown, ...rest]), /^the side that is shown is nothing/);
    }
  });

  it('where its first line is not one', () => {
    const wrong: unknown[] = [
      ...[null, 1, [], {}],
      ...[0, -1, 1.5, '1', null, 12].map((from) => ({ ...header, from })),
      ...[0, 12, '11', null].map((to) => ({ ...header, to })),
      ...[10, '11', 2 ** 53].map((size) => ({ ...header, size })),
      ...['origin', 'checkpoint'].flatMap((name) => [null, {}, 7].map((value) => ({ ...header, [name]: value }))),
      ...['before', 'after'].flatMap((name) => [null, {}, [null], 'x'].map((value) => ({ ...header, [name]: value }))),
      { ...header, from: 5, to: 4 },
    ];
    for (const line of wrong) assert.equal(isExportHeader(line), false, JSON.stringify(line));
    assert.match(faultOf(log, [{ ...header, checkpoint: '' }, ...entries]), /no signed note/);
  });
});

it('an export holds by one of the log’s keys, whichever it is, from any entry to any', () => {
  for (const keys of log.keys.split('\n')) {
    for (const text of [log.exported(4, 9), log.exported(1, 11)]) {
      const { check: checked, checkpoint } = check({ ...log, keys }, parsed(text));
      assert.ok(checkpoint !== null, checked.chain.fault?.detail);
    }
  }
});

describe('of an export that holds it is said', () => {
  const explain = (of: SmallLog, from: number, to: number) => {
    const { check: checked, checkpoint } = check(of, parsed(of.exported(from, to)));
    assert.ok(checkpoint !== null);
    return explainRun(checked.chain, checkpoint);
  };
  const links = (of: SmallLog, from: number, to: number) =>
    explain(of, from, to).proven.filter((line) => line.includes('the hash of the one before'));

  it('which entries name the one before: not the first, where that one is not shown', () => {
    assert.deepEqual(links(log, 1, 11), ['each entry names the hash of the one before']);
    assert.deepEqual(links(log, 4, 9), ['each entry from 5 on names the hash of the one before']);
    assert.deepEqual(links(log, 4, 4), []);
    const loose = smallLog(11, {
      change: (leaf) => (leaf.sequence === 4 ? { ...leaf, previous: 'ab'.repeat(32) } : leaf),
    });
    assert.deepEqual(links(loose, 4, 9), ['each entry from 5 on names the hash of the one before']);
  });

  it('that the operator says of which installation it is, where the log is not named after it', () => {
    const named = (of: SmallLog) => explain(of, 2, 3).attributed.filter((line) => line.includes('installation'));
    assert.deepEqual(named(log), []);
    assert.match(
      named(smallLog(3, { origin: 'log.test/1' })).join(),
      /"log\.test\/1" is of the installation "inst_test"/,
    );
  });
});
