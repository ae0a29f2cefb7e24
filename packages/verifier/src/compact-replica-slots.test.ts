import assert from 'node:assert/strict';
import { it } from 'node:test';
import { digestFromHex } from './digest.ts';
import { SLOTS_PER_LIMIT, type SlotTable } from './limits.ts';
import { CompactReplica } from './compact-replica.ts';
import type { Replica } from './replica.ts';
import { FedClient } from './testing/fed-client.ts';
import {
  consumerRecord,
  credentialRecord,
  environmentRecord,
  keyRecord,
  makeSecret,
  positionAt,
} from './testing/records.ts';

const LIMIT = { name: 'burst', limit: 10, windowSeconds: 60 };
const SECRETS = Array.from({ length: 20 }, () => makeSecret());

/** By how many slots the table grows while `change` happens. */
function growth(slots: SlotTable, change: () => void): number {
  // Runs longer than any that was given back, and of two lengths, so that both come from the end.
  const before = slots.allocate(50) + 50;
  change();
  return slots.allocate(51) - before;
}

function fill(replica: Replica, limits: number, keys = SECRETS.length): void {
  const rateLimits = Array.from({ length: limits }, (_, i) => ({ ...LIMIT, name: `l${i}` }));
  replica.apply(environmentRecord());
  replica.apply(consumerRecord({ rateLimits }));
  for (const [i, secret] of SECRETS.slice(0, keys).entries()) {
    replica.apply(keyRecord({ id: `key_${i}`, rateLimits, quota: { limit: 5, period: 'day' } }));
    replica.apply(credentialRecord(secret, { id: `cred_${i}`, key: `key_${i}` }));
  }
}

/** True when no two holders share a slot. */
function slotsAreApart(replica: Replica): boolean {
  const taken = new Set<number>();
  for (const secret of SECRETS) {
    const key = replica.credential(digestFromHex(credentialRecord(secret).digest))?.key;
    if (key === undefined || key.state === 'destroyed') continue;
    const count = key.rules.length * SLOTS_PER_LIMIT + (key.quota === null ? 0 : 2);
    for (let slot = key.slot; slot < key.slot + count; slot++) {
      if (taken.has(slot)) return false;
      taken.add(slot);
    }
  }
  return true;
}

it('gives slots back: 10,000 changes of limits do not grow the table', () => {
  const replica = new CompactReplica();
  for (let limits = 0; limits <= 4; limits++) fill(replica, limits);
  const grown = growth(replica.slots, () => {
    for (let i = 0; i < 250; i++) {
      fill(replica, i % 5);
      assert.ok(slotsAreApart(replica));
    }
  });
  assert.equal(grown, 0);
  assert.equal(replica.size, SECRETS.length);
});

it('gives slots back: 10,000 keys issued and destroyed do not grow the table, nor what is held', () => {
  const replica = new CompactReplica();
  replica.apply(environmentRecord());
  replica.apply(consumerRecord());
  const cycle = (i: number) => {
    const key = { id: `key_${i}`, rateLimits: [LIMIT] };
    const credential = credentialRecord(`secret ${i}`, { id: `cred_${i}`, key: key.id });
    replica.apply(keyRecord(key));
    replica.apply(credential);
    replica.apply(keyRecord({ ...key, state: 'destroyed' }));
    replica.apply({ ...credential, state: 'destroyed' });
  };
  cycle(0);
  const grown = growth(replica.slots, () => {
    for (let i = 1; i <= 10_000; i++) cycle(i);
  });
  assert.equal(grown, 0);
  assert.equal(replica.size, 0);
});

it('gives slots back: snapshot after snapshot does not grow the table, whatever changed in between', () => {
  let replica: Replica = new CompactReplica();
  const round = (i: number) => {
    const next = replica.successor();
    fill(next, i % 5, 10 + (i % 10));
    next.takeOver();
    replica = next;
    assert.ok(slotsAreApart(replica));
  };
  for (let i = 0; i < 50; i++) round(i);
  const grown = growth(replica.slots, () => {
    for (let i = 0; i < 500; i++) round(i);
  });
  assert.equal(grown, 0);
});

it('forgets the credentials of a key that is removed when they are next asked for', () => {
  const replica = new CompactReplica();
  fill(replica, 1);
  for (let i = 0; i < SECRETS.length; i++) replica.apply({ kind: 'removed', id: `key_${i}` });
  for (const secret of SECRETS) {
    const digest = digestFromHex(credentialRecord(secret).digest);
    assert.equal(replica.credential(digest), undefined);
  }
  assert.equal(replica.size, 0);
});

it('gives slots back: snapshots torn on the way do not grow the table', () => {
  const fed = new FedClient().lead();
  const rateLimits = Array.from({ length: 5 }, (_, i) => ({ ...LIMIT, name: `l${i}` }));
  const records = SECRETS.map((_, i) => keyRecord({ id: `key_${i}`, rateLimits }));
  const tear = () => {
    fed.snapshot([environmentRecord(), consumerRecord(), ...records], positionAt(2), 0, false);
    fed.feed.link.break();
    fed.reconnect();
    fed.feed.link.open();
    fed.welcome(positionAt(1));
  };
  tear();
  const grown = growth(fed.client.replica.slots, () => {
    for (let i = 0; i < 20; i++) tear();
  });
  assert.equal(grown, 0);
});
