import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { damaged } from '../../testing/damaged-envelope.ts';
import { onEachDatabase } from '../../testing/databases.ts';
import { moveClock } from '../../testing/moved-clock.ts';
import { originOf, type PersonAnswer, TestPerson } from '../../testing/person.ts';
import { sharePoliced } from '../../testing/policies.ts';
import { openRaw } from '../../testing/raw-database.ts';
import { assertStatus } from '../../testing/shared-market.ts';
import { type SsoAccount, SsoBrowser, type SsoProvider, startSsoProvider } from '../../testing/sso-provider.ts';
import { WrittenPast } from '../../testing/written-past.ts';

const SESSION = '__Host-keyhold-session';
const outcome = ({ status, body }: PersonAnswer) => (status < 300 ? 'done' : `${status} ${body.code}`);
const ROLES = [
  { group: 'trading', role: 'developer', environment: 'market/live' },
  { group: 'audit', role: 'auditor' },
];

onEachDatabase('signing in at a provider', (createPlace) => {
  const shared = sharePoliced(createPlace);
  let provider: SsoProvider;
  let other: SsoProvider;
  const stack = new AsyncDisposableStack();
  after(() => stack.disposeAsync());

  const origin = () => originOf(shared().installation);
  const save = (name: string, more: object = {}) => {
    const from = { project: 'market', environment: 'live', path: `sso/${name}` };
    const body = { issuer: provider.issuer, clientId: 'keyhold', clientSecretFrom: from, makesPeople: true };
    return shared().owner.call('PUT', `/v1/sign-on/${name}`, { ...body, roles: ROLES, ...more }, { confirm: true });
  };
  const know = (sub: string, account: SsoAccount) => provider.accounts.set(sub, account);
  const isBack = (url: string) => url.startsWith(`${origin()}/sign-in#`) || url === `${origin()}/account`;

  /** Signs in as he would in a browser; resolves to his hands, or to what the page of sign-in says. */
  const come = async (sub: string, path = 'corp', browser = new SsoBrowser()): Promise<TestPerson | string> => {
    const end = await browser.go(`${origin()}/sign-on/${path}`, sub, isBack);
    const person = new TestPerson(shared().installation);
    const session = browser.cookieOf(origin(), SESSION);
    if (end !== `${origin()}/account` || session === undefined) return new URL(end).hash.slice(1);
    person.session = session;
    const { body } = await person.call('GET', '/v1/session');
    person.id = body.person.id;
    person.sessionId = body.sessions.find(({ current }: { current: boolean }) => current).id;
    return person;
  };
  const comes = async (sub: string, path?: string): Promise<TestPerson> => {
    const person = await come(sub, path);
    assert.ok(typeof person !== 'string', `${sub} is not let in: ${person}`);
    return person;
  };
  const rolesOf = async (person: TestPerson) =>
    assertStatus(await person.call('GET', '/v1/session'), 200).roles.map(
      ({ role, environment }: { role: string; environment: string | null }) => `${role}@${environment}`,
    );

  before(async () => {
    const uris = ['corp', 'second'].map((name) => `${origin()}/sign-on/${name}/callback`);
    provider = stack.use(await startSsoProvider(uris));
    other = stack.use(await startSsoProvider(uris));
    for (const [name, { clientSecret }] of [
      ['corp', provider],
      ['second', other],
    ] as const) {
      const body = { project: 'market', environment: 'live', path: `sso/${name}`, data: { clientSecret } };
      assertStatus(await shared().owner.call('POST', '/v1/secrets', body, { confirm: true }), 201);
    }
    assertStatus(await save('corp'), 200);
    assertStatus(await save('second', { issuer: other.issuer, roles: [] }), 200);
  });

  it('makes a person of whoever is in a group that has a role, and of nobody else', async () => {
    know('ann', { name: 'Ann', groups: ['trading', 'lunch'] });
    know('ben', { name: 'Ben', groups: ['lunch'] });
    const ann = await comes('ann');
    assert.deepEqual(await rolesOf(ann), ['developer@market/live']);
    assert.equal(await come('ben'), 'SIGN_IN_REFUSED');
    assert.equal((await comes('ann')).id, ann.id);
    const { items } = assertStatus(await shared().owner.call('GET', '/v1/people?limit=200'), 200);
    assert.deepEqual(
      items.map(({ name }: { name: string }) => name).filter((name: string) => /Ann|Ben/.test(name)),
      ['Ann'],
    );
    const saved = assertStatus(await save('corp', { makesPeople: false, clientSecretFrom: undefined }), 200);
    assert.equal(saved.signOn.hasSecret, true);
    know('cyd', { groups: ['audit'] });
    assert.equal(await come('cyd'), 'SIGN_IN_REFUSED');
    assert.ok(typeof (await come('ann')) !== 'string');
    assertStatus(await save('corp'), 200);
  });

  it('gives the roles of the groups of now, and takes the others; what somebody gave by hand stays', async () => {
    know('dan', { groups: ['trading', 'audit'] });
    const before = await comes('dan');
    assert.deepEqual((await rolesOf(before)).sort(), ['auditor@null', 'developer@market/live']);
    know('dan', { groups: ['audit'] });
    const after = await comes('dan');
    assert.deepEqual(await rolesOf(after), ['auditor@null']);
    // His other session has no more than he has now.
    assert.deepEqual(await rolesOf(before), ['auditor@null']);
    const gift = { role: 'support', environment: 'market/test', reason: 'test' };
    assertStatus(await shared().owner.call('POST', `/v1/people/${after.id}/roles`, gift, { confirm: true }), 201);
    know('dan', { groups: [] });
    assert.deepEqual(await rolesOf(await comes('dan')), ['support@market/test']);
    know('eve', { groups: ['audit'] });
    const eve = await comes('eve');
    know('eve', { groups: [] });
    assert.equal(await come('eve'), 'SIGN_IN_REFUSED');
    assert.deepEqual(await rolesOf(eve), []);
  });

  it('takes what a group gives no more, or may not have been said, from whoever is signed in, before that is answered', async () => {
    const SPARE = { group: 'spare', role: 'auditor' };
    assertStatus(await save('corp', { roles: [...ROLES, SPARE] }), 200);
    know('pia', { groups: ['trading', 'audit'] });
    const pia = await comes('pia');
    // Another group still gives it; in which of them she was nobody kept.
    assertStatus(await save('corp', { roles: [ROLES[0], SPARE] }), 200);
    assert.deepEqual(await rolesOf(pia), ['developer@market/live']);
    assert.deepEqual(await rolesOf(await comes('pia')), ['developer@market/live']);
    assertStatus(await save('corp', { roles: [ROLES[0]], groupsClaim: 'teams' }), 200);
    assert.deepEqual(await rolesOf(pia), []);
    assertStatus(await save('corp'), 200);
    assert.deepEqual((await rolesOf(await comes('pia'))).sort(), ['auditor@null', 'developer@market/live']);
    // Where the process died after the save, or somebody hid the role meanwhile: with the next save, or in minutes.
    await using raw = await openRaw(shared().place);
    const past = new WrittenPast(raw);
    const mine = `person_id = '${pia.id}' and role = 'auditor' and state = 'active'`;
    const [{ id }] = await raw.rows(`select id from role_grants where ${mine}`);
    await past.edit('role_grants', id, { state: 'ended' });
    assertStatus(await save('corp', { roles: [ROLES[0]] }), 200);
    await past.edit('role_grants', id, { state: 'active' });
    assert.equal((await rolesOf(pia)).length, 2);
    assertStatus(await save('corp', { roles: [ROLES[0]] }), 200);
    assert.deepEqual(await rolesOf(pia), ['developer@market/live']);
    assertStatus(await save('corp'), 200);
  });

  it('confirms nothing critical: that takes a passkey, whose first is added within minutes', async () => {
    know('fay', { groups: ['trading'] });
    const reveal = (by: TestPerson, asked: object = {}) =>
      by.call('POST', `/v1/secrets/${shared().secrets.get('plain')}/reveal`, {}, asked);
    const add = async (by: TestPerson, confirm = false) => {
      const { options } = assertStatus(await by.call('POST', '/v1/passkeys/options', {}), 200);
      const response = by.device.create(options);
      return await by.call('POST', '/v1/passkeys', { name: 'first', response }, { confirm });
    };
    const late = await comes('fay', 'corp?fresh=1');
    assert.equal(outcome(await reveal(late)), '403 CONFIRMATION_REQUIRED');
    {
      using _ = moveClock(6 * 60_000);
      assert.equal(outcome(await add(late)), '403 CONFIRMATION_REQUIRED');
    }
    // That the provider knows him from some day is not that he is there now.
    assert.equal(outcome(await add(await comes('fay'))), '403 CONFIRMATION_REQUIRED');
    const [fay, beside] = [await comes('fay', 'corp?fresh=1'), await comes('fay', 'corp?fresh=1')];
    assert.equal(outcome(await add(fay)), 'done');
    assert.equal(outcome(await reveal(fay, { confirm: true })), 'done');
    // Whoever signs in as him there is not him here: another passkey takes this one.
    const again = await comes('fay', 'corp?fresh=1');
    for (const one of [again, beside]) assert.equal(outcome(await add(one)), '403 CONFIRMATION_REQUIRED');
    // Nor where somebody wrote past the ledger that there is none.
    await using raw = await openRaw(shared().place);
    await raw.run(`update person_passkeys set state = 'removed' where person_id = '${fay.id}'`);
    assert.equal(outcome(await add(again)), '403 CONFIRMATION_REQUIRED');
    await raw.run(`update person_passkeys set state = 'active' where person_id = '${fay.id}'`);
    assert.equal(outcome(await fay.signIn()), 'done');
    // What a provider's groups gave is over with the last session that it could have been for.
    assert.deepEqual(await rolesOf(fay), ['developer@market/live']);
    know('fay', { groups: [] });
    using _ = moveClock(13 * 3_600_000);
    assert.equal(outcome(await fay.signIn()), 'done');
    assert.deepEqual(await rolesOf(fay), []);
    // And given anew with the next sign-in there.
    know('fay', { groups: ['trading'] });
    assert.deepEqual(await rolesOf(await comes('fay')), ['developer@market/live']);
  });

  it('keeps out whoever was suspended or off-boarded here, whatever the provider says', async () => {
    const { owner } = shared();
    know('gus', { groups: ['audit'] });
    const gus = await comes('gus');
    assertStatus(await owner.call('POST', `/v1/people/${gus.id}/suspend`, {}), 200);
    assert.equal(outcome(await gus.call('GET', '/v1/session')), '401 UNAUTHENTICATED');
    assert.equal(await come('gus'), 'SIGN_IN_REFUSED');
    assertStatus(await owner.call('POST', `/v1/people/${gus.id}/resume`, {}, { confirm: true }), 200);
    const back = await comes('gus');
    assertStatus(await owner.call('POST', '/v1/offboardings', { of: gus.id, reason: 'test' }), 201);
    assert.equal(outcome(await back.call('GET', '/v1/session')), '401 UNAUTHENTICATED');
    assert.equal(await come('gus'), 'SIGN_IN_REFUSED');
  });

  it('is of one browser, one provider and one time', async () => {
    know('hal', { groups: ['audit'] });
    other.accounts.set('hal', { groups: ['audit'] });
    const atCallback = (url: string) => url.includes('/callback?');
    const codeFor = async (browser: SsoBrowser, name = 'corp') =>
      await browser.go(`${origin()}/sign-on/${name}`, 'hal', atCallback);
    const endOf = async (browser: SsoBrowser, url: string) => (await browser.request(url)).headers.get('location');

    // Somebody sends his own answer to another, who would then be signed in as him.
    const [mine, theirs] = [new SsoBrowser(), new SsoBrowser()];
    const address = await codeFor(mine);
    assert.equal(await endOf(theirs, address), '/sign-in#SIGN_IN_REFUSED');
    await codeFor(theirs);
    assert.equal(await endOf(theirs, address), '/sign-in#SIGN_IN_REFUSED');
    assert.equal(await endOf(mine, address), '/account');
    assert.equal(await endOf(mine, address), '/sign-in#SIGN_IN_REFUSED');

    // Mix-up: an answer of one provider at the address of the other, or in its name.
    const browser = new SsoBrowser();
    const answer = new URL(await codeFor(browser));
    const swapped = new URL(answer);
    swapped.pathname = '/sign-on/second/callback';
    assert.equal(await endOf(browser, swapped.href), '/sign-in#SIGN_IN_REFUSED');
    const renamed = new URL(await codeFor(browser));
    renamed.searchParams.set('iss', other.issuer);
    assert.equal(await endOf(browser, renamed.href), '/sign-in#SIGN_IN_REFUSED');
    const unnamed = new URL(await codeFor(browser));
    unnamed.searchParams.delete('iss');
    assert.equal(await endOf(browser, unnamed.href), '/sign-in#SIGN_IN_REFUSED');

    // A session that was there before is not the one that begins, and a cookie of another's making is none.
    const fixed = new SsoBrowser();
    fixed.setCookie(origin(), SESSION, mine.cookieOf(origin(), SESSION) ?? '');
    assert.equal(await endOf(fixed, await codeFor(fixed)), '/account');
    assert.notEqual(fixed.cookieOf(origin(), SESSION), mine.cookieOf(origin(), SESSION));
    for (const url of ['/sign-on/corp/callback', '/sign-on/nobody', '/sign-on/corp/callback?code=x&state=y'])
      assert.equal(await endOf(new SsoBrowser(), origin() + url), '/sign-in#SIGN_IN_REFUSED');
  });

  it('shuts out for a while whoever fails too often, and nobody whom another page sends there', async () => {
    know('jon', { groups: [] });
    for (let i = 0; i < 12; i++) {
      const sent = await new SsoBrowser().request(`${origin()}/sign-on/corp/callback?code=x&state=y`);
      assert.equal(sent.headers.get('location'), '/sign-in#SIGN_IN_REFUSED');
    }
    const ends: (TestPerson | string)[] = [];
    for (let i = 0; i < 11; i++) ends.push(await come('jon'));
    assert.deepEqual(ends, [...Array(10).fill('SIGN_IN_REFUSED'), 'TOO_MANY_ATTEMPTS']);
    using _ = moveClock(16 * 60_000);
    assert.equal(await come('jon'), 'SIGN_IN_REFUSED');
    know('kay', { groups: ['audit'] });
    await comes('kay');
  });

  it('is an owner’s to save: no other issuer, no owners by groups, no plain http, no roles that are not', async () => {
    const { owner, enrol } = shared();
    const administrator = await enrol({ role: 'administrator' });
    const body = { issuer: provider.issuer, clientId: 'x', makesPeople: true, roles: [] };
    const refused = await administrator.call('PUT', '/v1/sign-on/mine', body, { confirm: true });
    assert.equal(outcome(refused), '403 FORBIDDEN');
    assert.equal(outcome(await owner.call('PUT', '/v1/sign-on/mine', body)), '403 CONFIRMATION_REQUIRED');
    const wrong = [
      { issuer: 'http://sso.example' },
      { issuer: other.issuer },
      { roles: [{ group: 'g', role: 'owner' }] },
      { roles: [{ group: 'g', role: 'nothing' }] },
    ];
    for (const one of wrong) assert.equal(outcome(await save('corp', one)), '400 INVALID_INPUT', JSON.stringify(one));
    const missing = { project: 'market', environment: 'live', path: 'not/there' };
    assert.equal(outcome(await save('corp', { clientSecretFrom: missing })), '404 SECRET_NOT_FOUND');
    const role = { actions: ['sign-on.change'], about: 'test' };
    const custom = await owner.call('PUT', '/v1/custom-roles/taker', role, { confirm: true });
    assert.equal(outcome(custom), '400 INVALID_INPUT');
  });

  it('ends with the provider: its sessions, roles by its groups; and nothing of it that was edited is believed', async () => {
    const { owner, place } = shared();
    know('ida', { groups: ['audit'] });
    await using raw = await openRaw(place);
    const past = new WrittenPast(raw);
    const [{ id }] = (await raw.rows(`select id from sign_ons where name = 'corp'`)) as [{ id: string }];
    const codesOfIt = async (): Promise<string[]> => {
      const { alarms } = assertStatus(await owner.call('GET', '/v1/installation'), 200);
      return alarms.filter((one: { subject: string }) => one.subject === id).map((one: { code: string }) => one.code);
    };
    // As it was before its last change.
    const before = await past.row('sign_ons', id);
    assertStatus(await save('corp'), 200);
    const row = await past.row('sign_ons', id);
    assert.notEqual(row['envelope'], before['envelope']);
    await past.edit('sign_ons', id, before);
    assert.equal(await come('ida'), 'SIGN_IN_REFUSED');
    assert.deepEqual(await codesOfIt(), ['ROW_TAMPERED']);
    await past.edit('sign_ons', id, row);
    const ida = await comes('ida');
    await past.edit('sign_ons', id, { roles: String(row['roles']).replace('auditor', 'administrator') });
    assert.equal(outcome(await ida.call('GET', '/v1/session')), '401 UNAUTHENTICATED');
    assert.equal(await come('ida'), 'SIGN_IN_REFUSED');
    await past.restore('sign_ons', row);
    // Its secret damaged, or moved from another place, its digest mended.
    const [second] = await raw.rows(`select envelope from sign_ons where name = 'second'`);
    const edits = { ...damaged(String(row['envelope'])), moved: String(second?.['envelope']) };
    for (const [what, envelope] of Object.entries(edits)) {
      await past.edit('sign_ons', id, { envelope });
      await past.mend('sign_ons', id);
      assert.equal(await come('ida'), 'SIGN_IN_REFUSED', what);
    }
    assert.deepEqual((await codesOfIt()).sort(), ['ENVELOPE_BROKEN', 'ROW_TAMPERED']);
    await past.restore('sign_ons', row);

    assert.equal(outcome(await ida.call('GET', '/v1/session')), 'done');
    const removed = assertStatus(await owner.call('DELETE', '/v1/sign-on/corp', {}), 200);
    assert.ok(removed.rolesEnded > 0);
    assert.equal(outcome(await ida.call('GET', '/v1/session')), '401 UNAUTHENTICATED');
    const { roles } = assertStatus(await owner.call('GET', '/v1/people?limit=200'), 200).items.find(
      (one: { id: string }) => one.id === ida.id,
    );
    assert.deepEqual(roles, []);
    assert.equal(await come('ida').catch(() => 'gone'), 'SIGN_IN_REFUSED');
    const { items } = assertStatus(await owner.call('GET', '/v1/sign-in/providers'), 200);
    assert.deepEqual(items, [{ name: 'second', path: '/sign-on/second' }]);
  });
});
