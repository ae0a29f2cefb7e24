import assert from 'node:assert/strict';
import { join } from 'node:path';
import { it } from 'node:test';
import { createPlace } from '@keyhold/server/testing/databases';
import { startInstallation } from '@keyhold/server/testing/installation';
import { change, knownLog, TestWitnesses } from '@keyhold/server/testing/witnessed';
import { runKeyhold } from '../testing/run-keyhold.ts';

it('receipts, exports and the whole log verify by a policy that asks for witnesses, once those have seen them', async () => {
  await using place = await createPlace('sqlite');
  const log = await knownLog(place);
  await using witnesses = new TestWitnesses(log);
  await witnesses.start('w1');
  const trust = witnesses.writePolicy(
    'quorum w1',
    log.keys.map((key) => `log ${key}`),
  );
  await using installation = await startInstallation(place, { witnessPolicyFile: trust });
  const env = {
    KEYHOLD_URL: installation.controlUrl,
    KEYHOLD_TOKEN: installation.bootstrapToken,
    KEYHOLD_DATA: place.folder,
  };
  const keyhold = async (...args: string[]) => await runKeyhold(args, { env });
  const seen = (await change(installation, 'one', 'witnessed')).headers.get('keyhold-entry') as string;
  const [receipt, exported] = [join(witnesses.folder, 'receipt'), join(witnesses.folder, 'export')];

  assert.equal((await keyhold('audit', 'receipt', seen, '--output', receipt)).code, 0);
  assert.equal((await keyhold('audit', 'verify', '--receipt', receipt, '--trust', trust)).code, 0);
  await witnesses.of('w1').kill();
  const unseen = (await change(installation, 'two')).headers.get('keyhold-entry') as string;

  const whole = await keyhold('audit', 'verify', '--trust', trust);
  assert.equal(whole.code, 0, whole.stdout);
  assert.match(whole.stdout, new RegExp(`up to entry ${seen} `));
  assert.equal((await keyhold('audit', 'export', '--output', exported, '--level', 'witnessed')).code, 0);
  const verified = await keyhold('audit', 'verify', '--file', exported, '--trust', trust);
  assert.equal(verified.code, 0, verified.stdout);
  assert.equal((await keyhold('audit', 'export', '--output', exported, '--overwrite')).code, 0);
  const beyond = await keyhold('audit', 'verify', '--file', exported, '--trust', trust);
  assert.match(beyond.stdout, /^IT DOES NOT VERIFY.*witnesses/);
  for (const args of [
    ['audit', 'receipt', unseen, '--level', 'witnessed'],
    ['audit', 'export', '--output', `${exported}.unseen`, '--to', unseen, '--level', 'witnessed'],
  ]) {
    const { code, stderr } = await keyhold(...args);
    assert.match(stderr, /NOT_WITNESSED/, args.join(' '));
    assert.notEqual(code, 0);
  }
});
