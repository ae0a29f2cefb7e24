import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { it } from 'node:test';
import fc from 'fast-check';
import {
  credentialHint,
  credentialPrefixLength,
  formatCredential,
  PREFIX_PATTERN,
  TOKEN_PREFIX,
} from './credential-format.ts';

const PREFIX = 'mkt_live';
const prefixes = fc.string({ unit: fc.constantFrom(...'abcxyz019_'), minLength: 2, maxLength: 24 });
const secrets = fc.uint8Array({ minLength: 32, maxLength: 32 });
const credentials = fc.tuple(prefixes, secrets).map(([prefix, secret]) => formatCredential(prefix, secret));

function isAccepted(text: string): boolean {
  return credentialPrefixLength(text) >= 0;
}

it('accepts every credential that it makes, and finds its prefix', () => {
  fc.assert(
    fc.property(prefixes, secrets, (prefix, secret) => {
      const text = formatCredential(prefix, secret);
      assert.match(text, /^[a-z0-9_]{2,24}_[0-9A-Za-z]{49}$/);
      assert.equal(credentialPrefixLength(text), prefix.length);
      assert.equal(text.slice(0, prefix.length), prefix);
    }),
  );
});

it('refuses one credential with any single character changed into any other', () => {
  const text = formatCredential(PREFIX, randomBytes(32));
  for (let i = 0; i < text.length; i++) {
    const right = text.charCodeAt(i);
    for (let unit = 0; unit <= 0xffff; unit++) {
      // All of ASCII, and whatever shares its low byte with the right character, as the checksum sees only that.
      if (unit === right || (unit > 127 && (unit & 0xff) !== right)) continue;
      const changed = text.slice(0, i) + String.fromCharCode(unit) + text.slice(i + 1);
      assert.ok(!isAccepted(changed), `position ${i}, code unit ${unit}`);
    }
  }
});

it('refuses one credential cut anywhere, with any character missing, inserted or swapped with its neighbour', () => {
  const text = formatCredential(PREFIX, randomBytes(32));
  for (let i = 0; i < text.length; i++) {
    assert.ok(!isAccepted(text.slice(0, i)), `cut after ${i}`);
    if (i > 0) assert.ok(!isAccepted(text.slice(i)), `cut before ${i}`);
    assert.ok(!isAccepted(text.slice(0, i) + text.slice(i + 1)), `without ${i}`);
    for (const inserted of '0zA_ \n')
      assert.ok(!isAccepted(text.slice(0, i) + inserted + text.slice(i)), `${inserted}`);
    const swapped = `${text.slice(0, i)}${text.charAt(i + 1)}${text.charAt(i)}${text.slice(i + 2)}`;
    if (swapped !== text) assert.ok(!isAccepted(swapped), `swapped at ${i}`);
  }
});

it('refuses any credential with one character changed, cut off or added', () => {
  const character = fc.string({ unit: 'binary', minLength: 1, maxLength: 1 });
  fc.assert(
    fc.property(credentials, fc.nat(), character, (text, at, other) => {
      const i = at % text.length;
      if (text.charAt(i) !== other) assert.ok(!isAccepted(text.slice(0, i) + other + text.slice(i + 1)));
      assert.ok(!isAccepted(text.slice(0, i)));
      assert.ok(!isAccepted(text + other));
      assert.ok(!isAccepted(other + text));
    }),
    { numRuns: 1000 },
  );
});

it('refuses any text that it did not make, and never throws', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 120 }), (text) => !isAccepted(text)),
    { numRuns: 1000 },
  );
  for (const text of ['', '_', 'a'.repeat(1_000_000), '_'.repeat(60), '\ud800'.repeat(60)])
    assert.ok(!isAccepted(text));
});

it('takes prefixes of 2 to 24 lower-case letters, digits and underscores only', () => {
  const pattern = new RegExp(PREFIX_PATTERN);
  for (const prefix of ['ab', '__', '00', 'a'.repeat(24), TOKEN_PREFIX]) {
    assert.ok(pattern.test(prefix));
    assert.ok(isAccepted(formatCredential(prefix, randomBytes(32))));
  }
  for (const prefix of ['', 'a', 'a'.repeat(25), 'Ab', 'a-b', 'a b', 'ab\n', 'äb', 'a.b']) {
    assert.ok(!pattern.test(prefix), JSON.stringify(prefix));
    assert.ok(!isAccepted(formatCredential(prefix, randomBytes(32))), JSON.stringify(prefix));
  }
});

it('makes credentials from 32 bytes and nothing else', () => {
  for (const length of [0, 31, 33]) assert.throws(() => formatCredential(PREFIX, randomBytes(length)), RangeError);
});

it('hints with the first four characters of the secret, of every prefix', () => {
  fc.assert(
    fc.property(prefixes, secrets, (prefix, secret) => {
      const text = formatCredential(prefix, secret);
      assert.equal(credentialHint(text), text.slice(prefix.length + 1, prefix.length + 5));
    }),
  );
});
