import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { onEachDatabase } from '../../testing/databases.ts';
import { originOf, type PersonAnswer, TestPerson } from '../../testing/person.ts';
import { type Policed, savePolicy, settle, sharePoliced } from '../../testing/policies.ts';
import { openRaw } from '../../testing/raw-database.ts';
import { assertStatus } from '../../testing/shared-market.ts';
import { SsoBrowser, type SsoProvider, startSsoProvider } from '../../testing/sso-provider.ts';
import { WrittenPast } from '../../testing/written-past.ts';

const SESSION = '__Host-keyhold-session';
const outcome = ({ status, body }: PersonAnswer) => (status < 300 ? 'done' : `${status} ${body.code}`);
const ROLES = [{ group: 'staff', role: 'administrator' }];

onEachDatabase('who somebody is at a provider', (createPlace) => {
  const shared = sharePoliced(createPlace);
  let provider: SsoProvider;
  const stack = new AsyncDisposableStack();
  after(() => stack.disposeAsync());

  const origin = () => originOf(shared().installation);
  const save = (name = 'corp', more: object = {}) => {
    const from = { project: 'market', environment: 'live', path: 'sso/corp' };
    const body = { issuer: provider.issuer, clientId: 'keyhold', clientSecretFrom: from, makesPeople: true };
    return shared().owner.call('PUT', `/v1/sign-on/${name}`, { ...body, roles: ROLES, ...more }, { confirm: true });
  };
  const know = (sub: string) => provider.accounts.set(sub, { groups: ['staff'] });
  const isBack = (url: string) => url.startsWith(`${origin()}/sign-in#`) || url === `${origin()}/account`;
  const come = async (sub: string, path = 'corp?fresh=1'): Promise<TestPerson | string> => {
    const browser = new SsoBrowser();
    const end = await browser.go(`${origin()}/sign-on/${path}`, sub, isBack);
    return await handsOf(browser, end);
  };
  const handsOf = async (browser: SsoBrowser, end: string): Promise<TestPerson | string> => {
    const session = browser.cookieOf(origin(), SESSION);
    if (end !== `${origin()}/account` || session === undefined) return new URL(end).hash.slice(1);
    const person = new TestPerson(shared().installation);
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
  const addFirst = async (person: TestPerson) => {
    const { options } = assertStatus(await person.call('POST', '/v1/passkeys/options', {}), 200);
    const body = { name: 'first', response: person.device.create(options) };
    assertStatus(await person.call('POST', '/v1/passkeys', body), 201);
  };
  const link = async (person: TestPerson, sub: string): Promise<string> => {
    const asked = await person.call('POST', '/v1/session/identities', { name: 'corp' }, { confirm: true });
    const browser = new SsoBrowser();
    browser.setCookie(origin(), SESSION, person.session);
    return await browser.go(`${origin()}${assertStatus(asked, 201).path}`, sub, isBack);
  };

  const asks = async (by: TestPerson) => {
    const headers = { 'keyhold-approval-reason': 'test' };
    const path = `/v1/secrets/${shared().secrets.get('plain')}/reveal`;
    const { body } = await by.call('POST', path, {}, { confirm: true, headers });
    return body.approval as string;
  };
  const approve = async (by: TestPerson, id: string) => {
    const { items } = assertStatus(await by.call('GET', '/v1/approvals?limit=200'), 200);
    const { digest } = items.find((one: { id: string }) => one.id === id) ?? { digest: '0'.repeat(64) };
    const body = { digest, reason: 'test' };
    return outcome(await by.call('POST', `/v1/approvals/${id}/approve`, body, { confirm: true }));
  };

  before(async () => {
    const uris = ['corp', 'again'].map((name) => `${origin()}/sign-on/${name}/callback`);
    provider = stack.use(await startSsoProvider(uris, { claimsInToken: true }));
    const { clientSecret } = provider;
    const body = { project: 'market', environment: 'live', path: 'sso/corp', data: { clientSecret } };
    assertStatus(await shared().owner.call('POST', '/v1/secrets', body, { confirm: true }), 201);
    assertStatus(await save(), 200);
  });

  it('is one person, however often and at whatever moment he comes', async () => {
    know('ann');
    const both = await Promise.all([come('ann'), come('ann')]);
    const ids = both.filter((one): one is TestPerson => typeof one !== 'string').map(({ id }) => id);
    assert.ok(ids.length > 0);
    const { id } = await comes('ann');
    assert.deepEqual([...new Set(ids)], [id]);
  });

  it('is the same under another name of his issuer; who was put out stays so', async () => {
    const { owner } = shared();
    for (const sub of ['ben', 'out']) know(sub);
    const [ben, out] = [await comes('ben'), await comes('out')];
    assertStatus(await owner.call('POST', '/v1/offboardings', { of: out.id, reason: 'test' }), 201);
    assertStatus(await save('again'), 200);
    assert.equal((await comes('ben', 'again')).id, ben.id);
    assert.equal(await come('out', 'again'), 'SIGN_IN_REFUSED');
    assertStatus(await owner.call('DELETE', '/v1/sign-on/corp', {}), 200);
    assertStatus(await save(), 200);
    assert.equal((await comes('ben')).id, ben.id);
    assert.equal(await come('out'), 'SIGN_IN_REFUSED');
    const entries = `/v1/audit/entries?action=sign-in.refused&subject=${out.id}`;
    assert.equal(assertStatus(await owner.call('GET', entries), 200).items.length, 2);
    assertStatus(await owner.call('DELETE', '/v1/sign-on/again', {}), 200);
  });

  it('is linked with who was here before by his own passkey, and nobody is two', async () => {
    const { owner, enrol } = shared();
    know('cyd');
    know('dan');
    const cyd = await enrol({ role: 'developer' });
    const unconfirmed = await cyd.call('POST', '/v1/session/identities', { name: 'corp' });
    assert.equal(outcome(unconfirmed), '403 CONFIRMATION_REQUIRED');
    assert.equal(await link(cyd, 'cyd'), `${origin()}/account`);
    assert.equal((await comes('cyd')).id, cyd.id);
    // Who is somebody here already is not taken over by whoever links him.
    await comes('dan');
    assert.match(await link(owner, 'dan'), /SIGN_IN_REFUSED/);
    const path = assertStatus(
      await cyd.call('POST', '/v1/session/identities', { name: 'corp' }, { confirm: true }),
      201,
    ).path;
    assertStatus(await cyd.call('POST', '/v1/sign-out', {}), 200);
    know('eve');
    assert.match(await new SsoBrowser().go(`${origin()}${path}`, 'eve', isBack), /SIGN_IN_REFUSED/);
    // Nor does whoever follows somebody else's link become him to the provider.
    const ticket = await owner.call('POST', '/v1/session/identities', { name: 'corp' }, { confirm: true });
    const stranger = new SsoBrowser();
    const other = await comes('dan');
    stranger.setCookie(origin(), SESSION, other.session);
    assert.match(await stranger.go(`${origin()}${assertStatus(ticket, 201).path}`, 'eve', isBack), /SIGN_IN_REFUSED/);
    assert.notEqual((await comes('eve')).id, owner.id);
  });

  it('approves nothing of himself: not as who was invited, nor by a provider that he saved', async () => {
    const { owner, enrol, place } = shared();
    const at = 'action == Action::"secrets.reveal", resource == Secret::"market/live/plain"';
    await savePolicy(owner, 'wants', `forbid(principal, ${at}) unless { context.approvals >= 1 };`);
    know('fay');
    know('gus');
    const [fay, gus] = [await comes('fay'), await comes('gus')];
    for (const one of [fay, gus]) await addFirst(one);
    const invited = await enrol({ role: 'administrator' });
    // Two days later, so that nothing else bars them: their roles at the provider are older than a day.
    for (const one of [fay, gus, invited]) await settle(place, one.id);
    const asked = await asks(invited);
    assert.equal(await approve(fay, asked), '403 FORBIDDEN');
    // The owner saved the provider: whoever it lets in may be he.
    assert.equal(await approve(fay, await asks(owner)), '403 FORBIDDEN');
    // Nor as whom another claim of the same issuer makes of him.
    provider.accounts.set('fay', { groups: ['staff'], name: 'Fay' });
    assertStatus(await save('again', { subjectClaim: 'name' }), 200);
    const twin = await comes('fay', 'again?fresh=1');
    assert.notEqual(twin.id, fay.id);
    await addFirst(twin);
    await settle(place, twin.id);
    const hers = await asks(fay);
    assert.equal(await approve(twin, hers), '403 FORBIDDEN');
    assertStatus(await owner.call('DELETE', '/v1/sign-on/again', {}), 200);
    // Nor by moving what is known of him to somebody else.
    await fay.signIn();
    await using raw = await openRaw(place);
    const past = new WrittenPast(raw);
    const [known] = await raw.rows(`select id from person_identities where person_id = '${fay.id}'`);
    await past.edit('person_identities', String(known?.['id']), { person_id: gus.id });
    assert.equal(await approve(fay, asked), '403 FORBIDDEN');
    assert.equal(await approve(gus, hers), '403 FORBIDDEN');
    await past.edit('person_identities', String(known?.['id']), { person_id: fay.id });
    know('ivy');
    assert.equal(await link(invited, 'ivy'), `${origin()}/account`);
    assert.equal(await approve(fay, asked), 'done');
    assert.equal(await approve(gus, hers), 'done');
    // Also where he is known there himself, as long as it gave somebody a role within a day.
    know('own');
    assert.equal(await link(owner, 'own'), `${origin()}/account`);
    know('zoe');
    const zoe = await comes('zoe');
    await addFirst(zoe);
    const his = await asks(owner);
    assert.equal(await approve(zoe, his), '403 FORBIDDEN');
    await settle(place, zoe.id);
    assert.equal(await approve(zoe, his), 'done');
  });

  it('approves for his colleagues when his role is renewed each day, and not in his first', async () => {
    const { owner, place } = shared();
    for (const sub of ['max', 'ned', 'new']) know(sub);
    await using raw = await openRaw(place);
    const past = new WrittenPast(raw);
    const [max, ned] = [await comes('max'), await comes('ned')];
    await addFirst(max);
    // Two days later they come again, and are given anew what has ended meanwhile.
    for (const { id } of [max, ned]) {
      await settle(place, id, id === max.id ? undefined : ['role_grants']);
      const [role] = await raw.rows(`select id from role_grants where person_id = '${id}'`);
      await past.edit('role_grants', role.id, { expires_at: Date.now() - 1 });
      await past.mend('role_grants', role.id);
      await comes(id === max.id ? 'max' : 'ned');
    }
    assertStatus(await max.signIn(), 200);
    const his = await asks(max);
    // Whose first passkey is of today may be whoever is the provider.
    await addFirst(ned);
    assert.equal(await approve(ned, his), '403 FORBIDDEN');
    await settle(place, ned.id, ['people']);
    assertStatus(await ned.signIn(), 200);
    // A newcomer of today may be anybody whom the provider lets in, too.
    const newcomer = await comes('new');
    await addFirst(newcomer);
    assert.equal(await approve(newcomer, his), '403 FORBIDDEN');
    assert.equal(await approve(ned, await asks(newcomer)), '403 FORBIDDEN');
    assert.equal(await approve(owner, his), '403 FORBIDDEN');
    // That he was here before has to be what the ledger recorded.
    const given = await raw.rows(`select id from role_grants where person_id = '${ned.id}' order by id`);
    const before = await past.row('role_grants', given[0].id);
    await past.edit('role_grants', before.id, { reason: 'another' });
    assert.deepEqual([given.length, await approve(ned, his)], [2, '403 FORBIDDEN']);
    await past.restore('role_grants', before);
    assert.equal(await approve(ned, his), 'done');
  });

  it('is not what somebody wrote past the ledger, nor what nobody signed, and its secret moves with its key', async () => {
    const { owner, place } = shared();
    for (const sub of ['kay', 'lou']) know(sub);
    const [kay, lou] = [await comes('kay'), await comes('lou')];
    await using raw = await openRaw(place);
    const past = new WrittenPast(raw);
    const [row] = await raw.rows(`select id from person_identities where subject = 'kay'`);
    await past.edit('person_identities', String(row?.['id']), { person_id: lou.id });
    assert.equal(outcome(await kay.call('GET', '/v1/session')), '401 UNAUTHENTICATED');
    assert.equal(await come('kay'), 'ROW_TAMPERED');
    await past.edit('person_identities', String(row?.['id']), { person_id: kay.id });
    await comes('kay');

    provider.breaksSignatures = true;
    assert.equal(await come('kay'), 'SIGN_IN_REFUSED');
    provider.breaksSignatures = false;
    await comes('kay');

    await rewrapSecret(shared());
    await comes('kay');
    assertStatus(await owner.call('POST', '/v1/seal', {}, { confirm: true }), 200);
    assert.equal(await come('kay'), 'SEALED');
    assertStatus(await owner.call('POST', '/v1/unseal', {}), 200);
    await comes('kay');
  });
});

/** Replaces the keys of the place where clients' secrets lie, and waits until nothing lies under the old ones. */
async function rewrapSecret({ owner, place }: Policed): Promise<void> {
  await using raw = await openRaw(place);
  const keyOf = async () => (await raw.rows('select vault_key_id from sign_ons'))[0]?.['vault_key_id'];
  const before = await keyOf();
  const body = { project: 'default', environment: 'production' };
  const { status } = await owner.call('POST', '/v1/vault/keys/rotate', body, { confirm: true });
  assert.ok(status < 300);
  for (let i = 0; (await keyOf()) === before; i++) {
    assert.ok(i < 200, 'it is not re-wrapped');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
