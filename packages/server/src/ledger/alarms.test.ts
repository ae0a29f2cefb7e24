import assert from 'node:assert/strict';
import { it } from 'node:test';
import { systemClock } from '../clock.ts';
import { type Alarm, Alarms } from './alarms.ts';

it('a flood of alarms of one kind hides none of another, and each is told', () => {
  const told: Alarm[] = [];
  const alarms = new Alarms(systemClock, (alarm) => told.push(alarm));
  alarms.raise('CHAIN_BROKEN', 'ledger', 'first');
  for (let i = 0; i < 1_000; i++) alarms.raise('DELIVERY_TAKEN_TWICE', `dlv_${i}`, 'flood');
  alarms.raise('ROW_TAMPERED', 'key_1', 'last');
  alarms.raise('ROW_TAMPERED', 'key_1', 'again');
  assert.equal(told.length, 1_002);
  const kept = alarms.list();
  assert.deepEqual([kept[0]?.code, kept.at(-1)?.code, kept.at(-1)?.detail], ['CHAIN_BROKEN', 'ROW_TAMPERED', 'last']);
  assert.equal(kept.length, 102);
  assert.equal(kept.at(-2)?.subject, 'dlv_999', 'the newest of the flood');
});

it('the same alarm is told once, and once more when what it was about was over and is back', () => {
  const told: string[] = [];
  const alarms = new Alarms(systemClock, ({ code, subject }) => told.push(`${code} ${subject}`));
  for (let i = 0; i < 3; i++) alarms.raise('EXPORT_LAGS', 'exp_1', 'it is behind');
  alarms.raise('EXPORT_LAGS', 'exp_2', 'it is behind');
  assert.deepEqual(told, ['EXPORT_LAGS exp_1', 'EXPORT_LAGS exp_2']);
  alarms.settle('EXPORT_LAGS', 'exp_1');
  assert.deepEqual(
    alarms.list().map(({ subject }) => subject),
    ['exp_2'],
  );
  alarms.raise('EXPORT_LAGS', 'exp_1', 'it is behind');
  assert.equal(told.length, 3);
});
