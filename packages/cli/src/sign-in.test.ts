import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createPlace, type TestPlace } from '@keyhold/server/testing/databases';
import { startInstallation, type TestInstallation } from '@keyhold/server/testing/installation';
import { enrolOwner, enrolPerson, type TestPerson } from '@keyhold/server/testing/person';
import { runKeyhold, type RunOptions } from './testing/run-keyhold.ts';

describe('a person at a command line', () => {
  let place: TestPlace;
  let installation: TestInstallation;
  let owner: TestPerson;
  let env: Record<string, string>;
  let file: string;

  before(async () => {
    place = await createPlace('sqlite');
    installation = await startInstallation(place);
    owner = await enrolOwner(installation);
    env = { KEYHOLD_URL: installation.controlUrl, KEYHOLD_DATA: place.folder, XDG_CONFIG_HOME: place.folder };
    file = join(place.folder, 'keyhold', 'sessions.json');
  });
  after(async () => {
    await installation?.[Symbol.asyncDispose]();
    await place?.[Symbol.asyncDispose]();
  });

  const keyhold = (line: string, options: RunOptions = {}) => runKeyhold(line.split(' '), { env, ...options });
  const codeOf = async (person: TestPerson) =>
    (await person.call('POST', '/v1/device-codes', {}, { confirm: true })).body.secret as string;

  it('signs in with a code, works with what the person may, and signs out', async () => {
    const code = await codeOf(owner);
    const signedIn = await keyhold('sign-in', { input: `${code}\n` });
    assert.equal(signedIn.code, 0, signedIn.stderr);
    assert.match(signedIn.stderr, /http:\/\/localhost:\d+\/account/);
    assert.match(signedIn.stdout, /^signed in as Ada Owner until /);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.ok(!`${signedIn.stdout}${signedIn.stderr}`.includes('keyhold_session'));
    const who = await keyhold('whoami');
    assert.match(who.stdout, /^name +Ada Owner\nrole +owner, installation\nuntil /m);
    await enrolPerson(installation, owner, { role: 'support' }, 'Sam Support');
    assert.match((await keyhold('people list')).stdout, /Sam Support +active +1 +support@installation/);
    assert.equal((await keyhold('projects create --slug cli --name Cli')).code, 0);
    const critical = await keyhold('people invite --name Eve --role owner --reason x');
    assert.deepEqual([critical.code, /CONFIRMATION_REQUIRED/.test(critical.stderr)], [4, true]);
    const used = await keyhold('sign-in', { input: code });
    assert.deepEqual([used.code, /DEVICE_CODE_GONE/.test(used.stderr)], [1, true]);
    const kept = readFileSync(file, 'utf8');
    assert.equal((await keyhold('sign-out')).stdout, 'signed out\n');
    assert.equal((await keyhold('sign-out')).stdout, 'nobody was signed in here\n');
    // What somebody copied before is worth nothing now.
    writeFileSync(file, kept);
    assert.equal((await keyhold('whoami')).code, 4);
  });

  it('reads no damaged file of sessions, and says so', async () => {
    writeFileSync(file, '{', { mode: 0o600 });
    const who = await keyhold('whoami');
    assert.deepEqual(
      [who.code, who.stderr],
      [2, 'keyhold: the file of sessions is damaged: remove it, and sign in again\n'],
    );
  });
});
