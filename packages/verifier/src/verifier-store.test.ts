import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { FeedRecord } from '@keyhold/protocol/feed';
import type { UsageReport } from '@keyhold/protocol/verification-messages';
import type { SharedStore, Taken, TakeRequest } from './shared-store.ts';
import { FedVerifier } from './testing/fed-verifier.ts';
import { keyRecord, settingRecord } from './testing/records.ts';

const LIMIT = { name: 'burst', limit: 2, windowSeconds: 60 };
const KEY = { permissions: ['*:*'], rateLimits: [LIMIT] };
const WRITE = { permission: 'orders:write', clientIp: '10.0.0.1' };
const LEFT = { remaining: 1, resetMs: 30_000, retryAfterMs: 0 };
const TAKEN: Taken = { code: 'VALID', limits: [LEFT], quota: null, startedAt: 0, decidedAt: 0 };

/** A store that answers when the test says so. */
class HeldStore implements SharedStore {
  readonly ready = true;
  readonly unavailable = null;
  readonly warnings = [];
  readonly asked: { request: TakeRequest; answer: (taken: Taken) => void }[] = [];

  take(request: TakeRequest): Promise<Taken> {
    return new Promise((answer) => this.asked.push({ request, answer }));
  }

  close(): void {}
}

function held(key: Parameters<typeof keyRecord>[0] = KEY, ...settings: readonly FeedRecord[]) {
  const store = new HeldStore();
  return { store, fed: new FedVerifier(key, settings, store) };
}

it('takes of a shared store what a key or its consumer is limited by, and asks it for nothing else', async () => {
  const { store, fed } = held();
  const verdict = fed.verify(WRITE);
  const [{ request, answer }] = store.asked as [HeldStore['asked'][number]];
  assert.deepEqual(request, {
    owner: 'cons_1',
    limits: [{ id: 'key_1:burst', windowMs: 60_000, limit: 2 }],
    quota: null,
    cost: 1,
    replay: null,
    factor: null,
  });
  answer(TAKEN);
  const { code, scope, rateLimits } = await verdict;
  assert.deepEqual([code, scope], ['VALID', 'installation']);
  assert.deepEqual(rateLimits, [{ name: 'burst', limit: 2, remaining: 1, resetSeconds: 30 }]);
  const free = held({ permissions: ['*:*'] });
  assert.equal(await free.fed.code(WRITE), 'VALID');
  assert.equal(free.store.asked.length, 0);
});

it('decides again after the store has answered: what was taken away meanwhile is refused', async () => {
  for (const [code, changed] of [
    ['REVOKED', { state: 'compromised' }],
    ['INSUFFICIENT_PERMISSIONS', { permissions: ['prices:read'] }],
    ['NOT_FOUND', { state: 'destroyed' }],
  ] as const) {
    const { store, fed } = held();
    const verdict = fed.verify(WRITE);
    fed.fed.change([keyRecord({ ...KEY, ...changed })]);
    store.asked[0]?.answer(TAKEN);
    assert.equal((await verdict).code, code);
  }
});

it('says why the store refused, and asks the control plane only after it', async () => {
  const { store, fed } = held(KEY, settingRecord());
  const limited = fed.verify(WRITE);
  store.asked[0]?.answer({
    ...TAKEN,
    code: 'RATE_LIMITED',
    limits: [{ remaining: 0, resetMs: 60_000, retryAfterMs: 9_500 }],
  });
  const refused = await limited;
  assert.deepEqual([refused.code, refused.rateLimits?.[0]?.retryAfterSeconds], ['RATE_LIMITED', 10]);
  assert.deepEqual(fed.questions, []);
  const asked = fed.verify(WRITE);
  store.asked[1]?.answer(TAKEN);
  await new Promise(setImmediate);
  assert.equal(fed.questions.length, 1);
  fed.answer({ code: 'SUSPENDED' });
  assert.equal((await asked).code, 'SUSPENDED');
});

it('counts for itself while the store cannot be asked, or refuses, as each limit says', async () => {
  const gone: Taken = { code: 'UNAVAILABLE', reason: 'gone' };
  const { store, fed } = held();
  const codes: string[] = [];
  for (let i = 0; i < 3; i++) {
    const verdict = fed.verify(WRITE);
    store.asked[i]?.answer(gone);
    codes.push((await verdict).code);
  }
  assert.deepEqual(codes, ['VALID', 'VALID', 'RATE_LIMITED']);
  const closed = held({ ...KEY, rateLimits: [{ ...LIMIT, withoutStore: 'refuse' }] });
  const verdict = closed.fed.verify(WRITE);
  closed.store.asked[0]?.answer(gone);
  assert.equal((await verdict).code, 'STORE_UNAVAILABLE');
});

it('knows and reports of a quota what the store has counted, also when the store forgets or is gone', async () => {
  const { store, fed } = held({ permissions: ['*:*'], quota: { limit: 8, period: 'day' } });
  const midnight = Date.UTC(2026, 0, 15);
  const counted = { ...TAKEN, limits: [], quota: { used: 7 } };
  const first = fed.verify(WRITE);
  store.asked[0]?.answer(counted);
  assert.equal((await first).quota?.remaining, 1);
  fed.fed.clock.advance(1_000);
  const reports = fed.fed.feed.link.sentOf('report').map(({ payload }) => payload as UsageReport);
  assert.deepEqual(
    reports.flatMap(({ quotas }) => quotas),
    [{ key: 'key_1', periodStart: midnight, used: 7 }],
  );
  const codes: string[] = [];
  for (const [i, floor] of [7, 8].entries()) {
    const verdict = fed.verify(WRITE);
    assert.equal(store.asked[i + 1]?.request.quota?.floor, floor);
    store.asked[i + 1]?.answer({ code: 'UNAVAILABLE', reason: 'gone' });
    codes.push((await verdict).code);
  }
  assert.deepEqual(codes, ['VALID', 'QUOTA_EXCEEDED']);
});

it('learns nothing of a quota that has another period when the store answers', async () => {
  const { store, fed } = held({ permissions: ['*:*'], quota: { limit: 8, period: 'minute' } });
  const verdict = fed.verify(WRITE);
  fed.fed.change([keyRecord({ permissions: ['*:*'], quota: { limit: 8, period: 'month' } })]);
  store.asked[0]?.answer({ ...TAKEN, limits: [], quota: { used: 7 } });
  await verdict;
  void fed.verify(WRITE);
  const quota = store.asked[1]?.request.quota;
  assert.deepEqual([quota?.periodStart, quota?.floor], [Date.UTC(2026, 0, 1), 0]);
});
