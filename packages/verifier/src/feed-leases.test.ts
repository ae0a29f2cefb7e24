import assert from 'node:assert/strict';
import { it } from 'node:test';
import { FedClient } from './testing/fed-client.ts';
import { environmentRecord, positionAt } from './testing/records.ts';

const asked = (fed: FedClient) => fed.feed.link.sentOf('lease').length;

it('asks for a lease as soon as it stands on a snapshot, and not before', () => {
  const fed = new FedClient();
  fed.connect();
  assert.equal(asked(fed), 0);
  fed.snapshot([environmentRecord()], positionAt(1), 0, false);
  assert.equal(asked(fed), 0);
  fed.snapshot([], positionAt(1), 1, true);
  assert.equal(asked(fed), 1);
  assert.ok(!fed.covers());
  fed.grant();
  assert.ok(fed.covers());
});

it('asks for a lease at once when it comes back', () => {
  const fed = new FedClient().lead();
  fed.feed.link.break();
  fed.reconnect();
  fed.feed.link.open();
  assert.equal(asked(fed), 0);
  fed.welcome(positionAt(1));
  assert.equal(asked(fed), 1);
});

it('renews in good time: with a control plane that answers, no lease of any length ever ends', () => {
  for (const seconds of [1, 2, 5, 15, 30, 300]) {
    const fed = new FedClient();
    fed.connect();
    fed.snapshot([environmentRecord()]);
    fed.grant(seconds);
    let answered = asked(fed);
    for (let ms = 0; ms < seconds * 3_000; ms += 50) {
      fed.clock.advance(50);
      assert.ok(fed.covers(), `${seconds} s lease ended after ${ms} ms`);
      if (asked(fed) > answered) fed.grant(seconds);
      answered = asked(fed);
    }
    assert.ok(answered >= 4, `${answered} renewals of ${seconds} s`);
    assert.ok(answered <= 3 * Math.max(4, seconds), `${answered} renewals of ${seconds} s are too many`);
  }
});

it('asks for a lease at once when an environment is new', () => {
  const fed = new FedClient().lead();
  const before = asked(fed);
  fed.change([environmentRecord({ id: 'env_2', name: 'two', prefix: 'mkt_two' })]);
  assert.equal(asked(fed), before + 1);
  assert.ok(!fed.covers('env_2'));
  fed.grant(30, { leases: [{ environment: 'env_2', seconds: 30 }] });
  assert.ok(fed.covers('env_2'));
  fed.change([environmentRecord({ id: 'env_2', name: 'two', prefix: 'mkt_two', afterLease: 'serve' })]);
  assert.equal(asked(fed), before + 1);
});

it('decides by a grant only when it has applied the head that the grant names', () => {
  const fed = new FedClient();
  fed.connect(positionAt(2));
  fed.snapshot([environmentRecord()]);
  fed.grant(30, { sequence: 2 });
  assert.ok(!fed.covers());
  fed.change([]);
  assert.ok(fed.covers());
});

it('keeps its leases to their end when the connection is lost, and no longer', () => {
  const fed = new FedClient().lead();
  fed.feed.link.break();
  fed.clock.advance(29_999);
  assert.ok(fed.covers());
  fed.clock.advance(1);
  assert.ok(!fed.covers());
});

it('gives up a connection whose lease requests go unanswered, for leases of any length', () => {
  for (const seconds of [1, 5, 14, 15, 30, 300]) {
    const fed = new FedClient();
    fed.connect();
    fed.snapshot([environmentRecord()]);
    fed.grant(seconds);
    const { link } = fed.feed;
    for (let i = 0; i < 200 && !link.closed; i++) fed.clock.advance(100);
    assert.ok(link.closed, `with leases of ${seconds} s a dead connection is kept`);
  }
});

it('notices a dead connection also while it knows no environment', () => {
  const fed = new FedClient();
  fed.connect();
  fed.snapshot([]);
  const { link } = fed.feed;
  fed.clock.advance(60_000);
  assert.ok(link.closed);
});

it('gives up a control plane that welcomes it and never sends a snapshot', () => {
  const fed = new FedClient();
  fed.connect();
  const { link } = fed.feed;
  fed.clock.advance(600_000);
  assert.ok(link.closed);
});

it('takes no lease from an earlier connection', () => {
  const fed = new FedClient();
  fed.connect();
  fed.snapshot([environmentRecord()]);
  const early = fed.feed.link;
  early.break();
  early.say({ type: 'grant', request: 1, sequence: 1, leases: [{ environment: 'env_1', seconds: 30 }] });
  assert.ok(!fed.covers());
});
