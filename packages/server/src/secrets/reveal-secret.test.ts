import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { it } from 'node:test';
import { onEachDatabase } from '../testing/databases.ts';
import { openRaw } from '../testing/raw-database.ts';
import { shareMarket } from '../testing/shared-market.ts';
import { WrittenPast } from '../testing/written-past.ts';

onEachDatabase('a reveal', (createPlace) => {
  const shared = shareMarket(createPlace);
  const store = async () => {
    const body = { project: 'market', environment: 'test', path: randomUUID(), data: { a: 1 } };
    return (await shared().expect(201, 'POST', '/v1/secrets', body)).secret.id as string;
  };
  const entriesOf = async (id: string) =>
    (await shared().expect(200, 'GET', `/v1/audit/entries?action=secret.revealed&subject=${id}`)).items;

  it('is entered before it is opened: its entry is there even when opening fails', async () => {
    const id = await store();
    await using raw = await openRaw(shared().place);
    const past = new WrittenPast(raw);
    const [version] = await raw.rows(`select * from secret_versions where secret_id = '${id}'`);
    await past.edit('secret_versions', version.id, { envelope: version.envelope.replace(/..$/, '') });
    await past.mend('secret_versions', version.id);
    const broken = await shared().expect(409, 'POST', `/v1/secrets/${id}/reveal`, {});
    assert.equal(broken.code, 'ENVELOPE_BROKEN');
    assert.equal((await entriesOf(id)).length, 1);
    await past.restore('secret_versions', version);
  });

  it('does not happen when its entry cannot be written', async () => {
    const id = await store();
    await using raw = await openRaw(shared().place);
    await raw.run('alter table entries rename to entries_away');
    const answer = await shared().installation.call('POST', `/v1/secrets/${id}/reveal`, {});
    await raw.run('alter table entries_away rename to entries');
    assert.ok(answer.status >= 500, `${answer.status}`);
    assert.equal(answer.body.data, undefined);
    assert.equal((await entriesOf(id)).length, 0);
    await shared().expect(200, 'POST', `/v1/secrets/${id}/reveal`, {});
  });

  it('of many at once has one entry each', async () => {
    const id = await store();
    const reveals = Array.from({ length: 30 }, () => shared().expect(200, 'POST', `/v1/secrets/${id}/reveal`, {}));
    await Promise.all(reveals);
    assert.equal((await entriesOf(id)).length, 30);
  });
});
