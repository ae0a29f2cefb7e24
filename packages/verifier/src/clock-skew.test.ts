import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ClockSkew } from './clock-skew.ts';

it('counts each request by how far the clock of its signer was off', () => {
  const skew = new ClockSkew();
  for (const ms of [-60_000, -1, 0, 999, 1_000, 4_999, 5_000, 29_999, 30_000, 3_600_000]) skew.note(ms);
  assert.deepEqual(Object.fromEntries(skew.counts), {
    ahead: 2,
    'within 1 s': 2,
    'within 5 s': 2,
    'within 30 s': 2,
    'beyond 30 s': 2,
  });
});
