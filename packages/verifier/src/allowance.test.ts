import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Quota, RateLimit } from '@keyhold/protocol/feed';
import { digestFromHex } from './digest.ts';
import { Allowance } from './allowance.ts';
import { SharedAllowance } from './shared-allowance.ts';
import { CompactReplica } from './compact-replica.ts';
import { consumerRecord, credentialRecord, environmentRecord, keyRecord, makeSecret } from './testing/records.ts';

interface Limits {
  readonly own?: readonly RateLimit[];
  readonly consumer?: readonly RateLimit[];
  readonly quota?: Quota;
}

const NOON = Date.UTC(2028, 1, 29, 12);
const MINUTE = 60_000;

/** A key with these limits: asked for a cost at a moment, and taken from when the answer is VALID. */
function spender({ own = [], consumer = [], quota }: Limits) {
  const replica = new CompactReplica();
  const secret = makeSecret();
  const { digest } = credentialRecord(secret);
  replica.apply(environmentRecord());
  replica.apply(consumerRecord({ rateLimits: consumer }));
  replica.apply(keyRecord({ rateLimits: own, quota: quota ?? null }));
  replica.apply(credentialRecord(secret));
  const credential = replica.credential(digestFromHex(digest));
  if (credential === undefined) throw new Error('no key');
  const { key } = credential;
  const ask = (cost: number, wall: number, monotonic = 0) =>
    new Allowance(replica.slots, key, cost, { monotonicMs: monotonic, wallMs: wall });
  const spend = (cost: number, wall: number, monotonic = 0) => {
    const allowance = ask(cost, wall, monotonic);
    if (allowance.code === 'VALID') allowance.take();
    return allowance.code;
  };
  return { credential, ask, spend };
}

it('allows the quota to the unit in each period, and all of it again in the next', () => {
  for (const [period, length] of [
    ['minute', MINUTE],
    ['hour', 60 * MINUTE],
    ['day', 1440 * MINUTE],
  ] as const) {
    const { spend } = spender({ quota: { limit: 3, period } });
    assert.deepEqual(
      [spend(2, NOON), spend(2, NOON), spend(1, NOON), spend(1, NOON)],
      ['VALID', 'QUOTA_EXCEEDED', 'VALID', 'QUOTA_EXCEEDED'],
    );
    const start = NOON - (NOON % length);
    assert.equal(spend(1, start + length - 1), 'QUOTA_EXCEEDED', period);
    assert.equal(spend(3, start + length), 'VALID', period);
  }
});

it('counts a month to the last millisecond of the 29th of February', () => {
  const { spend } = spender({ quota: { limit: 1, period: 'month' } });
  assert.equal(spend(1, Date.UTC(2028, 1, 1)), 'VALID');
  assert.equal(spend(1, Date.UTC(2028, 2, 1) - 1), 'QUOTA_EXCEEDED');
  assert.equal(spend(1, Date.UTC(2028, 2, 1)), 'VALID');
});

it('gives no quota back when the wall clock is set back', () => {
  const { spend, ask } = spender({ quota: { limit: 5, period: 'hour' } });
  assert.equal(spend(2, NOON - 1), 'VALID');
  assert.equal(spend(4, NOON), 'VALID');
  for (const back of [1, 60 * MINUTE, 86_400_000 * 400]) {
    assert.equal(spend(2, NOON - back), 'QUOTA_EXCEEDED', `set back by ${back} ms`);
  }
  assert.equal(spend(1, NOON - 1), 'VALID');
  assert.equal(spend(1, NOON), 'QUOTA_EXCEEDED', 'what was used in the past hour counts in the present one');
  assert.equal(ask(1, NOON).describe().quota?.remaining, 0);
  assert.equal(spend(5, NOON + 60 * MINUTE), 'VALID');
});

it('takes from the limits of the key, those of its consumer and the quota together, or from none', () => {
  const own = [{ name: 'own', limit: 4, windowSeconds: 60 }];
  const consumer = [{ name: 'all', limit: 4, windowSeconds: 60 }];
  const left = ({ ask }: ReturnType<typeof spender>) => {
    const { rateLimits, quota } = ask(0, NOON).describe();
    return [...(rateLimits ?? []).map(({ remaining }) => remaining), quota?.remaining];
  };
  const tightQuota = spender({ own, consumer, quota: { limit: 1, period: 'day' } });
  assert.equal(tightQuota.spend(2, NOON), 'QUOTA_EXCEEDED');
  assert.deepEqual(left(tightQuota), [4, 4, 1]);
  const tightConsumer = spender({
    own,
    consumer: [{ ...(consumer[0] as RateLimit), limit: 1 }],
    quota: { limit: 9, period: 'day' },
  });
  assert.equal(tightConsumer.spend(2, NOON), 'RATE_LIMITED');
  assert.deepEqual(left(tightConsumer), [4, 1, 9]);
  const tightKey = spender({
    own: [{ ...(own[0] as RateLimit), limit: 1 }],
    consumer,
    quota: { limit: 9, period: 'day' },
  });
  assert.equal(tightKey.spend(2, NOON), 'RATE_LIMITED');
  assert.deepEqual(left(tightKey), [1, 4, 9]);
  assert.equal(tightKey.spend(1, NOON), 'VALID');
  assert.deepEqual(left(tightKey), [0, 3, 8]);
});

it('names the rate limit before the quota when both refuse', () => {
  const { spend, ask } = spender({
    own: [{ name: 'own', limit: 1, windowSeconds: 10 }],
    quota: { limit: 1, period: 'day' },
  });
  assert.equal(spend(1, NOON), 'VALID');
  assert.equal(spend(1, NOON), 'RATE_LIMITED');
  assert.equal(ask(1, NOON).describe().rateLimits?.[0]?.retryAfterSeconds, 10);
  assert.equal(spend(1, NOON, 10_000), 'QUOTA_EXCEEDED');
  assert.equal(ask(1, NOON, 10_000).describe().rateLimits?.[0]?.retryAfterSeconds, undefined);
});

it('tells nobody to wait for what never passes: a cost beyond a limit of key or consumer', () => {
  const minute = { name: 'minute', limit: 10, windowSeconds: 60 };
  const hour = { name: 'hour', limit: 100, windowSeconds: 3_600 };
  for (const limits of [
    { own: [minute, hour] },
    { own: [hour], consumer: [minute] },
    { own: [minute], consumer: [hour] },
  ]) {
    const { spend, ask, credential } = spender(limits);
    assert.equal(spend(10, NOON), 'VALID');
    const waits = (cost: number) =>
      ask(cost, NOON)
        .describe()
        .rateLimits?.map(({ retryAfterSeconds }) => retryAfterSeconds);
    assert.equal(waits(10)?.filter((wait) => wait === 60).length, 1);
    assert.deepEqual(waits(11), [undefined, undefined]);
    assert.equal(ask(11, NOON).code, 'RATE_LIMITED');
    // The same where a store counts.
    const state = { remaining: 0, resetMs: 60_000, retryAfterMs: 60_000 };
    const taken = { code: 'RATE_LIMITED', limits: [state, state], quota: null, startedAt: 0, decidedAt: 0 } as const;
    const shared = (cost: number) => SharedAllowance.of(credential, cost, ask(cost, NOON), NOON).with(taken).describe();
    const told = (cost: number) => shared(cost).rateLimits?.map(({ retryAfterSeconds }) => retryAfterSeconds);
    assert.deepEqual(
      [told(10), told(11)],
      [
        [60, 60],
        [undefined, undefined],
      ],
    );
  }
});

it('tells when the quota is whole again, and that limits are exact within one verifier', () => {
  const { ask } = spender({ quota: { limit: 10, period: 'month' } });
  assert.deepEqual(ask(1, NOON).describe(), {
    quota: { limit: 10, remaining: 10, period: 'month', resetsAt: '2028-03-01T00:00:00.000Z' },
    scope: 'verifier',
  });
  assert.deepEqual(spender({}).ask(1, NOON).describe(), {});
});

it('passes cost 0 when quota and limits are used up', () => {
  const { spend } = spender({
    own: [{ name: 'own', limit: 1, windowSeconds: 10 }],
    quota: { limit: 1, period: 'day' },
  });
  assert.equal(spend(1, NOON), 'VALID');
  assert.equal(spend(0, NOON), 'VALID');
});
