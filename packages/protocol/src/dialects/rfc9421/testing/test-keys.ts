import { createHmac, createPublicKey, type JsonWebKey, timingSafeEqual, verify } from 'node:crypto';
import type { SignatureAlgorithm } from '../../dialect.ts';
import type { TestKeyName } from './vectors/signed-messages.ts';

/** Keys of RFC 9421 Appendix B.1 as JWK: test vectors. The private half only where signatures are deterministic. */
export const TEST_KEYS: Readonly<Record<Exclude<TestKeyName, 'test-shared-secret'>, JsonWebKey>> = {
  'test-key-rsa': {
    kty: 'RSA',
    e: 'AQAB',
    n: 'hAKYdtoeoy8zcAcR874L8cnZxKzAGwd7v36APp7Pv6Q2jdsPBRrwWEBnez6d0UDKDwGbc6nxfEXAy5mbhgajzrw3MOEt8uA5txSKobBpKDeBLOsdJKFqMGmXCQvEG7YemcxDTRPxAleIAgYYRjTSd_QBwVW9OwNFhekro3RtlinV0a75jfZgkne_YiktSvLG34lw2zqXBDTC5NHROUqGTlML4PlNZS5Ri2U4aCNx2rUPRcKIlE0PuKxI4T-HIaFpv8-rdV6eUgOrB2xeI1dSFFn_nnv5OoZJEIB-VmuKn3DCUcCZSFlQPSXSfBDiUGhwOw76WuSSsf1D4b_vLoJ10w',
  },
  'test-key-rsa-pss': {
    kty: 'RSA',
    e: 'AQAB',
    n: 'r4tmm3r20Wd_PbqvP1s2-QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct-Lh1GH45x28Rw3Ry53mm-oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHqgDsznjPFmTOtCEcN2Z1FpWgchwuYLPL-Wokqltd11nqqzi-bJ9cvSKADYdUAAN5WUtzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4aOT9v6d-nb4bnNkQVklLQ3fVAvJm-xdDOp9LCNCN48V2pnDOkFV6-U9nV5oyc6XI2w',
  },
  'test-key-ecc-p256': {
    kty: 'EC',
    crv: 'P-256',
    x: 'qIVYZVLCrPZHGHjP17CTW0_-D9Lfw0EkjqF7xB4FivA',
    y: 'Mc4nN9LTDOBhfoUeg8Ye9WedFRhnZXZJA12Qp0zZ6F0',
  },
  'test-key-ed25519': {
    kty: 'OKP',
    crv: 'Ed25519',
    d: 'n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU',
    x: 'JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs',
  },
};

/** RFC 9421 Appendix B.1.5, in Base64: a test vector. */
export const TEST_SECRET = 'uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==';

export const TEST_ALGORITHMS: Readonly<Record<TestKeyName, SignatureAlgorithm>> = {
  'test-key-rsa': 'rsa-v1_5-sha256',
  'test-key-rsa-pss': 'rsa-pss-sha512',
  'test-key-ecc-p256': 'ecdsa-p256-sha256',
  'test-key-ed25519': 'ed25519',
  'test-shared-secret': 'hmac-sha256',
};

/** HTTP_VERIFY of RFC 9421 §3.3 with a key of Appendix B.1. */
export function verifies(name: TestKeyName, base: Uint8Array, signature: Uint8Array): boolean {
  if (name === 'test-shared-secret') {
    const mac = createHmac('sha256', Buffer.from(TEST_SECRET, 'base64')).update(base).digest();
    return mac.length === signature.length && timingSafeEqual(mac, signature);
  }
  const key = createPublicKey({ key: TEST_KEYS[name], format: 'jwk' });
  switch (name) {
    case 'test-key-rsa':
      return verify('sha256', base, key, signature);
    case 'test-key-rsa-pss':
      return verify('sha512', base, { key, padding: 6, saltLength: 64 }, signature);
    case 'test-key-ecc-p256':
      return verify('sha256', base, { key, dsaEncoding: 'ieee-p1363' }, signature);
    case 'test-key-ed25519':
      return verify(null, base, key, signature);
  }
}
