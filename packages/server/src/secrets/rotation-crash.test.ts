import assert from 'node:assert/strict';
import { it } from 'node:test';
import { onEachDatabase } from '../testing/databases.ts';
import { COMMIT_STAGES, startDyingInstallation } from '../testing/dying-installation.ts';
import { eventually } from '../testing/eventually.ts';
import type { ProcessInstallation } from '../testing/process-installation.ts';
import { checkWholeChain } from '../testing/whole-chain.ts';

/** A share; `npm run soak -- crash` comes to every stage of every step, and again. */
const ROUNDS = Number(process.env['KEYHOLD_ROTATION_CRASH_ROUNDS'] ?? 3);
const PLACE = { project: 'default', environment: 'production' };
/** So many keys lie under the root key that they move in two batches (40 each), and so many envelopes under one key. */
const ENVIRONMENTS = 42;
const SECRETS = 45;

const ROTATE_ROOT = '/v1/vault/root/rotate';
const ROTATE_KEYS = '/v1/vault/keys/rotate';
/** Every entry of a rotation is a step of it. */
const STEPS = [
  { path: ROTATE_ROOT, action: 'root-key.rotated', nth: 1 },
  { path: ROTATE_ROOT, action: 'vault-key.rewrapped', nth: 2 },
  { path: ROTATE_ROOT, action: 'root-key.retired', nth: 1 },
  { path: ROTATE_KEYS, action: 'vault-key.rewrapped', nth: 1 },
  { path: ROTATE_ROOT, action: 'vault-key.rewrapped', nth: 1 },
  { path: ROTATE_KEYS, action: 'vault-key.created', nth: 1 },
  { path: ROTATE_KEYS, action: 'vault-key.rewrapped', nth: 3 },
] as const;

onEachDatabase('kill -9 at a commit of a rotation', (createPlace) => {
  it('leaves every secret readable, and the rotation goes on where it was until nothing is under an old key', async (t) => {
    await using place = await createPlace();
    await using dying = await startDyingInstallation(place);
    const { installation } = dying;
    const ids = await fill(installation);
    for (let round = 0; round < ROUNDS; round++) {
      // Seven steps, three stages: 21 rounds come to all of them together.
      const { path, ...step } = STEPS[round % STEPS.length] as (typeof STEPS)[number];
      const stage = COMMIT_STAGES[round % COMMIT_STAGES.length] as (typeof COMMIT_STAGES)[number];
      const when = `round ${round}: ${stage} of ${step.nth} ${step.action}`;
      const before = await rotationOf(installation);
      const answer = await dying.die({ stage, ...step }, () =>
        installation.call('POST', path, path === ROTATE_KEYS ? PLACE : undefined).catch(() => null),
      );
      const { rootVersion } = await settled(installation, when);
      const isCommitted = stage === 'committed' || answer?.status === 200;
      if (path === ROTATE_ROOT && isCommitted) assert.equal(rootVersion, before.rootVersion + 1, when);
      await assertReadable(installation, ids, when);
    }
    const entries = await checkWholeChain(installation);
    const count = (action: string) => entries.filter((entry) => entry.action === action).length;
    assert.equal(count('root-key.retired'), count('root-key.rotated'), 'no old root key stays behind');
    t.diagnostic(`${ROUNDS} kills; ${count('root-key.rotated')} rotations of the root key came to their end`);
  });
});

/** Ids in the order of what is in them. */
async function fill({ call }: ProcessInstallation): Promise<string[]> {
  const put = async (path: string, body: object) => {
    const answer = await call('POST', path, body);
    assert.equal(answer.status, 201, JSON.stringify(answer.body));
    return answer.body;
  };
  const secret = async (place: object, value: number): Promise<string> =>
    (await put('/v1/secrets', { ...place, path: `p/${value}`, data: { value } })).secret.id;
  await put('/v1/projects', { slug: 'many', name: 'Many' });
  const inMany = Array.from({ length: ENVIRONMENTS }, async (_, i) => {
    await put('/v1/projects/many/environments', { name: `e${i}`, prefix: `many_e${i}` });
    return await secret({ project: 'many', environment: `e${i}` }, i);
  });
  const inOne = Array.from({ length: SECRETS }, (_, i) => secret(PLACE, ENVIRONMENTS + i));
  return await Promise.all([...inMany, ...inOne]);
}

async function assertReadable({ call }: ProcessInstallation, ids: readonly string[], when: string): Promise<void> {
  const answers = await Promise.all(ids.map((id) => call('POST', `/v1/secrets/${id}/reveal`, {})));
  for (const [i, { status, body }] of answers.entries())
    assert.deepEqual([status, body.data], [200, { value: i }], `${when}: secret ${i}: ${JSON.stringify(body)}`);
}

async function rotationOf({ call }: ProcessInstallation) {
  const { status, body } = await call(
    'GET',
    `/v1/vault/keys?project=${PLACE.project}&environment=${PLACE.environment}`,
  );
  assert.equal(status, 200);
  return body as {
    rootVersion: number;
    pending: number;
    keys: { rootVersion: number; newest: boolean; rows: number }[];
  };
}

const settled = (installation: ProcessInstallation, when: string) =>
  eventually(`it is settled (${when})`, async () => {
    const rotation = await rotationOf(installation);
    const isMoved = rotation.keys.every(({ newest, rows }) => newest || rows === 0);
    const isNew = rotation.keys.every(({ rootVersion }) => rootVersion === rotation.rootVersion);
    const ended = await count(installation, 'root-key.retired');
    return rotation.pending === 0 && isMoved && isNew && ended === (await count(installation, 'root-key.rotated'))
      ? rotation
      : null;
  });

async function count({ call }: ProcessInstallation, action: string): Promise<number> {
  return (await call('GET', `/v1/audit/entries?action=${action}&limit=200`)).body.items.length;
}
