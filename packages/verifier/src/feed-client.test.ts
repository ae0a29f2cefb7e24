import assert from 'node:assert/strict';
import { it } from 'node:test';
import { digestFromHex } from './digest.ts';
import { FedClient } from './testing/fed-client.ts';
import {
  consumerRecord,
  credentialRecord,
  environmentRecord,
  keyRecord,
  makeSecret,
  positionAt,
} from './testing/records.ts';

const SECRET = makeSecret();
const KEY = [keyRecord(), credentialRecord(SECRET)];

function keyState(fed: FedClient): string | undefined {
  const digest = digestFromHex(credentialRecord(SECRET).digest);
  return fed.client.replica.credential(digest)?.key.state;
}

it('says hello with its own id and where it stands, and nothing before the link is open', () => {
  const fed = new FedClient();
  fed.client.start();
  assert.deepEqual(fed.feed.link.sent, []);
  fed.feed.link.open();
  const [hello] = fed.feed.link.sentOf('hello');
  assert.match(hello?.verifier ?? '', /^ver_[0-9a-f-]{36}$/);
  assert.equal(hello?.position, null);
  fed.welcome(positionAt(1));
  fed.snapshot([], positionAt(1));
  fed.feed.link.break();
  fed.reconnect();
  fed.feed.link.open();
  assert.deepEqual(fed.feed.link.sentOf('hello'), [{ ...hello, position: positionAt(1) }]);
});

it('shows a snapshot whole or not at all: never while parts are missing, never after it was torn', () => {
  const fed = new FedClient().lead(KEY);
  const suspended = keyRecord({ state: 'suspended' });
  fed.snapshot([environmentRecord(), consumerRecord()], positionAt(5), 0, false);
  assert.equal(keyState(fed), 'active');
  fed.snapshot([suspended, credentialRecord(SECRET)], positionAt(5), 1, false);
  assert.equal(keyState(fed), 'active');
  assert.deepEqual(fed.client.position, positionAt(1));
  fed.feed.link.break();
  assert.equal(keyState(fed), 'active');
  fed.reconnect();
  fed.feed.link.open();
  fed.welcome(positionAt(5));
  fed.snapshot([suspended], positionAt(5), 2, true);
  assert.equal(keyState(fed), 'active', 'the rest of a torn snapshot is of no use');
  assert.ok(fed.feed.link.closed);
});

it('replaces all that it held by a whole snapshot, and acknowledges after the last part only', () => {
  const fed = new FedClient().lead(KEY);
  const other = makeSecret();
  const acknowledged = () => fed.feed.link.sentOf('ack').map(({ sequence }) => sequence);
  fed.snapshot([environmentRecord(), consumerRecord()], positionAt(5), 0, false);
  fed.snapshot([keyRecord({ id: 'key_2' })], positionAt(5), 1, false);
  assert.deepEqual(acknowledged(), [1]);
  fed.snapshot([credentialRecord(other, { id: 'cred_2', key: 'key_2' })], positionAt(5), 2, true);
  assert.deepEqual(acknowledged(), [1, 5]);
  assert.equal(keyState(fed), undefined);
  assert.equal(fed.client.replica.size, 1);
});

it('refuses parts out of order, repeated or of two positions, and connects anew', () => {
  const parts: readonly (readonly [sequence: number, epoch: number, part: number][])[] = [
    [[5, 1, 1]],
    [
      [5, 1, 0],
      [5, 1, 2],
    ],
    [
      [5, 1, 0],
      [5, 1, 1],
      [5, 1, 1],
    ],
    [
      [5, 1, 0],
      [6, 1, 1],
    ],
    [
      [5, 1, 0],
      [5, 2, 1],
    ],
  ];
  for (const sequence of parts) {
    const fed = new FedClient().lead(KEY);
    const { link } = fed.feed;
    for (const [at, epoch, part] of sequence) fed.snapshot([], positionAt(at, { epoch }), part, false);
    assert.ok(link.closed, JSON.stringify(sequence));
    assert.deepEqual(fed.client.position, positionAt(1));
    assert.equal(keyState(fed), 'active');
    fed.reconnect();
  }
});

it('applies changes in the order of the ledger and acknowledges each after it is applied', () => {
  const fed = new FedClient().lead(KEY);
  const { link } = fed.feed;
  const send = link.send.bind(link);
  const seen: string[] = [];
  link.send = (message) => {
    if (message.type === 'ack') seen.push(`${message.sequence} ${keyState(fed)} ${fed.sequence}`);
    send(message);
  };
  fed.change([keyRecord({ state: 'suspended' })]);
  fed.change([keyRecord({ state: 'compromised' })], 2, 9);
  assert.deepEqual(seen, ['2 suspended 2', '9 compromised 9']);
  assert.deepEqual(fed.client.position, positionAt(9));
});

it('connects anew over a gap, applies and acknowledges nothing of what follows it', () => {
  const fed = new FedClient().lead(KEY);
  const { link } = fed.feed;
  fed.change([keyRecord({ state: 'suspended' })], 2, 3);
  assert.ok(link.closed);
  assert.equal(keyState(fed), 'active');
  assert.deepEqual(
    link.sentOf('ack').map(({ sequence }) => sequence),
    [1],
  );
  fed.change([keyRecord({ state: 'suspended' })], 1, 2);
  assert.equal(keyState(fed), 'active', 'a closed link is deaf');
  fed.reconnect();
  fed.feed.link.open();
  assert.deepEqual(fed.feed.link.sentOf('hello')[0]?.position, positionAt(1));
});

it('ignores changes that it has, and never goes back to them', () => {
  const fed = new FedClient().lead(KEY);
  fed.change([keyRecord({ state: 'suspended' })]);
  fed.change([keyRecord({ state: 'compromised' })]);
  fed.change([keyRecord({ state: 'suspended' })], 1, 2);
  fed.change([keyRecord()], 0, 3);
  assert.equal(keyState(fed), 'compromised');
  assert.deepEqual(fed.client.position, positionAt(3));
  assert.ok(!fed.feed.link.closed);
});

it('never goes back to an older snapshot of the same control plane', () => {
  const fed = new FedClient().lead(KEY);
  fed.change([keyRecord({ state: 'compromised' })]);
  fed.snapshot([environmentRecord(), consumerRecord(), ...KEY], positionAt(1));
  assert.notEqual(keyState(fed), 'active');
  assert.equal(fed.sequence, 2);
});

it('takes no changes before it has a snapshot', () => {
  const fed = new FedClient();
  fed.connect();
  fed.change([environmentRecord()], 0, 1);
  assert.ok(fed.feed.link.closed);
  assert.equal(fed.client.position, null);
});

it('comes back after every loss, later each time up to some seconds, and soon again once it was welcome', () => {
  const fed = new FedClient();
  fed.client.start();
  const pauses: number[] = [];
  for (let i = 0; i < 9; i++) {
    const before = fed.clock.monotonic();
    fed.feed.link.break();
    fed.reconnect();
    pauses.push(fed.clock.monotonic() - before);
  }
  assert.deepEqual(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
  fed.feed.link.open();
  fed.welcome(positionAt(1));
  const before = fed.clock.monotonic();
  fed.feed.link.break();
  fed.reconnect();
  assert.equal(fed.clock.monotonic() - before, 100);
});

it('gives up a control plane that opens and says nothing', () => {
  const fed = new FedClient();
  fed.client.start();
  const { link } = fed.feed;
  link.open();
  fed.clock.advance(4_999);
  assert.ok(!link.closed);
  fed.clock.advance(1);
  assert.ok(link.closed);
  fed.reconnect();
});

it('comes back when a connection is refused at once', () => {
  const fed = new FedClient();
  fed.feed.refusals = 2;
  fed.client.start();
  fed.reconnect();
  fed.reconnect();
  fed.feed.link.open();
  assert.equal(fed.feed.link.sentOf('hello').length, 1);
});

it('says why it cannot follow: at once, then once a minute, and at once again after it followed', () => {
  const fed = new FedClient();
  fed.feed.refusals = Number.POSITIVE_INFINITY;
  fed.client.start();
  const told: number[] = [];
  for (let second = 0; second <= 150; second++) {
    if (fed.events.length > told.length) told.push(second);
    fed.clock.advance(1_000);
  }
  const [first, ...later] = told;
  assert.equal(first, 0);
  assert.equal(later.length, 2, `told at ${told}`);
  for (const [i, second] of later.entries()) {
    const pause = second - (told[i] as number);
    assert.ok(pause >= 60 && pause <= 66, `told at ${told}`);
  }
  fed.feed.refusals = 0;
  fed.reconnect();
  fed.feed.link.open();
  fed.welcome(positionAt(1));
  fed.feed.link.break('the token is no longer alive');
  fed.reconnect();
  fed.feed.link.break('401');
  assert.deepEqual(fed.events.slice(-3), ['connected', 'disconnected: the token is no longer alive', 'failed: 401']);
  void fed.client.stop();
  assert.equal(fed.events.at(-1), 'failed: 401', 'what it wishes itself is no failure');
});

it('answers every open question with null when the connection is lost', async () => {
  const fed = new FedClient().lead();
  const answers = Promise.all([fed.client.ask('a'), fed.client.ask('b')]);
  fed.feed.link.break();
  assert.deepEqual(await answers, [null, null]);
  assert.equal(await fed.client.ask('c'), null);
});

it('gives each question its own answer, once, and null when there is none in time', async () => {
  const fed = new FedClient().lead();
  const answers = ['a', 'b', 'c'].map((payload) => fed.client.ask(payload));
  const [a, b, c] = fed.feed.link.sentOf('ask').map(({ request }) => request);
  const answer = (request: number | undefined, payload: unknown) =>
    fed.feed.link.say({ type: 'answer', request: request ?? -1, payload });
  answer(b, 'for b');
  answer(99, 'for nobody');
  answer(a, 'for a');
  answer(b, 'again');
  fed.clock.advance(4_999);
  answer(undefined, 'for nobody');
  fed.clock.advance(1);
  answer(c, 'too late');
  assert.deepEqual(await Promise.all(answers), ['for a', 'for b', null]);
});

it('says bye, gives up its leases and stays away when it is stopped', () => {
  const fed = new FedClient().lead();
  const { link } = fed.feed;
  fed.client.stop();
  assert.equal(link.sent.at(-1)?.type, 'bye');
  assert.ok(link.closed);
  assert.ok(!fed.covers());
  fed.clock.advance(600_000);
  fed.client.start();
  assert.equal(fed.feed.connections.length, 1);
  assert.equal(fed.clock.pending, 0);
});

it('has stopped when the connection that took its goodbye is closed, and not before', async () => {
  const fed = new FedClient().lead();
  const { link } = fed.feed;
  link.close = () => {};
  let stopped = false;
  const stopping = [fed.client.stop(), fed.client.stop()].map((stop) => stop.then(() => (stopped = true)));
  await new Promise(setImmediate);
  assert.ok(!stopped);
  link.break();
  await Promise.all(stopping);
  await new FedClient().client.stop();
});

it('connects anew when the head that a grant names does not arrive, also after a snapshot brought it up to date', () => {
  const fed = new FedClient().lead(KEY);
  fed.feed.link.break();
  fed.reconnect();
  fed.feed.link.open();
  fed.welcome(positionAt(9));
  fed.grant(30, { sequence: 9 });
  fed.snapshot([environmentRecord(), consumerRecord(), ...KEY], positionAt(9));
  fed.grant(30, { sequence: 9 });
  fed.clock.advance(6_000);
  assert.ok(!fed.feed.link.closed, 'nothing is missing');
  fed.grant(30, { sequence: 10 });
  fed.clock.advance(4_999);
  assert.ok(!fed.feed.link.closed);
  const { link } = fed.feed;
  fed.grant(30, { sequence: 10 });
  fed.clock.advance(1);
  assert.ok(link.closed);
});

it('comes back from far behind however long its snapshot takes, with leases granted between the parts or after them', () => {
  for (const grantedBetween of [true, false]) {
    const fed = new FedClient().lead();
    fed.feed.link.break();
    fed.reconnect();
    fed.feed.link.open();
    fed.welcome(positionAt(6_000));
    const { link } = fed.feed;
    let answered = 0;
    const grantWhatIsAsked = () => {
      if (link.sentOf('lease').length > answered) fed.grant(30, { sequence: 6_000 });
      answered = link.sentOf('lease').length;
    };
    for (let part = 0; part < 40; part++) {
      fed.clock.advance(1_000);
      fed.snapshot(part === 0 ? [environmentRecord(), consumerRecord()] : [], positionAt(6_000), part, part === 39);
      if (grantedBetween) grantWhatIsAsked();
    }
    for (let i = 0; i < 30; i++) {
      grantWhatIsAsked();
      fed.clock.advance(1_000);
    }
    assert.deepEqual([link.closed, fed.client.position?.sequence, fed.covers()], [false, 6_000, true]);
  }
});

it('waits for the grant behind a snapshot from its last part on, and no longer than for any', () => {
  for (const lastAt of [4_999, 9_999]) {
    const fed = new FedClient().lead();
    fed.feed.link.break();
    fed.reconnect();
    fed.feed.link.open();
    fed.welcome(positionAt(6_000));
    const { link } = fed.feed;
    fed.clock.advance(2_000);
    fed.snapshot([environmentRecord(), consumerRecord()], positionAt(6_000), 0, false);
    fed.clock.advance(lastAt - 2_000);
    fed.snapshot([], positionAt(6_000), 1, true);
    fed.clock.advance(4_999);
    assert.equal(link.closed, false, `the last part after ${lastAt} ms`);
    fed.clock.advance(1);
    assert.equal(link.closed, true);
  }
});

it('gives up a snapshot of which nothing comes any more, also with a lease granted between its parts', () => {
  const fed = new FedClient().lead();
  fed.feed.link.break();
  fed.reconnect();
  fed.feed.link.open();
  fed.welcome(positionAt(6_000));
  fed.snapshot([environmentRecord()], positionAt(6_000), 0, false);
  fed.grant(30, { sequence: 6_000 });
  const { link } = fed.feed;
  fed.clock.advance(9_999);
  assert.equal(link.closed, false);
  fed.clock.advance(1);
  assert.equal(fed.events.at(-1), 'disconnected: no snapshot came');
});
