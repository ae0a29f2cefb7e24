import assert from 'node:assert/strict';
import { createSecretKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { it } from 'node:test';
import type { FieldLine } from '@keyhold/protocol/dialects/dialect';
import { isMalformed } from '@keyhold/protocol/dialects/dialect';
import { rfc9421 } from '@keyhold/protocol/dialects/rfc9421/rfc9421';
import { isSignedWith } from '@keyhold/verifier/verify-signature';
import { type Algorithm, createSigner, createVerifier, httpbis } from 'http-message-signatures';
import { signRequest } from './sign-request.ts';
import type { SigningKey } from './signing-key.ts';

const SECRET = Buffer.alloc(48, 7);
const RSA = generateKeyPairSync('rsa', { modulusLength: 2048 });
const HMAC = createSecretKey(SECRET);
const KEYS = {
  ed25519: generateKeyPairSync('ed25519'),
  'ecdsa-p256-sha256': generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  'rsa-pss-sha512': RSA,
  'rsa-v1_5-sha256': RSA,
  'hmac-sha256': { privateKey: HMAC, publicKey: HMAC },
} as const satisfies Record<string, { privateKey: KeyObject; publicKey: KeyObject }>;

const TARGET = '/v1/orders?id=a%2Fb&x=1';
const URL_OF_API = `https://api.example${TARGET}`;
const COMPONENTS = [
  '@method',
  '@target-uri',
  '@authority',
  '@path',
  '@query',
  '@query-param;name="id"',
  'content-type',
];

for (const [name, { privateKey, publicKey }] of Object.entries(KEYS)) {
  const algorithm = name as keyof typeof KEYS & Algorithm;

  it(`${name}: what http-message-signatures signs is verified here, and not where something was changed`, async () => {
    const headers = { host: 'api.example', 'content-type': 'application/json', 'x-many': ['one', 'two, three'] };
    const fields = [...COMPONENTS, '@scheme', 'x-many'].map((one) => one.replace(/^([^;]+)/, '"$1"'));
    const { headers: sent } = await httpbis.signMessage(
      {
        key: createSigner(privateKey, algorithm, 'cred_1'),
        fields,
        params: ['created', 'keyid', 'alg', 'nonce'],
        paramValues: { created: new Date(1_785_000_000_000), nonce: 'n1' },
      },
      { method: 'POST', url: URL_OF_API, headers },
    );
    const lines = Object.entries(sent).flatMap(([name, value]) =>
      [value].flat().map((one): FieldLine => [name, String(one)]),
    );
    const read = (target: string) => {
      const received = { method: 'POST', target, scheme: 'https', headers: lines, body: new Uint8Array() } as const;
      const claim = rfc9421.read(received, { dialect: 'rfc9421', components: COMPONENTS });
      if (isMalformed(claim)) assert.fail(claim.malformed);
      assert.deepEqual([claim.credential, claim.algorithms, claim.nonce?.value], ['cred_1', [algorithm], 'n1']);
      return isSignedWith(publicKey, algorithm, claim);
    };
    assert.equal(read(TARGET), true);
    assert.equal(read(TARGET.replace('x=1', 'x=2')), false);
  });

  it(`${name}: what we sign, http-message-signatures verifies, and not where something was changed`, async () => {
    const key: SigningKey =
      algorithm === 'hmac-sha256'
        ? { kind: 'hmac', secret: SECRET.toString('base64') }
        : { kind: 'private', algorithm, key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string };
    const signed = await signRequest(
      { dialect: { dialect: 'rfc9421', components: COMPONENTS }, credential: 'cred_1', key },
      { method: 'POST', url: URL_OF_API, headers: [['Content-Type', 'application/json']], body: '{"a":1}' },
    );
    const headers = {
      host: 'api.example',
      ...Object.fromEntries(signed.headers.map(([name, value]) => [name.toLowerCase(), value])),
    };
    const keyLookup = async ({ keyid }: { keyid?: string }) => {
      assert.equal(keyid, 'cred_1');
      return { id: 'cred_1', algs: [algorithm], verify: createVerifier(publicKey, algorithm) };
    };
    const verified = async (url: string) =>
      (await httpbis.verifyMessage({ keyLookup }, { method: 'POST', url, headers }).catch(() => false)) === true;
    assert.equal(await verified(signed.url), true);
    assert.equal(await verified(signed.url.replace('x=1', 'x=2')), false);
  });
}
