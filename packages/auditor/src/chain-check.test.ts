import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { describe, it } from 'node:test';
import { type Leaf, writeLeaf } from '@keyhold/protocol/leaf';
import type { Entry } from '@keyhold/protocol/operations/audit';
import { ChainCheck } from './chain-check.ts';
import { sha256 } from './note-crypto.ts';

const DIGESTS = ['a', 'b', 'c', 'd'].map((digit) => digit.repeat(64));

/** A log of `count` entries that all change one row. */
function log(count: number, change: (leaf: Leaf) => Leaf = (leaf) => leaf): Entry[] {
  const entries: Entry[] = [];
  for (let sequence = 1; sequence <= count; sequence++) {
    const leaf = change({
      v: 1,
      installation: 'inst_1',
      sequence,
      id: `entry_${sequence}`,
      at: `2026-01-0${sequence}T00:00:00.000Z`,
      previous: entries.at(-1)?.hash ?? null,
      actor: 'tok_1',
      action: 'key.updated',
      subject: 'key_1',
      changes: [{ id: 'key_1', before: DIGESTS[sequence - 2] ?? null, after: DIGESTS[sequence - 1] as string }],
      side: DIGESTS[0] as string,
    });
    const text = writeLeaf(leaf);
    const { id, at, actor, action, subject } = leaf;
    entries.push({
      sequence,
      id,
      at,
      actor,
      action,
      subject,
      leaf: text,
      hash: hash('sha256', text, 'hex'),
      side: null,
      sideSalt: null,
      sideState: leaf.side === null ? 'none' : 'erased',
    });
  }
  return entries;
}

function check(entries: readonly unknown[]): ChainCheck {
  const chain = new ChainCheck(sha256);
  for (const entry of entries) chain.take(entry);
  return chain;
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

describe('the log is verified', () => {
  it('and holds as it was written', () => {
    const entries = log(4);
    const chain = check(entries);
    assert.equal(chain.fault, null);
    assert.equal(chain.entries, 4);
    assert.equal(chain.hash, entries[3]?.hash);
    assert.equal(chain.erasedSides, 4);
    assert.deepEqual(chain.edited, []);
  });

  it('and any one flipped bit of any byte is found at its entry', () => {
    const lines = log(2).map((entry) => JSON.stringify(entry));
    const bytes = Buffer.from(lines[1] as string);
    for (let i = 0; i < bytes.length; i++) {
      for (const bit of [1, 32]) {
        const flipped = Buffer.from(bytes);
        flipped[i] = (flipped[i] as number) ^ bit;
        const { fault } = check([parse(lines[0] as string), parse(flipped.toString('latin1'))]);
        assert.equal(fault?.sequence, 2, `byte ${i}, bit ${bit}: ${flipped.toString('latin1')}`);
      }
    }
  });

  const [first, second, third] = log(3) as [Entry, Entry, Entry];
  const rehashed = (entry: Entry, leaf: string): Entry => ({ ...entry, leaf, hash: hash('sha256', leaf, 'hex') });
  const cases: [name: string, entries: readonly unknown[], at: number, fault: RegExp][] = [
    ['an entry left out', [first, third], 2, /entry 3 stands where 2 must/],
    ['a beginning left out', [second, third], 1, /entry 2 stands where 1 must/],
    ['an order turned round', [third, second, first], 1, /entry 3 stands where 1 must/],
    ['an entry put in twice', [first, first], 2, /entry 1 stands where 2 must/],
    ['another hash', [first, { ...second, hash: DIGESTS[0] }], 2, /does not have the hash/],
    ['a leaf written anew with its hash', [rehashed(first, first.leaf.replace('tok_1', 'tok_2'))], 1, /"actor" is not/],
    ['a leaf that is not canonical', [rehashed(first, first.leaf.replace(',', ', '))], 1, /not canonical/],
    ['a field beside the leaf changed', [{ ...first, action: 'key.revoked' }], 1, /"action" is not what the leaf says/],
    ['a field too many', [{ ...first, note: 'trust me' }], 1, /not an entry/],
    ['something that is no entry', [null], 1, /not an entry/],
    [
      'a side that no leaf commits to',
      log(1, (leaf) => ({ ...leaf, side: null })).map((e) => ({ ...e, side: {} })),
      1,
      /does not commit/,
    ],
    [
      'a log of another installation put behind',
      log(2, (leaf) => (leaf.sequence === 1 ? leaf : { ...leaf, installation: 'inst_2' })),
      2,
      /another installation/,
    ],
    [
      'a link broken though all hashes fit',
      log(2, (leaf) => (leaf.sequence === 1 ? leaf : { ...leaf, previous: DIGESTS[0] as string })),
      2,
      /previous/,
    ],
  ];
  for (const [name, entries, at, fault] of cases) {
    it(`and ${name} is found`, () => {
      const found = check(entries).fault;
      assert.equal(found?.sequence, at);
      assert.match(found?.detail ?? '', fault);
    });
  }

  it('and a row edited past the ledger is named', () => {
    const edited = log(3, (leaf) =>
      leaf.sequence === 3 ? { ...leaf, changes: [{ id: 'key_1', before: DIGESTS[3] as string, after: null }] } : leaf,
    );
    assert.deepEqual(check(edited).edited, [{ sequence: 3, row: 'key_1' }]);
  });
});
