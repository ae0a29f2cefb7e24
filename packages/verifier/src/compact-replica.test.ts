import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { FeedRecord } from '@keyhold/protocol/feed';
import { digestFromHex } from './digest.ts';
import { Allowance } from './allowance.ts';
import { decide } from './decide.ts';
import { CompactReplica } from './compact-replica.ts';
import type { Replica, ReplicaCredential } from './replica.ts';
import {
  consumerRecord,
  credentialRecord,
  ENVIRONMENT,
  environmentRecord,
  keyRecord,
  makeSecret,
  settingRecord,
  tokenRecord,
} from './testing/records.ts';

const SECRET = makeSecret();
const NOW = Date.UTC(2026, 0, 31, 23, 59);
const FEBRUARY = Date.UTC(2026, 1, 1);
const LIMIT = { name: 'burst', limit: 10, windowSeconds: 60 };

function applied(replica: Replica, ...records: readonly FeedRecord[]): Replica {
  for (const record of records) replica.apply(record);
  return replica;
}

function filled(...records: readonly FeedRecord[]): Replica {
  return applied(new CompactReplica(), environmentRecord(), consumerRecord(), ...records);
}

function find(replica: Replica, secret = SECRET): ReplicaCredential | undefined {
  return replica.credential(digestFromHex(credentialRecord(secret).digest));
}

/** VALID, another code, or `unknown`: what a request with this credential comes to. */
function outcome(replica: Replica, secret = SECRET): string {
  const credential = find(replica, secret);
  return credential === undefined ? 'unknown' : decide(credential, { requirement: null, clientIp: undefined }, NOW);
}

function spend(replica: Replica, cost: number, wall = NOW): string {
  const key = find(replica)?.key;
  if (key === undefined) return 'unknown';
  const allowance = new Allowance(replica.slots, key, cost, { monotonicMs: 0, wallMs: wall });
  if (allowance.code === 'VALID') allowance.take();
  return allowance.code;
}

function left(replica: Replica, wall = NOW): (number | undefined)[] {
  const key = find(replica)?.key;
  if (key === undefined) return [];
  const { rateLimits, quota } = new Allowance(replica.slots, key, 0, { monotonicMs: 0, wallMs: wall }).describe();
  return [...(rateLimits ?? []).map(({ remaining }) => remaining), quota?.remaining];
}

it('knows what it was fed, and nothing else', () => {
  const replica = filled(keyRecord(), credentialRecord(SECRET), tokenRecord('token'));
  assert.equal(outcome(replica), 'VALID');
  assert.equal(replica.size, 1);
  assert.equal(replica.environment(ENVIRONMENT)?.id, 'env_1');
  assert.equal(replica.token(digestFromHex(tokenRecord('token').digest))?.id, 'tok_1');
  assert.equal(outcome(replica, makeSecret()), 'unknown');
  for (const name of ['market', 'test', 'market/', '__proto__', '']) assert.equal(replica.environment(name), undefined);
});

it('replaces a record by a later one of the same id, for all who hold it', () => {
  const replica = filled(keyRecord(), credentialRecord(SECRET));
  applied(replica, keyRecord({ state: 'suspended', permissions: ['orders:*'] }));
  assert.equal(outcome(replica), 'SUSPENDED');
  assert.deepEqual(find(replica)?.key.permissions, ['orders:*']);
  applied(replica, keyRecord(), credentialRecord(SECRET, { state: 'compromised' }));
  assert.equal(outcome(replica), 'REVOKED');
  applied(replica, environmentRecord({ afterLease: 'serve' }));
  assert.equal(find(replica)?.key.environment.afterLease, 'serve');
  assert.equal(replica.size, 1);
});

it('forgets a destroyed key or credential, and what is removed', () => {
  const all = [keyRecord(), credentialRecord(SECRET)];
  assert.notEqual(outcome(applied(filled(...all), keyRecord({ state: 'destroyed' }))), 'VALID');
  assert.equal(outcome(applied(filled(...all), credentialRecord(SECRET, { state: 'destroyed' }))), 'unknown');
  assert.equal(outcome(applied(filled(...all), { kind: 'removed', id: 'cred_1' })), 'unknown');
  assert.notEqual(outcome(applied(filled(...all), { kind: 'removed', id: 'key_1' })), 'VALID');
  const tokens = applied(filled(tokenRecord('token')), { kind: 'removed', id: 'tok_1' });
  assert.equal(tokens.token(digestFromHex(tokenRecord('token').digest)), undefined);
  const removed = applied(filled(...all), { kind: 'removed', id: 'nobody' });
  assert.equal(outcome(removed), 'VALID');
});

it('fails closed when the consumer or the environment of a key is removed, also when it comes back', () => {
  for (const id of ['cons_1', 'env_1']) {
    const replica = applied(filled(keyRecord(), credentialRecord(SECRET)), { kind: 'removed', id });
    const isDead = () => {
      const environment = replica.environment(ENVIRONMENT);
      return (
        environment === undefined || find(replica)?.key.environment !== environment || outcome(replica) !== 'VALID'
      );
    };
    assert.ok(isDead(), id);
    applied(replica, environmentRecord(), consumerRecord());
    assert.ok(isDead(), `${id} is back, its keys were not fed`);
    applied(replica, keyRecord(), credentialRecord(SECRET));
    assert.ok(!isDead(), `${id} is back with its keys`);
  }
});

it('does not know a key without its environment or consumer, or whose networks cannot be read', () => {
  const credential = credentialRecord(SECRET);
  assert.equal(outcome(applied(new CompactReplica(), consumerRecord(), keyRecord(), credential)), 'unknown');
  assert.equal(outcome(applied(new CompactReplica(), environmentRecord(), keyRecord(), credential)), 'unknown');
  assert.equal(outcome(filled(keyRecord({ networks: ['10.0.0.1/8'] }), credential)), 'unknown');
  assert.equal(outcome(filled(credential)), 'unknown');
  const broken = applied(filled(keyRecord(), credential), keyRecord({ networks: ['nonsense'] }));
  assert.notEqual(outcome(broken), 'VALID');
});

it('keeps what settings it was told of, and drops one that asks for nothing any more', () => {
  const replica = filled(
    settingRecord(),
    settingRecord({ id: 'pset_2', permission: '*:*', confirm: null, audit: 'every-use' }),
  );
  const settings = () => [...(replica.environment(ENVIRONMENT)?.settings.values() ?? [])];
  assert.deepEqual(settings(), [
    { resource: 'orders', action: 'write', confirm: true, everyUse: false },
    { resource: '*', action: '*', confirm: false, everyUse: true },
  ]);
  applied(replica, environmentRecord({ afterLease: 'serve' }));
  assert.equal(settings().length, 2, 'a change of the environment keeps its settings');
  applied(replica, settingRecord({ confirm: null }));
  assert.equal(settings().length, 1);
});

it('keeps the state of limits and quota when settings change, by the names of the limits', () => {
  const quota = { limit: 100, period: 'day' } as const;
  const replica = filled(keyRecord({ rateLimits: [LIMIT], quota }), credentialRecord(SECRET));
  assert.equal(spend(replica, 4), 'VALID');
  applied(replica, keyRecord({ rateLimits: [LIMIT], quota, permissions: [] }));
  assert.deepEqual(left(replica), [6, 96]);
  const other = { name: 'other', limit: 5, windowSeconds: 1 };
  applied(replica, keyRecord({ rateLimits: [other, LIMIT], quota: { limit: 50, period: 'day' } }));
  assert.deepEqual(left(replica), [5, 6, 46]);
  applied(replica, keyRecord({ rateLimits: [{ ...LIMIT, limit: 20 }], quota: null }));
  assert.deepEqual(left(replica), [12, undefined], '24 of 60 seconds were used up');
  applied(replica, consumerRecord({ rateLimits: [LIMIT] }));
  assert.equal(spend(replica, 1), 'VALID');
  applied(replica, consumerRecord({ rateLimits: [{ ...LIMIT, limit: 5 }] }));
  assert.deepEqual(left(replica), [11, 4, undefined]);
});

it('keeps the state of limits and quota when a new snapshot replaces the replica', () => {
  const quota = { limit: 100, period: 'day' } as const;
  const records = [keyRecord({ rateLimits: [LIMIT], quota }), credentialRecord(SECRET)];
  let replica = filled(...records);
  for (let i = 1; i <= 5; i++) {
    assert.equal(spend(replica, 1), 'VALID');
    const next = replica.successor();
    applied(next, environmentRecord(), consumerRecord(), ...records);
    next.takeOver();
    assert.deepEqual(left(next), [10 - i, 100 - i]);
    replica = next;
  }
  const changed = replica.successor();
  applied(changed, environmentRecord(), consumerRecord(), keyRecord({ rateLimits: [LIMIT] }), credentialRecord(SECRET));
  changed.takeOver();
  assert.deepEqual(left(changed), [5, undefined]);
});

it('does not let a successor be seen, or change what serves, before it takes over', () => {
  const replica = filled(keyRecord({ rateLimits: [LIMIT] }), credentialRecord(SECRET));
  const next = replica.successor();
  assert.equal(next.size, 0);
  const suspended = keyRecord({ state: 'suspended', rateLimits: [LIMIT, { ...LIMIT, name: 'more' }] });
  applied(next, environmentRecord(), consumerRecord(), suspended, credentialRecord(SECRET));
  assert.equal(outcome(replica), 'VALID');
  assert.equal(spend(replica, 3), 'VALID');
  assert.deepEqual(left(replica), [7, undefined]);
  assert.equal(outcome(next), 'SUSPENDED');
});

it('starts a key with the use that other verifiers have reported, and never with less than its own', () => {
  const quota = { limit: 100, period: 'day' } as const;
  const replica = filled(keyRecord({ quota, quotaUsed: { at: NOW, used: 40 } }), credentialRecord(SECRET));
  assert.deepEqual(left(replica), [60]);
  spend(replica, 10);
  applied(replica, keyRecord({ quota, quotaUsed: { at: NOW, used: 45 } }));
  assert.deepEqual(left(replica), [50]);
  applied(replica, keyRecord({ quota, quotaUsed: { at: NOW, used: 70 } }));
  assert.deepEqual(left(replica), [30]);
});

it('does not give quota back when the reported use is of a period already past', () => {
  const quota = { limit: 100, period: 'month' } as const;
  const replica = filled(keyRecord({ quota }), credentialRecord(SECRET));
  assert.equal(spend(replica, 90, FEBRUARY), 'VALID');
  applied(replica, keyRecord({ quota, quotaUsed: { at: NOW, used: 5 } }));
  assert.deepEqual(left(replica, FEBRUARY), [10]);
});
