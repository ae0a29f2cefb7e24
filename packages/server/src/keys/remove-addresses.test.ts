import assert from 'node:assert/strict';
import { it } from 'node:test';
import { onEachDatabase } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { enrolPerson, type TestPerson } from '../testing/person.ts';
import { openRaw } from '../testing/raw-database.ts';
import { assertStatus } from '../testing/shared-market.ts';
import { shareSignedIn } from '../testing/signed-in.ts';

onEachDatabase('a person who is erased', (createPlace) => {
  const shared = shareSignedIn(createPlace);

  it('leaves no address of his sessions and of what he asked, and nobody else loses his', async () => {
    const { installation, owner, place } = shared();
    const [erased, other] = [
      await enrolPerson(installation, owner, { role: 'auditor' }),
      await enrolPerson(installation, owner, { role: 'auditor' }),
    ];
    await using raw = await openRaw(place);
    const fromOf = async ({ id }: TestPerson): Promise<string[]> => {
      const query = `select last_used_from from session_uses where session_id in (
        select id from sessions where person_id = '${id}')`;
      return (await raw.rows(query)).map(({ last_used_from }) => last_used_from);
    };
    for (const person of [erased, other]) {
      assertStatus(await person.call('GET', '/v1/people'), 200);
      await eventually('the use is noted', async () => (await fromOf(person)).includes('127.0.0.1'));
    }
    const path = `/v1/audit/subjects/${erased.id}/erase`;
    assertStatus(await owner.call('POST', path, {}, { confirm: true }), 200);
    assert.deepEqual([await fromOf(erased), await fromOf(other)], [[''], ['127.0.0.1']]);
    const asked = await raw.rows(`select asked from decisions where principal_id = '${erased.id}'`);
    assert.deepEqual(asked, []);
    // He goes on, and is told of no address until the next use is noted.
    const session = assertStatus(await erased.call('GET', '/v1/session'), 200);
    assert.deepEqual(
      session.sessions.map(({ lastUsedFrom }: { lastUsedFrom: string | null }) => lastUsedFrom),
      [null],
    );
  });
});
