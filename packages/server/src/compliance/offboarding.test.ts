import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { it } from 'node:test';
import { tokenNameOf } from '../access/token-names.ts';
import { onEachDatabase, type TestPlace } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { send, startInstallation } from '../testing/installation.ts';
import { hands, inShort, knownOf, leave, left, lineOf, NOW, outcome } from '../testing/leaving.ts';
import { enrolOwner, enrolPerson, TestPerson } from '../testing/person.ts';
import { savePolicy, sharePoliced } from '../testing/policies.ts';
import { openRaw, type RawDatabase } from '../testing/raw-database.ts';
import { assertStatus } from '../testing/shared-market.ts';
import { WrittenPast } from '../testing/written-past.ts';

onEachDatabase('off-boarding', (createPlace) => {
  const shared = sharePoliced(createPlace);
  const codeOf = async (key: string) =>
    (await shared().installation.verify({ key, environment: 'market/test' }, verifying)).code;
  let verifying = '';
  /** Lets a service make tokens. */
  const permit = (id: string) =>
    savePolicy(
      shared().owner,
      `lets-${id.slice(-8)}`,
      `permit(principal == Service::"${id}", action == Action::"tokens.create", resource == Installation::"here");`,
    );

  it('ends all that somebody has and made, and lists what he and his tokens were shown', async () => {
    const { owner, enrol, installation, secrets, consumer, token, place } = shared();
    verifying = (await token(['verify'])).secret;
    const person = await enrol({ role: 'owner' });
    const does = hands(shared(), person);
    assert.equal(outcome(await does.reveal(secrets.get('plain'))), 'done');
    assert.equal(outcome(await does.reveal(secrets.get('plain'))), 'done');
    const stored = await does.store('typed/in');
    const first = await does.issue();
    const hmac = await does.issue({ credential: { kind: 'hmac' } });
    const { token: his, secret } = await does.token(['admin']);
    await permit(his.id);
    // What his token is shown, he may have seen; what it makes too.
    const body = { project: 'market', environment: 'test', consumer, name: 'k', permissions: ['prices:read'] };
    const second = assertStatus(await does.with(secret, 'POST', '/v1/keys', body), 201);
    const made = assertStatus(await does.with(secret, 'POST', '/v1/tokens', { name: 'x', scopes: ['read'] }), 201);
    const workload = await does.workload();
    const {
      secret: invitation,
      person: { id: invited },
    } = await does.invite();

    const expected = [
      `secret ${secrets.get('plain')} secret.revealed`,
      `secret ${stored} secret.stored`,
      `key ${first.key.id} key.issued`,
      `key ${hmac.key.id} key.issued`,
      `key ${second.key.id} key.issued`,
      `token ${his.id} token.created`,
      `token ${made.token.id} token.created`,
      `workload ${workload} workload.created`,
      `person ${invited} person.invited`,
    ].sort();
    const before = await knownOf(owner, `/v1/exposures?of=${person.id}`);
    assert.deepEqual(inShort(before), expected);
    assert.ok(before.every(({ state, remedy }) => state === 'stands' && remedy !== null));
    const revealed = before.find(({ id }) => id === secrets.get('plain'));
    assert.deepEqual(
      [revealed?.times, revealed?.part, revealed?.name, revealed?.environment, revealed?.by],
      [2, '1', 'plain', 'live', [person.id]],
    );

    const answer = assertStatus(await leave(owner, person.id), 201);
    const { offboarding } = answer;
    assert.equal(answer.barrier.unconfirmed, 0);
    assert.deepEqual([offboarding.state, offboarding.exposures, offboarding.by], ['done', 9, owner.id]);
    assert.equal(outcome(await person.call('GET', '/v1/session')), '401 UNAUTHENTICATED');
    assert.equal(outcome(await person.signIn()), '401 SIGN_IN_REFUSED');
    for (const one of [secret, made.secret]) assert.equal((await does.with(one, 'GET', '/v1/projects')).status, 401);
    const stranger = new TestPerson(installation);
    assert.equal(outcome(await stranger.enrol(invitation)), '401 UNAUTHENTICATED');
    await using raw = await openRaw(place);
    const invitations = await raw.rows(`select state from invitations where invited_by = '${person.id}'`);
    assert.deepEqual(
      invitations.map(({ state }) => state),
      ['withdrawn'],
    );

    // Consumers' keys go on until they are rotated.
    const path = `/v1/offboardings/${offboarding.id}/exposures`;
    const after = await knownOf(owner, path);
    assert.deepEqual(inShort(after), expected);
    const standing = after.filter(({ state }) => state !== 'over').map(({ kind }) => kind);
    assert.deepEqual(standing.sort(), ['key', 'key', 'key', 'person', 'secret', 'secret']);
    assert.equal(await codeOf(first.secret), 'VALID');

    // The list is evidence: its entry, in the log, says what it hashes to.
    const digest = hash('sha256', after.map(lineOf).join(''), 'hex');
    const { sequence, listDigest } = offboarding;
    const { items } = assertStatus(await owner.call('GET', `/v1/audit/entries?from=${sequence}&to=${sequence}`), 200);
    const leaf = JSON.parse(items[0].leaf);
    assert.deepEqual(
      [listDigest, leaf.code, leaf.action, leaf.subject],
      [digest, digest, 'offboarding.listed', person.id],
    );
  });

  it('counts as known what a workload that he trusts was shown, and ends what that was given', async () => {
    const { owner, enrol, place } = shared();
    const person = await enrol({ role: 'owner' });
    const does = hands(shared(), person);
    const [workload, kept] = [await does.workload(), await does.workload()];
    // As an exchange writes it: a token that the workload's entry made.
    const { token, secret } = await does.token(['read']);
    await using raw = await openRaw(place);
    const [entry] = await raw.rows(`select sequence, leaf from entries where subject = '${token.id}'`);
    const leaf = String(entry?.['leaf']).replaceAll(person.id, workload).replace('token.created', 'token.exchanged');
    const where = `where sequence = ${entry?.['sequence']}`;
    await raw.run(`update entries set actor = '${workload}', action = 'token.exchanged', leaf = '${leaf}' ${where}`);
    const { id } = await left(owner, person.id, { keep: [kept] });
    const known = await knownOf(owner, `/v1/offboardings/${id}/exposures`);
    const states = known.map(({ id, how, state }) => [id, how.join(), state]);
    assert.deepEqual(
      new Set(states.map(String)),
      new Set([
        [workload, 'workload.created', 'over'].join(),
        [kept, 'workload.created', 'stands'].join(),
        [token.id, 'token.exchanged', 'over'].join(),
      ]),
    );
    assert.equal((await does.with(secret, 'GET', '/v1/projects')).status, 401);
  });

  it('ends a workload with more living tokens than one entry can name', async () => {
    const { owner, enrol, place } = shared();
    const does = hands(shared(), await enrol({ role: 'owner' }));
    const workload = await does.workload();
    await using raw = await openRaw(place);
    const past = new WrittenPast(raw);
    const tokens = await Promise.all(Array.from({ length: 70 }, (_, i) => does.token(['read'], `t${i}`)));
    for (const { token } of tokens) {
      await past.edit('tokens', token.id, { name: tokenNameOf({ id: workload }), expires_at: Date.now() + 3_600_000 });
      await past.mend('tokens', token.id);
    }
    const { state } = await left(owner, workload);
    assert.equal(state, 'done');
    const statuses = await Promise.all(tokens.map(({ secret }) => does.with(secret, 'GET', '/v1/projects')));
    assert.deepEqual([...new Set(statuses.map(({ status }) => status))], [401]);
  });

  it('ends whoever was invited anew very often: what was offered goes with its invitation, and what piled up in pieces', async () => {
    const { owner, enrol, place } = shared();
    const person = await enrol({ role: 'administrator' });
    const { secret } = await hands(shared(), person).token(['read']);
    let invitation = '';
    for (let i = 0; i < 31; i++) {
      const path = `/v1/people/${person.id}/invite`;
      const again = await owner.call('POST', path, { allowPassword: true }, { confirm: true });
      invitation = assertStatus(again, 200).secret;
    }
    await using raw = await openRaw(place);
    const left = async (table: string, state: string) =>
      (await raw.rows(`select id from ${table} where person_id = '${person.id}' and state = '${state}'`)).length;
    assert.equal(await left('person_passwords', 'offered'), 1);
    // As if none had ever been taken back; each counts twice in an entry.
    const revive = async (table: string, state: string) =>
      await raw.run(`update ${table} set state = '${state}' where person_id = '${person.id}'`);
    await revive('person_passwords', 'offered');
    const device = new TestPerson(shared().installation);
    assert.equal(outcome(await device.enrol(invitation)), 'done');
    await revive('person_passwords', 'offered');
    await revive('invitations', 'open');
    const { state } = assertStatus(await leave(owner, person.id), 201).offboarding;
    assert.equal(state, 'done');
    assert.deepEqual([await left('person_passwords', 'offered'), await left('invitations', 'open')], [0, 0]);
    assert.equal((await hands(shared(), person).with(secret, 'GET', '/v1/projects')).status, 401);
    assertStatus(await owner.call('DELETE', `/v1/people/${person.id}`), 200);
  });

  it('keeps what is named, of what he made and of nothing else', async () => {
    const { owner, enrol, token } = shared();
    const person = await enrol({ role: 'administrator' });
    const does = hands(shared(), person);
    const [kept, other] = [await does.token(['read']), await does.token(['read'])];
    const foreign = await token(['read']);
    assert.equal(outcome(await leave(owner, person.id, { keep: [foreign.id] })), '400 INVALID_INPUT');
    assert.equal(outcome(await person.call('GET', '/v1/session')), 'done');
    const { id } = await left(owner, person.id, { keep: [kept.token.id] });
    assert.equal((await does.with(kept.secret, 'GET', '/v1/projects')).status, 200);
    assert.equal((await does.with(other.secret, 'GET', '/v1/projects')).status, 401);
    const known = await knownOf(owner, `/v1/offboardings/${id}/exposures`);
    const standing = known.filter(({ state }) => state === 'stands').map(({ id, remedy }) => [id, remedy]);
    assert.deepEqual(standing, [[kept.token.id, 'revoke']]);
    const rotated = await owner.call('POST', `/v1/offboardings/${id}/rotate`, NOW, { confirm: true });
    assert.equal(assertStatus(rotated, 200).byHand, 1);
  });

  it('off-boards services, also one that somebody wrote past the ledger so that it seems over', async () => {
    const { owner, place, consumer, enrol } = shared();
    const does = hands(shared(), await enrol({ role: 'owner' }));
    const service = await does.token(['admin']);
    await permit(service.token.id);
    const body = { project: 'market', environment: 'test', consumer, name: 'k', permissions: ['prices:read'] };
    const issued = assertStatus(await does.with(service.secret, 'POST', '/v1/keys', body), 201);
    const path = '/v1/tokens';
    const made = assertStatus(await does.with(service.secret, 'POST', path, { name: 'x', scopes: ['read'] }), 201);
    await using raw = await openRaw(place);
    await new WrittenPast(raw).edit('tokens', made.token.id, { state: 'deactivated' });
    const { id, name } = await left(owner, service.token.id);
    assert.equal(name, 'made');
    const row = await new WrittenPast(raw).row('tokens', made.token.id);
    const [head] = await raw.rows(`select sequence from row_heads where row_id = '${row.id}'`);
    const [entry] = await raw.rows(`select action from entries where sequence = ${head?.['sequence']}`);
    assert.equal(entry?.['action'], 'token.revoked');
    const known = await knownOf(owner, `/v1/offboardings/${id}/exposures`);
    assert.deepEqual(
      inShort(known),
      [`key ${issued.key.id} key.issued`, `token ${made.token.id} token.created`].sort(),
    );
    assert.equal(outcome(await leave(owner, 'tok_00000000-0000-7000-8000-000000000000')), '404 TOKEN_NOT_FOUND');
  });

  it('shows nothing to whoever is gone, whatever was on its way: the list is whole', async () => {
    const { owner, enrol, secrets } = shared();
    const person = await enrol({ role: 'owner' });
    const does = hands(shared(), person);
    const { secret, token } = await does.token(['admin']);
    await permit(token.id);
    const asking = Array.from({ length: 40 }, (_, i) =>
      i % 2 === 0
        ? does.reveal(secrets.get('plain'))
        : does.with(secret, 'POST', '/v1/tokens', { name: 'late', scopes: ['read'] }),
    );
    await asking[0];
    const offboarding = await left(owner, person.id);
    const answers = await Promise.all(asking);
    const shown = answers.filter(({ status }) => status < 300).length;
    const known = await knownOf(owner, `/v1/offboardings/${offboarding.id}/exposures`);
    assert.equal(
      known.reduce((sum, { times }) => sum + times, 0),
      shown + 1,
    );
    for (const actor of [person.id, token.id]) {
      const { items } = assertStatus(await owner.call('GET', `/v1/audit/entries?actor=${actor}`), 200);
      assert.ok(items.every((entry: { sequence: number }) => entry.sequence <= offboarding.to));
    }
    assert.deepEqual(
      known.filter(({ kind, state }) => kind === 'token' && state !== 'over'),
      [],
    );
  });
});

onEachDatabase('an off-boarding that did not come to its end', (createPlace) => {
  it('is finished by itself at the next start; one that can not be ends all else, is begun once, and raises an alarm', async () => {
    await using place = await createPlace();
    await using raw = await openRaw(place);
    const past = new WrittenPast(raw);
    let offboardings: { id: string; of: string; listDigest: string }[] = [];
    const secrets: string[] = [];
    let owner: TestPerson;
    {
      await using installation = await startInstallation(place);
      owner = await enrolOwner(installation);
      // The last owner stays, and nothing is begun.
      const own = { of: owner.id, reason: 'test' };
      assert.equal(outcome(await owner.call('POST', '/v1/offboardings', own)), '409 LAST_OWNER');
      assert.deepEqual(assertStatus(await owner.call('GET', '/v1/offboardings'), 200).items, []);
      for (const name of ['left', 'stuck']) {
        const person = await enrolPerson(installation, owner, { role: 'administrator' });
        const body = { name, scopes: ['read'] };
        const made = assertStatus(await person.call('POST', '/v1/tokens', body, { confirm: true }), 201);
        secrets.push(made.secret);
        const leaving = { of: person.id, reason: 'test' };
        const { offboarding } = assertStatus(await owner.call('POST', '/v1/offboardings', leaving), 201);
        offboardings = [...offboardings, offboarding];
        // As it is where the process dies right after its first entry.
        const [role] = await raw.rows(`select id from role_grants where person_id = '${person.id}'`);
        const [passkey] = await raw.rows(`select id from person_passkeys where person_id = '${person.id}'`);
        const his = { tokens: made.token.id, role_grants: role.id, person_passkeys: passkey.id };
        for (const [table, id] of Object.entries(his)) {
          await past.edit(table, id, { state: 'active' });
          await past.mend(table, id);
        }
        const begun = { state: 'ending', list_digest: null, exposures: 0, finished_at: null };
        await past.edit('offboardings', offboarding.id, begun);
        await past.mend('offboardings', offboarding.id);
        if (name === 'stuck') await forbidUpdate(raw, place, 'role_grants', role.id);
      }
      await raw.run('delete from exposures');
    }
    await using installation = await startInstallation(place);
    owner.movedTo(installation);
    const [finished, stuck] = offboardings;
    const list = async () => assertStatus(await owner.call('GET', '/v1/offboardings'), 200).items;
    const stateOf = async (id: string | undefined) =>
      (await owner.call('GET', `/v1/offboardings/${id}`)).body.offboarding.state;
    await eventually('it is finished', async () => (await stateOf(finished?.id)) === 'done');
    const alarmOf = async () => {
      const { alarms } = assertStatus(await owner.call('GET', '/v1/installation'), 200);
      return alarms.find(({ code }: { code: string }) => code === 'OFFBOARDING_UNFINISHED');
    };
    const alarm = await eventually('an alarm', alarmOf);
    assert.deepEqual([alarm.subject, await stateOf(stuck?.id)], [stuck?.id, 'ending']);
    for (const token of secrets) {
      const answer = await send(new URL('/v1/projects', installation.controlUrl), 'GET', undefined, { token });
      assert.equal(answer.status, 401);
    }
    const passkeys = await raw.rows('select state from person_passkeys order by id');
    assert.deepEqual(
      passkeys.map(({ state }) => state),
      ['active', 'removed', 'removed'],
    );
    // As a provider says it again, for as long as it hears of a fault.
    const again = { of: stuck?.of, reason: 'test' };
    const repeat = () => owner.call('POST', '/v1/offboardings', again);
    assert.deepEqual([(await repeat()).status, (await list()).length], [500, 2]);
    await raw.run(place.databaseUrl === undefined ? 'drop trigger stuck' : 'drop trigger stuck on role_grants');
    assert.equal(assertStatus(await repeat(), 201).offboarding.id, stuck?.id);
    assert.deepEqual([await stateOf(stuck?.id), await alarmOf()], ['done', undefined]);
    const { items } = assertStatus(await owner.call('GET', `/v1/offboardings/${finished?.id}/exposures`), 200);
    assert.equal(hash('sha256', items.map(lineOf).join(''), 'hex'), finished?.listDigest);
  });
});

/** A fault that is not of the store as a whole. */
async function forbidUpdate(raw: RawDatabase, { databaseUrl }: TestPlace, table: string, id: string): Promise<void> {
  const when = `before update on ${table} for each row when (old.id = '${id}')`;
  if (databaseUrl === undefined) {
    await raw.run(`create trigger stuck ${when} begin select raise(abort, 'stuck'); end`);
    return;
  }
  await raw.run(`create function stuck() returns trigger language plpgsql as $$ begin raise exception 'stuck'; end $$`);
  await raw.run(`create trigger stuck ${when} execute function stuck()`);
}
