import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, it } from 'node:test';
import type { Verdict } from '@keyhold/protocol/verdict';
import { embedVerifier } from '@keyhold/sdk/embedded';
import type { Verifier } from '@keyhold/verifier/verifier';
import { WebSocket } from 'ws';
import { onEachDatabase } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { openRaw } from '../testing/raw-database.ts';
import { startRelay } from '../testing/relay.ts';
import { shareMarket } from '../testing/shared-market.ts';

const LIMIT = 320;

onEachDatabase('a quota without a store that verifiers share', (createPlace) => {
  const shared = shareMarket(createPlace);
  const stack = new AsyncDisposableStack();
  after(() => stack.disposeAsync());

  const embed = async (controlUrl = shared().installation.controlUrl): Promise<Verifier> => {
    const token = await shared().expect(201, 'POST', '/v1/tokens', { name: 'verifier', scopes: ['feed'] });
    const verifier = embedVerifier({ controlUrl, token: token.secret });
    stack.defer(() => verifier.stop());
    await eventually('it is fed', async () => verifier.ready);
    return verifier;
  };
  const issue = async (quota: object = {}) =>
    await shared().market.issue({ quota: { limit: LIMIT, period: 'day', ...quota } });
  const ask = (verifier: Verifier, key: string, cost = 1) =>
    verifier.verify({ key, environment: 'market/test', permission: 'prices:read', cost });
  /** Uses until it is refused; how often it was not, and the refusal. */
  const useUp = async (verifier: Verifier, key: string): Promise<{ used: number; last: Verdict }> => {
    for (let used = 0; ; used++) {
      const last = await ask(verifier, key);
      if (!last.valid) return { used, last };
    }
  };
  const knownBy = async (verifier: Verifier, secret: string) => {
    await eventually('the key is known', async () => (await ask(verifier, secret, 0)).valid);
  };

  it('is exact for all of them together, however they are asked at once, and says so', async () => {
    const verifiers = await Promise.all([embed(), embed(), embed()]);
    const { secret } = await issue();
    await Promise.all(verifiers.map((verifier) => knownBy(verifier, secret)));
    const first = await ask(verifiers[0] as Verifier, secret);
    assert.deepEqual([first.valid, first.scope, first.quota?.limit], [true, 'installation', LIMIT]);
    const ways = verifiers.flatMap((verifier) => Array.from({ length: 8 }, () => useUp(verifier, secret)));
    const ends = await Promise.all(ways);
    const total = 1 + ends.reduce((sum, { used }) => sum + used, 0);
    for (const { last } of ends) assert.equal(last.code, 'QUOTA_EXCEEDED');
    assert.ok(total <= LIMIT && total > LIMIT * 0.9, `${total} of ${LIMIT}`);
    // What one holds and does not use comes back, and is used by another.
    let all = total;
    await eventually('every unit is used', async () => {
      for (const verifier of verifiers) all += (await useUp(verifier, secret)).used;
      return all === LIMIT;
    });
  });

  it('loses a slice with a verifier that is gone, and no more; one that stops gives its slice back', async () => {
    const [stays, goes, stops] = [await embed(), await embed(), await embed()];
    const { secret, keyId } = await issue();
    for (const verifier of [stays, goes, stops]) await knownBy(verifier, secret);
    for (const verifier of [goes, stops]) assert.equal((await ask(verifier, secret)).valid, true);
    await using raw = await openRaw(shared().place);
    const rows = async () => await raw.rows(`select granted, used from quota_slices where key_id = '${keyId}'`);
    assert.deepEqual(
      (await rows()).map(({ granted }) => Number(granted)),
      [20, 20],
    );
    await stops.stop();
    await eventually('it gave back', async () => (await rows()).some(({ granted }) => Number(granted) === 1));
    // `goes` is never heard of again.
    const { used } = await useUp(stays, secret);
    assert.equal(used, LIMIT - 20 - 1);
  });

  it('is known to be used as often as all of them reported together', async () => {
    const [first, second] = [await embed(), await embed()];
    const { secret, keyId } = await issue();
    for (const verifier of [first, second]) await knownBy(verifier, secret);
    for (const verifier of [first, first, second, first, second]) {
      assert.equal((await ask(verifier, secret)).valid, true);
    }
    await using raw = await openRaw(shared().place);
    const usedIn = async (table: string) => {
      const rows = await raw.rows(`select used from ${table} where key_id = '${keyId}'`);
      return rows.map(({ used }) => Number(used)).sort();
    };
    await eventually('both slices are', async () => String(await usedIn('quota_slices')) === '2,3');
    await eventually('and the quota is', async () => String(await usedIn('quota_usage')) === '5');
  });

  it('stands where it stood in a control plane that was killed, and is counted or refused while it is away', async () => {
    await using relay = await startRelay(shared().installation.controlUrl);
    const verifier = await embed(relay.url);
    const [counted, refused] = [await issue({ limit: 16 }), await issue({ limit: 16, withoutStore: 'refuse' })];
    for (const { secret } of [counted, refused]) {
      await knownBy(verifier, secret);
      assert.equal((await ask(verifier, secret)).scope, 'installation');
    }
    relay.cut();
    await eventually('it is alone', async () => !verifier.connected);
    const alone = await ask(verifier, counted.secret);
    assert.deepEqual([alone.code, alone.scope], ['VALID', 'verifier']);
    assert.equal((await ask(verifier, refused.secret)).code, 'STORE_UNAVAILABLE');
    relay.mend();
    await eventually('it is back', async () => verifier.connected);
    assert.equal((await useUp(verifier, refused.secret)).used, 15);
    assert.equal((await useUp(verifier, counted.secret)).used, 14, 'what was counted alone counts');
  });

  it('heeds no question that comes after a newer one, and none about what the verifier is not fed', async () => {
    const { keyId } = await issue();
    const places = { name: 'other', prefix: 'mkt_other' };
    await shared().expect(201, 'POST', '/v1/projects/market/environments', places);
    const bound = { name: 'elsewhere', scopes: ['feed'], environment: 'market/other' };
    const [{ secret: own }, { secret: other }] = [
      await shared().expect(201, 'POST', '/v1/tokens', { name: 'verifier', scopes: ['feed'] }),
      await shared().expect(201, 'POST', '/v1/tokens', bound),
    ];
    const day = 86_400_000;
    const periodStart = Math.floor(Date.now() / day) * day;
    const about = (turn: number, granted: number, wanted: number, start = periodStart) => ({
      ...{ turn, quotas: [{ key: keyId, periodStart: start, granted, used: 0, wanted }] },
    });
    const answers = await askAll(own, [
      about(2, 0, 50),
      about(1, 0, 0),
      about(3, 50, 10),
      about(4, 0, 1, periodStart - 5 * day),
    ]);
    const granted = answers.map(({ quotas }) => quotas.map((quota: { granted: number }) => quota.granted));
    assert.deepEqual(granted, [[50], [], [70], []]);
    assert.deepEqual((await askAll(other, [about(1, 0, 5)]))[0].quotas, []);
  });

  it('keeps the count of a period when a verifier that was away tells of the one before, and of what the period was', async () => {
    const [hour, day] = [3_600_000, 86_400_000];
    const today = Math.floor(Date.now() / day) * day;
    const [key, seen] = [(await issue()).keyId, (await issue()).keyId];
    const token = await shared().expect(201, 'POST', '/v1/tokens', { name: 'verifier', scopes: ['feed'] });
    await using feed = await connectTo(token.secret);
    await using raw = await openRaw(shared().place);
    let turn = 0;
    /** Another key's count tells when it was taken. */
    const report = async (periodStart: number, used: number) => {
      const told = { key: seen, periodStart: today, used: ++turn };
      feed.send({ type: 'report', payload: { quotas: [{ key, periodStart, used }, told] } });
      const rowOf = async (id: string) =>
        (await raw.rows(`select period_start, used from quota_usage where key_id = '${id}'`))[0];
      await eventually('it is taken', async () => Number((await rowOf(seen))?.used) === turn);
      const row = await rowOf(key);
      return row === undefined ? [] : [Number(row.period_start), Number(row.used)];
    };
    assert.deepEqual(await report(today - day, 300), [today - day, 300]);
    assert.deepEqual(await report(today, 80), [today, 80]);
    assert.deepEqual(await report(today - day, 305), [today, 80]);
    assert.deepEqual(await report(today, 81), [today, 81]);
    await shared().expect(200, 'PATCH', `/v1/keys/${key}`, { quota: { limit: LIMIT, period: 'month' } });
    const month = Date.UTC(new Date().getUTCFullYear(), new Date().getUTCMonth(), 1);
    assert.deepEqual(await report(month, 90), [month, 90]);
    assert.deepEqual(await report(month + hour, 3), [month, 90]);
  });

  const connectTo = async (secret: string) => {
    const url = `${shared().installation.controlUrl.replace('http', 'ws')}/v1/feed`;
    const socket = new WebSocket(url, { headers: { authorization: `Bearer ${secret}` } });
    await new Promise<void>((resolve, reject) => {
      socket.on('error', reject);
      socket.on('open', () => {
        socket.send(JSON.stringify({ type: 'hello', version: 1, verifier: `ver_${randomUUID()}`, position: null }));
      });
      socket.on('message', (data) => {
        if (JSON.parse(String(data)).type === 'welcome') resolve();
      });
    });
    return {
      send: (message: object) => socket.send(JSON.stringify(message)),
      [Symbol.asyncDispose]: async () => socket.close(),
    };
  };

  /** Asks on a feed connection, as a verifier would, one after the other. */
  const askAll = async (secret: string, payloads: readonly object[]) => {
    const url = `${shared().installation.controlUrl.replace('http', 'ws')}/v1/feed`;
    const socket = new WebSocket(url, { headers: { authorization: `Bearer ${secret}` } });
    const answers: { quotas: { granted: number }[] }[] = [];
    const ask = () => {
      const payload = payloads[answers.length];
      if (payload !== undefined) socket.send(JSON.stringify({ type: 'ask', request: answers.length + 1, payload }));
      return payload !== undefined;
    };
    await new Promise<void>((resolve, reject) => {
      socket.on('error', reject);
      socket.on('open', () => {
        socket.send(JSON.stringify({ type: 'hello', version: 1, verifier: `ver_${randomUUID()}`, position: null }));
      });
      socket.on('message', (data) => {
        const message = JSON.parse(String(data));
        if (message.type === 'answer') answers.push(message.payload);
        if ((message.type === 'welcome' || message.type === 'answer') && !ask()) resolve();
      });
    });
    socket.close();
    return answers as [(typeof answers)[number], ...typeof answers];
  };
});
