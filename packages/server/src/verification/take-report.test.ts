import assert from 'node:assert/strict';
import { it } from 'node:test';
import { addedUp } from './take-report.ts';

it('a credential that a report names twice was used as often as both say, and last when the later does', () => {
  const use = (count: number, lastAt: number, lastIp: string | null) => ({ id: 'cred_1', count, lastAt, lastIp });
  const other = { id: 'cred_2', count: 7, lastAt: 1, lastIp: null };
  const expected = [use(3, 20, '10.0.0.2'), other];
  assert.deepEqual(addedUp([use(1, 10, '10.0.0.1'), other, use(2, 20, '10.0.0.2')]), expected);
  assert.deepEqual(addedUp([use(2, 20, '10.0.0.2'), use(1, 10, '10.0.0.1'), other]), expected);
});
