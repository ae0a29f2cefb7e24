import { KEY_BYTES, NONCE_BYTES, TAG_BYTES, open } from '@keyhold/verifier/open-envelope';
import assert from 'node:assert/strict';
import { createHmac, createSecretKey, hkdfSync } from 'node:crypto';
import { describe, it } from 'node:test';
import { bytesOf, eachCase, type Group, nameOf } from '../testing/wycheproof.ts';
import { seal } from './aead.ts';

describe('Wycheproof', () => {
  it('AES-GCM: opens what is valid with our sizes, and nothing that is not', (t) => {
    const isUsed = ({ keySize, ivSize, tagSize }: Group) =>
      keySize === KEY_BYTES * 8 && ivSize === NONCE_BYTES * 8 && tagSize === TAG_BYTES * 8;
    eachCase(t, 'aes_gcm_test.json', isUsed, (test) => {
      const [key, aad, message] = [createSecretKey(bytesOf(test, 'key')), bytesOf(test, 'aad'), bytesOf(test, 'msg')];
      const sealed = Buffer.concat(['iv', 'ct', 'tag'].map((member) => bytesOf(test, member)));
      const opened = open(key, sealed, aad);
      assert.equal(opened?.toString('hex'), test.result === 'valid' ? test['msg'] : undefined, nameOf(test));
      assert.ok(open(key, seal(key, message, aad), aad)?.equals(message), nameOf(test));
    });
  });

  it('HMAC-SHA256: node:crypto makes every valid tag, whole or cut, and no other', (t) => {
    eachCase(
      t,
      'hmac_sha256_test.json',
      () => true,
      (test, { tagSize = 0 }) => {
        const mac = createHmac('sha256', bytesOf(test, 'key')).update(bytesOf(test, 'msg')).digest();
        const isValid = mac.subarray(0, tagSize / 8).equals(bytesOf(test, 'tag'));
        assert.equal(isValid, test.result === 'valid', nameOf(test));
      },
    );
  });

  it('HKDF-SHA256: node:crypto derives every valid key, and refuses a length beyond the bound', (t) => {
    eachCase(
      t,
      'hkdf_sha256_test.json',
      () => true,
      (test) => {
        const [ikm, salt, info] = ['ikm', 'salt', 'info'].map((member) => bytesOf(test, member)) as [
          Buffer,
          Buffer,
          Buffer,
        ];
        const derive = () => Buffer.from(hkdfSync('sha256', ikm, salt, info, Number(test['size']))).toString('hex');
        if (test.result === 'valid') assert.equal(derive(), test['okm'], nameOf(test));
        else assert.throws(derive, nameOf(test));
      },
    );
  });
});
