import assert from 'node:assert/strict';
import { it } from 'node:test';
import { onEachDatabase } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { startInstallation } from '../testing/installation.ts';
import { createMarket } from '../testing/market.ts';
import { openRaw } from '../testing/raw-database.ts';
import { assertStatus } from '../testing/shared-market.ts';

onEachDatabase('an erasure', (createPlace) => {
  it('takes what was counted of its subject until then and is not entered yet, which is not entered after it', async () => {
    await using place = await createPlace();
    await using raw = await openRaw(place);
    await using stack = new AsyncDisposableStack();
    const installation = stack.use(await startInstallation(place));
    const { consumer, issue } = await createMarket(installation);
    const { secret, credentialId } = await issue();
    const request = { key: secret, environment: 'market/test', permission: 'prices:read' };
    assert.equal((await installation.verify(request)).code, 'VALID');
    await eventually('the use is reported', async () => {
      const rows = await raw.rows(`select uses from credential_usage where credential_id = '${credentialId}'`);
      return rows.length === 1;
    });
    const reader = assertStatus(await installation.call('POST', '/v1/tokens', { name: 'r', scopes: ['read'] }), 201);
    const refused = await installation.call('POST', '/v1/projects', { slug: 'x', name: 'x' }, { token: reader.secret });
    assertStatus(refused, 403);
    const erased = [];
    for (const subject of [consumer, reader.token.id])
      erased.push(
        assertStatus(await installation.call('POST', `/v1/audit/subjects/${subject}/erase`, {}), 200).sequence,
      );
    // What is counted and not entered by then is entered before the store is closed.
    await installation[Symbol.asyncDispose]();
    const entered = async (action: string) =>
      (await raw.rows(`select sequence from entries where action = '${action}'`)).map(({ sequence }) =>
        Number(sequence),
      );
    for (const [i, action] of ['key.usage-counted', 'access.denied'].entries()) {
      const sequences = await entered(action);
      assert.equal(sequences.length, 1);
      assert.ok((sequences[0] as number) < erased[i], `${action} is entered at ${sequences}, erased at ${erased[i]}`);
    }
  });

  it('is not answered, and erases nothing, while what was counted cannot be entered, and is done when it can', async () => {
    await using place = await createPlace();
    await using raw = await openRaw(place);
    await using installation = await startInstallation(place);
    const reader = assertStatus(await installation.call('POST', '/v1/tokens', { name: 'r', scopes: ['read'] }), 201);
    const refused = await installation.call('POST', '/v1/projects', { slug: 'x', name: 'x' }, { token: reader.secret });
    assertStatus(refused, 403);
    const erase = () => installation.call('POST', `/v1/audit/subjects/${reader.token.id}/erase`, {});
    const entered = async () =>
      (
        await raw.rows(
          "select action from entries where action in ('access.denied', 'subject.erased') order by sequence",
        )
      ).map(({ action }) => action);
    const isSqlite = place.databaseUrl === undefined;
    if (!isSqlite)
      await raw.run("create function no() returns trigger as $$ begin raise exception 'no'; end $$ language plpgsql");
    await raw.run(
      isSqlite
        ? "create trigger no_denial before insert on entries when new.action = 'access.denied' begin select raise(abort, 'no'); end"
        : "create trigger no_denial before insert on entries for each row when (new.action = 'access.denied') execute function no()",
    );
    for (const _again of [false, true]) {
      const { status, body } = await erase();
      assert.deepEqual([status, body.code], [503, 'STORE_UNAVAILABLE']);
      assert.deepEqual(await entered(), []);
    }
    await raw.run(`drop trigger no_denial${isSqlite ? '' : ' on entries'}`);
    assertStatus(await erase(), 200);
    assert.deepEqual((await entered()).slice(0, 2), ['access.denied', 'subject.erased']);
  });
});
