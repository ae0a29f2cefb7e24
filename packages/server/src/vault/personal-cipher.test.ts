import assert from 'node:assert/strict';
import { createSecretKey, randomBytes } from 'node:crypto';
import { it } from 'node:test';
import { openSide, personalKey, sealSide } from './personal-cipher.ts';

it("an entry's side opens beside the leaf that commits to it alone, under its own key and by that key's id", () => {
  const [key, other] = [createSecretKey(randomBytes(32)), createSecretKey(randomBytes(32))];
  const [digest, another] = [randomBytes(32).toString('hex'), randomBytes(32).toString('hex')];
  const own = personalKey('pkey_a', key);
  const body = sealSide(own, 'a name', digest);
  assert.equal(openSide(own, body, digest), 'a name');
  assert.equal(openSide(own, body, another), null, 'beside another leaf');
  assert.equal(openSide(personalKey('pkey_b', key), body, digest), null, 'under the id of another key');
  assert.equal(openSide(personalKey('pkey_a', other), body, digest), null, 'under another key');
});
