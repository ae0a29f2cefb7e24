import assert from 'node:assert/strict';
import { createPublicKey, createSecretKey, type KeyObject } from 'node:crypto';
import { describe, it } from 'node:test';
import type { SignatureAlgorithm } from '@keyhold/protocol/dialects/dialect';
import { isSignedWith, type Signed } from '@keyhold/verifier/verify-signature';
import { bytesOf, type Case, eachCase, type Group, nameOf } from '../testing/wycheproof.ts';

const publicKeyOf = ({ publicKeyDer = '' }: Group): KeyObject =>
  createPublicKey({ key: Buffer.from(publicKeyDer, 'hex'), format: 'der', type: 'spki' });

const signedIn = (test: Case, signature: string): Signed => ({
  base: [bytesOf(test, 'msg')],
  signature: bytesOf(test, signature),
});

describe('Wycheproof, by the function that verifies requests', () => {
  const files = [
    ['ed25519_test.json', 'ed25519', {}],
    ['ecdsa_secp256r1_sha256_p1363_test.json', 'ecdsa-p256-sha256', { ecdsaEncoding: 'ieee-p1363' }],
    ['ecdsa_secp256r1_sha256_test.json', 'ecdsa-p256-sha256', { ecdsaEncoding: 'der' }],
    ['rsa_signature_2048_sha256_test.json', 'rsa-v1_5-sha256', {}],
  ] as const satisfies readonly (readonly [string, SignatureAlgorithm, Partial<Signed>])[];
  for (const [file, algorithm, encoding] of files) {
    it(`${file}: accepts what is valid, and nothing that is not`, (t) => {
      eachCase(
        t,
        file,
        () => true,
        (test, group) => {
          const accepted = isSignedWith(publicKeyOf(group), algorithm, { ...signedIn(test, 'sig'), ...encoding });
          // The acceptable case of RSA leaves the NULL of the hash's parameters out. RFC 8017 §8.2.2 compares encodings,
          // and there is one with it.
          assert.equal(accepted, test.result === 'valid', nameOf(test));
        },
      );
    });
  }

  for (const [file, algorithm] of [
    ['hmac_sha256_test.json', 'hmac-sha256'],
    ['hmac_sha512_test.json', 'hmac-sha512'],
  ] as const) {
    it(`${file}: accepts a whole tag that is valid, and none that is cut short`, (t) => {
      const whole = algorithm === 'hmac-sha256' ? 256 : 512;
      eachCase(
        t,
        file,
        () => true,
        (test, { tagSize = 0 }) => {
          const accepted = isSignedWith(createSecretKey(bytesOf(test, 'key')), algorithm, signedIn(test, 'tag'));
          assert.equal(accepted, test.result === 'valid' && tagSize === whole, nameOf(test));
        },
      );
    });
  }
});
