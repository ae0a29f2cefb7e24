import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { it } from 'node:test';
import { confirmWithPasskey } from '@keyhold/sdk/signing/confirm-with-passkey';
import { onEachDatabase } from '../../testing/databases.ts';
import { send } from '../../testing/installation.ts';
import { savePolicy } from '../../testing/policies.ts';
import { moveClock } from '../../testing/moved-clock.ts';
import { PasskeyDevice } from '../../testing/passkey-device.ts';
import { enrolPerson, originOf, type TestPerson } from '../../testing/person.ts';
import { shareSignedIn } from '../../testing/signed-in.ts';

onEachDatabase('what is critical', (createPlace) => {
  const shared = shareSignedIn(createPlace);
  const newPerson = (role: object) => enrolPerson(shared().installation, shared().owner, role);
  const startedAt = Date.now();
  const TOKEN = { name: 'made', scopes: ['read'] };

  interface Other {
    readonly method?: string;
    readonly path?: string;
    readonly body?: object;
    readonly session?: string;
    readonly device?: PasskeyDevice;
    readonly now?: () => number;
  }

  /** The field that confirms `POST /v1/tokens` of a body, or something else. */
  const confirmation = async (person: TestPerson, other: Other = {}): Promise<Record<string, string>> => {
    const { method = 'POST', path = '/v1/tokens', body = TOKEN, session = person.sessionId, now } = other;
    const url = new URL(path, shared().installation.controlUrl).href;
    const request = { method, url, headers: [], body: new TextEncoder().encode(JSON.stringify(body)) };
    const device = other.device ?? person.device;
    const holder = { credential: { id: session }, rpId: device.rpId, ...(now === undefined ? {} : { now }) };
    return Object.fromEntries((await confirmWithPasskey(request, holder, device)).headers);
  };

  it('is done only with a passkey of the person, over this request, this session, and now', async () => {
    const { owner, installation } = shared();
    const other = await newPerson({ role: 'administrator' });
    const stranger = new PasskeyDevice(originOf(installation));
    const foreign = new PasskeyDevice('http://localhost:1');
    const wrong: [string, Record<string, string>][] = [
      ['nothing', {}],
      ['no confirmation', { 'keyhold-passkey': 'AAAA' }],
      ['another body', await confirmation(owner, { body: { ...TOKEN, scopes: ['admin'] } })],
      ['another method', await confirmation(owner, { method: 'PUT' })],
      ['another path', await confirmation(owner, { path: '/v1/tokens?x=1' })],
      ['another session', await confirmation(owner, { session: other.sessionId })],
      ["another's passkey", await confirmation(owner, { device: other.device })],
      ['a passkey of nobody', await confirmation(owner, { device: stranger })],
      ['a page of another', await confirmation(owner, { device: foreign })],
      ['too old', await confirmation(owner, { now: () => Date.now() - 121_000 })],
      ['before this start, when it may have been used', await confirmation(owner, { now: () => startedAt - 1_000 })],
      ['from later', await confirmation(owner, { now: () => Date.now() + 60_000 })],
    ];
    for (const [what, headers] of wrong) {
      const answer = await owner.call('POST', '/v1/tokens', TOKEN, { headers });
      assert.deepEqual([answer.status, answer.body.code], [403, 'CONFIRMATION_REQUIRED'], what);
    }
    const done = await owner.call('POST', '/v1/tokens', TOKEN, { headers: await confirmation(owner) });
    assert.equal(done.status, 201);
    const entries = await owner.call('GET', '/v1/audit/entries?action=request.confirmed');
    assert.ok(entries.body.items.some(({ actor }: { actor: string }) => actor === owner.id));
    // Whoever reads the log can't try against it what people choose.
    assert.ok(!JSON.stringify(entries.body).includes(hash('sha256', JSON.stringify(TOKEN), 'hex')));
    assert.match(JSON.stringify(entries.body), /"target":"\/v1\/tokens"/);
  });

  it('is done once for each confirmation, also where it comes fifty times at the same moment', async () => {
    const { owner } = shared();
    const headers = await confirmation(owner);
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => owner.call('POST', '/v1/tokens', TOKEN, { headers })),
    );
    assert.equal(answers.filter(({ status }) => status === 201).length, 1);
    using _ = moveClock(119_000);
    assert.equal((await owner.call('POST', '/v1/tokens', TOKEN, { headers })).status, 403);
  });

  it('is asked of people: a token, which is none, does it only where a policy names it', async () => {
    const { owner, installation } = shared();
    const { token, secret } = (
      await owner.call('POST', '/v1/tokens', { name: 'all', scopes: ['admin'] }, { confirm: true })
    ).body;
    const create = () => installation.call('POST', '/v1/tokens', TOKEN, { token: secret });
    const refused = await create();
    assert.deepEqual([refused.status, refused.body.code], [403, 'FORBIDDEN']);
    const to = `principal == Service::"${token.id}", action == Action::"tokens.create"`;
    await savePolicy(owner, 'names-it', `permit(${to}, resource == Installation::"here");`);
    assert.equal((await create()).status, 201);
  });

  it('a command line is signed in by a code, once, and does nothing that is critical', async () => {
    const { owner, installation } = shared();
    const url = (path: string) => new URL(path, installation.controlUrl);
    assert.equal((await owner.call('POST', '/v1/device-codes', {})).status, 403);
    const made = await owner.call('POST', '/v1/device-codes', {}, { confirm: true });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    const code = { code: made.body.secret };
    const taken = await Promise.all([1, 2, 3].map(() => send(url('/v1/device-sign-in'), 'POST', code, {})));
    assert.deepEqual(taken.map(({ status }) => status).sort(), [200, 404, 404]);
    const { secret, session } = taken.find(({ status }) => status === 200)?.body ?? {};
    assert.equal(session.kind, 'cli');
    const call = (method: string, path: string, body?: object) => send(url(path), method, body, { token: secret });
    assert.equal((await call('GET', '/v1/people')).status, 200);
    assert.equal((await call('POST', '/v1/projects', { slug: 'cli', name: 'By command' })).status, 201);
    assert.equal((await call('POST', '/v1/tokens', TOKEN)).body.code, 'CONFIRMATION_REQUIRED');
    assert.equal((await call('POST', '/v1/device-codes')).body.code, 'CONFIRMATION_REQUIRED');
    // Neither secret is good where the other is.
    const asCookie = { headers: { cookie: `__Host-keyhold-session=${secret}`, origin: originOf(installation) } };
    assert.equal((await send(url('/v1/session'), 'GET', undefined, asCookie)).status, 401);
    assert.equal((await send(url('/v1/session'), 'GET', undefined, { token: owner.session })).status, 401);
    assert.equal((await owner.call('DELETE', `/v1/sessions/${session.id}`)).status, 200);
    assert.equal((await call('GET', '/v1/people')).status, 401);
    // A code is worth no more than the session that it was made in.
    const orphan = await owner.call('POST', '/v1/device-codes', {}, { confirm: true });
    await owner.call('POST', '/v1/sign-out', {});
    assert.equal((await send(url('/v1/device-sign-in'), 'POST', { code: orphan.body.secret }, {})).status, 404);
    await owner.signIn();
    const late = await owner.call('POST', '/v1/device-codes', {}, { confirm: true });
    using _ = moveClock(300_000);
    assert.equal((await send(url('/v1/device-sign-in'), 'POST', { code: late.body.secret }, {})).status, 404);
  });

  it('what a command line asks waits for its person: for that request, of that session, once', async () => {
    const { owner, installation } = shared();
    const signIn = async () => {
      const { secret: code } = (await owner.call('POST', '/v1/device-codes', {}, { confirm: true })).body;
      const url = new URL('/v1/device-sign-in', installation.controlUrl);
      return (await send(url, 'POST', { code }, {})).body;
    };
    const [first, second] = [await signIn(), await signIn()];
    const create = (token: string, body: object, id?: string) =>
      send(new URL('/v1/tokens', installation.controlUrl), 'POST', body, {
        token,
        headers: id === undefined ? {} : { 'keyhold-confirmation': id },
      });
    const refused = await create(first.secret, TOKEN);
    const id: string = refused.body.confirmation;
    assert.equal((await create(first.secret, TOKEN)).body.confirmation, id, 'the same again waits as the same');
    assert.equal((await create(first.secret, TOKEN, id)).body.confirmation, id);
    const { items } = (await owner.call('GET', '/v1/confirmations')).body;
    const passkey = await owner.passkeyOver(items.find((one: { id: string }) => one.id === id));
    assert.equal((await owner.call('POST', `/v1/confirmations/${id}`, { passkey })).status, 200);
    assert.equal((await owner.call('POST', `/v1/confirmations/${id}`, { passkey })).status, 404);
    assert.equal((await create(second.secret, TOKEN, id)).status, 403);
    assert.equal((await create(first.secret, { ...TOKEN, name: 'other' }, id)).status, 403);
    const done = await Promise.all(Array.from({ length: 20 }, () => create(first.secret, TOKEN, id)));
    assert.equal(done.filter(({ status }) => status === 201).length, 1);
    // What carries a secret waits nowhere, and what waits is shown to browsers alone.
    const change = { kind: 'passphrase', passphrase: 'made for this test' };
    const sealed = await send(new URL('/v1/seal/change', installation.controlUrl), 'POST', change, {
      token: first.secret,
    });
    assert.deepEqual([sealed.status, sealed.body.confirmation], [403, undefined]);
    await create(first.secret, { ...TOKEN, name: 'waits' });
    const url = new URL('/v1/confirmations', installation.controlUrl);
    assert.equal((await send(url, 'GET', undefined, { token: second.secret })).status, 403);
    // Ten requests of one command line push out nothing of another's.
    const kept = (await create(second.secret, { ...TOKEN, name: 'kept' })).body.confirmation;
    for (let i = 0; i < 11; i++) await create(first.secret, { ...TOKEN, name: `flood ${i}` });
    const waiting = (await owner.call('GET', '/v1/confirmations')).body.items;
    assert.ok(waiting.some((one: { id: string }) => one.id === kept));
    const late = (await create(first.secret, { ...TOKEN, name: 'late' })).body.confirmation;
    using _ = moveClock(10 * 60_000);
    assert.equal((await owner.call('DELETE', `/v1/confirmations/${late}`)).status, 404);
  });

  it('passkeys are added with one that is there, and the last one stays', async () => {
    const { installation } = shared();
    const person = await newPerson({ role: 'developer' });
    const second = new PasskeyDevice(originOf(installation));
    const { options } = (await person.call('POST', '/v1/passkeys/options', {})).body;
    const body = { name: 'second', response: second.create(options) };
    assert.equal((await person.call('POST', '/v1/passkeys', body)).body.code, 'CONFIRMATION_REQUIRED');
    const added = await person.call('POST', '/v1/passkeys', body, { confirm: true });
    assert.equal(added.status, 201, JSON.stringify(added.body));
    const again = await person.call('POST', '/v1/passkeys', body, { confirm: true });
    assert.equal(again.body.code, 'POSSESSION_UNPROVEN');
    const fresh = (await person.call('POST', '/v1/passkeys/options', {})).body.options;
    const twice = { name: 'twice', response: second.create(fresh) };
    assert.equal((await person.call('POST', '/v1/passkeys', twice, { confirm: true })).body.code, 'PASSKEY_TAKEN');
    const { passkeys } = (await person.call('GET', '/v1/session')).body;
    const [first] = passkeys;
    assert.equal(passkeys.length, 2);
    // The session that began with the first ends with it, this one.
    const path = (id: string) => `/v1/passkeys/${id}`;
    const removed = await person.call('DELETE', path(first.id), undefined, { confirm: true });
    assert.deepEqual([removed.status, removed.body.sessionsEnded], [200, 1]);
    assert.equal((await person.call('GET', '/v1/session')).status, 401);
    assert.equal((await person.signIn()).status, 401);
    const { body: asked } = await person.call('POST', '/v1/sign-in/options', {});
    assert.equal((await person.signInWith(second.assert(asked.options))).status, 200);
  });

  it('an authenticator that signed less often than before raises an alarm', async () => {
    const { owner } = shared();
    const person = await newPerson({ role: 'auditor' });
    person.device.counter = 9;
    await person.signIn();
    person.device.counter = 4;
    // What the last sign-in said is stored a moment later.
    for (;;) {
      await person.signIn();
      const { alarms } = (await owner.call('GET', '/v1/installation')).body;
      if (alarms.some(({ code }: { code: string }) => code === 'PASSKEY_COPIED')) return;
    }
  });
});
