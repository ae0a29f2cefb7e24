import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { ControlMessage, Position } from '@keyhold/protocol/feed';
import { fenceReason, isAccepted } from './fence.ts';
import { FedClient } from './testing/fed-client.ts';
import {
  consumerRecord,
  credentialRecord,
  environmentRecord,
  keyRecord,
  makeSecret,
  positionAt,
} from './testing/records.ts';

const KEY = [environmentRecord(), consumerRecord(), keyRecord(), credentialRecord(makeSecret())];
type Welcome = Partial<ControlMessage & { type: 'welcome' }>;

/** A verifier that stands at entry 7 of epoch 3, met by this welcome when it comes back. */
function met(position: Position, welcome: Welcome = {}): FedClient {
  const fed = new FedClient();
  fed.connect(positionAt(7, { epoch: 3 }));
  fed.snapshot(KEY, positionAt(7, { epoch: 3 }));
  fed.grant();
  assert.ok(fed.covers());
  return again(fed, position, welcome);
}

function again(fed: FedClient, position: Position, welcome: Welcome = {}): FedClient {
  fed.feed.link.break();
  fed.reconnect();
  fed.feed.link.open();
  fed.welcome(position, welcome);
  return fed;
}

const FORKS: readonly (readonly [reason: RegExp, position: Position, welcome?: Welcome])[] = [
  [/behind/, positionAt(6, { epoch: 3 }), { hashAtYours: null }],
  [/behind/, positionAt(6, { epoch: 4 }), { hashAtYours: null }],
  [/another entry/, positionAt(7, { epoch: 4 }), { hashAtYours: 'f'.repeat(64) }],
  [/another entry/, positionAt(99, { epoch: 4 }), { hashAtYours: 'f'.repeat(64) }],
  [/another entry/, positionAt(99, { epoch: 4 }), { hashAtYours: null }],
  [/another installation/, positionAt(9, { installation: 'inst_2', epoch: 3 })],
  [/earlier epoch/, positionAt(9, { epoch: 2 })],
];

it('fences itself when its control plane does not continue what it has applied', () => {
  for (const [reason, position, welcome] of FORKS) {
    const fed = met(position, welcome);
    assert.match(fed.client.fenced ?? '', reason);
    assert.ok(!fed.covers(), 'leases are given up');
    assert.ok(fed.feed.link.closed);
    assert.deepEqual(fed.client.position, positionAt(7, { epoch: 3 }), 'it never goes backwards by itself');
    assert.equal(fed.client.replica.size, 1);
  }
});

it('follows a control plane that continues, also into a new epoch', () => {
  const same = met(positionAt(7, { epoch: 3 }));
  assert.equal(same.client.fenced, null);
  const later = met(positionAt(9, { epoch: 5 }));
  assert.equal(later.client.fenced, null);
  assert.equal(later.client.position?.epoch, 5);
  assert.match(again(later, positionAt(9, { epoch: 4 })).client.fenced ?? '', /earlier epoch/);
});

it('raises the alarm once and keeps asking whether it may return', () => {
  const fed = met(positionAt(6, { epoch: 3 }), { hashAtYours: null });
  for (let i = 0; i < 3; i++) again(fed, positionAt(6, { epoch: 3 }), { hashAtYours: null });
  assert.equal(fed.events.filter((event) => event.startsWith('fenced')).length, 1);
  assert.ok(!fed.events.some((event) => event.startsWith('failed')), 'and says it in no other way');
  fed.client.renew();
  assert.equal(fed.feed.link.sentOf('lease').length, 0);
});

it('is no longer fenced when its own control plane answers again', () => {
  const fed = met(positionAt(6, { epoch: 3 }), { hashAtYours: null });
  again(fed, positionAt(8, { epoch: 3 }));
  assert.equal(fed.client.fenced, null);
  fed.grant(30, { sequence: 7 });
  assert.ok(fed.covers());
});

it('starts anew, with nothing, when an operator accepted the restore after all that it has seen', () => {
  const restored = positionAt(5, { epoch: 4, hash: 'e'.repeat(64) });
  const fed = met(restored, { hashAtYours: null, acceptedEpoch: 4 });
  assert.equal(fed.client.fenced, null);
  assert.equal(fed.client.position, null);
  assert.equal(fed.client.replica.size, 0);
  assert.ok(!fed.covers());
  fed.reconnect();
  fed.feed.link.open();
  assert.equal(fed.feed.link.sentOf('hello')[0]?.position, null);
  fed.welcome(restored, { acceptedEpoch: 4 });
  fed.snapshot([], restored);
  assert.deepEqual(fed.client.position, restored);
});

it('starts anew also when the operator accepts only after the alarm', () => {
  const fed = met(positionAt(5, { epoch: 4 }), { hashAtYours: null });
  assert.notEqual(fed.client.fenced, null);
  again(fed, positionAt(6, { epoch: 4 }), { hashAtYours: null, acceptedEpoch: 4 });
  assert.equal(fed.client.fenced, null);
  assert.ok(!fed.events.some((event) => event.startsWith('failed')), 'nothing failed');
  assert.equal(fed.client.position, null);
});

it('does not take an acceptance of an earlier restore for this one', () => {
  for (const acceptedEpoch of [3, 2, null]) {
    const fed = met(positionAt(5, { epoch: 4 }), { hashAtYours: null, acceptedEpoch });
    assert.notEqual(fed.client.fenced, null, `accepted ${acceptedEpoch}`);
  }
});

it('compares nothing before it stands anywhere', () => {
  assert.equal(fenceReason(null, positionAt(1), null), null);
  assert.equal(isAccepted(null, 9), false);
});

it('follows a control plane whose ledger had no entry yet', () => {
  const empty = positionAt(0, { hash: null });
  assert.equal(fenceReason(empty, positionAt(3), null), null);
  assert.match(fenceReason(empty, positionAt(3), 'a'.repeat(64)) ?? '', /another entry/);
});

it('hears nothing on a link whose welcome has not come', () => {
  const fed = new FedClient();
  fed.connect();
  fed.snapshot(KEY);
  fed.feed.link.break();
  fed.reconnect();
  fed.feed.link.open();
  fed.change([]);
  fed.snapshot([], positionAt(9));
  assert.deepEqual(fed.client.position, positionAt(1));
  assert.deepEqual(fed.feed.link.sentOf('ack'), []);
});
