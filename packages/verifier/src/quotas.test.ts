import assert from 'node:assert/strict';
import { it } from 'node:test';
import { QUOTA_PERIODS } from '@keyhold/protocol/state';
import fc from 'fast-check';
import { periodEnd, periodStart } from './quotas.ts';

const at = (text: string) => Date.parse(text);
const span = (period: 'minute' | 'hour' | 'day' | 'month', text: string) => {
  return [periodStart(period, at(text)), periodEnd(period, at(text))].map((ms) => new Date(ms).toISOString());
};

it('begins on the minute, hour, day and month of UTC', () => {
  const now = '2026-07-31T23:59:59.999Z';
  assert.deepEqual(span('minute', now), ['2026-07-31T23:59:00.000Z', '2026-08-01T00:00:00.000Z']);
  assert.deepEqual(span('hour', now), ['2026-07-31T23:00:00.000Z', '2026-08-01T00:00:00.000Z']);
  assert.deepEqual(span('day', now), ['2026-07-31T00:00:00.000Z', '2026-08-01T00:00:00.000Z']);
  assert.deepEqual(span('month', now), ['2026-07-01T00:00:00.000Z', '2026-08-01T00:00:00.000Z']);
});

it('ends months where the calendar does, leap years and years too', () => {
  assert.deepEqual(span('month', '2028-02-29T12:00:00Z'), ['2028-02-01T00:00:00.000Z', '2028-03-01T00:00:00.000Z']);
  assert.deepEqual(span('month', '2027-02-28T23:59:59Z'), ['2027-02-01T00:00:00.000Z', '2027-03-01T00:00:00.000Z']);
  assert.deepEqual(span('month', '2100-02-28T23:59:59Z'), ['2100-02-01T00:00:00.000Z', '2100-03-01T00:00:00.000Z']);
  assert.deepEqual(span('month', '2026-12-31T23:59:59Z'), ['2026-12-01T00:00:00.000Z', '2027-01-01T00:00:00.000Z']);
  assert.deepEqual(span('day', '2028-02-28T23:59:59Z'), ['2028-02-28T00:00:00.000Z', '2028-02-29T00:00:00.000Z']);
});

it('puts every moment into exactly one period: periods follow each other without gap', () => {
  const moments = fc.integer({ min: 0, max: Date.UTC(2200, 0) });
  fc.assert(
    fc.property(fc.constantFrom(...QUOTA_PERIODS), moments, (period, now) => {
      const [start, end] = [periodStart(period, now), periodEnd(period, now)];
      assert.ok(start <= now && now < end);
      assert.equal(periodStart(period, start), start);
      assert.equal(periodStart(period, end - 1), start);
      assert.equal(periodStart(period, end), end);
    }),
    { numRuns: 500 },
  );
});
