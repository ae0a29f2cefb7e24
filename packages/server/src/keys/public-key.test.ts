import assert from 'node:assert/strict';
import { constants, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { describe, it } from 'node:test';
import { isRefusal } from '@keyhold/protocol/errors';
import { possessionStatement } from '@keyhold/protocol/possession';
import { readPublicKey } from './public-key.ts';

const NOW = Date.UTC(2026, 10, 24, 12);
const HOLDER = { environment: 'market/live', holder: 'cons_1' };
const AT = new Date(NOW).toISOString();

interface Pair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

const hexOf = ({ publicKey }: Pair) => publicKey.export({ type: 'spki', format: 'der' }).toString('hex');

function proofOf(pair: Pair, changes: Partial<Parameters<typeof possessionStatement>[0]> = {}): string {
  const statement = possessionStatement({ ...HOLDER, publicKey: hexOf(pair), at: AT, ...changes });
  const key = pair.privateKey;
  if (key.asymmetricKeyType === 'ed25519') return sign(null, statement, key).toString('base64');
  const ec = key.asymmetricKeyType === 'ec';
  const pss = { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 64 };
  return sign(ec ? 'sha256' : 'sha512', statement, ec ? { key, dsaEncoding: 'ieee-p1363' } : pss).toString('base64');
}

function read(publicKey: string, signature: string, at = AT, holder = HOLDER, now = NOW) {
  return readPublicKey({ kind: 'public-key', publicKey, proof: { at, signature } }, holder, now);
}

const rsa = (modulusLength: number, publicExponent = 65_537) =>
  generateKeyPairSync('rsa', { modulusLength, publicExponent });

describe("a consumer's public key", () => {
  const good = {
    ed25519: generateKeyPairSync('ed25519'),
    'ecdsa-p256': generateKeyPairSync('ec', { namedCurve: 'prime256v1' }),
    rsa: rsa(2048),
  };

  it('is taken as PEM and as hex, and kept in one form', () => {
    for (const [algorithm, pair] of Object.entries(good)) {
      const pem = pair.publicKey.export({ type: 'spki', format: 'pem' }) as string;
      for (const text of [pem, hexOf(pair), hexOf(pair).toUpperCase()]) {
        assert.deepEqual(read(text, proofOf(pair)), { algorithm, publicKey: hexOf(pair) });
      }
    }
  });

  it('is not taken without a proof of this key, holder, environment and hour', () => {
    const pair = good.ed25519;
    const stranger = generateKeyPairSync('ed25519');
    const cases: [string, ReturnType<typeof read>][] = [
      ["another key's", read(hexOf(pair), proofOf(stranger, { publicKey: hexOf(pair) }))],
      ["another holder's", read(hexOf(pair), proofOf(pair, { holder: 'cons_2' }))],
      ["another environment's", read(hexOf(pair), proofOf(pair, { environment: 'market/test' }))],
      ["another key's statement", read(hexOf(pair), proofOf(pair, { publicKey: hexOf(stranger) }))],
      ['said to be of another time', read(hexOf(pair), proofOf(pair), new Date(NOW + 1000).toISOString())],
      ['none', read(hexOf(pair), Buffer.alloc(64).toString('base64'))],
      ['of eleven minutes ago', read(hexOf(pair), proofOf(pair), AT, HOLDER, NOW + 11 * 60_000)],
      ['of the future', read(hexOf(pair), proofOf(pair), AT, HOLDER, NOW - 11 * 60_000)],
    ];
    for (const [what, result] of cases) {
      assert.ok(isRefusal(result) && result.refused === 'POSSESSION_UNPROVEN', what);
    }
  });

  it('is not taken where it is weak, of another kind, or private', () => {
    const others: [string, Pair][] = [
      ['RSA of 1024 bits', rsa(1024)],
      ['RSA with exponent 3', rsa(2048, 3)],
      ['P-384', generateKeyPairSync('ec', { namedCurve: 'secp384r1' })],
      ['Ed448', generateKeyPairSync('ed448')],
      ['X25519', generateKeyPairSync('x25519')],
    ];
    const texts = others.map(([what, pair]) => [what, hexOf(pair)] as const);
    const secret = good.ed25519.privateKey;
    const more = [
      ['a private key', secret.export({ type: 'pkcs8', format: 'pem' }) as string],
      ['a private key as hex', secret.export({ type: 'pkcs8', format: 'der' }).toString('hex')],
      ['nothing', ''],
      ['half of one', hexOf(good.rsa).slice(0, 200)],
      ['text', 'x'.repeat(100)],
    ] as const;
    for (const [what, text] of [...texts, ...more]) {
      const result = read(text, Buffer.alloc(64).toString('base64'));
      assert.ok(isRefusal(result) && result.refused === 'INVALID_INPUT', what);
      assert.equal(result.detail.includes(text.slice(0, 40)) && text !== '', false, 'nothing of it is repeated');
    }
  });
});
