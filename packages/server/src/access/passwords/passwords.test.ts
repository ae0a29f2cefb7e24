import assert from 'node:assert/strict';
import { it } from 'node:test';
import { TOTP_STEP_MS } from '@keyhold/protocol/totp';
import { damaged } from '../../testing/damaged-envelope.ts';
import { onEachDatabase } from '../../testing/databases.ts';
import { send } from '../../testing/installation.ts';
import { outcome } from '../../testing/leaving.ts';
import { moveClock } from '../../testing/moved-clock.ts';
import { sharePoliced } from '../../testing/policies.ts';
import { openRaw } from '../../testing/raw-database.ts';
import { assertStatus } from '../../testing/shared-market.ts';
import { PASSWORD, TypingPerson } from '../../testing/typing-person.ts';
import { WrittenPast } from '../../testing/written-past.ts';

onEachDatabase('a password with an authenticator app', (createPlace) => {
  const shared = sharePoliced(createPlace);
  const invite = async (more: object = {}) => {
    const body = { name: 'Typist', role: 'administrator', reason: 'test', allowPassword: true, ...more };
    return assertStatus(await shared().owner.call('POST', '/v1/people', body, { confirm: true }), 201);
  };
  const enrol = async (login: string, more: object = {}) => {
    const person = new TypingPerson(shared().installation);
    assertStatus(await person.enrolTyping((await invite(more)).secret, login), 201);
    return person;
  };
  const NEW_TOKEN = { name: 'made', scopes: ['read'] };
  const later = (steps: number) => moveClock(steps * TOTP_STEP_MS);

  it('is enrolled by who was invited so, and by nobody else', async () => {
    const { owner, installation } = shared();
    const { secret, person: invited } = await invite();
    const [ann, other] = [new TypingPerson(installation), new TypingPerson(installation)];
    // An offer is of one invitation, and a code of it has to be shown.
    const headers = (token: string) => ({ authorization: `Bearer ${token}` });
    const ask = async (token: string) =>
      (await ann.send('POST', '/v1/enrolment/options', {}, headers(token))).body.totp;
    const second = (await invite()).secret;
    const [own, theirs] = [await ask(secret), await ask(second)];
    const enrolWith = (token: string, body: object) =>
      ann.send('POST', '/v1/enrolment/password', { login: 'Ann@Corp', password: PASSWORD, ...body }, headers(token));
    assert.equal(outcome(await enrolWith(secret, { totp: other.take(theirs) })), '409 CODE_WRONG');
    const taken = other.take(own);
    assert.equal(outcome(await enrolWith(secret, { totp: { ...taken, code: '000000' } })), '409 CODE_WRONG');
    assert.equal(outcome(await enrolWith(secret, { totp: { ...taken, secret: theirs.secret } })), '409 CODE_WRONG');
    for (const password of ['short', 'aaaaaaaaaaaaaaaaaaaa', 'my ANN@corp secret words', 'a Keyhold of my own'])
      assert.equal(outcome(await enrolWith(secret, { totp: taken, password })), '400 INVALID_INPUT', password);
    assertStatus(await ann.enrolTyping(secret, 'Ann@Corp'), 201);
    assert.equal(ann.recoveryCodes.length, 10);
    assert.equal(new Set(ann.recoveryCodes).size, 10);
    assert.equal((await ann.call('GET', '/v1/session')).body.password.login, 'ann@corp');
    assert.equal(outcome(await other.enrolTyping(second, 'ANN@corp')), '409 LOGIN_TAKEN');
    // Without that word of who invites, there is none; nor for the first owner, nor for who is here.
    const plain = (await invite({ allowPassword: false })).secret;
    assert.equal(await ask(plain), null);
    assert.equal(outcome(await enrolWith(plain, { totp: other.take(theirs) })), '403 FORBIDDEN');
    for (const path of ['/v1/password', '/v1/password/recovery-codes'])
      assert.equal(
        outcome(
          await owner.call('POST', path, path === '/v1/password' ? { password: PASSWORD } : {}, { confirm: true }),
        ),
        '403 FORBIDDEN',
      );
    const { items } = assertStatus(await owner.call('GET', '/v1/people?limit=200'), 200);
    const shown = items.find(({ id }: { id: string }) => id === invited.id);
    assert.deepEqual([shown.password, shown.passkeys, shown.state], [true, 0, 'active']);
  });

  it('signs in with both, in any case of the name, each code once, and says of nothing what was wrong', async () => {
    const ben = await enrol('Ben');
    const used = ben.nextCode();
    ben.login = 'bEn';
    assertStatus(await ben.signInTyping(used), 200);
    assert.equal(outcome(await ben.call('GET', '/v1/session')), 'done');
    using _ = later(3);
    const wrong = [
      await ben.signInTyping(used),
      await ben.signInTyping('000000'),
      await ben.signInTyping(ben.nextCode(), `${PASSWORD}!`),
      await ben.signInTyping('aaaa-aaaa-aaaa-aaaa'),
    ];
    ben.login = 'nobody-here';
    wrong.push(await ben.signInTyping('000000'));
    for (const answer of wrong) {
      assert.equal(outcome(answer), '401 SIGN_IN_REFUSED');
      assert.equal(answer.body.detail, wrong[0]?.body.detail);
    }
    ben.login = 'ben';
    const entries = `/v1/audit/entries?subject=${ben.id}&action=sign-in.refused`;
    const { items } = assertStatus(await shared().owner.call('GET', entries), 200);
    assert.equal(items.length, 4);
    // One code, twenty at once.
    const code = ben.nextCode();
    const answers = await Promise.all(Array.from({ length: 20 }, () => ben.signInTyping(code)));
    const outcomes = answers.map(outcome);
    assert.equal(outcomes.filter((one) => one === 'done').length, 1, outcomes.join());
    assert.ok(outcomes.every((one) => ['done', '401 SIGN_IN_REFUSED', '429 TOO_MANY_ATTEMPTS'].includes(one)));
  });

  it('locks a name out that is guessed, wherever from, and only that', async () => {
    const [cyd, dan] = [await enrol('cyd'), await enrol('dan')];
    using _ = later(40);
    const outcomes: string[] = [];
    for (let i = 0; i < 12; i++) {
      outcomes.push(outcome(await cyd.signInTyping('000000', 'wrong words, all of them')));
      // Another network each time, as far as this test can: what it counts is forgotten where somebody gets in.
      if (i % 3 === 2) {
        using __ = later(i);
        assertStatus(await dan.signInTyping(), 200);
      }
    }
    assert.deepEqual(outcomes.slice(0, 10), Array(10).fill('401 SIGN_IN_REFUSED'));
    assert.deepEqual(outcomes.slice(10), Array(2).fill('429 TOO_MANY_ATTEMPTS'));
    assert.equal(outcome(await cyd.signInTyping()), '429 TOO_MANY_ATTEMPTS');
    const entries = `/v1/audit/entries?subject=${cyd.id}&action=sign-in.locked`;
    assert.equal(assertStatus(await shared().owner.call('GET', entries), 200).items.length, 1);
    using __ = later(31);
    assertStatus(await cyd.signInTyping(), 200);
  });

  it('uses a recovery code once, of any number at once, and then takes another app; with it alone nothing is confirmed', async () => {
    const eve = await enrol('eve');
    const [code = '', spare = ''] = eve.recoveryCodes;
    const other = new TypingPerson(shared().installation);
    Object.assign(other, { login: 'eve' });
    const answers = await Promise.all(Array.from({ length: 10 }, () => other.signInTyping(code.toUpperCase())));
    assert.equal(answers.filter(({ status }) => status === 200).length, 1, answers.map(outcome).join());
    using _ = later(40);
    assertStatus(await eve.signInTyping(spare.replaceAll('-', ' ')), 200);
    const { password } = (await eve.call('GET', '/v1/session')).body;
    assert.deepEqual(password, { login: 'eve', recoveryCodes: 8, replacesApp: true });
    assert.equal(outcome(await eve.call('POST', '/v1/tokens', NEW_TOKEN)), '403 CONFIRMATION_REQUIRED');
    const { totp } = assertStatus(await eve.call('POST', '/v1/password/totp/options', {}), 200);
    const phone = new TypingPerson(shared().installation);
    const shown = phone.take(totp);
    assertStatus(await eve.call('POST', '/v1/password/totp', { totp: shown }), 200);
    // Once by one recovery code.
    const twice = assertStatus(await eve.call('POST', '/v1/password/totp/options', {}), 200);
    const third = { totp: new TypingPerson(shared().installation).take(twice.totp) };
    assert.equal(outcome(await eve.call('POST', '/v1/password/totp', third)), '403 CONFIRMATION_REQUIRED');
    assert.equal(outcome(await eve.callCoded('POST', '/v1/tokens', NEW_TOKEN)), '403 CONFIRMATION_REQUIRED');
    eve.take(totp);
    using __ = later(2);
    assertStatus(await eve.callCoded('POST', '/v1/tokens', NEW_TOKEN), 201);
    const made = assertStatus(await eve.callCoded('POST', '/v1/password/recovery-codes', {}), 200);
    assert.equal(made.recoveryCodes.length, 10);
    using ___ = later(10);
    assert.equal(outcome(await eve.signInTyping(eve.recoveryCodes[2])), '401 SIGN_IN_REFUSED');
    // Whoever did not come in by one takes no other app by himself, nor twice by one.
    assertStatus(await eve.signInTyping(), 200);
    const again = assertStatus(await eve.call('POST', '/v1/password/totp/options', {}), 200);
    const app = new TypingPerson(shared().installation);
    const replace = { totp: app.take(again.totp) };
    assert.equal(outcome(await eve.call('POST', '/v1/password/totp', replace)), '403 CONFIRMATION_REQUIRED');
  });

  it('confirms just the request that its nonce is of, once', async () => {
    const fay = await enrol('fay');
    const path = '/v1/tokens';
    const nonce = await fay.nonceFor('POST', path, NEW_TOKEN);
    const withCode = (body: object, value: string, target = path) =>
      fay.call('POST', target, body, { headers: { 'keyhold-code': value } });
    const code = fay.nextCode();
    const refused = '403 CONFIRMATION_REQUIRED';
    for (const [body, target] of [
      [{ ...NEW_TOKEN, scopes: ['admin'] }, path],
      [NEW_TOKEN, `${path}?x=1`],
      [{ person: fay.id }, '/v1/device-codes'],
    ] as const)
      assert.notEqual(outcome(await withCode(body, `${nonce}.${code}`, target)), 'done', target);
    for (const value of [code, `.${code}`, `${nonce}.`, `${nonce}.${code}.x`, `x.${code}`, `${nonce}.12345`])
      assert.equal(outcome(await withCode(NEW_TOKEN, value)), refused, value);
    const both = await Promise.all([withCode(NEW_TOKEN, `${nonce}.${code}`), withCode(NEW_TOKEN, `${nonce}.${code}`)]);
    assert.deepEqual(both.map(outcome).sort(), [refused, 'done']);
    const next = await fay.nonceFor('POST', path, NEW_TOKEN);
    assert.equal(outcome(await withCode(NEW_TOKEN, `${next}.${code}`)), refused);
    // Another's nonce, and another's session, are of no use.
    const gus = await enrol('gus');
    const theirs = await gus.nonceFor('POST', path, NEW_TOKEN, fay.sessionId);
    using _ = later(4);
    assert.equal(outcome(await withCode(NEW_TOKEN, `${theirs}.${fay.nextCode()}`)), refused);
    const late = await fay.nonceFor('POST', path, NEW_TOKEN);
    using __ = later(11);
    assert.equal(outcome(await withCode(NEW_TOKEN, `${late}.${fay.nextCode()}`)), refused);
    // A nonce is of one guess, and guesses are counted, whoever has his session and however many come at once.
    const once = await fay.nonceFor('POST', path, NEW_TOKEN);
    assert.equal(outcome(await withCode(NEW_TOKEN, `${once}.000000`)), refused);
    assert.equal(outcome(await withCode(NEW_TOKEN, `${once}.${fay.nextCode()}`)), refused);
    const nonces = await Promise.all(Array.from({ length: 40 }, () => fay.nonceFor('POST', path, NEW_TOKEN)));
    const guesses = await Promise.all(nonces.map((one) => withCode(NEW_TOKEN, `${one}.000000`)));
    const tried = guesses.filter((answer) => outcome(answer) === refused).length;
    assert.ok(tried <= 9, `${tried} guesses were looked at`);
    using ___ = later(3);
    const good = async () => `${await fay.nonceFor('POST', path, NEW_TOKEN)}.${fay.nextCode()}`;
    assert.equal(outcome(await withCode(NEW_TOKEN, await good())), '429 TOO_MANY_ATTEMPTS');
    // Nor does he get in with the password, which says nothing of that lock.
    using ____ = later(3);
    assert.equal(outcome(await fay.signInTyping()), '401 SIGN_IN_REFUSED');
  });

  it('confirms what a command line of his asks, and approves nothing', async () => {
    const hal = await enrol('hal');
    const { installation } = shared();
    const { secret: code } = assertStatus(await hal.callCoded('POST', '/v1/device-codes'), 201);
    const url = (path: string) => new URL(path, installation.controlUrl);
    const { secret: token } = assertStatus(await send(url('/v1/device-sign-in'), 'POST', { code }, {}), 200);
    const ask = (headers = {}) => send(url('/v1/tokens'), 'POST', NEW_TOKEN, { token, headers });
    const { confirmation } = (await ask()).body;
    const { items } = assertStatus(await hal.call('GET', '/v1/confirmations'), 200);
    const [asked] = items;
    const nonce = await hal.nonceFor(asked.method, asked.target, JSON.parse(asked.body), asked.session);
    using _ = later(2);
    const said = { code: `${nonce}.${hal.nextCode()}` };
    assert.equal(outcome(await hal.call('POST', `/v1/confirmations/${asked.id}`, {})), '403 CONFIRMATION_REQUIRED');
    assertStatus(await hal.call('POST', `/v1/confirmations/${asked.id}`, said), 200);
    assertStatus(await ask({ 'keyhold-confirmation': confirmation }), 201);
    const path = '/v1/approvals/appr_00000000-0000-7000-8000-000000000000/approve';
    using __ = later(4);
    const approved = await hal.callCoded('POST', path, { digest: '0'.repeat(64), reason: 'test' });
    assert.equal(outcome(approved), '403 FORBIDDEN');
    using ___ = later(6);
    const glass = await hal.callCoded('POST', '/v1/break-glass', { reason: 'test', minutes: 5 });
    assert.equal(outcome(glass), '403 FORBIDDEN');
  });

  it('ends with the first passkey, with a new invitation and with its person: nobody goes back to it', async () => {
    const { owner } = shared();
    const ivy = await enrol('ivy');
    const session = ivy.session;
    await using raw = await openRaw(shared().place);
    const past = new WrittenPast(raw);
    const [known] = await raw.rows(`select id from person_passwords where person_id = '${ivy.id}'`);
    const before = await past.row('person_passwords', String(known?.['id']));
    const { options } = assertStatus(await ivy.call('POST', '/v1/passkeys/options', {}), 200);
    const body = { name: 'phone', response: ivy.device.create(options) };
    assert.equal(outcome(await ivy.call('POST', '/v1/passkeys', body)), '403 CONFIRMATION_REQUIRED');
    assertStatus(await ivy.callCoded('POST', '/v1/passkeys', body), 201);
    ivy.session = session;
    assert.equal(outcome(await ivy.call('GET', '/v1/session')), '401 UNAUTHENTICATED');
    using _ = later(3);
    assert.equal(outcome(await ivy.signInTyping()), '401 SIGN_IN_REFUSED');
    assert.equal(outcome(await ivy.signInTyping(ivy.recoveryCodes[0])), '401 SIGN_IN_REFUSED');
    assertStatus(await ivy.signIn(), 200);
    assert.equal((await ivy.call('GET', '/v1/session')).body.password, null);
    const [row] = await raw.rows(`select * from person_passwords where person_id = '${ivy.id}'`);
    assert.deepEqual([row?.['hash'], row?.['envelope'], row?.['login'], row?.['recovery']], [null, null, null, '[]']);

    // Nor where somebody who knows the ledger's tables puts it back, and hides the passkey.
    await past.restore('person_passwords', before);
    await raw.run(`update person_passkeys set state = 'removed' where person_id = '${ivy.id}'`);
    const back = moveClock(4 * TOTP_STEP_MS);
    assert.equal(outcome(await ivy.signInTyping()), '401 SIGN_IN_REFUSED');
    ivy.session = session;
    assert.equal(outcome(await ivy.call('GET', '/v1/session')), '401 UNAUTHENTICATED');
    back[Symbol.dispose]();
    // Somebody has to be left who signs in with a passkey, and owns the installation.
    const last = await owner.call('POST', `/v1/people/${owner.id}/invite`, { allowPassword: true }, { confirm: true });
    assert.equal(outcome(last), '409 LAST_OWNER');

    const jon = await enrol('jon');
    const path = `/v1/people/${jon.id}/invite`;
    const { secret } = assertStatus(await owner.call('POST', path, {}, { confirm: true }), 200);
    assertStatus(await jon.enrol(secret), 201);
    assert.equal(outcome(await jon.signInTyping()), '401 SIGN_IN_REFUSED');
    // And the other way only by the word of who invites.
    const again = assertStatus(await owner.call('POST', path, { allowPassword: true }, { confirm: true }), 200);
    const passkeySession = jon.session;
    assertStatus(await jon.enrolTyping(again.secret, 'jon'), 201);
    const typed = jon.session;
    jon.session = passkeySession;
    assert.equal(outcome(await jon.call('GET', '/v1/session')), '401 UNAUTHENTICATED');
    jon.session = typed;
    assertStatus(await owner.call('POST', `/v1/people/${jon.id}/suspend`, {}), 200);
    using __ = later(3);
    assert.equal(outcome(await jon.signInTyping()), '401 SIGN_IN_REFUSED');
    assertStatus(await owner.call('POST', '/v1/offboardings', { of: jon.id, reason: 'left' }), 201);
    assert.equal(outcome(await jon.signInTyping()), '401 SIGN_IN_REFUSED');
    const [gone] = await raw.rows(
      `select state, hash from person_passwords where person_id = '${jon.id}' order by id desc`,
    );
    assert.deepEqual([gone?.['state'], gone?.['hash']], ['removed', null]);
  });

  it('is changed by a code: who knew the old one is out', async () => {
    const kay = await enrol('kay');
    using _ = later(3);
    const elsewhere = kay.session;
    assertStatus(await kay.signInTyping(), 200);
    const next = 'another four quiet words';
    assert.equal(outcome(await kay.call('POST', '/v1/password', { password: next })), '403 CONFIRMATION_REQUIRED');
    const changed = assertStatus(await kay.callCoded('POST', '/v1/password', { password: next }), 200);
    assert.deepEqual(changed, { sessionsEnded: 1 });
    const own = kay.session;
    kay.session = elsewhere;
    assert.equal(outcome(await kay.call('GET', '/v1/session')), '401 UNAUTHENTICATED');
    kay.session = own;
    using __ = later(6);
    assert.equal(outcome(await kay.signInTyping()), '401 SIGN_IN_REFUSED');
    kay.password = next;
    assertStatus(await kay.signInTyping(), 200);
  });

  it('is no row that somebody edited, nor any while the installation is sealed; its secret moves with its key', async () => {
    const { owner } = shared();
    const [lou, mia] = [await enrol('lou'), await enrol('mia')];
    await using raw = await openRaw(shared().place);
    const past = new WrittenPast(raw);
    const idOf = async (person: string) =>
      String((await raw.rows(`select id from person_passwords where person_id = '${person}'`))[0]?.['id']);
    const [own, theirs] = [await past.row('person_passwords', await idOf(lou.id)), await idOf(mia.id)];
    const other = await past.row('person_passwords', theirs);
    const alarmsOf = async (id: string): Promise<string[]> => {
      const { alarms } = assertStatus(await owner.call('GET', '/v1/installation'), 200);
      return alarms.filter((one: { subject: string }) => one.subject === id).map((one: { code: string }) => one.code);
    };
    let hops = 0;
    for (const columns of [
      { hash: other['hash'] ?? null },
      { recovery: other['recovery'] ?? null },
      { used_step: 1 },
    ]) {
      await past.edit('person_passwords', own.id, columns);
      hops += 4;
      using _ = later(hops);
      assert.equal(outcome(await lou.signInTyping()), '401 SIGN_IN_REFUSED');
      assert.equal(outcome(await lou.call('GET', '/v1/session')), '401 UNAUTHENTICATED');
      await past.edit('person_passwords', own.id, own);
    }
    // A secret that was damaged, or another's put where his lies, opens nothing there.
    const edits = { ...damaged(String(own['envelope'])), moved: String(other['envelope']) };
    for (const [what, envelope] of Object.entries(edits)) {
      await past.edit('person_passwords', own.id, { envelope });
      await past.mend('person_passwords', own.id);
      hops += 2;
      using _ = later(hops);
      const refused = await lou.signInTyping(mia.nextCode());
      assert.deepEqual([refused.status, refused.body.code], [409, 'ENVELOPE_BROKEN'], what);
    }
    await past.restore('person_passwords', own);
    assert.deepEqual((await alarmsOf(own.id)).sort(), ['ENVELOPE_BROKEN', 'ROW_TAMPERED']);
    const unmoved = () =>
      raw.rows(`select id from person_passwords where id in ('${own.id}', '${theirs}')
        and vault_key_id = '${own['vault_key_id']}'`);
    const rotate = { project: 'default', environment: 'production' };
    assert.ok((await owner.call('POST', '/v1/vault/keys/rotate', rotate, { confirm: true })).status < 300);
    for (let i = 0; (await unmoved()).length > 0; i++) {
      assert.ok(i < 200, 'it is not re-wrapped');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    using _ = later(hops + 8);
    assertStatus(await lou.signInTyping(), 200);
    // Her whole row as it was before that.
    const moved = await past.row('person_passwords', theirs);
    await past.edit('person_passwords', theirs, other);
    assert.equal(outcome(await mia.signInTyping()), '401 SIGN_IN_REFUSED');
    assert.deepEqual(await alarmsOf(theirs), ['ROW_TAMPERED']);
    await past.edit('person_passwords', theirs, moved);
    assertStatus(await mia.signInTyping(), 200);
    assertStatus(await owner.call('POST', '/v1/seal', {}, { confirm: true }), 200);
    assert.equal(outcome(await lou.signInTyping()), '503 SEALED');
    assert.equal(outcome(await lou.call('GET', '/v1/session')), 'done');
    assertStatus(await owner.call('POST', '/v1/unseal', {}), 200);
    using __ = later(6);
    assertStatus(await lou.signInTyping(), 200);
  });
});
