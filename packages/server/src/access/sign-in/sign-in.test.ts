import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { onEachDatabase, type TestPlace } from '../../testing/databases.ts';
import { startInstallation, type TestInstallation } from '../../testing/installation.ts';
import { PasskeyDevice } from '../../testing/passkey-device.ts';
import { enrolOwner, enrolPerson, originOf, TestPerson } from '../../testing/person.ts';

onEachDatabase('signing in', (createPlace) => {
  let place: TestPlace;
  let installation: TestInstallation;
  let owner: TestPerson;

  before(async () => {
    place = await createPlace();
    installation = await startInstallation(place);
    owner = await enrolOwner(installation);
  });
  after(async () => {
    await installation?.[Symbol.asyncDispose]();
    await place?.[Symbol.asyncDispose]();
  });

  it('the first owner ends the bootstrap token, everywhere, and can do what it did', async () => {
    assert.equal((await installation.call('GET', '/v1/projects')).status, 401);
    await assert.rejects(installation.verify({ key: 'none' }), /401/);
    const created = await owner.call('POST', '/v1/projects', { slug: 'first', name: 'First' });
    assert.equal(created.status, 201, JSON.stringify(created.body));
    assert.equal((await new TestPerson(installation).enrol(installation.bootstrapToken, 'Second')).status, 401);
  });

  it('sets a cookie that scripts cannot read and other sites do not send, and signs out', async () => {
    const signedIn = await owner.signIn();
    assert.equal(signedIn.status, 200);
    const [cookie = ''] = signedIn.headers.getSetCookie();
    assert.match(cookie, /^__Host-keyhold-session=keyhold_session_\w{49}; Path=\/; Secure; HttpOnly; SameSite=Strict$/);
    assert.doesNotMatch(JSON.stringify(signedIn.body), /keyhold_session_/);
    const held = owner.session;
    const out = await owner.call('POST', '/v1/sign-out', {});
    assert.equal(out.status, 200);
    assert.match(out.headers.getSetCookie()[0] ?? '', /Max-Age=0/);
    owner.session = held;
    assert.equal((await owner.call('GET', '/v1/session')).status, 401);
    await owner.signIn();
  });
});
