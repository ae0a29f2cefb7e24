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
