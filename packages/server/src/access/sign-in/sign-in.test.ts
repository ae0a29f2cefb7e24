import assert from 'node:assert/strict';
import { it } from 'node:test';
import { onEachDatabase } from '../../testing/databases.ts';
import { moveClock } from '../../testing/moved-clock.ts';
import { newPostQuantumKey, PasskeyDevice } from '../../testing/passkey-device.ts';
import { enrolPerson, originOf, TestPerson } from '../../testing/person.ts';
import { openRaw } from '../../testing/raw-database.ts';
import { shareSignedIn } from '../../testing/signed-in.ts';
import { WrittenPast } from '../../testing/written-past.ts';

const MINUTE_MS = 60_000;
const AUDITOR = { role: 'auditor' };

onEachDatabase('signing in', (createPlace) => {
  const shared = shareSignedIn(createPlace);
  const newPerson = (role: object = AUDITOR) => enrolPerson(shared().installation, shared().owner, role);
  const isIn = async (person: TestPerson) => (await person.call('GET', '/v1/session')).status === 200;

  it('the first owner ends the bootstrap token, everywhere, and can do what it did', async () => {
    const { installation, owner } = shared();
    assert.equal((await installation.call('GET', '/v1/projects')).status, 401);
    await assert.rejects(installation.verify({ key: 'none' }), /401/);
    const created = await owner.call('POST', '/v1/projects', { slug: 'first', name: 'First' });
    assert.equal(created.status, 201, JSON.stringify(created.body));
    assert.equal((await new TestPerson(installation).enrol(installation.bootstrapToken, 'Second')).status, 401);
  });

  it('keeps the algorithm of a passkey, and takes ML-DSA from a device that has nothing else', async () => {
    const { installation, owner, place } = shared();
    const body = { name: 'Post quantum', reason: 'test', role: 'administrator' };
    const { secret } = (await owner.call('POST', '/v1/people', body, { confirm: true })).body;
    const person = new TestPerson(installation, newPostQuantumKey());
    assert.equal((await person.enrol(secret)).status, 201);
    assert.equal((await person.signIn()).status, 200);
    const invited = { name: 'Another', reason: 'test', ...AUDITOR };
    assert.equal((await person.call('POST', '/v1/people', invited, { confirm: true })).status, 201);
    await using raw = await openRaw(place);
    const kept = async (whose: TestPerson) => {
      const rows = await raw.rows(`select algorithm from person_passkeys where person_id = '${whose.id}'`);
      return rows.map(({ algorithm }) => Number(algorithm));
    };
    assert.deepEqual([await kept(owner), await kept(person)], [[-7], [-48]]);
    const began = await owner.call('GET', `/v1/audit/entries?action=session.began&actor=${person.id}`);
    assert.deepEqual(
      began.body.items.map(({ subject }: { subject: string }) => subject),
      [person.sessionId],
    );
  });

  it('ends no session and removes no passkey of somebody else, as if there were none', async () => {
    const { owner, place } = shared();
    const person = await newPerson();
    await using raw = await openRaw(place);
    const [passkey] = await raw.rows(`select id from person_passkeys where person_id = '${person.id}'`);
    for (const [path, code] of [
      [`/v1/sessions/${person.sessionId}`, 'SESSION_NOT_FOUND'],
      [`/v1/passkeys/${passkey.id}`, 'PASSKEY_NOT_FOUND'],
    ] as const) {
      const { status, body } = await owner.call('DELETE', path, {}, { confirm: true });
      const unknown = path.replace(/[0-9a-f]{12}$/, '0'.repeat(12));
      const none = await owner.call('DELETE', unknown, {}, { confirm: true });
      assert.deepEqual([status, body.code, none.status, none.body.code], [404, code, 404, code]);
    }
    assert.equal(await isIn(person), true);
    assert.equal((await person.signIn()).status, 200);
  });

  it('sets a cookie that scripts cannot read and other sites do not send, and signs out', async () => {
    const person = await newPerson();
    const signedIn = await person.signIn();
    const [cookie = ''] = signedIn.headers.getSetCookie();
    assert.match(cookie, /^__Host-keyhold-session=keyhold_session_\w{49}; Path=\/; Secure; HttpOnly; SameSite=Strict$/);
    assert.doesNotMatch(JSON.stringify(signedIn.body), /keyhold_session_/);
    const held = person.session;
    const out = await person.call('POST', '/v1/sign-out', {});
    assert.match(out.headers.getSetCookie()[0] ?? '', /Max-Age=0/);
    person.session = held;
    assert.equal(await isIn(person), false);
  });

  it('gives a session of its own each time, whatever cookie was there before', async () => {
    const person = await newPerson();
    const [first, firstId] = [person.session, person.sessionId];
    const { body } = await person.call('POST', '/v1/sign-in/options', {});
    const response = person.device.assert(body.options);
    await person.call('POST', '/v1/sign-in', { response });
    assert.notEqual(person.session, first);
    person.session = first;
    const own = (await person.call('GET', '/v1/session')).body.sessions;
    assert.deepEqual(
      own.filter((one: { current: boolean }) => one.current).map((one: { id: string }) => one.id),
      [firstId],
    );
    assert.equal(own.length, 2);
  });

  it('answers whatever is wrong alike, and enters what concerns somebody', async () => {
    const { installation, owner } = shared();
    const person = await newPerson();
    const options = async () => (await person.call('POST', '/v1/sign-in/options', {})).body.options;
    const other = await newPerson();
    const wrong: [string, (device: PasskeyDevice) => Promise<object>][] = [
      ['a passkey that nobody enrolled', async () => new PasskeyDevice(originOf(installation)).assert(await options())],
      ['another origin', async (device) => withOrigin(device, 'http://localhost:1', await options())],
      ['another site', async (device) => withRp(device, 'evil.example', await options())],
      ['no verification of its owner', async (device) => unverified(device, await options())],
      ['a challenge of nobody', async (device) => device.assert({ challenge: 'AAAA' })],
      [
        'a challenge for something else',
        async (device) => {
          const { body } = await person.call('POST', '/v1/passkeys/options', {});
          return device.assert(body.options);
        },
      ],
      ['the passkey of another', async (device) => ({ ...device.assert(await options()), id: other.device.id })],
      [
        'the handle of another',
        async (device) => {
          const made = device.assert(await options()) as { response: object };
          return { ...made, response: { ...made.response, userHandle: Buffer.from(other.id).toString('base64url') } };
        },
      ],
    ];
    for (const [what, make] of wrong) {
      const answer = await person.signInWith(await make(person.device));
      const { instance: _, ...body } = answer.body;
      assert.deepEqual(
        [answer.status, body.code, body.detail],
        [401, 'SIGN_IN_REFUSED', 'Use a passkey that you enrolled here, or ask for an invitation.'],
        what,
      );
      // One after another; the throttle is another test's.
      await person.signIn();
    }
    const entries = await owner.call('GET', `/v1/audit/entries?action=sign-in.refused&subject=${person.id}`);
    assert.equal(entries.body.items.length, 6, JSON.stringify(entries.body));
  });

  it('takes an answer once, also where it comes eight times at once', async () => {
    const person = await newPerson();
    const { body } = await person.call('POST', '/v1/sign-in/options', {});
    const response = person.device.assert(body.options);
    const answers = await Promise.all(Array.from({ length: 8 }, () => person.signInWith(response)));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, ...Array(7).fill(401)]);
    await person.signIn();
  });

  it('with a cookie nothing is changed but from pages of its own, and nobody is signed in by another page', async () => {
    const person = await newPerson({ role: 'administrator' });
    const body = { slug: 'forged', name: 'Forged' };
    for (const origin of ['https://evil.example', 'null', `${originOf(shared().installation)}.evil.example`]) {
      const answer = await person.call('POST', '/v1/projects', body, { headers: { origin } });
      assert.deepEqual([answer.status, answer.body.field], [403, 'Origin'], origin);
    }
    assert.equal((await person.call('POST', '/v1/projects', body, { headers: { origin: '' } })).status, 403);
    const { body: asked } = await person.call('POST', '/v1/sign-in/options', {});
    const response = person.device.assert(asked.options);
    const elsewhere = { headers: { origin: 'https://evil.example' } };
    assert.equal((await person.call('POST', '/v1/sign-in', { response }, elsewhere)).status, 403);
    // Nor is a session renewed for another page, which would end it for its own.
    const held = person.session;
    using _ = moveClock(25 * MINUTE_MS);
    await isIn(person);
    await noted(person, 25);
    using _later = moveClock(25 * MINUTE_MS);
    await isIn(person);
    await noted(person, 50);
    using _last = moveClock(15 * MINUTE_MS);
    assert.equal((await person.call('POST', '/v1/projects', body, elsewhere)).status, 403);
    assert.equal(person.session, held);
    assert.equal(await isIn(person), true);
    assert.notEqual(person.session, held);
  });

  it('ends with idleness, and with twelve hours however busy', async () => {
    const person = await newPerson();
    {
      using _ = moveClock(29 * MINUTE_MS);
      assert.equal(await isIn(person), true);
    }
    {
      using _ = moveClock(61 * MINUTE_MS);
      assert.equal(await isIn(person), false);
    }
    await person.signIn();
    for (let minutes = 20; minutes < 12 * 60; minutes += 20) {
      using _ = moveClock(minutes * MINUTE_MS);
      assert.equal(await isIn(person), true, `${minutes}`);
      // What notes the use is not waited for.
      await noted(person, minutes);
      if (minutes !== 60) continue;
      const { sessions } = (await person.call('GET', '/v1/session')).body;
      const shown = sessions.map(({ id }: { id: string }) => id);
      assert.deepEqual(shown, [person.sessionId], 'the one before is over, and not shown as living');
    }
    using _ = moveClock(12 * 60 * MINUTE_MS);
    assert.equal(await isIn(person), false);
  });

  /** Until the use is stored. */
  async function noted(person: TestPerson, minutes: number): Promise<void> {
    for (;;) {
      const { sessions } = (await person.call('GET', '/v1/session')).body;
      const current = sessions.find((one: { current: boolean }) => one.current);
      if (current?.lastUsedAt !== null && Date.parse(current.lastUsedAt) > Date.now() + (minutes - 1) * MINUTE_MS)
        return;
    }
  }

  it('ends with idleness also where a page goes on to ask what waits', async () => {
    const person = await newPerson();
    for (let minutes = 10; minutes < 30; minutes += 10) {
      using _ = moveClock(minutes * MINUTE_MS);
      assert.equal((await person.call('GET', '/v1/confirmations')).status, 200);
    }
    using _ = moveClock(31 * MINUTE_MS);
    assert.equal((await person.call('GET', '/v1/confirmations')).status, 401);
  });

  it('replaces an old secret once, and ends the session of whoever brings the old one later', async () => {
    const person = await newPerson();
    const old = person.session;
    {
      using _ = moveClock(20 * MINUTE_MS);
      await isIn(person);
      await noted(person, 20);
    }
    {
      using _ = moveClock(45 * MINUTE_MS);
      await isIn(person);
      await noted(person, 45);
    }
    using _ = moveClock(61 * MINUTE_MS);
    const together = await Promise.all(
      Array.from({ length: 5 }, () => {
        const cookie = { cookie: `__Host-keyhold-session=${old}` };
        return person.call('GET', '/v1/session', undefined, { headers: cookie });
      }),
    );
    assert.deepEqual(
      together.map(({ status }) => status),
      Array(5).fill(200),
    );
    assert.equal(together.filter(({ headers }) => headers.getSetCookie().length > 0).length, 1);
    assert.notEqual(person.session, old);
    assert.equal(await isIn(person), true);
    using _later = moveClock(2 * MINUTE_MS);
    const fresh = person.session;
    person.session = old;
    assert.equal(await isIn(person), false);
    person.session = fresh;
    assert.equal(await isIn(person), false);
  });

  it('signs people in while the installation is sealed, so that one can open it', async () => {
    const { owner } = shared();
    assert.equal((await owner.call('POST', '/v1/seal', {}, { confirm: true })).body.sealed, true);
    const officer = await newPerson({ role: 'security-officer' });
    assert.equal((await officer.signIn()).status, 200);
    assert.equal((await officer.call('POST', '/v1/unseal', {})).body.sealed, false);
  });

  it('stops whoever fails too often, and says when to come back', async () => {
    const { installation, owner } = shared();
    const stranger = new TestPerson(installation);
    let answer = await stranger.signInWith(stranger.device.assert({ challenge: 'AAAA' }));
    for (let i = 0; i < 12 && answer.status === 401; i++) {
      answer = await stranger.signInWith(stranger.device.assert({ challenge: 'AAAA' }));
    }
    assert.deepEqual([answer.status, answer.body.code], [429, 'TOO_MANY_ATTEMPTS']);
    assert.ok(Number(answer.headers.get('retry-after')) > 800);
    assert.equal((await owner.call('GET', '/v1/audit/entries?action=sign-in.locked')).body.items.length, 1);
    using _ = moveClock(16 * MINUTE_MS);
    assert.equal((await owner.signIn()).status, 200);
  });

  it('opens nothing by rows that were written past the ledger', async () => {
    const { place, owner } = shared();
    await using raw = await openRaw(place);
    const past = new WrittenPast(raw);
    const person = await newPerson();
    const [role] = (await person.call('GET', '/v1/session')).body.roles;
    await past.edit('role_grants', role.id, { role: 'owner' });
    assert.equal((await person.call('POST', '/v1/projects', { slug: 'taken', name: 'Taken' })).status, 403);
    await past.edit('role_grants', role.id, { role: 'auditor' });
    const stolen = await newPerson();
    const { digest } = await past.row('sessions', stolen.sessionId);
    await past.edit('sessions', stolen.sessionId, { digest: 'x' });
    await past.edit('sessions', owner.sessionId, { previous_digest: digest ?? null });
    assert.equal(await isIn(stolen), false);
    assert.equal(await isIn(owner), false);
    await past.edit('sessions', owner.sessionId, { previous_digest: null });
    assert.equal(await isIn(owner), true);
  });
});

async function withOrigin(device: PasskeyDevice, origin: string, options: { challenge: string }): Promise<object> {
  const own = device.origin;
  device.origin = origin;
  const made = device.assert(options);
  device.origin = own;
  return made;
}

async function withRp(device: PasskeyDevice, rpId: string, options: { challenge: string }): Promise<object> {
  const own = device.rpId;
  device.rpId = rpId;
  const made = device.assert(options);
  device.rpId = own;
  return made;
}

async function unverified(device: PasskeyDevice, options: { challenge: string }): Promise<object> {
  device.verified = false;
  const made = device.assert(options);
  device.verified = true;
  return made;
}
