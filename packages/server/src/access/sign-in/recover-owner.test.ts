import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { createPlace } from '../../testing/databases.ts';
import { startInstallation } from '../../testing/installation.ts';
import { enrolOwner, TestPerson } from '../../testing/person.ts';

const PASSPHRASE = 'made for this test, and for nothing else';

it('a lost owner is made up for by whoever opens the seal: loudly, once, and by nobody else', async () => {
  await using place = await createPlace('sqlite');
  const file = join(place.folder, 'owner-recovery-token');
  let lost: TestPerson;
  {
    await using installation = await startInstallation(place);
    lost = await enrolOwner(installation);
    const change = { kind: 'passphrase', passphrase: PASSPHRASE };
    const changed = await lost.call('POST', '/v1/seal/change', change, { confirm: true });
    assert.equal(changed.status, 200, JSON.stringify(changed.body));
    assert.equal(existsSync(file), false);
  }
  {
    await using installation = await startInstallation(place, { recoverOwner: true });
    const token = readFileSync(file, 'utf8').trim();
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const call = (method: string, path: string, body?: object) => installation.call(method, path, body, { token });
    // It opens nothing but the seal, and makes nobody an owner before that is open.
    for (const path of ['/v1/projects', '/v1/people', '/v1/audit/entries', '/v1/installation']) {
      assert.equal((await call('GET', path)).status, 403, path);
    }
    const owner = new TestPerson(installation);
    const early = await owner.enrol(token, 'New Owner');
    assert.deepEqual([early.status, early.body.code], [503, 'SEALED']);
    assert.equal((await call('POST', '/v1/unseal', { passphrase: 'a guess' })).status, 409);
    assert.equal((await call('POST', '/v1/unseal', { passphrase: PASSPHRASE })).status, 200);
    assert.equal((await owner.enrol(token, 'New Owner')).status, 201);
    assert.equal(existsSync(file), false);
    assert.equal((await new TestPerson(installation).enrol(token, 'Another')).status, 401);
    const { alarms } = (await owner.call('GET', '/v1/installation')).body;
    const codes = alarms.map(({ code }: { code: string }) => code).sort();
    assert.deepEqual(codes, ['OWNER_RECOVERED', 'OWNER_RECOVERY']);
    const { items } = (await owner.call('GET', '/v1/audit/entries?action=owner.recovered')).body;
    assert.equal(items[0].subject, owner.id);
    assert.equal((await owner.call('DELETE', `/v1/people/${lost.id}`)).status, 200);
  }
  {
    await using _unused = await startInstallation(place, { recoverOwner: true });
    assert.equal(existsSync(file), true);
  }
  await using installation = await startInstallation(place);
  assert.equal(existsSync(file), false);
  assert.equal(installation.bootstrapToken, '');
});
