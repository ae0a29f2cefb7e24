import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { originHash, writeAddCheckpoint } from '@keyhold/protocol/log/add-checkpoint';
import { writeCheckpoint } from '@keyhold/protocol/log/checkpoint';
import { signersOf } from '@keyhold/protocol/log/signed-message';
import { readNote, type SignedNote } from '@keyhold/protocol/log/signed-note';
import { sha256, verifySignature } from '../note-crypto.ts';
import { OwnLog } from '../testing/own-log.ts';
import { StateFolder } from './state-folder.ts';
import { type Answer, Witness } from './witness.ts';

const START = 1_760_000_000;

/** A witness in this process, with a clock that a test sets, over a folder that outlives it. */
class TestWitness implements Disposable {
  now = START;
  readonly log = new OwnLog('log.test/again').grow(5);
  readonly #folder = mkdtempSync(join(tmpdir(), 'keyhold-witness-'));
  #state = StateFolder.open(this.#folder, 'witness.test/w1');
  #witness = this.#open();

  restart(): void {
    this.#state[Symbol.dispose]();
    this.#state = StateFolder.open(this.#folder, 'witness.test/w1');
    this.#witness = this.#open();
  }

  ask(body: string): Answer {
    return this.#witness.addCheckpoint(Buffer.from(body));
  }

  /** Which file it is: each write puts another in its place. */
  get written(): number {
    return statSync(join(this.#folder, `${originHash(sha256, this.log.origin)}.checkpoint`)).ino;
  }

  /** The time that every cosignature of an answer names; each of them has to be its key's. */
  timeOf({ status, body }: Answer, size = this.log.size): number {
    assert.equal(status, 200);
    const checkpoint = this.log.checkpoint(size);
    const keys = this.#state.cosigners.map(({ note }) => note);
    const note = readNote(`${writeCheckpoint(checkpoint)}\n${body}`) as SignedNote;
    const times = [...(signersOf(verifySignature, keys, note, checkpoint)?.values() ?? [])];
    assert.equal(times.length, 2);
    assert.equal(times[0], times[1]);
    return times[0] ?? 0;
  }

  #open(): Witness {
    const keys = this.log.keys.map(({ note }) => note);
    return new Witness(
      this.#state,
      keys,
      () => this.now,
      () => {},
    );
  }

  [Symbol.dispose](): void {
    this.#state[Symbol.dispose]();
    rmSync(this.#folder, { recursive: true });
  }
}

describe('a witness that is asked for the same tree again', () => {
  it('gives what it gave while that is a minute old at most, and signs and writes nothing', () => {
    using witness = new TestWitness();
    const { log } = witness;
    const first = witness.ask(log.request(0));
    assert.equal(witness.timeOf(first), START);
    const { written } = witness;
    for (const later of [0, 1, 59, 60]) {
      witness.now = START + later;
      assert.deepEqual(witness.ask(log.request(5, 5, 1_000 + later)), first, `${later} s later`);
    }
    assert.equal(witness.written, written);
    witness.now = START + 61;
    assert.equal(witness.timeOf(witness.ask(log.request(5))), START + 61);
    assert.notEqual(witness.written, written);
  });

  it('does so after a restart', () => {
    using witness = new TestWitness();
    const first = witness.ask(witness.log.request(0));
    const { written } = witness;
    witness.restart();
    witness.now = START + 60;
    assert.deepEqual(witness.ask(witness.log.request(5)), first);
    assert.equal(witness.written, written);
    witness.now = START + 61;
    assert.equal(witness.timeOf(witness.ask(witness.log.request(5))), START + 61);
  });

  it('signs anew where its clock was put back, since the time that it gave is not true', () => {
    using witness = new TestWitness();
    witness.ask(witness.log.request(0));
    witness.now = START - 5;
    assert.equal(witness.timeOf(witness.ask(witness.log.request(5))), START - 5);
  });

  it('signs a tree that has grown, and refuses another of the same size, as soon as it is asked', () => {
    using witness = new TestWitness();
    const { log } = witness;
    witness.ask(log.request(0));
    assert.equal(witness.ask(log.fork(4).grow(1, 'another').request(5)).status, 422);
    assert.deepEqual(witness.ask(log.request(4)), { status: 409, type: 'text/x.tlog.size', body: '5\n' });
    witness.now = START + 1;
    assert.equal(witness.timeOf(witness.ask(log.grow(1).request(5)), 6), START + 1);
  });

  it('keeps the signature of a key of the log that had not signed before, once', () => {
    using witness = new TestWitness();
    const { log } = witness;
    const body = (oldSize: number, keys: OwnLog['keys']) =>
      writeAddCheckpoint({ oldSize, proof: [], checkpoint: log.signed(5, 1_000, keys) });
    witness.ask(body(0, log.keys.slice(0, 1)));
    witness.now = START + 1;
    const whole = witness.ask(body(5, log.keys));
    assert.equal(witness.timeOf(whole), START + 1);
    const { written } = witness;
    witness.now = START + 2;
    for (const keys of [log.keys.slice(0, 1), log.keys]) assert.deepEqual(witness.ask(body(5, keys)), whole);
    assert.equal(witness.written, written);
  });
});
