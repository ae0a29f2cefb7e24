import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FeedSession, type Published } from './feed-session.ts';

const HEAD = { installation: 'inst_1', epoch: 1, hash: null };
const NOBODY = { projects: null, environment: null };
/** More than a connection may leave untaken. */
const TOO_MANY_BYTES = 256 * 1024 * 1024 + 1;
const MOST_HELD_BACK = 50_000;

function published(sequence: number): Published {
  return { from: sequence - 1, position: { ...HEAD, sequence }, textFor: () => `change ${sequence}` };
}

function connected() {
  const connection = {
    sent: [] as string[],
    bufferedBytes: 0,
    closed: null as string | null,
    send: (text: string) => void connection.sent.push(text),
    close: (reason: string) => {
      connection.closed = reason;
    },
  };
  const house = {} as ConstructorParameters<typeof FeedSession>[3];
  return { connection, session: new FeedSession(connection, NOBODY, 'tok_1', house) };
}

describe('a verifier that is slower than what happens', () => {
  it('is cut off once too much waits for it to be read, and sent nothing more', () => {
    const { connection, session } = connected();
    session.follow();
    session.publish(published(1));
    connection.bufferedBytes = TOO_MANY_BYTES;
    session.publish(published(2));
    assert.equal(connection.closed, 'the verifier reads too slowly');
    connection.bufferedBytes = 0;
    session.publish(published(3));
    assert.deepEqual(connection.sent, ['change 1']);
  });

  it('is cut off when more happens than may wait while its snapshot is sent', () => {
    const { connection, session } = connected();
    for (let sequence = 1; sequence <= MOST_HELD_BACK; sequence++) session.publish(published(sequence));
    assert.equal(connection.closed, null);
    session.publish(published(MOST_HELD_BACK + 1));
    assert.equal(connection.closed, 'too much happened while the snapshot was sent');
  });

  it('is sent all that was held back, in order, when it was not too much', () => {
    const { connection, session } = connected();
    for (let sequence = 1; sequence <= MOST_HELD_BACK; sequence++) session.publish(published(sequence));
    session.follow();
    assert.equal(connection.sent.length, MOST_HELD_BACK);
    assert.deepEqual([connection.sent[0], connection.sent.at(-1)], ['change 1', `change ${MOST_HELD_BACK}`]);
  });
});
