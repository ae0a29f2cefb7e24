import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { MAX_STALE_MS } from '@keyhold/protocol/feed';
import type { VerificationRequest } from '@keyhold/protocol/verdict';
import { VERDICT_CODES } from '@keyhold/protocol/verdict';
import { FedVerifier } from './testing/fed-verifier.ts';
import {
  consumerRecord,
  credentialRecord,
  ENVIRONMENT,
  environmentRecord,
  keyRecord,
  makeSecret,
  PREFIX,
  tokenRecord,
} from './testing/records.ts';

const LIMIT = { name: 'burst', limit: 3, windowSeconds: 60 };
const DAILY = { limit: 3, period: 'day' } as const;
/** Neither signed nor with a key. */
const UNREADABLE = { method: 'GET', target: '/', scheme: 'https', headers: [], body: null } as const;

it('accepts a valid request and says of it what the key is', async () => {
  const held = new FedVerifier({ metadata: { plan: 'gold' }, rateLimits: [LIMIT], quota: DAILY });
  assert.deepEqual(await held.verify({ permission: 'prices:read', clientIp: '192.0.2.1' }), {
    valid: true,
    code: 'VALID',
    keyId: 'key_1',
    credentialId: 'cred_1',
    consumerId: 'cons_1',
    permissions: ['prices:read'],
    rateLimits: [{ name: 'burst', limit: 3, remaining: 2, resetSeconds: 20 }],
    quota: { limit: 3, remaining: 2, period: 'day', resetsAt: '2026-01-16T00:00:00.000Z' },
    metadata: { plan: 'gold' },
    scope: 'verifier',
  });
});

it('gives a request that is wrong in several ways the earliest code, from the fence to the quota', async () => {
  const rateLimits = [{ name: 'burst', limit: 1, windowSeconds: 5 }];
  const spent = new FedVerifier({ networks: ['10.0.0.0/8'], quota: { limit: 1, period: 'day' }, rateLimits });
  const right = { permission: 'prices:read', clientIp: '10.0.0.1' };
  assert.equal(await spent.code(right), 'VALID');
  assert.equal(await spent.code(right), 'RATE_LIMITED');
  spent.fed.clock.advance(5_000);
  assert.equal(await spent.code(right), 'QUOTA_EXCEEDED');
  assert.equal(await spent.code({ ...right, permission: 'orders:write' }), 'INSUFFICIENT_PERMISSIONS');
  const wrong = { permission: 'orders:write', clientIp: '192.0.2.1' };
  assert.equal(await spent.code(wrong), 'NETWORK_NOT_ALLOWED');
  const ended = credentialRecord(spent.secret, { expiresAt: 0 });
  const later: [string, Parameters<typeof keyRecord>[0]][] = [
    ['EXPIRED', {}],
    ['NOT_YET_VALID', { startsAt: 1e15 }],
    ['SUSPENDED', { state: 'suspended', startsAt: 1e15 }],
    ['REVOKED', { state: 'compromised', startsAt: 1e15 }],
  ];
  for (const [code, key] of later) {
    spent.fed.change([keyRecord({ networks: ['10.0.0.0/8'], ...key }), ended]);
    assert.equal(await spent.code(wrong), code);
  }
  spent.fed.change([keyRecord({ state: 'destroyed' })]);
  assert.equal(await spent.code(wrong), 'NOT_FOUND');
  assert.equal(await spent.code({ ...wrong, key: makeSecret('mkt_live') }), 'WRONG_ENVIRONMENT');
  const unreadable = { ...wrong, key: undefined, request: UNREADABLE };
  assert.equal(await spent.code({ ...wrong, key: 'nonsense' }), 'MALFORMED');
  assert.equal(await spent.code({ ...wrong, key: 'nonsense', environment: 'market/none' }), 'MALFORMED');
  assert.equal(await spent.code(unreadable), 'MALFORMED');
  spent.fed.clock.advance(60_000);
  assert.equal(await spent.code({ ...wrong, key: 'nonsense' }), 'VERIFIER_FENCED');
  assert.equal(await spent.code(unreadable), 'VERIFIER_FENCED');
});

it('refuses a mistyped key before it looks at whose it is', async () => {
  const held = new FedVerifier();
  for (const key of ['', 'a', `${held.secret}0`, held.secret.slice(1), held.secret.toUpperCase(), ` ${held.secret}`]) {
    assert.equal(await held.code({ key }), 'MALFORMED', key);
  }
});

it('knows a key in its own environment only', async () => {
  const other = environmentRecord({ id: 'env_2', name: 'two', prefix: 'mkt_two2' });
  const held = new FedVerifier({}, [other]);
  held.fed.grant(30, { leases: [{ environment: 'env_2', seconds: 30 }] });
  assert.equal(await held.code({ environment: 'market/two' }), 'WRONG_ENVIRONMENT');
  assert.equal(await held.code({ environment: 'market/none' }), 'WRONG_ENVIRONMENT');
  assert.equal(await held.code({ environment: 'test' }), 'WRONG_ENVIRONMENT');
  const stray = makeSecret('mkt_two2');
  held.fed.change([credentialRecord(stray, { id: 'cred_2' })]);
  assert.equal(await held.code({ environment: 'market/two', key: stray }), 'NOT_FOUND', 'fed under another key');
});

it('does not know a credential of the right form that was never issued, and names nobody', async () => {
  const held = new FedVerifier();
  for (const key of [makeSecret(), makeSecret(PREFIX)]) {
    assert.deepEqual(await held.verify({ key }), { valid: false, code: 'NOT_FOUND' });
  }
  held.fed.change([keyRecord({ state: 'suspended' })]);
  assert.deepEqual(await held.verify(), {
    valid: false,
    code: 'SUSPENDED',
    keyId: 'key_1',
    credentialId: 'cred_1',
    consumerId: 'cons_1',
  });
});

it('refuses everything when its lease is over, before the key is even looked at', async () => {
  const held = new FedVerifier();
  held.fed.feed.link.break();
  held.fed.clock.advance(29_999);
  assert.equal(await held.code(), 'VALID');
  assert.ok(held.verifier.ready);
  held.fed.clock.advance(1);
  for (const key of [held.secret, makeSecret(), 'nonsense']) assert.equal(await held.code({ key }), 'VERIFIER_FENCED');
  assert.ok(!held.verifier.ready);
});

it('refuses everything before its first snapshot, with whatever environment', async () => {
  const held = new FedVerifier();
  const { verifier } = new FedVerifier();
  assert.equal((await verifier.verify({ key: held.secret, environment: ENVIRONMENT })).code, 'NOT_FOUND');
  const { fed } = held;
  fed.feed.link.break();
  fed.reconnect();
  fed.feed.link.open();
  fed.welcome({ installation: 'inst_2', epoch: 1, sequence: 9, hash: null });
  for (const environment of [ENVIRONMENT, 'nobody/knows'])
    assert.equal(await held.code({ environment }), 'VERIFIER_FENCED');
  assert.notEqual(held.verifier.fenced, null);
});

it('serves on after its lease where the environment says so, and marks every such verdict', async () => {
  const held = new FedVerifier();
  held.fed.change([environmentRecord({ afterLease: 'serve' })]);
  assert.equal((await held.verify()).stale, undefined);
  held.fed.feed.link.break();
  held.fed.clock.advance(30_000);
  assert.deepEqual(await held.verify(), {
    valid: true,
    code: 'VALID',
    keyId: 'key_1',
    credentialId: 'cred_1',
    consumerId: 'cons_1',
    permissions: ['prices:read'],
    stale: true,
  });
  for (const request of [{ key: 'nonsense' }, { key: makeSecret() }, { permission: 'orders:write' }]) {
    const verdict = await held.verify(request);
    assert.equal(verdict.valid, false);
    assert.equal(verdict.stale, true, verdict.code);
  }
});

it('serves stale for a day after its lease and no longer, by whichever clock ends first', async () => {
  for (const wallStepMs of [0, 3_600_000, -3_600_000]) {
    const held = new FedVerifier();
    held.fed.change([environmentRecord({ afterLease: 'serve' })]);
    held.fed.feed.link.break();
    held.fed.clock.stepWall(wallStepMs);
    held.fed.clock.advance(30_000 + MAX_STALE_MS - Math.max(0, wallStepMs) - 1);
    assert.deepEqual([await held.code(), held.verifier.ready], ['VALID', true], `wall clock stepped by ${wallStepMs}`);
    held.fed.clock.advance(1);
    assert.deepEqual([await held.code(), held.verifier.ready], ['VERIFIER_FENCED', false]);
  }
});

it('serves nothing stale of an environment for which it never held a lease', async () => {
  const held = new FedVerifier({ environment: 'env_2' }, [
    environmentRecord({ id: 'env_2', name: 'other', prefix: 'mkt_other', afterLease: 'serve' }),
  ]);
  const secret = makeSecret('mkt_other');
  held.fed.change([credentialRecord(secret)]);
  held.fed.feed.link.break();
  const decide = () => held.code({ key: secret, environment: 'market/other' });
  assert.deepEqual([await decide(), held.verifier.ready], ['VERIFIER_FENCED', false]);
});

it('denies a permission expression that cannot be read, and names no reason of the parser', async () => {
  const held = new FedVerifier({ permissions: ['*:*'] });
  for (const permission of ['', 'nonsense', '*:*', 'prices:read and', '('.repeat(99), 'x'.repeat(5_000)]) {
    assert.equal(await held.code({ permission }), 'INSUFFICIENT_PERMISSIONS', permission);
  }
});

it('lets nobody without the secret spend the limits of another', async () => {
  const held = new FedVerifier({ rateLimits: [LIMIT], quota: DAILY }, [consumerRecord({ rateLimits: [LIMIT] })]);
  const last = held.secret.at(-1) === 'a' ? 'b' : 'a';
  const keys = [makeSecret(), held.secret.slice(0, -1) + last, held.secret.slice(0, 20), '', 'key_1', 'cred_1'];
  for (let i = 0; i < 50; i++) for (const key of keys) assert.notEqual(await held.code({ key }), 'VALID');
  for (let i = 0; i < 3; i++) assert.equal(await held.code(), 'VALID');
  assert.equal(await held.code(), 'RATE_LIMITED');
});

it('spends nothing for a request that it refuses', async () => {
  const key = { rateLimits: [LIMIT], quota: DAILY, networks: ['10.0.0.0/8'] };
  const held = new FedVerifier(key);
  const right = { clientIp: '10.0.0.1' };
  for (let i = 0; i < 20; i++) {
    assert.equal(await held.code({ clientIp: '192.0.2.1' }), 'NETWORK_NOT_ALLOWED');
    assert.equal(await held.code({ ...right, permission: 'orders:write' }), 'INSUFFICIENT_PERMISSIONS');
    assert.equal(await held.code({ ...right, cost: 4 }), 'RATE_LIMITED');
  }
  held.fed.change([keyRecord({ ...key, state: 'suspended' })]);
  for (let i = 0; i < 20; i++) assert.equal(await held.code(right), 'SUSPENDED');
  held.fed.change([keyRecord(key)]);
  assert.equal(await held.code({ ...right, cost: 3 }), 'VALID');
  assert.equal(await held.code(right), 'RATE_LIMITED');
});

it("shares limits and quota between all credentials of a key, and a consumer's between all its keys", async () => {
  const [second, third] = [makeSecret(), makeSecret()];
  const held = new FedVerifier({ rateLimits: [LIMIT] }, [
    consumerRecord({ rateLimits: [{ ...LIMIT, name: 'all', limit: 4 }] }),
  ]);
  held.fed.change([
    credentialRecord(second, { id: 'cred_2' }),
    keyRecord({ id: 'key_2' }),
    credentialRecord(third, { id: 'cred_3', key: 'key_2' }),
  ]);
  assert.equal(await held.code({ cost: 2 }), 'VALID');
  assert.equal(await held.code({ key: second }), 'VALID');
  assert.equal(await held.code({ key: second }), 'RATE_LIMITED');
  assert.equal(await held.code({ key: third }), 'VALID');
  assert.equal(await held.code({ key: third }), 'RATE_LIMITED');
});

/** Whom it was found to be. */
function idOf(found: ReturnType<FedVerifier['verifier']['authenticate']>): string | null {
  return typeof found === 'string' ? found : (found?.id ?? null);
}

it('authenticates live tokens by their whole secret', () => {
  const secret = makeSecret('keyhold');
  const held = new FedVerifier();
  const { clock } = held.fed;
  assert.equal(held.verifier.authenticate(secret), null);
  held.fed.change([tokenRecord(secret, { expiresAt: clock.wall() + 1_000 })]);
  assert.equal(idOf(held.verifier.authenticate(secret)), 'tok_1');
  for (const wrong of ['', secret.slice(1), makeSecret('keyhold'), held.secret]) {
    assert.equal(held.verifier.authenticate(wrong), null);
  }
  clock.advance(1_000);
  assert.equal(held.verifier.authenticate(secret), null);
  held.fed.change([tokenRecord(secret, { state: 'deactivated' })]);
  assert.equal(held.verifier.authenticate(secret), null);
});

it('authenticates nobody for whom it holds no lease: cut off, it does not know who was revoked', () => {
  const [free, bound, elsewhere] = [makeSecret('keyhold'), makeSecret('keyhold'), makeSecret('keyhold')];
  const held = new FedVerifier({}, [
    environmentRecord({ id: 'env_2', name: 'other', prefix: 'mkt_other' }),
    tokenRecord(free),
    tokenRecord(bound, { id: 'tok_2', environment: 'env_1' }),
    tokenRecord(elsewhere, { id: 'tok_3', environment: 'env_2' }),
  ]);
  const found = () => [free, bound, elsewhere, 'nobody'].map((secret) => held.verifier.authenticate(secret));
  assert.deepEqual(found().map(idOf), ['tok_1', 'tok_2', 'VERIFIER_FENCED', null]);
  held.fed.feed.link.break();
  held.fed.clock.advance(30_000);
  assert.deepEqual(found().map(idOf), Array(4).fill('VERIFIER_FENCED'));
  const stale = new FedVerifier({}, [tokenRecord(free)]);
  stale.fed.change([environmentRecord({ afterLease: 'serve' })]);
  stale.fed.feed.link.break();
  stale.fed.clock.advance(30_000);
  assert.equal(idOf(stale.verifier.authenticate(free)), 'tok_1');
});

it('never rejects and never throws, whatever it is asked: a verdict comes back, and it is no', async () => {
  const held = new FedVerifier({ rateLimits: [LIMIT], networks: ['10.0.0.0/8'] });
  const anything = fc.oneof(fc.anything(), fc.constant(held.secret), fc.constant(ENVIRONMENT));
  const request = fc.record(
    { key: anything, environment: anything, permission: anything, clientIp: anything, cost: anything },
    { requiredKeys: [], noNullPrototype: true },
  );
  await fc.assert(
    fc.asyncProperty(fc.oneof(request, fc.anything()), async (asked) => {
      const verdict = await held.verifier.verify(asked as VerificationRequest);
      assert.ok(VERDICT_CODES.includes(verdict.code), String(verdict.code));
      assert.equal(verdict.valid, false);
    }),
    { numRuns: 300 },
  );
});

it('refuses a cost that is no whole number from 0 on, and spends nothing by it', async () => {
  for (const cost of [-1, Number.NaN, 0.5, Number.POSITIVE_INFINITY, '1', null]) {
    const held = new FedVerifier({ rateLimits: [LIMIT], quota: DAILY });
    assert.equal(await held.code({ cost: 3 }), 'VALID');
    const verdict = await held.verify({ cost: cost as number });
    assert.equal(verdict.valid, false, `cost ${cost}`);
    assert.equal(await held.code(), 'RATE_LIMITED', `cost ${cost} gave back what was spent`);
  }
});
