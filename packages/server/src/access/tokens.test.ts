import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { on } from 'node:events';
import { before, describe, it } from 'node:test';
import { connectVerifier } from '@keyhold/verifier/connect';
import { WebSocket } from 'ws';
import { onEachDatabase } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { send } from '../testing/installation.ts';
import { moveClock } from '../testing/moved-clock.ts';
import { openRaw } from '../testing/raw-database.ts';
import { shareMarket } from '../testing/shared-market.ts';

const HOUR_MS = 3_600_000;

onEachDatabase('tokens', (createPlace) => {
  // Short leases: a verifier whose token is revoked has its lease waited out.
  const shared = shareMarket(createPlace, { leaseSeconds: 2 });
  const create = (body: object, token?: string) =>
    shared().installation.call('POST', '/v1/tokens', { name: 't', ...body }, token === undefined ? {} : { token });
  const created = async (body: object): Promise<{ id: string; secret: string }> => {
    const answer = await create(body);
    assert.equal(answer.status, 201, JSON.stringify(answer.body));
    return { id: answer.body.token.id, secret: answer.body.secret };
  };
  /** Status of a call with this token on the control plane and on the verifier. */
  const opens = async (token: string): Promise<[number, number]> => {
    const { installation } = shared();
    const body = { key: 'x', environment: 'market/test' };
    const verified = await send(new URL('/v1/verify', installation.verifierUrl), 'POST', body, { token });
    return [(await installation.call('GET', '/v1/installation', undefined, { token })).status, verified.status];
  };

  before(async () => {
    await shared().expect(201, 'POST', '/v1/projects', { slug: 'other', name: 'Other' });
    await shared().expect(201, 'POST', '/v1/projects/other/environments', {
      name: 'live',
      prefix: 'oth_live',
      leaseSeconds: 2,
    });
    await shared().expect(201, 'POST', '/v1/projects/market/environments', {
      name: 'live',
      prefix: 'mkt_live',
      leaseSeconds: 2,
    });
  });

  it('open both planes when the reply returns, and say what they are bound to', async () => {
    const answer = await create({ scopes: ['admin'], projects: ['market', 'other'] });
    assert.match(answer.body.secret, /^keyhold_[0-9A-Za-z]{49}$/);
    assert.deepEqual(answer.body.token.projects, ['market', 'other']);
    const free = await created({ scopes: ['admin'] });
    assert.deepEqual(await opens(free.secret), [200, 200]);
  });

  it('can not create what reaches further than they do', async () => {
    const ofProject = await created({ scopes: ['admin'], projects: ['market'] });
    const ofEnvironment = await created({ scopes: ['admin'], environment: 'market/test' });
    const attempts: [token: string, body: object, status: number][] = [
      [ofProject.secret, { scopes: ['read'] }, 403],
      [ofProject.secret, { scopes: ['read'], projects: ['market', 'other'] }, 404],
      [ofProject.secret, { scopes: ['read'], environment: 'other/live' }, 404],
      [ofProject.secret, { scopes: ['feed'] }, 403],
      [ofProject.secret, { scopes: ['read'], projects: ['market'] }, 201],
      [ofProject.secret, { scopes: ['read'], environment: 'market/live' }, 201],
      [ofEnvironment.secret, { scopes: ['read'] }, 403],
      [ofEnvironment.secret, { scopes: ['read'], projects: ['market'] }, 403],
      [ofEnvironment.secret, { scopes: ['read'], environment: 'market/live' }, 404],
      [ofEnvironment.secret, { scopes: ['read'], environment: 'market/test' }, 201],
    ];
    for (const [token, body, status] of attempts) {
      assert.equal((await create(body, token)).status, status, JSON.stringify(body));
    }
  });

  it('are refused when they are wrong, by field', async () => {
    for (const [body, status, field] of [
      [{ scopes: [] }, 400, '/scopes'],
      [{ scopes: ['root'] }, 400, '/scopes/0'],
      [{ scopes: ['read', 'read'] }, 400, '/scopes'],
      [{ scopes: ['read'], projects: [] }, 400, '/projects'],
      [{ scopes: ['read'], projects: ['market'], environment: 'market/test' }, 400, '/environment'],
      [{ scopes: ['read'], expiresAt: '2001-01-01T00:00:00Z' }, 400, '/expiresAt'],
      [{ scopes: ['read'], projects: ['absent'] }, 404, 'project'],
    ] as const) {
      const { status: actual, body: problem } = await create(body);
      assert.deepEqual([actual, problem.field], [status, field], JSON.stringify(body));
    }
  });

  it('open nothing on either plane once their revocation returns', async () => {
    const { id, secret } = await created({ scopes: ['admin'] });
    assert.deepEqual(await opens(secret), [200, 200]);
    const { token, barrier } = await shared().expect(200, 'POST', `/v1/tokens/${id}/revoke`);
    assert.equal(token.state, 'deactivated');
    assert.equal(barrier.acknowledged, 1);
    assert.deepEqual(await opens(secret), [401, 401]);
    const again = await shared().expect(200, 'POST', `/v1/tokens/${id}/revoke`);
    assert.equal(again.barrier.sequence, barrier.sequence);
  });

  it('open nothing on either plane once their time is over', async () => {
    const expiresAt = Date.now() + 600;
    const { secret } = await created({ scopes: ['admin'], expiresAt: new Date(expiresAt).toISOString() });
    assert.deepEqual(await opens(secret), [200, 200]);
    await new Promise((resolve) => setTimeout(resolve, expiresAt - Date.now() + 5));
    assert.deepEqual(await opens(secret), [401, 401]);
  });

  it('of a verifier cut it off when they are revoked: it decides nothing after the revocation returned', async () => {
    // Of this project alone: default/production has the default lease, which would be waited out too.
    const { id, secret } = await created({ scopes: ['feed'], projects: ['market'] });
    const key = (await shared().market.issue()).secret;
    const told: string[] = [];
    const events = { disconnected: (why: string) => told.push(why), failed: (why: string) => told.push(why) };
    const verifier = connectVerifier({ controlUrl: shared().installation.controlUrl, token: secret }, events);
    try {
      await eventually('the verifier is ready', async () => verifier.ready);
      assert.equal((await verifier.verify({ key, environment: 'market/test' })).code, 'VALID');
      const { barrier } = await shared().expect(200, 'POST', `/v1/tokens/${id}/revoke`);
      assert.deepEqual([barrier.acknowledged, barrier.waitedOut], [1, 1]);
      assert.equal((await verifier.verify({ key, environment: 'market/test' })).code, 'VERIFIER_FENCED');
      assert.equal(verifier.connected, false);
      await eventually('its owner is told why', async () => told.length === 2);
      assert.match(told[0] ?? '', /^the token is no longer alive/);
      assert.match(told[1] ?? '', /^the token opens nothing/);
    } finally {
      await verifier.stop();
    }
  });

  it('that open no feed, and addresses without one, are named to the owner of the verifier that comes with them', async () => {
    const { controlUrl, verifierUrl } = shared().installation;
    const { secret: token } = await created({ scopes: ['feed'] });
    const { secret: reader } = await created({ scopes: ['admin'] });
    const nowhere = 'http://localhost:1';
    for (const [address, reason] of [
      [{ controlUrl, token: reader }, /^the token opens nothing, or lacks the scope feed \(401\)$/],
      [{ controlUrl: verifierUrl, token }, /^this address answers 404 in place of the feed$/],
      [{ controlUrl: nowhere, token }, /ECONNREFUSED/],
    ] as const) {
      const { promise, resolve } = Promise.withResolvers<string>();
      const verifier = connectVerifier(address, { failed: resolve, connected: () => resolve('connected') });
      assert.match(await promise, reason);
      await verifier.stop();
    }
  });

  it('bound to an environment are fed no key of another', async () => {
    const { secret } = await created({ scopes: ['feed'], environment: 'market/live' });
    await shared().market.issue();
    const verifier = connectVerifier({ controlUrl: shared().installation.controlUrl, token: secret });
    try {
      await eventually('the verifier is ready', async () => verifier.ready);
      assert.equal(verifier.size, 0);
      assert.equal(verifier.environment('market/test'), undefined);
      assert.notEqual(verifier.environment('market/live'), undefined);
    } finally {
      await verifier.stop();
    }
  });

  describe('in their list', () => {
    const ids = new Map<string, string>();
    /** Names of those of this test that are listed, newest first, page by page. */
    const listed = async (filter = '', token?: string): Promise<string[]> => {
      const names = new Map([...ids].map(([name, id]) => [id, name]));
      const found: string[] = [];
      for (let cursor = ''; ; ) {
        const path = `/v1/tokens?limit=5${filter}${cursor}`;
        const options = token === undefined ? {} : { token };
        const { items, nextCursor } = await shared().expect(200, 'GET', path, undefined, options);
        found.push(...items.flatMap(({ id }: { id: string }) => names.get(id) ?? []));
        if (nextCursor === null) return found;
        cursor = `&cursor=${nextCursor}`;
      }
    };

    before(async () => {
      const bindings: Record<string, object> = {
        free: {},
        market: { projects: ['market'] },
        both: { projects: ['market', 'other'] },
        other: { projects: ['other'] },
        test: { environment: 'market/test' },
        live: { environment: 'market/live' },
        elsewhere: { environment: 'other/live' },
      };
      for (const [name, binding] of Object.entries(bindings))
        ids.set(name, (await created({ scopes: ['read'], name: `workload ${name}`, ...binding })).id);
      // As they stand after their time, and as exchanges make them.
      await using raw = await openRaw(shared().place);
      const change = (name: string, columns: string) =>
        raw.run(`update tokens set ${columns} where id = '${ids.get(name)}'`);
      await change('both', `expires_at = ${Date.now() - 1}`);
      await change('live', `expires_at = ${Date.now() + 3_600_000}, name = 'workload wkl_1'`);
      await change('elsewhere', `expires_at = 1, name = 'workload apr_1'`);
      await shared().expect(200, 'POST', `/v1/tokens/${ids.get('other')}/revoke`);
    });

    it('are told apart by whether they open something still, and by whether somebody made them', async () => {
      const all = ['elsewhere', 'live', 'test', 'other', 'both', 'market', 'free'];
      assert.deepEqual(await listed(), all);
      const over = ['elsewhere', 'other', 'both'];
      assert.deepEqual(await listed('&state=deactivated'), over);
      assert.deepEqual(
        await listed('&state=active'),
        all.filter((name) => !over.includes(name)),
      );
      const exchanged = ['elsewhere', 'live'];
      assert.deepEqual(await listed('&kind=exchanged'), exchanged);
      const made = all.filter((name) => !exchanged.includes(name));
      assert.deepEqual(await listed('&kind=created'), made);
      assert.deepEqual(await listed('&kind=exchanged&state=active'), ['live']);
      for (const filter of ['state=active', 'state=deactivated', 'kind=created', 'kind=exchanged']) {
        const [field = '', value] = filter.split('=');
        const { items } = await shared().expect(200, 'GET', `/v1/tokens?limit=100&${filter}`);
        assert.deepEqual([...new Set(items.map((item: Record<string, unknown>) => item[field]))], [value]);
      }
    });

    it('are shown to whoever is bound where all that they are bound to lies within that', async () => {
      const bound = async (binding: object) => (await created({ scopes: ['read', 'admin'], ...binding })).secret;
      const ofMarket = await bound({ projects: ['market'] });
      assert.deepEqual(await listed('', ofMarket), ['live', 'test', 'market']);
      assert.deepEqual(await listed('&kind=created&state=active', ofMarket), ['test', 'market']);
      const ofBoth = await bound({ projects: ['market', 'other'] });
      assert.deepEqual(await listed('', ofBoth), ['elsewhere', 'live', 'test', 'other', 'both', 'market']);
      assert.deepEqual(await listed('', await bound({ environment: 'market/live' })), ['live']);
    });
  });

  describe('that are over', () => {
    /** Ids of tokens that a verifier hears of which begins now. */
    const fed = async (secret: string): Promise<string[]> => {
      const url = `${shared().installation.controlUrl.replace('http', 'ws')}/v1/feed`;
      const socket = new WebSocket(url, { headers: { authorization: `Bearer ${secret}` } });
      const hello = { type: 'hello', version: 1, verifier: `ver_${randomUUID()}`, position: null };
      const found: string[] = [];
      try {
        socket.on('open', () => socket.send(JSON.stringify(hello)));
        for await (const [data] of on(socket, 'message')) {
          const message = JSON.parse(String(data));
          if (message.type !== 'snapshot') continue;
          found.push(
            ...message.records.map(({ id }: { id: string }) => id).filter((id: string) => id.startsWith('tok_')),
          );
          if (message.last) break;
        }
      } finally {
        socket.close();
      }
      return found;
    };

    it('are told to no verifier that begins anew: revoked ones at once, others a day after by any clock', async () => {
      const feed = await created({ scopes: ['feed'] });
      const revoked = await created({ scopes: ['read'] });
      await shared().expect(200, 'POST', `/v1/tokens/${revoked.id}/revoke`);
      const endingIn = (ms: number) =>
        created({ scopes: ['read'], expiresAt: new Date(Date.now() + ms).toISOString() });
      const [soon, later] = [await endingIn(60_000), await endingIn(2 * HOUR_MS)];
      const those = async () => {
        const all = await fed(feed.secret);
        return [feed, revoked, soon, later].map(({ id }) => all.includes(id));
      };
      assert.deepEqual(await those(), [true, false, true, true]);
      {
        using _aheadAlone = moveClock(25 * HOUR_MS, 0);
        assert.deepEqual(await those(), [true, false, true, true]);
      }
      using _both = moveClock(25 * HOUR_MS);
      assert.deepEqual(await those(), [true, false, false, true]);
    });
  });

  it('of the beginning leave an entry when they are used, on either plane', async () => {
    const { items } = await shared().expect(200, 'GET', '/v1/audit/entries?action=bootstrap.used');
    assert.ok(items.length >= 1);
    const [creation] = (await shared().expect(200, 'GET', '/v1/audit/entries?action=bootstrap.created')).items;
    assert.equal(items.at(-1).actor, creation.subject);
    assert.equal(items.at(-1).sequence > creation.sequence, true);
  });
});
