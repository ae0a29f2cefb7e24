import assert from 'node:assert/strict';
import { constants, createPublicKey, type KeyObject, verify, webcrypto } from 'node:crypto';
import { describe, it } from 'node:test';
import type { SignatureAlgorithm } from '@keyhold/protocol/dialects/dialect';
import { DIALECT_NAMES } from '@keyhold/protocol/dialects/settings';
import { flatten, isSignedWith } from '@keyhold/protocol/dialects/testing/keys';
import { possessionStatement } from '@keyhold/protocol/possession';
import { PUBLIC_KEY_ALGORITHMS } from '@keyhold/protocol/state';
import { generateSigningKey, type LocalKey, provePossession } from './local-key.ts';
import { type Signer, signRequest } from './sign-request.ts';
import { claimOf } from './testing/make-vectors.ts';
import { HMAC, OTHER_HMAC } from './testing/vector-cases.ts';

const SECRET = Buffer.alloc(48, 'keyhold test').toString('base64');
const PAIRS = {
  ed25519: await generateSigningKey('ed25519'),
  'ecdsa-p256': await generateSigningKey('ecdsa-p256'),
  rsa: await generateSigningKey('rsa'),
};
const OF_PAIR = {
  ed25519: PAIRS.ed25519,
  'ecdsa-p256-sha256': PAIRS['ecdsa-p256'],
  'rsa-pss-sha512': PAIRS.rsa,
  'rsa-v1_5-sha256': PAIRS.rsa,
} as const;
type PrivateAlgorithm = keyof typeof OF_PAIR;

function publicKeyOf({ publicKey }: LocalKey): KeyObject {
  return createPublicKey({ key: Buffer.from(publicKey, 'hex'), format: 'der', type: 'spki' });
}

/** With node:crypto, and none of the code that signs. */
function isGood(algorithm: PrivateAlgorithm, bytes: Uint8Array, signature: Uint8Array): boolean {
  const key = publicKeyOf(OF_PAIR[algorithm]);
  if (algorithm === 'ed25519') return verify(null, bytes, key, signature);
  if (algorithm === 'ecdsa-p256-sha256') return verify('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' }, signature);
  if (algorithm === 'rsa-v1_5-sha256') return verify('sha256', bytes, key, signature);
  return verify('sha512', bytes, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 64 }, signature);
}

const hmac = { kind: 'hmac', secret: SECRET } as const;
const ALL: readonly (readonly [dialect: Signer['dialect'], algorithms: readonly SignatureAlgorithm[]])[] = [
  ['rfc9421', ['hmac-sha256', ...(Object.keys(OF_PAIR) as PrivateAlgorithm[])]],
  ['binance', ['hmac-sha256', 'ed25519', 'rsa-v1_5-sha256']],
  ['bybit', ['hmac-sha256', 'rsa-v1_5-sha256']],
  ['okx', ['hmac-sha256']],
  ['kraken', ['hmac-sha512']],
  ['coinbase-exchange', ['hmac-sha256']],
  ['coinbase-cdp', ['ed25519', 'ecdsa-p256-sha256']],
  [HMAC, ['hmac-sha256']],
  [OTHER_HMAC, ['hmac-sha512']],
];
const ALGORITHMS: readonly SignatureAlgorithm[] = ['hmac-sha256', ...(Object.keys(OF_PAIR) as PrivateAlgorithm[])];

function signerOf(dialect: Signer['dialect'], algorithm: SignatureAlgorithm): Signer {
  const who = { dialect, credential: 'cred_0123', passphrase: 'open sesame' };
  if (algorithm === 'hmac-sha256' || algorithm === 'hmac-sha512') return { ...who, key: hmac };
  return { ...who, key: { kind: 'private', algorithm, key: OF_PAIR[algorithm].privateKey } };
}

function requestIn(dialect: Signer['dialect']) {
  const [method, body] = dialect === 'kraken' ? ['post', 'asset=XBT'] : ['get', ''];
  return { method, url: `https://api.example/v1/orders%2F1${dialect === 'kraken' ? '' : '?a=1&a=%2F'}`, body };
}

const settingsOf = (dialect: Signer['dialect']) => (typeof dialect === 'string' ? { dialect } : dialect);

describe('a request is signed', () => {
  for (const [dialect, algorithms] of ALL) {
    const { dialect: name } = settingsOf(dialect);
    for (const algorithm of algorithms) {
      it(`in ${name} with ${algorithm}, as its dialect reads it`, async () => {
        const signed = await signRequest(signerOf(dialect, algorithm), requestIn(dialect));
        const claim = claimOf(settingsOf(dialect) as never, signed);
        assert.ok(claim.algorithms.includes(algorithm));
        const good = algorithm.startsWith('hmac')
          ? isSignedWith({ secret: SECRET }, claim, algorithm)
          : isGood(algorithm as PrivateAlgorithm, flatten(claim.base), claim.signature);
        assert.ok(good);
        assert.equal(claim.credential, 'cred_0123');
        const { freshness, nonce } = claim;
        if (freshness === null) assert.equal(nonce?.kind, 'rising');
        else assert.ok(freshness.after < Date.now() && Date.now() <= freshness.until);
      });
    }
    it(`in ${name} with no other kind of key`, async () => {
      for (const algorithm of ALGORITHMS.filter(
        (one) => !algorithms.some((own) => own.slice(0, 7) === one.slice(0, 7)),
      )) {
        await assert.rejects(signRequest(signerOf(dialect, algorithm), requestIn(dialect)), TypeError, algorithm);
      }
    });
  }

  it('in every dialect there is', () => {
    assert.deepEqual(new Set(ALL.map(([dialect]) => settingsOf(dialect).dialect)), new Set(DIALECT_NAMES));
  });

  it('with a nonce of its own each time, and one that rises', async () => {
    const nonces = [];
    for (let i = 0; i < 50; i++) {
      const { nonce } = claimOf(
        { dialect: 'kraken' },
        await signRequest(signerOf('kraken', 'hmac-sha512'), requestIn('kraken')),
      );
      nonces.push(nonce?.kind === 'rising' ? nonce.value : 0n);
    }
    for (const [i, nonce] of nonces.entries()) assert.ok(nonce > (nonces[i - 1] ?? 0n));
    const texts = await Promise.all(
      Array.from({ length: 50 }, async () => {
        const { nonce } = claimOf(
          { dialect: 'rfc9421' },
          await signRequest(signerOf('rfc9421', 'hmac-sha256'), requestIn('okx')),
        );
        return nonce?.kind === 'once' ? nonce.value : '';
      }),
    );
    assert.equal(new Set(texts).size, 50);
  });

  it('with a key of WebCrypto that cannot be taken out', async () => {
    const made: unknown = await webcrypto.subtle.generateKey({ name: 'Ed25519' }, false, ['sign', 'verify']);
    const { privateKey, publicKey } = made as webcrypto.CryptoKeyPair;
    const signer = { dialect: 'rfc9421', credential: 'cred_1' } as const;
    const key = { kind: 'private', algorithm: 'ed25519', key: privateKey } as const;
    const claim = claimOf({ dialect: 'rfc9421' }, await signRequest({ ...signer, key }, requestIn('rfc9421')));
    const bytes = new Uint8Array(flatten(claim.base));
    assert.ok(await webcrypto.subtle.verify('Ed25519', publicKey, new Uint8Array(claim.signature), bytes));
  });

  it('with no key that is none', async () => {
    const signer = { dialect: 'rfc9421', credential: 'cred_1' } as const;
    const wrong: Signer['key'][] = [
      { kind: 'hmac', secret: 'no base 64!' },
      { kind: 'private', algorithm: 'ed25519', key: PAIRS['ecdsa-p256'].privateKey },
      { kind: 'private', algorithm: 'rsa-pss-sha512', key: 'hello' },
    ];
    for (const key of wrong) await assert.rejects(signRequest({ ...signer, key }, requestIn('rfc9421')), DOMException);
  });
});

describe('a key that is made here', () => {
  for (const algorithm of PUBLIC_KEY_ALGORITHMS) {
    it(`proves possession of itself for one holder: ${algorithm}`, async () => {
      const key = PAIRS[algorithm];
      const now = () => Date.UTC(2026, 0, 2, 3, 4, 5, 6);
      const meant = { environment: 'market/test', holder: 'cons_1' };
      const { publicKey, proof, kind } = await provePossession(key, { ...meant, now });
      assert.deepEqual([kind, publicKey, proof.at], ['public-key', key.publicKey, '2026-01-02T03:04:05.006Z']);
      const provesWith = Object.keys(OF_PAIR).find(
        (one) => OF_PAIR[one as PrivateAlgorithm] === key,
      ) as PrivateAlgorithm;
      const signature = Buffer.from(proof.signature, 'base64');
      const statement = possessionStatement({ ...meant, publicKey, at: proof.at });
      assert.ok(isGood(provesWith, statement, signature));
      const other = possessionStatement({ ...meant, holder: 'cons_2', publicKey, at: proof.at });
      assert.equal(isGood(provesWith, other, signature), false);
    });
  }
});
