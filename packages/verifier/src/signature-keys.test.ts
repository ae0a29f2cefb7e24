import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { it } from 'node:test';
import { SIGNATURE_ALGORITHMS, type SignedClaim } from '@keyhold/protocol/dialects/dialect';
import type { SignatureKeyRecord } from '@keyhold/protocol/feed';
import type { DistributionKeys } from './distribution-keys.ts';
import type { ReplicaEnvironment } from './replica.ts';
import { SignatureKeys } from './signature-keys.ts';

const BASE = Buffer.from('what was signed');
const RECEIVED = { method: 'POST', target: '/', scheme: 'https', headers: [], body: new Uint8Array() } as const;
const NOBODY = { installation: null, get: () => undefined, obtain: async () => {} } as unknown as DistributionKeys;
const ENVIRONMENT = { id: 'env_1', projectId: 'proj_1' } as ReplicaEnvironment;

function claim(changes: Partial<SignedClaim>): SignedClaim {
  const common = { credential: 'cred_1', base: [BASE], signature: new Uint8Array(), algorithms: SIGNATURE_ALGORITHMS };
  return { ...common, secretEncoding: 'utf8', freshness: null, nonce: null, digests: [], ...changes };
}

const { publicKey, privateKey } = generateKeyPairSync('ed25519');
const spki = publicKey.export({ type: 'spki', format: 'der' });
const RECORD: SignatureKeyRecord = {
  kind: 'signature-key',
  id: 'skey_1',
  credential: 'cred_1',
  algorithm: 'ed25519',
  publicKey: spki.toString('hex'),
};

for (const cores of [1, 2]) {
  it(`takes a public key for no secret of an HMAC, however the request names its algorithm (cores: ${cores})`, async () => {
    const keys = new SignatureKeys(NOBODY, undefined, undefined, cores);
    const proven = keys.prove(RECORD, ENVIRONMENT, claim({ signature: sign(null, BASE, privateKey) }), RECEIVED);
    assert.equal(proven instanceof Promise, cores > 1);
    for (const key of [spki, spki.subarray(-32), Buffer.from(spki.toString('hex')), Buffer.from('')]) {
      for (const [algorithm, hash] of [
        ['hmac-sha256', 'sha256'],
        ['hmac-sha512', 'sha512'],
      ] as const) {
        const signature = createHmac(hash, key).update(BASE).digest();
        assert.equal(
          await keys.prove(RECORD, ENVIRONMENT, claim({ signature, algorithms: [algorithm] }), RECEIVED),
          false,
        );
        assert.equal(await keys.prove(RECORD, ENVIRONMENT, claim({ signature }), RECEIVED), false);
      }
    }
    const signature = sign(null, BASE, privateKey);
    assert.equal(await keys.prove(RECORD, ENVIRONMENT, claim({ signature }), RECEIVED), true);
    assert.equal(
      await keys.prove(RECORD, ENVIRONMENT, claim({ signature, algorithms: ['rsa-pss-sha512'] }), RECEIVED),
      false,
    );
  });
}

it('holds signed digests against the body, each of them, and says nothing without the key of a secret', async () => {
  const keys = new SignatureKeys(NOBODY);
  const signature = sign(null, BASE, privateKey);
  const digests = [{ algorithm: 'sha-256' as const, value: new Uint8Array(32) }];
  assert.equal(await keys.prove(RECORD, ENVIRONMENT, claim({ signature, digests }), RECEIVED), false);
  const unread = { ...RECEIVED, body: null };
  assert.equal(await keys.prove(RECORD, ENVIRONMENT, claim({ signature, digests }), unread), true);
  const secret = {
    ...RECORD,
    credential: 'cred_2',
    algorithm: 'hmac',
    envelope: '00',
    vaultKey: 'vkey_1',
  } as unknown as SignatureKeyRecord;
  assert.equal(
    await keys.prove(secret, ENVIRONMENT, claim({ signature: Buffer.alloc(32), credential: 'cred_2' }), RECEIVED),
    null,
  );
});

it('answers false to signatures of no length that a key makes', async () => {
  const keys = new SignatureKeys(NOBODY);
  for (const length of [0, 1, 63, 65, 4096]) {
    const signature = new Uint8Array(length);
    assert.equal(await keys.prove(RECORD, ENVIRONMENT, claim({ signature }), RECEIVED), false);
  }
});

it('lets go of what was opened for a credential that is there no more', async () => {
  const keys = new SignatureKeys(NOBODY);
  const signature = sign(null, BASE, privateKey);
  assert.equal(await keys.prove(RECORD, ENVIRONMENT, claim({ signature }), RECEIVED), true);
  keys.forgetAllBut((credential) => credential === 'cred_1');
  assert.equal(keys.size, 1);
  keys.forgetAllBut(() => false);
  assert.equal(keys.size, 0);
});
