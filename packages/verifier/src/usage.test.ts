import assert from 'node:assert/strict';
import { it } from 'node:test';
import { MAX_VERIFIER_FRAME_BYTES } from '@keyhold/protocol/feed';
import type { UsageReport } from '@keyhold/protocol/verification-messages';
import { FedVerifier } from './testing/fed-verifier.ts';
import { credentialRecord, keyRecord, makeSecret, tokenRecord } from './testing/records.ts';
import type { ReplicaCredential } from './replica.ts';
import { Usage } from './usage.ts';

const DAILY = { limit: 100, period: 'day' } as const;
const NOON = Date.UTC(2026, 0, 15, 12);
const MIDNIGHT = Date.UTC(2026, 0, 15);

function reported(held: FedVerifier): UsageReport[] {
  return held.fed.feed.link.sentOf('report').map(({ payload }) => payload as UsageReport);
}

it('reports uses, denials, quotas and tokens once a second, each once', async () => {
  const token = makeSecret('keyhold');
  const held = new FedVerifier({ quota: DAILY }, [tokenRecord(token)]);
  for (let i = 0; i < 3; i++) await held.verify({ cost: 2, clientIp: '10.0.0.1' });
  await held.verify({ key: 'nonsense' });
  await held.verify({ permission: 'orders:write' });
  held.verifier.authenticate(token);
  assert.deepEqual(reported(held), []);
  held.fed.clock.advance(1_000);
  assert.deepEqual(reported(held), [
    {
      credentials: [
        { id: 'cred_1', count: 3, lastAt: NOON, lastIp: '10.0.0.1', networks: [{ network: '10.0.0.0/24', count: 3 }] },
      ],
      quotas: [{ key: 'key_1', periodStart: MIDNIGHT, used: 6, own: 6 }],
      denials: [
        { environment: 'env_1', code: 'MALFORMED', count: 1 },
        { environment: 'env_1', code: 'INSUFFICIENT_PERMISSIONS', count: 1 },
      ],
      refused: [{ id: 'cred_1', code: 'INSUFFICIENT_PERMISSIONS', network: null, count: 1 }],
      tokens: ['tok_1'],
    },
  ]);
  held.fed.clock.advance(3_000);
  assert.equal(reported(held).length, 1);
});

it('keeps what it counted while there is nobody to report to', async () => {
  const held = new FedVerifier();
  await held.verify();
  held.fed.feed.link.break();
  held.fed.reconnect();
  held.fed.clock.advance(2_000);
  await held.verify();
  held.fed.feed.link.open();
  held.fed.welcome({ ...held.fed.client.position! });
  held.fed.clock.advance(1_000);
  assert.deepEqual(
    reported(held).map(({ credentials }) => credentials[0]?.count),
    [2],
  );
});

it('reports what is left to report when it stops', async () => {
  const held = new FedVerifier();
  await held.verify();
  await held.verifier.stop();
  assert.equal(reported(held).length, 1);
  assert.deepEqual(
    held.fed.feed.link.sent.slice(-2).map(({ type }) => type),
    ['report', 'bye'],
  );
  assert.equal(held.fed.clock.pending, 0);
});

it('reports of a quota that is gone nothing that is not its own', async () => {
  const gone: ReturnType<typeof keyRecord>[] = [keyRecord(), keyRecord({ state: 'destroyed', quota: DAILY })];
  for (const change of gone) {
    const other = makeSecret();
    const held = new FedVerifier({ quota: DAILY });
    await held.verify();
    held.fed.change([
      change,
      keyRecord({
        id: 'key_2',
        rateLimits: [
          { name: 'l', limit: 7, windowSeconds: 9 },
          { name: 'm', limit: 7, windowSeconds: 9 },
        ],
      }),
      credentialRecord(other, { id: 'cred_2', key: 'key_2' }),
    ]);
    await held.verify({ key: other, cost: 5 });
    held.fed.clock.advance(1_000);
    for (const { key, periodStart, used } of reported(held).flatMap(({ quotas }) => quotas)) {
      assert.deepEqual({ key, periodStart, used }, { key: 'key_1', periodStart: MIDNIGHT, used: 1 });
    }
    assert.equal(reported(held).flatMap(({ credentials }) => credentials).length, 2);
  }
});

it('counts for nobody else when the number of a report comes again, 131,071 reports later', () => {
  const usage = new Usage();
  const credential = (id: string) => ({ id, tally: 0, key: { quota: null } }) as unknown as ReplicaCredential;
  const [early, other] = [credential('cred_early'), credential('cred_other')];
  usage.used(early, 1);
  for (let i = 0; i < 131_071; i++) usage.take(() => null);
  usage.used(other, 2);
  usage.used(early, 3);
  const [report] = usage.take(() => null);
  assert.deepEqual(
    report?.credentials.map(({ id, count }) => [id, count]),
    [
      ['cred_other', 1],
      ['cred_early', 1],
    ],
  );
});

it('says how many uses and refusals it could not tell apart, once, and nothing where there were none', () => {
  const usage = new Usage();
  const credential = (id: string) => ({ id, tally: 0, key: { quota: null } }) as unknown as ReplicaCredential;
  const taken = () => usage.take(() => null).flatMap(({ uncounted }) => uncounted ?? []);
  for (let i = 0; i < 20_000; i++) {
    usage.used(credential(`cred_${i}`), NOON);
    usage.denied('env_1', 'EXPIRED', `cred_${i}`);
  }
  assert.deepEqual(taken(), []);
  const late = credential('cred_late');
  for (let i = 0; i < 20_000; i++) usage.used(credential(`cred_${i}`), NOON);
  for (let i = 0; i < 3; i++) usage.used(late, NOON);
  assert.deepEqual(taken(), [3]);
  for (let i = 0; i < 20_000; i++) usage.denied('env_1', 'EXPIRED', `cred_${i}`);
  for (let i = 0; i < 4; i++) usage.denied('env_1', 'EXPIRED', 'cred_late');
  assert.deepEqual(taken(), [4]);
  usage.used(late, NOON);
  assert.deepEqual(taken(), []);
});

it('tells the networks of one credential apart, and adds up what is of one', () => {
  const usage = new Usage();
  const credential = { id: 'cred_1', tally: 0, key: { quota: null } } as unknown as ReplicaCredential;
  const from = ['203.0.113.1', '203.0.113.1', '198.51.100.7', '203.0.113.9', '2001:db8:1:2::3', '2001:db8:1:9::1', ''];
  for (const ip of from) usage.used(credential, 1, ip);
  const [report] = usage.take(() => null);
  assert.deepEqual(report?.credentials[0]?.networks, [
    { network: '203.0.113.0/24', count: 3 },
    { network: '198.51.100.0/24', count: 1 },
    { network: '2001:db8:1::/48', count: 2 },
    { network: null, count: 1 },
  ]);
  assert.equal(report?.credentials[0]?.count, from.length);
  for (let i = 0; i < 40; i++) usage.used(credential, 1, `10.0.${i}.1`);
  const [many] = usage.take(() => null);
  const networks = many?.credentials[0]?.networks ?? [];
  assert.ok(networks.length <= 17);
  assert.equal(
    networks.reduce((sum, { count }) => sum + count, 0),
    40,
  );
});

it('reports nothing that the control plane can not read: not of a quota whose period changed since', async () => {
  const held = new FedVerifier({ quota: DAILY });
  await held.verify();
  held.fed.change([keyRecord({ quota: { ...DAILY, period: 'month' } })]);
  held.fed.clock.advance(1_000);
  const [report] = reported(held);
  assert.deepEqual([report?.credentials.length, report?.quotas], [1, []]);
});

it('reports an address only where it is one', async () => {
  const long = '[2001:0db8:85a3:0000:0000:8a2e:0370:7334]:65535';
  for (const clientIp of [long, '10.0.0.1:443', '10.0.0.1, 10.0.0.2', 'fe80::1%eth0', '\0']) {
    const held = new FedVerifier();
    await held.verify({ clientIp: '10.0.0.1' });
    for (let i = 0; i < 3; i++) await held.verify({ clientIp });
    held.fed.clock.advance(1_000);
    const [used] = (reported(held)[0] as UsageReport).credentials;
    assert.equal(used?.lastIp, null, clientIp);
    assert.deepEqual(used?.networks, [
      { network: '10.0.0.0/24', count: 1 },
      { network: null, count: 3 },
    ]);
  }
});

it('cuts what it reports by its bytes, so that the control plane takes every frame and nothing is lost', () => {
  const usage = new Usage();
  const uuid = '01a22ab9-220f-7000-8000-000000000000';
  for (let i = 0; i < 4_000; i++) {
    const id = `cred_${uuid}${i}`;
    const credential = { id, tally: 0, key: { id: `key_${i}`, quota: DAILY } } as unknown as ReplicaCredential;
    for (let at = 0; at < 16; at++) usage.used(credential, NOON, `2001:db8:${at}ab::8a2e:370:7334`);
    usage.denied(`env_${uuid}${i}`, 'TIMESTAMP_OUT_OF_WINDOW', id, '2001:db8::1');
  }
  for (let i = 0; i < 20_000; i++) usage.tokenUsed(`tok_${uuid}${i}`);
  const reports = usage.take(() => ({ periodStart: MIDNIGHT, used: Number.MAX_SAFE_INTEGER }));
  for (const payload of reports) {
    const bytes = Buffer.byteLength(JSON.stringify({ type: 'report', payload }));
    assert.ok(bytes <= MAX_VERIFIER_FRAME_BYTES, `${bytes} bytes`);
  }
  assert.deepEqual(
    [
      reports.flatMap(({ credentials }) => credentials.flatMap(({ networks }) => networks)).length,
      reports.flatMap(({ quotas }) => quotas).length,
      reports.flatMap(({ refused }) => refused).length,
      reports.flatMap(({ denials }) => denials).length,
      reports.flatMap(({ tokens }) => tokens).length,
    ],
    [64_000, 4_000, 4_000, 4_000, 20_000],
  );
});
