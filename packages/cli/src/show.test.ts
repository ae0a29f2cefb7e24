import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { describeBarrier } from './barrier.ts';
import { type Field, renderDetails, renderTable } from './table.ts';

interface Thing {
  readonly name: string;
  readonly tags: readonly string[];
}

const FIELDS: readonly Field<Thing>[] = [
  ['name', ({ name }) => name],
  ['tags', ({ tags }) => tags],
];

describe('tables', () => {
  it('align their columns and leave no blanks at the end', () => {
    const things = [
      { name: 'a', tags: [] },
      { name: 'longer', tags: ['x', 'y'] },
    ];
    assert.deepEqual(renderTable(FIELDS, things), ['NAME    TAGS', 'a       -', 'longer  x, y']);
  });

  it('cut what is long, which the details show whole', () => {
    const thing = { name: 'n'.repeat(100), tags: [] };
    assert.equal(renderTable(FIELDS, [thing])[1]?.split(' ')[0], `${'n'.repeat(59)}…`);
    assert.equal(renderDetails(FIELDS, thing)[0], `name  ${'n'.repeat(100)}`);
  });

  it('let no value speak to the terminal', () => {
    const [, row] = renderTable(FIELDS, [{ name: '\u001b[2Ja\u202eb\u009bc', tags: ['d\ne'] }]);
    assert.equal(row, '\\u001b[2Ja\\u202eb\\u009bc  d\\u000ae');
  });

  it('say so when there is nothing', () => assert.deepEqual(renderTable(FIELDS, []), ['none']));
});

describe('the barrier in words', () => {
  const barrier = { sequence: 7, acknowledged: 3, waitedOut: 0, unconfirmed: 0, elapsedMs: 2.4 };

  it('says who acknowledged and how long it took', () => {
    assert.equal(describeBarrier('dead', barrier), 'dead everywhere: 3 verifiers acknowledged in 2 ms');
  });

  it('says which leases were waited out', () => {
    assert.equal(
      describeBarrier('dead', { ...barrier, acknowledged: 1, waitedOut: 1, elapsedMs: 30_550 }),
      'dead everywhere: 1 verifier acknowledged, 1 lease was waited out in 30.6 s',
    );
    assert.equal(describeBarrier('dead', { ...barrier, acknowledged: 0 }), 'dead everywhere: no verifier held a lease');
  });

  it('never says "everywhere" where a verifier may serve stale', () => {
    const text = describeBarrier('dead', { ...barrier, unconfirmed: 2 });
    assert.match(text, /^NOT confirmed everywhere: 2 verifiers may go on serving stale/);
  });
});
