import assert from 'node:assert/strict';
import { createSecretKey, randomBytes } from 'node:crypto';
import { it } from 'node:test';
import type { FactorRecord } from '@keyhold/protocol/feed';
import { TOTP_STEP_MS } from '@keyhold/protocol/totp';
import type { DistributionKeys } from '@keyhold/verifier/distribution-keys';
import { keyFrom, type WrappingKey } from '@keyhold/verifier/open-envelope';
import type { Replica } from '@keyhold/verifier/replica';
import { type Holder, SecondFactors } from '@keyhold/verifier/second-factors';
import { codeOf } from '@keyhold/verifier/totp';
import { VirtualClock } from '@keyhold/verifier/testing/virtual-clock';
import { sealEnvelope } from '../vault/envelope.ts';
import { newKeyBytes } from '../vault/wrapped-key.ts';

const PLACE = { project: 'proj_1', environment: 'env_1', version: 1, installation: 'inst_1' };
const HOLDER = {
  environment: { id: 'env_1', projectId: 'proj_1' },
  credential: { key: { consumerId: 'cons_1' } },
} as unknown as Holder;
const [OPENS, CLOSED] = ['fac_01890a5d-ac96-774b-bcce-b302099a8057', 'fac_01890a5d-ac96-774b-bcce-b302099a8058'];

it('guesses are counted, and told as broken, also where another factor of the consumer does not open', () => {
  const clock = new VirtualClock();
  const under: WrappingKey = { id: 'vkey_1', version: 1, key: keyFrom(newKeyBytes()) };
  const secret = randomBytes(20);
  const factor = (id: string, sealedFor: string): FactorRecord => ({
    ...{ kind: 'factor', id, environment: 'env_1', consumer: 'cons_1', type: 'totp', algorithm: 'sha1', usedStep: 0 },
    envelope: sealEnvelope(under, secret, { field: 'factor.secret', ...PLACE, id: sealedFor }),
    vaultKey: under.id,
  });
  const factors = [factor(CLOSED, 'another place'), factor(OPENS, OPENS)];
  const distribution = { installation: PLACE.installation, get: () => under, obtain: async () => {} };
  const broken = new Set<string>();
  const second = new SecondFactors(
    clock,
    { replica: { factors: () => factors } as unknown as Replica },
    distribution as unknown as DistributionKeys,
    (id) => broken.add(id),
  );
  const step = Math.floor(clock.wall() / TOTP_STEP_MS);
  const right = codeOf(createSecretKey(secret), 'sha1', step);
  const wrong = right.replace(/.$/, (last) => String((Number(last) + 5) % 10));
  assert.equal(second.check(HOLDER, { otp: right }, clock.wall()).code, 'VALID');
  for (let i = 0; i < 5; i++)
    assert.equal(second.check(HOLDER, { otp: wrong }, clock.wall()).code, 'STORE_UNAVAILABLE');
  assert.equal(second.mayCompare(HOLDER, { otp: right }), false, 'five guesses shut it out');
  assert.equal(second.check(HOLDER, { otp: right }, clock.wall()).code, 'SECOND_FACTOR_REQUIRED');
  assert.deepEqual([...broken], [CLOSED]);
});
