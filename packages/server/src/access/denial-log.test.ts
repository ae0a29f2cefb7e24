import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Entry } from '@keyhold/protocol/operations/audit';
import { systemClock } from '../clock.ts';
import { CommitDoubtful } from '../database/store-fault.ts';
import { systemRandom } from '../random.ts';
import type { EntryDraft } from '../ledger/entry.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { createPlace, onEachDatabase } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { startInstallation } from '../testing/installation.ts';
import { createMarket } from '../testing/market.ts';
import { hurryMinutes } from '../testing/moved-clock.ts';
import { DenialLog } from './denial-log.ts';
import { type Judge, NO_POLICIES } from './judge.ts';

onEachDatabase('what callers are refused', (createPlace) => {
  it('is in the log, by who asked and for what, also where the answer does not tell that there is such a thing', async () => {
    await using place = await createPlace();
    let ids: Record<string, string> = {};
    {
      await using installation = await startInstallation(place);
      const { call } = installation;
      const market = await createMarket(installation);
      const { keyId } = await market.issue();
      const reader = (await call('POST', '/v1/tokens', { name: 'reader', scopes: ['read'] })).body;
      await call('POST', '/v1/projects', { slug: 'other', name: 'Other' });
      const bound = { name: 'bound', scopes: ['admin'], projects: ['other'] };
      const elsewhere = (await call('POST', '/v1/tokens', bound)).body;
      ids = { reader: reader.token.id, elsewhere: elsewhere.token.id };
      for (let i = 0; i < 3; i++) {
        const denied = await call('POST', '/v1/projects', { slug: 'no', name: 'no' }, { token: reader.secret });
        assert.equal(denied.body.code, 'FORBIDDEN');
      }
      const hidden = await call(
        'POST',
        `/v1/keys/${keyId}/revoke`,
        { reason: 'superseded' },
        { token: elsewhere.secret },
      );
      assert.equal(hidden.status, 404);
      const none = keyId.replace(/.{12}$/, '000000000000');
      assert.equal((await call('GET', `/v1/keys/${none}`, undefined, { token: reader.secret })).status, 404);
      assert.equal((await call('GET', '/v1/keys', undefined, { token: 'khd_nothing' })).status, 401);
      const taken = (await call('POST', '/v1/tokens', { name: 'taken', scopes: ['read'] })).body;
      await call('POST', `/v1/tokens/${taken.token.id}/revoke`, {});
      for (let i = 0; i < 2; i++)
        assert.equal((await call('GET', '/v1/keys', undefined, { token: taken.secret })).status, 401);
      ids['taken'] = taken.token.id;
      const headers = { 'x-vault-token': elsewhere.secret };
      const wire = await fetch(new URL('/v1/secret/data/a', installation.vaultUrl), { headers });
      assert.ok([403, 404].includes(wire.status));
    }
    // What was counted in the last minute is entered when it ends.
    await using installation = await startInstallation(place);
    const list = async (query: string): Promise<Entry[]> =>
      (await installation.call('GET', `/v1/audit/entries?order=asc&${query}`)).body.items;
    const denied = await list('action=access.denied');
    const shown = denied.map((entry) => {
      const { code } = JSON.parse(entry.leaf) as { code: string };
      const { count, addresses } = entry.side as { count: number; addresses: string[] };
      return [entry.actor, entry.subject, code, count, addresses];
    });
    const from = ['127.0.0.1'];
    assert.deepEqual(
      shown
        .filter(([, operation]) => operation !== 'vault-wire')
        .sort((a, b) => String(a[1]).localeCompare(String(b[1]))),
      [
        // Whose it was is known, though it opens nothing any more.
        [ids['taken'], 'authenticate', 'REVOKED', 2, from],
        [ids['reader'], 'create-project', 'FORBIDDEN', 3, from],
        [ids['elsewhere'], 'revoke-key', 'KEY_NOT_FOUND', 1, from],
      ],
    );
    for (const query of ['code=KEY_NOT_FOUND', 'subject=revoke-key']) {
      const found = await list(query);
      assert.deepEqual(
        found.map(({ action, actor }) => [action, actor]),
        [['access.denied', ids['elsewhere']]],
        query,
      );
    }
    const [strangers] = await list('action=requests.denied&code=UNAUTHENTICATED');
    assert.equal((strangers as Entry & { side: { count: number } }).side.count, 3);
  });
});

it('what callers are refused, and what keys are used for, is entered each minute, and not only at the end', async () => {
  await using place = await createPlace('sqlite');
  using _minutes = hurryMinutes();
  await using installation = await startInstallation(place);
  const { keyId, secret: key } = await (await createMarket(installation)).issue();
  const { secret: token } = (await installation.call('POST', '/v1/tokens', { name: 'reader', scopes: ['read'] })).body;
  assert.equal((await installation.call('POST', '/v1/projects', { slug: 'no', name: 'no' }, { token })).status, 403);
  assert.equal((await installation.verify({ key, environment: 'market/test' })).code, 'VALID');
  for (const query of [
    'action=access.denied&code=FORBIDDEN&subject=create-project',
    `action=key.usage-counted&subject=${keyId}`,
  ])
    await eventually(query, async () => {
      const { items } = (await installation.call('GET', `/v1/audit/entries?${query}`)).body;
      return items.length === 1;
    });
});

it('is bounded for each caller, and what can not be entered now is the next time', async () => {
  const entered: { actor: string; subject: string; code?: string; side?: { count: number } }[] = [];
  let works = true;
  const record = async (draft: (typeof entered)[0]) => {
    if (!works) throw new Error('the store is away');
    entered.push(draft);
  };
  const log = new DenialLog({ record: record as unknown as Ledger['record'] }, systemClock, systemRandom);
  const who = (id: string) => ({ id, judge: NO_POLICIES });
  for (let i = 0; i < 1_000; i++) log.note(who('tok_1'), `operation-${i}`, 'FORBIDDEN', '192.0.2.1');
  log.note(who('tok_2'), 'list-keys', 'FORBIDDEN', '192.0.2.2');
  log.note(who('tok_2'), 'list-keys', 'KEY_NOT_FOUND', '192.0.2.2');
  const hides = [{ decision: { allowed: false, rule: 'r' } }] as unknown as Judge['decisions'];
  log.note({ id: 'tok_2', judge: { ...NO_POLICIES, decisions: hides } }, 'list-keys', 'KEY_NOT_FOUND', '192.0.2.2');
  works = false;
  await log.flush();
  assert.equal(entered.length, 0);
  works = true;
  await log.flush();
  const of = (actor: string) => entered.filter((entry) => entry.actor === actor);
  assert.equal(of('tok_1').length, 51);
  assert.equal(of('tok_1').find(({ subject }) => subject === 'other')?.side?.count, 950);
  assert.deepEqual(
    of('tok_2').map(({ code, side }) => [code, side?.count]),
    [
      ['FORBIDDEN', 1],
      ['KEY_NOT_FOUND', 1],
    ],
    'what is not there is no denial',
  );
  await log.flush();
  assert.equal(entered.length, 53, 'each once');
});

it('past what is told apart is entered as a number, also where the rest can not be entered at once', async () => {
  const entered: { action: string; side?: unknown }[] = [];
  let [works, later] = [false, 0];
  const record = async (draft: (typeof entered)[0]) => {
    // They take the places of some that are put back.
    while (!works && later < 5) note(`later_${later++}`);
    if (!works) throw new Error('the store is away');
    entered.push(draft);
  };
  const log = new DenialLog({ record: record as unknown as Ledger['record'] }, systemClock, systemRandom);
  const note = (name: string) => {
    log.note({ id: name, judge: NO_POLICIES }, 'list-keys', 'FORBIDDEN', '192.0.2.1');
  };
  for (let i = 0; i < 2_003; i++) note(`tok_${i}`);
  await log.flush();
  works = true;
  await log.flush();
  const uncounted = entered.filter(({ action }) => action === 'access.uncounted');
  assert.equal(entered.length, 2_001);
  assert.deepEqual(
    uncounted.map(({ side }) => (side as { count: number }).count),
    [8],
  );
  await log.flush();
  assert.equal(entered.length, 2_001, 'each once');
});

it('is entered once where it was in doubt whether it was', async () => {
  const entered = new Map<string, unknown>();
  let isInDoubt = true;
  const record = async ({ action, side, idempotency }: EntryDraft) => {
    entered.set(idempotency?.key ?? `none ${entered.size}`, [action, (side as { count?: number }).count]);
    if (isInDoubt) throw new CommitDoubtful('the connection broke');
  };
  const log = new DenialLog({ record: record as unknown as Ledger['record'] }, systemClock, systemRandom);
  const note = () => log.note({ id: 'tok_1', judge: NO_POLICIES }, 'list-keys', 'FORBIDDEN', '192.0.2.1');
  note();
  assert.equal(await log.flush(), false);
  note();
  note();
  isInDoubt = false;
  assert.equal(await log.flush(), true);
  await log.flush();
  assert.deepEqual(
    [...entered.values()],
    [
      ['access.denied', 1],
      ['access.denied', 2],
    ],
  );
});
