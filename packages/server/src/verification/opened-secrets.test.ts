import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { it } from 'node:test';
import type { SignedClaim } from '@keyhold/protocol/dialects/dialect';
import type { FactorRecord, SignatureKeyRecord } from '@keyhold/protocol/feed';
import { encodeIssuedSecret } from '@keyhold/protocol/issued-secret';
import type { DistributionKeys } from '@keyhold/verifier/distribution-keys';
import { keyFrom, type WrappingKey } from '@keyhold/verifier/open-envelope';
import type { Replica, ReplicaEnvironment } from '@keyhold/verifier/replica';
import { type Holder, SecondFactors } from '@keyhold/verifier/second-factors';
import { SignatureKeys } from '@keyhold/verifier/signature-keys';
import { VirtualClock } from '@keyhold/verifier/testing/virtual-clock';
import { sealEnvelope } from '../vault/envelope.ts';
import { newKeyBytes } from '../vault/wrapped-key.ts';

const PLACE = { project: 'proj_1', environment: 'env_1', version: 1, installation: 'inst_1' };
const ENVIRONMENT = { id: 'env_1', projectId: 'proj_1' } as ReplicaEnvironment;
const UNDER: WrappingKey = { id: 'vkey_1', version: 1, key: keyFrom(newKeyBytes()) };

/** The key that secrets lie under, and how often one was opened with it. */
function counted() {
  let opened = 0;
  const get = () => {
    opened++;
    return UNDER;
  };
  const keys = { installation: PLACE.installation, get, obtain: async () => {} } as unknown as DistributionKeys;
  return { keys, opened: () => opened };
}

/** What docs/flows/signed-requests.md says. */
const MOST = 10_000;

/** Proves with a credential's secret; returns how often one was opened since the start. */
function proving(max?: number) {
  const { keys, opened } = counted();
  const signatures = new SignatureKeys(keys, undefined, max);
  const prove = async (credential: string) => {
    const plaintext = Buffer.from(encodeIssuedSecret({ secret: credential, passphrase: 'words' }));
    const envelope = sealEnvelope(UNDER, plaintext, { field: 'credential.secret', ...PLACE, id: credential });
    const common = { kind: 'signature-key', id: `skey_${credential}`, credential } as const;
    const record: SignatureKeyRecord = { ...common, algorithm: 'hmac', envelope, vaultKey: UNDER.id };
    const base = Buffer.from('signed');
    const signature = createHmac('sha256', credential).update(base).digest();
    const made = { credential, base: [base], signature, algorithms: ['hmac-sha256'], secretEncoding: 'utf8' } as const;
    const claim: SignedClaim = { ...made, freshness: null, nonce: null, digests: [] };
    const received = { method: 'GET', target: '/', scheme: 'https', headers: [], body: new Uint8Array() } as const;
    assert.equal(await signatures.prove(record, ENVIRONMENT, claim, received), true);
    assert.ok(signatures.size <= (max ?? MOST), 'no more than its bound');
    return opened();
  };
  return prove;
}

it('a verifier holds so many secrets of credentials open and no more: the one used longest ago goes', async () => {
  const prove = proving(2);
  assert.deepEqual([await prove('a'), await prove('b'), await prove('a'), await prove('b')], [1, 2, 2, 2]);
  assert.deepEqual([await prove('a'), await prove('c'), await prove('a'), await prove('b')], [2, 3, 3, 4]);
  const byDefault = proving();
  for (let i = 0; i < MOST; i++) await byDefault(`${i}`);
  assert.deepEqual(
    [await byDefault('1'), await byDefault('one more'), await byDefault('0')],
    [MOST, MOST + 1, MOST + 2],
  );
});

/** Asks for a code of a consumer's factor; returns how often a secret was opened since the start. */
function checking(consumers: readonly string[], max?: number) {
  const { keys, opened } = counted();
  const clock = new VirtualClock();
  const factors = new Map(
    consumers.map((name): [string, FactorRecord] => {
      const id = `fac_${name}`;
      const envelope = sealEnvelope(UNDER, Buffer.alloc(20, name), { field: 'factor.secret', ...PLACE, id });
      const common = { kind: 'factor', id, environment: 'env_1', consumer: name, type: 'totp' } as const;
      return [name, { ...common, algorithm: 'sha1', usedStep: 0, envelope, vaultKey: UNDER.id }];
    }),
  );
  const replica = { factors: (_: string, consumer: string) => [factors.get(consumer)] } as unknown as Replica;
  const second = new SecondFactors(clock, { replica }, keys, () => {}, max);
  const check = (consumerId: string) => {
    const holder = { environment: ENVIRONMENT, credential: { key: { consumerId } } } as unknown as Holder;
    assert.equal(second.check(holder, { otp: '000000' }, clock.wall()).code, 'SECOND_FACTOR_REQUIRED');
    return opened();
  };
  return check;
}

it('a verifier holds so many secrets of second factors open and no more', () => {
  const check = checking(['a', 'b', 'c'], 2);
  assert.deepEqual([check('a'), check('b'), check('b')], [1, 2, 2]);
  assert.deepEqual([check('c'), check('b'), check('a')], [3, 3, 4]);
  const many = Array.from({ length: MOST + 1 }, (_, i) => `${i}`);
  const byDefault = checking(many);
  for (const consumer of many.slice(1)) byDefault(consumer);
  assert.deepEqual([byDefault('1'), byDefault('0'), byDefault('1')], [MOST, MOST + 1, MOST + 2]);
});
