import assert from 'node:assert/strict';
import { it } from 'node:test';
import { WrongCodes } from './wrong-codes.ts';

const HOUR_MS = 3_600_000;

it('five wrong codes shut a consumer out, one more is given back every twelve minutes, and nobody else is touched', () => {
  const wrong = new WrongCodes();
  for (let i = 0; i < 5; i++) {
    assert.equal(wrong.exhausted('a', 1_000), false);
    wrong.count('a', 1_000);
  }
  assert.equal(wrong.exhausted('a', 1_000), true);
  assert.equal(wrong.exhausted('b', 1_000), false);
  assert.equal(wrong.exhausted('a', 1_000 + HOUR_MS / 5 - 1), true);
  assert.equal(wrong.exhausted('a', 1_000 + HOUR_MS / 5), false);
  let guesses = 0;
  for (let now = HOUR_MS; now < 25 * HOUR_MS; now += 1_000) {
    if (wrong.exhausted('a', now)) continue;
    wrong.count('a', now);
    guesses++;
  }
  assert.ok(guesses <= 125, `${guesses} guesses in a day`);
});

it('remembers a bounded number, and forgets who is whole again before anybody else', () => {
  const wrong = new WrongCodes(3);
  wrong.count('whole', 0);
  for (const name of ['a', 'b', 'c']) for (let i = 0; i < 5; i++) wrong.count(name, HOUR_MS);
  assert.equal(wrong.size, 3);
  for (const name of ['a', 'b', 'c']) assert.equal(wrong.exhausted(name, HOUR_MS), true, name);
  for (let i = 0; i < 1_000; i++) wrong.count(`flood ${i}`, HOUR_MS);
  assert.equal(wrong.size, 3);
});
