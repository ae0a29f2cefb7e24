import assert from 'node:assert/strict';
import { it } from 'node:test';
import { UsageReport } from '@keyhold/protocol/verification-messages';
import { Compile } from 'typebox/compile';
import { readReport } from './read-report.ts';
import { UnreadableItems } from './unreadable-items.ts';

const EMPTY = { credentials: [], quotas: [], denials: [], refused: [], tokens: [] };
const USE = { id: 'cred_1', count: 1, lastAt: 1, lastIp: '10.0.0.1', networks: [{ network: '10.0.0.0/24', count: 1 }] };
const QUOTA = { key: 'key_1', periodStart: 0, used: 1 };
const DENIAL = { environment: 'env_1', code: 'NOT_FOUND', count: 1 };
const REFUSAL = { id: 'cred_1', code: 'EXPIRED', network: null, count: 1 };
const reports = Compile(UsageReport);

it('takes a report that can be read as it is', () => {
  const report = { credentials: [USE], quotas: [QUOTA], denials: [DENIAL], refused: [REFUSAL], tokens: ['tok_1'] };
  for (const one of [report, { ...report, uncounted: 3 }])
    assert.deepEqual(readReport(one), { report: one, unreadable: 0 });
});

it('loses of a report what can not be read, counts it, and keeps every other item', () => {
  const wrong: readonly [list: Exclude<keyof UsageReport, 'uncounted'>, item: unknown][] = [
    ['credentials', { ...USE, lastIp: '[2001:0db8:85a3:0000:0000:8a2e:0370:7334]:65535' }],
    ['credentials', { ...USE, count: -1 }],
    ['credentials', { ...USE, id: 'cred_\0' }],
    ['credentials', { ...USE, networks: [{ network: 'everywhere', count: 1 }] }],
    ['credentials', null],
    ['quotas', { ...QUOTA, periodStart: null }],
    ['quotas', { ...QUOTA, used: 1.5 }],
    ['denials', { ...DENIAL, code: 'FINE' }],
    ['refused', { ...REFUSAL, more: 1 }],
    ['tokens', 7],
    ['broken', {}],
  ];
  const good = { credentials: [USE], quotas: [QUOTA], denials: [DENIAL], refused: [REFUSAL], tokens: ['tok_1'] };
  for (const [list, item] of wrong) {
    const own: readonly unknown[] = list === 'broken' ? [] : good[list];
    const { report, unreadable } = readReport({ ...good, [list]: [item, ...own, item] });
    assert.deepEqual(report, { ...good, broken: [] }, JSON.stringify([list, item]));
    assert.equal(unreadable, 2);
    assert.ok(reports.Check(report));
  }
});

it('reads how much was not counted whatever else can not be read, and keeps the rest where that can not be', () => {
  const kept = { ...EMPTY, broken: [] };
  const read = readReport({ ...EMPTY, uncounted: 3, tokens: [7] });
  assert.deepEqual(read, { report: { ...kept, uncounted: 3 }, unreadable: 1 });
  for (const uncounted of [-1, 1.5, '3', null, Number.MAX_SAFE_INTEGER]) {
    const expected = { report: { ...kept, tokens: ['tok_1'] }, unreadable: 1 };
    assert.deepEqual(readReport({ ...EMPTY, tokens: ['tok_1'], uncounted }), expected);
  }
});

it('reads nothing of what is no report, and no more of a list than one may hold', () => {
  const nothing = { ...EMPTY, broken: [] };
  for (const payload of [null, 7, 'report']) assert.deepEqual(readReport(payload), { report: EMPTY, unreadable: 1 });
  assert.deepEqual(readReport({ credentials: {}, quotas: 'x', more: [] }), { report: nothing, unreadable: 3 });
  const { report, unreadable } = readReport({ ...EMPTY, tokens: new Array(20_003).fill('tok_1') });
  assert.deepEqual([report.tokens.length, unreadable], [20_000, 3]);
});

it('tells of what can not be read at most once a minute, with all that came since', () => {
  let minute = () => {};
  const after = (milliseconds: number, action: () => void) => {
    assert.equal(milliseconds, 60_000);
    minute = action;
    return () => {};
  };
  const told: unknown[] = [];
  const items = new UnreadableItems({ after }, { warn: (fields: unknown) => void told.push(fields) });
  items.note('ver_1', 2);
  assert.deepEqual(told.splice(0), [{ verifiers: { ver_1: 2 } }], 'the first at once');
  for (const [verifier, count] of [
    ['ver_1', 3],
    ['ver_1', 2],
    ['ver_2', 1],
  ] as const)
    items.note(verifier, count);
  assert.deepEqual(told, []);
  minute();
  assert.deepEqual(told.splice(0), [{ verifiers: { ver_1: 5, ver_2: 1 } }], 'the rest without another one');
  minute();
  assert.deepEqual(told, []);
  items.note('ver_1', 1);
  assert.deepEqual(told, [{ verifiers: { ver_1: 1 } }]);
  assert.equal(items.count, 9);
});
