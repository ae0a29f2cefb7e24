import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { describe, it } from 'node:test';
import { bytesOf, type Case, eachCase, nameOf } from '../testing/wycheproof.ts';

type Multiply = (scalar: Uint8Array, point: Uint8Array) => Uint8Array | Promise<Uint8Array>;

/** What `age-encryption` itself runs: its own file, and the libraries that it finds from where it lies. */
const AGE = import.meta.resolve('age-encryption');
const ofAge = (name: string) => import(createRequire(AGE).resolve(name));

/** What takes part in no key (RFC 7748 §6.1): the result would be zero, whatever the private key. */
const isLowOrder = ({ flags }: Case) => flags.includes('ZeroSharedSecret');

/** jose has no X25519 of its own (RFC 8037 §3.2): it asks the same interface, with keys in JWK. */
async function multiplyAsJose(scalar: Uint8Array, point: Uint8Array): Promise<Uint8Array> {
  const { subtle } = globalThis.crypto;
  const algorithm = { name: 'X25519' };
  const bytes = (value: Uint8Array) => Buffer.from(value).toString('base64url');
  const publicJwk = { kty: 'OKP', crv: 'X25519', x: bytes(point) };
  const own = { kty: 'OKP', crv: 'X25519', d: bytes(scalar), x: bytes(await multiplyBase(scalar)) };
  const [publicKey, privateKey] = [
    await subtle.importKey('jwk', publicJwk, algorithm, true, []),
    await subtle.importKey('jwk', own, algorithm, true, ['deriveBits']),
  ];
  return new Uint8Array(await subtle.deriveBits({ name: 'X25519', public: publicKey }, privateKey, 256));
}

const multiplyBase = async (scalar: Uint8Array): Promise<Uint8Array> =>
  (await ofAge('@noble/curves/ed25519.js')).x25519.getPublicKey(scalar);

describe('Wycheproof, by what encrypts to recipients', () => {
  const implementations: readonly (readonly [name: string, load: () => Promise<Multiply>])[] = [
    ['age to X25519', async () => (await import(new URL('./x25519.js', AGE).href)).scalarMult],
    ['age to its hybrid', async () => (await ofAge('@noble/curves/ed25519.js')).x25519.scalarMult],
    ['JWE', async () => multiplyAsJose],
  ];
  for (const [name, load] of implementations) {
    it(`X25519, ${name}: agrees on what is valid, and on nothing that would be zero`, async (t) => {
      const multiply = await load();
      const cases: Case[] = [];
      eachCase(
        t,
        'x25519_test.json',
        () => true,
        (test) => void cases.push(test),
      );
      for (const test of cases) {
        const shared = async () =>
          Buffer.from(await multiply(bytesOf(test, 'private'), bytesOf(test, 'public'))).toString('hex');
        if (isLowOrder(test)) await assert.rejects(shared, nameOf(test));
        else assert.equal(await shared(), test['shared'], nameOf(test));
      }
      t.diagnostic(`${cases.length} cases, ${cases.filter(isLowOrder).length} of them refused as of low order`);
    });
  }

  it('ML-KEM-768, age to its hybrid: makes the key of every seed, decapsulates what is valid, and nothing of another size', async (t) => {
    const { ml_kem768: kem } = await ofAge('@noble/post-quantum/ml-kem.js');
    eachCase(
      t,
      'mlkem_768_test.json',
      () => true,
      (test) => {
        const decapsulated = () => {
          const { publicKey, secretKey } = kem.keygen(bytesOf(test, 'seed'));
          assert.equal(Buffer.from(publicKey).toString('hex'), test['ek'], nameOf(test));
          return Buffer.from(kem.decapsulate(bytesOf(test, 'c'), secretKey)).toString('hex');
        };
        if (test.result === 'valid') assert.equal(decapsulated(), test['K'], nameOf(test));
        else assert.throws(decapsulated, (error: Error) => error.name !== 'AssertionError', nameOf(test));
      },
    );
  });
});
