import assert from 'node:assert/strict';
import { constants, createPublicKey, verify } from 'node:crypto';
import { it } from 'node:test';
import type { SignatureAlgorithm } from '@keyhold/protocol/dialects/dialect';
import { flatten, isSignedWith } from '@keyhold/protocol/dialects/testing/keys';
import { bodyOf, claimOf, KEYS, makeVectors, readJson, sign, VECTORS, written } from './testing/make-vectors.ts';
import type { Vector, VectorFile } from './testing/vector-format.ts';

const FILE = readJson<VectorFile>(VECTORS);

/** With node:crypto, and none of the code that signs. */
function isGood({ signer }: Vector, algorithm: SignatureAlgorithm, base: Buffer, signature: Uint8Array): boolean {
  const key = createPublicKey(KEYS[signer.key].publicKey ?? '');
  if (algorithm === 'ed25519') return verify(null, base, key, signature);
  if (algorithm === 'ecdsa-p256-sha256') return verify('sha256', base, { key, dsaEncoding: 'ieee-p1363' }, signature);
  if (algorithm === 'rsa-v1_5-sha256') return verify('sha256', base, key, signature);
  return verify('sha512', base, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 64 }, signature);
}

it('the vectors are what is signed here, byte for byte, and every signature in them is good', async (t) => {
  const made = new Set<string>();
  for (const vector of FILE.vectors) {
    const signed = await sign(vector);
    const claim = claimOf(vector.signer.dialect, signed);
    assert.equal(flatten(claim.base).toString('base64'), vector.base, vector.name);
    if (vector.deterministic) assert.deepEqual(written(signed), vector.signed, vector.name);
    const ofFile = { ...vector.signed, body: bodyOf(vector.signed.body) };
    for (const { signature, base, ...read } of [claim, claimOf(vector.signer.dialect, ofFile)]) {
      const { algorithm } = vector.signer;
      const good =
        algorithm === undefined
          ? isSignedWith(
              { secret: KEYS[vector.signer.key].secret ?? '' },
              { ...read, base, signature },
              read.algorithms[0],
            )
          : isGood(vector, algorithm, flatten(base), signature);
      assert.ok(good, vector.name);
    }
    assert.equal(Buffer.from(claimOf(vector.signer.dialect, ofFile).signature).toString('base64'), vector.signature);
    made.add(`${vector.signer.dialect.dialect} ${vector.signer.algorithm ?? 'hmac'}`);
  }
  t.diagnostic(`${FILE.vectors.length} vectors of ${made.size} dialects and kinds of keys`);
  assert.ok(FILE.vectors.length >= 100 && made.size >= 14);
});

it('what cannot be signed in a dialect is refused before anything is signed', async (t) => {
  for (const one of FILE.refused) await assert.rejects(sign(one), TypeError, one.name);
  t.diagnostic(`${FILE.refused.length} refusals`);
  assert.ok(FILE.refused.length >= 40);
});

it('the file is not stale: `node packages/sdk/src/signing/testing/write-vectors.ts` writes it as it is', async () => {
  assert.deepEqual(JSON.parse(JSON.stringify(await makeVectors(FILE))), FILE);
});
