import assert from 'node:assert/strict';
import { createHash, createHmac, createPrivateKey, sign } from 'node:crypto';
import { test } from 'node:test';
import { isMalformed } from '../dialect.ts';
import { isRefused } from './malformed.ts';
import { type Message, requestMessage, responseMessage } from './message.ts';
import { readSignature } from './read-signature.ts';
import { signatureBase } from './signature-base.ts';
import { chosenSignature, type LabelledSignature } from './signature-fields.ts';
import { requestOf, responseOf } from './testing/http-text.ts';
import { TEST_ALGORITHMS, TEST_KEYS, TEST_SECRET, verifies } from './testing/test-keys.ts';
import { SIGNED, type SignedVector } from './testing/vectors/signed-messages.ts';

function messageOf({ message, request }: SignedVector): Message {
  if (!message.startsWith('HTTP/')) return requestMessage(requestOf(message));
  return responseMessage(responseOf(message), request === undefined ? null : requestOf(request));
}

/** The vector's own signature: in §4.3 the proxy's stands second. */
function signatureOf(vector: SignedVector, message: Message): LabelledSignature {
  const { headers } = message;
  if (vector.section === '4.3 proxy') {
    const swapped = vector.message.replace(/^(Signature-Input: )(.*), (proxy_sig=.*)$/m, '$1$3, $2');
    return signatureOf({ ...vector, section: '' }, requestMessage(requestOf(swapped)));
  }
  const chosen = chosenSignature(headers, undefined);
  if (isRefused(chosen)) assert.fail(chosen.malformed);
  return chosen;
}

for (const vector of SIGNED) {
  const { section, key, base: printed, valid = true } = vector;
  test(`RFC 9421 §${section}: the base is the printed one, and its signature is ${valid ? 'good' : 'not'}`, () => {
    const message = messageOf(vector);
    const { input, signature } = signatureOf(vector, message);
    const base = signatureBase(message, input);
    if (isRefused(base)) assert.fail(base.malformed);
    if (printed !== undefined) assert.equal(new TextDecoder().decode(base.bytes), printed);
    assert.equal(verifies(key, base.bytes, signature), valid);
  });
}

for (const vector of SIGNED.filter(({ key }) => key === 'test-shared-secret' || key === 'test-key-ed25519')) {
  if (vector.valid === false) continue;
  test(`RFC 9421 §${vector.section}: signing our base gives the printed signature, byte for byte`, () => {
    const message = messageOf(vector);
    const { input, signature } = signatureOf(vector, message);
    const base = signatureBase(message, input);
    if (isRefused(base)) assert.fail(base.malformed);
    const made =
      vector.key === 'test-shared-secret'
        ? createHmac('sha256', Buffer.from(TEST_SECRET, 'base64')).update(base.bytes).digest()
        : sign(null, base.bytes, createPrivateKey({ key: TEST_KEYS['test-key-ed25519'], format: 'jwk' }));
    assert.equal(made.toString('hex'), Buffer.from(signature).toString('hex'));
  });
}

test('a claim says who signed, since when, and which digest the body must have', () => {
  const vector = SIGNED.find(({ section }) => section === 'B.2.3');
  assert.ok(vector !== undefined);
  const claim = readSignature(messageOf(vector), { components: [], maxAgeSeconds: 60, nonceRequired: false });
  if (isMalformed(claim)) assert.fail(claim.malformed);
  assert.equal(claim.credential, 'test-key-rsa-pss');
  assert.deepEqual(claim.freshness, {
    signedAt: 1618884473000,
    after: 1618884471999,
    until: 1618884533000,
    longest: 1618885073000,
  });
  const body = createHash('sha512').update('{"hello": "world"}').digest();
  assert.deepEqual(claim.digests, [{ algorithm: 'sha-512', value: new Uint8Array(body) }]);
  assert.ok(claim.algorithms.includes(TEST_ALGORITHMS[vector.key]));
});
