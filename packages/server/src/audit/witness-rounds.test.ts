import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { NoteKey, NoteSignature } from '@keyhold/protocol/log/signed-note';
import type { Published } from './log.ts';
import { WitnessRounds } from './witness-rounds.ts';

const [a, b, c] = ['a', 'b', 'c'].map(
  (name): NoteKey => ({ name, type: 4, publicKey: new Uint8Array(32), keyId: 1 }),
) as [NoteKey, NoteKey, NoteKey];
const at = (size: number): Published => ({ size, root: new Uint8Array(32), note: `log\n${size}\n\n— log AAAAAAAA\n` });
const by = (...keys: NoteKey[]) =>
  new Map(keys.map((key): [NoteKey, NoteSignature] => [key, { name: key.name, keyId: 1, bytes: new Uint8Array(8) }]));
const twoOfThree = () => new WitnessRounds((cosigners) => cosigners.size >= 2);

describe('rounds of witnesses', () => {
  it('stay with one checkpoint while somebody is asked for it, so that two who answer in turn cosign the same', () => {
    const rounds = twoOfThree();
    rounds.advance(at(5), false);
    rounds.add(at(5), by(a));
    rounds.advance(at(6), true);
    assert.equal(rounds.target?.size, 5);
    rounds.add(at(5), by(b));
    assert.ok(rounds.isMet(5));
    rounds.advance(at(7), true);
    assert.equal(rounds.target?.size, 7);
  });

  it('go on where nobody is left to answer, and count what comes late for what it is of', () => {
    const rounds = twoOfThree();
    rounds.advance(at(5), false);
    rounds.add(at(5), by(a));
    rounds.advance(at(6), false);
    assert.equal(rounds.target?.size, 6);
    rounds.add(at(6), by(a));
    assert.ok(!rounds.isMet(5) && !rounds.isMet(6));
    rounds.add(at(5), by(c));
    assert.ok(rounds.isMet(5) && !rounds.isMet(6));
    assert.ok(rounds.has(5, [a, c]) && !rounds.has(5, [b]));
    assert.match(rounds.cosigned(at(5)).note, /— a .*\n— c /s);
    assert.equal(rounds.cosigned(at(9)).note, at(9).note);
  });

  it('count one witness once, and keep a bounded number of checkpoints open', () => {
    const rounds = twoOfThree();
    rounds.advance(at(1), false);
    rounds.add(at(1), by(a));
    rounds.add(at(1), by(a));
    assert.ok(!rounds.isMet(1));
    for (let size = 2; size <= 40; size++) rounds.advance(at(size), false);
    rounds.add(at(40), by(a, b));
    assert.ok(rounds.isMet(40));
    assert.ok(!rounds.has(1, [a]), 'long over');
  });

  it('need nobody where the policy says so', () => {
    const rounds = new WitnessRounds(() => true);
    rounds.advance(at(3), false);
    assert.ok(rounds.isMet(3));
  });
});
