import assert from 'node:assert/strict';
import { it } from 'node:test';
import { connectVerifier } from '@keyhold/verifier/connect';
import { createPlace } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { startInstallation } from '../testing/installation.ts';
import { createMarket } from '../testing/market.ts';
import { hurryMinutes } from '../testing/moved-clock.ts';

const ENVIRONMENT = '/v1/projects/market/environments/test';
const KEPT = 'action=alarm.raised&code=replay-not-exact';

it('several verifiers that remember each alone are an alarm, once, and until one is left or they share a store', async () => {
  await using place = await createPlace('sqlite');
  using minutes = hurryMinutes();
  await using installation = await startInstallation(place);
  await createMarket(installation);
  const get = async (path: string) => (await installation.call('GET', path)).body;
  const guard = (replay: string) => installation.call('PUT', `${ENVIRONMENT}/signing`, { dialects: [], replay });
  const raised = async () => {
    const { alarms } = await get('/v1/installation');
    return alarms.flatMap(({ code, subject }: Record<string, string>) =>
      code === 'REPLAY_NOT_EXACT' ? [subject] : [],
    );
  };
  const told = async (...subjects: string[]) =>
    eventually(`an alarm of [${subjects}]`, async () => String(await raised()) === String(subjects));
  /** Whatever is done each minute has been done a few times. */
  const pass = async () => {
    const from = minutes.passed;
    await eventually('some minutes have passed', async () => minutes.passed > from + 20);
  };
  const { id } = (await get('/v1/projects/market/environments')).items.find(
    ({ name }: { name: string }) => name === 'test',
  );
  await guard('verifier');
  await pass();
  assert.deepEqual(await raised(), [], 'one verifier remembers all');
  const { secret: token } = (await installation.call('POST', '/v1/tokens', { name: 'v', scopes: ['feed'] })).body;
  const second = connectVerifier({ controlUrl: installation.controlUrl, token });
  try {
    await told(id);
    await pass();
    await guard('shared');
    await told();
    await guard('verifier');
    await told(id);
  } finally {
    await second.stop();
  }
  await told();
  assert.equal((await get(`/v1/audit/entries?${KEPT}`)).items.length, 2);
});
