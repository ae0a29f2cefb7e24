import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { FeedRecord } from '@keyhold/protocol/feed';
import { FedVerifier } from './testing/fed-verifier.ts';
import { environmentRecord, keyRecord, settingRecord } from './testing/records.ts';

const LIMIT = { name: 'burst', limit: 2, windowSeconds: 60 };
const WRITE = { permission: 'orders:write', clientIp: '10.0.0.1' };
const KEY = { permissions: ['*:*'], rateLimits: [LIMIT] };
const EVERY_USE = settingRecord({ confirm: null, audit: 'every-use' });

const held = (...settings: readonly FeedRecord[]) => new FedVerifier(KEY, settings);

it('asks the control plane for what a permission needs confirmed, and for nothing else', async () => {
  const asked = held(settingRecord());
  assert.equal(await asked.code({ permission: 'prices:read' }), 'VALID');
  assert.equal(await asked.code({ cost: 0 }), 'VALID');
  assert.deepEqual(asked.questions, []);
  const verdict = asked.verify(WRITE);
  assert.deepEqual(
    asked.questions.map(({ payload }) => payload),
    [{ credential: 'cred_1', environment: 'env_1', permission: 'orders:write', clientIp: '10.0.0.1', record: false }],
  );
  asked.answer({ code: 'VALID' });
  assert.equal((await verdict).code, 'VALID');
  assert.equal(await asked.code(WRITE), 'RATE_LIMITED', 'the third of two');
});

it('asks for a client whose address is none as for one without: what can not be read is not told', async () => {
  const asked = held(settingRecord());
  const verdict = asked.verify({ ...WRITE, clientIp: '[2001:0db8:85a3:0000:0000:8a2e:0370:7334]:65535' });
  assert.equal(asked.questions[0]?.payload.clientIp, null);
  asked.answer({ code: 'VALID' });
  assert.equal((await verdict).code, 'VALID');
});

it('lets the control plane refuse what its replica would allow', async () => {
  for (const code of ['REVOKED', 'SUSPENDED', 'EXPIRED', 'NOT_FOUND', 'STORE_UNAVAILABLE'] as const) {
    const asked = held(settingRecord());
    const verdict = asked.verify(WRITE);
    asked.answer({ code });
    assert.equal((await verdict).code, code);
    assert.equal((await verdict).valid, false);
  }
});

it('names nobody where the control plane knows of no such credential', async () => {
  const asked = held(settingRecord());
  const verdict = asked.verify(WRITE);
  asked.answer({ code: 'NOT_FOUND' });
  assert.deepEqual(await verdict, { valid: false, code: 'NOT_FOUND' });
});

it('decides twice, and the second decision counts: what was taken away meanwhile is refused', async () => {
  const meanwhile: [string, FeedRecord[]][] = [
    ['REVOKED', [keyRecord({ ...KEY, state: 'compromised' })]],
    ['SUSPENDED', [keyRecord({ ...KEY, state: 'suspended' })]],
    ['NOT_FOUND', [keyRecord({ ...KEY, state: 'destroyed' })]],
    ['INSUFFICIENT_PERMISSIONS', [keyRecord({ ...KEY, permissions: ['prices:read'] })]],
    ['NETWORK_NOT_ALLOWED', [keyRecord({ ...KEY, networks: ['192.0.2.0/24'] })]],
    ['WRONG_ENVIRONMENT', [environmentRecord({ prefix: 'another1' })]],
  ];
  for (const [code, records] of meanwhile) {
    const asked = held(settingRecord());
    const verdict = asked.verify(WRITE);
    asked.fed.change(records);
    asked.answer({ code: 'VALID' });
    assert.equal((await verdict).code, code);
  }
});

it('reads its clocks and its lease again after the answer', async () => {
  const expiring = new FedVerifier({ ...KEY, expiresAt: Date.UTC(2026, 0, 15, 12, 0, 4) }, [settingRecord()]);
  const late = expiring.verify(WRITE);
  expiring.fed.clock.advance(4_000);
  expiring.answer({ code: 'VALID' });
  assert.equal((await late).code, 'EXPIRED');

  const fenced = held(settingRecord());
  fenced.fed.clock.advance(10_000);
  const verdict = fenced.verify(WRITE);
  fenced.fed.clock.stepWall(60_000);
  fenced.answer({ code: 'VALID' });
  assert.equal((await verdict).code, 'VERIFIER_FENCED');
});

it('gives no verdict but STORE_UNAVAILABLE without a control plane, for confirmed and for entered uses', async () => {
  for (const setting of [settingRecord(), EVERY_USE]) {
    const lost = held(setting);
    const verdict = lost.verify(WRITE);
    lost.fed.feed.link.break();
    assert.equal((await verdict).code, 'STORE_UNAVAILABLE');
    assert.equal(await lost.code(WRITE), 'STORE_UNAVAILABLE');
    assert.equal(await lost.code({ permission: 'prices:read' }), 'VALID');

    const silent = held(setting);
    const waiting = silent.verify(WRITE);
    silent.fed.clock.advance(5_000);
    assert.equal((await waiting).code, 'STORE_UNAVAILABLE');
  }
});

it('asks nothing for a request that is refused anyway', async () => {
  const asked = held(EVERY_USE);
  asked.fed.change([keyRecord({ ...KEY, permissions: ['prices:read'] })]);
  assert.equal(await asked.code(WRITE), 'INSUFFICIENT_PERMISSIONS');
  asked.fed.change([keyRecord(KEY)]);
  assert.equal(await asked.code({ cost: 2 }), 'VALID');
  assert.equal(await asked.code(WRITE), 'RATE_LIMITED');
  assert.deepEqual(asked.questions, []);
});

it('applies the strictest setting of all permissions that a request names', async () => {
  const settings = [
    settingRecord({ id: 'pset_1', permission: 'orders:*', confirm: 'online' }),
    settingRecord({ id: 'pset_2', permission: '*:withdraw', confirm: null, audit: 'every-use' }),
  ];
  const need: [string, 'none' | 'confirm' | 'record'][] = [
    ['prices:read', 'none'],
    ['orders:write', 'confirm'],
    ['funds:withdraw', 'record'],
    ['orders:withdraw', 'record'],
    ['prices:read and orders:write', 'confirm'],
    ['orders:write or funds:withdraw', 'record'],
    ['prices:read or (prices:list and funds:withdraw)', 'record'],
  ];
  for (const order of [settings, settings.toReversed()]) {
    for (const [permission, expected] of need) {
      const asked = held(...order);
      const verdict = asked.verify({ permission });
      const [question] = asked.questions;
      assert.equal(
        question === undefined ? 'none' : question.payload.record ? 'record' : 'confirm',
        expected,
        permission,
      );
      if (question !== undefined) asked.answer({ code: 'VALID' });
      assert.equal((await verdict).code, 'VALID');
    }
  }
});

it('gives no verdict when a use has to be entered by now and was only confirmed', async () => {
  const asked = held(settingRecord());
  const verdict = asked.verify(WRITE);
  asked.fed.change([settingRecord({ confirm: 'online', audit: 'every-use' })]);
  asked.answer({ code: 'VALID' });
  assert.equal((await verdict).code, 'STORE_UNAVAILABLE');
});

it('lets several requests that wait together take no more than the limit', async () => {
  const asked = held(settingRecord());
  const verdicts = [1, 2, 3, 4].map(() => asked.verify(WRITE));
  assert.equal(asked.questions.length, 4);
  for (const { request } of asked.questions) {
    asked.fed.feed.link.say({ type: 'answer', request, payload: { code: 'VALID' } });
  }
  const codes = (await Promise.all(verdicts)).map(({ code }) => code);
  assert.deepEqual(codes, ['VALID', 'VALID', 'RATE_LIMITED', 'RATE_LIMITED']);
});

it('takes an answer that it cannot read for none', async () => {
  for (const payload of [null, 5, 'VALID', {}, { code: 'PERHAPS' }, { code: null }, [], { code: ['VALID'] }]) {
    const asked = held(settingRecord());
    const verdict = asked.verify(WRITE);
    asked.answer(payload);
    assert.equal((await verdict).code, 'STORE_UNAVAILABLE', JSON.stringify(payload));
  }
});
