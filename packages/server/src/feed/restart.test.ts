import assert from 'node:assert/strict';
import { copyFileSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { connectVerifier } from '@keyhold/verifier/connect';
import pg from 'pg';
import { type ControlPlane, startControlPlane } from '../app.ts';
import { createLog } from '../http/log.ts';
import { onEachDatabase, type TestPlace } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { send, type TestAnswer, testConfig } from '../testing/installation.ts';
import { startRelay } from '../testing/relay.ts';
import { assertStatus } from '../testing/shared-market.ts';

const log = createLog('silent', 'test');
const LEASE_MS = 5_000;

/** A control plane that can be stopped and started again at the same address, with another state of its database. */
class Restartable implements AsyncDisposable {
  readonly #place: TestPlace;
  #control: ControlPlane | null = null;
  #port = 0;
  #databaseUrl: string | undefined;

  constructor(place: TestPlace) {
    this.#place = place;
    this.#databaseUrl = place.databaseUrl;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get verifierToken(): string {
    return readFileSync(join(this.#place.folder, 'verifier-token'), 'utf8').trim();
  }

  async start(databaseUrl = this.#databaseUrl, acceptRollback?: string): Promise<void> {
    this.#databaseUrl = databaseUrl;
    const config = testConfig({ folder: this.#place.folder, databaseUrl }, { port: this.#port, acceptRollback });
    this.#control = await startControlPlane(config, log);
    this.#port = Number(new URL(this.#control.url).port);
  }

  async stop(): Promise<void> {
    await this.#control?.[Symbol.asyncDispose]();
    this.#control = null;
  }

  async expect(status: number, method: string, path: string, body?: unknown): Promise<TestAnswer['body']> {
    const token = readFileSync(join(this.#place.folder, 'bootstrap-token'), 'utf8').trim();
    return assertStatus(await send(new URL(path, this.url), method, body, { token }), status);
  }

  /** Makes project, environment and consumer, and returns what issues a key there. */
  async market(): Promise<() => Promise<{ keyId: string; secret: string }>> {
    await this.expect(201, 'POST', '/v1/projects', { slug: 'market', name: 'Market' });
    const environment = { name: 'test', prefix: 'mkt_test', leaseSeconds: LEASE_MS / 1_000 };
    await this.expect(201, 'POST', '/v1/projects/market/environments', environment);
    const consumer = (await this.expect(201, 'POST', '/v1/consumers', { project: 'market', name: 'bot' })).id;
    const place = { project: 'market', environment: 'test', consumer };
    return async () => {
      const { key, secret } = await this.expect(201, 'POST', '/v1/keys', { ...place, name: 'key', permissions: [] });
      return { keyId: key.id, secret };
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

/** Keeps a copy of a stopped installation's database, and returns what starts from that copy. */
async function backUp(place: TestPlace): Promise<(control: Restartable) => Promise<void>> {
  const { folder, databaseUrl } = place;
  const file = join(folder, 'keyhold.db');
  if (databaseUrl === undefined) {
    const files = [file, `${file}-wal`].filter((path) => existsSync(path));
    for (const path of files) copyFileSync(path, `${path}.backup`);
    return async (control) => {
      for (const end of ['-wal', '-shm']) rmSync(file + end, { force: true });
      for (const path of files) copyFileSync(`${path}.backup`, path);
      await control.start(undefined, 'a backup was put back');
    };
  }
  const copy = new URL(databaseUrl);
  copy.pathname += '_backup';
  const admin = new URL(databaseUrl);
  admin.pathname = '/postgres';
  const client = new pg.Client({ connectionString: admin.href });
  await client.connect();
  await client.query(
    `create database "${copy.pathname.slice(1)}" template "${new URL(databaseUrl).pathname.slice(1)}"`,
  );
  await client.end();
  return (control) => control.start(copy.href);
}

onEachDatabase('a control plane started again', (createPlace) => {
  it('waits for the lease of a verifier that it never saw', async () => {
    await using place = await createPlace();
    await using control = new Restartable(place);
    await control.start();
    const { keyId } = await (await control.market())();
    const verifier = connectVerifier({ controlUrl: control.url, token: control.verifierToken });
    await eventually('the verifier is ready', async () => verifier.ready);
    await control.stop();
    // Its process is gone without a word; nobody but the database remembers its lease.
    await verifier.stop();
    await control.start();
    const { barrier } = await control.expect(200, 'POST', `/v1/keys/${keyId}/revoke`, { reason: 'key_compromise' });
    assert.deepEqual([barrier.acknowledged, barrier.waitedOut], [0, 1]);
  });

  it('waits for no verifier that said goodbye before it was stopped, whatever its environment allows', async () => {
    await using place = await createPlace();
    await using control = new Restartable(place);
    await control.start();
    const { keyId } = await (await control.market())();
    const stale = { name: 'stale', prefix: 'mkt_stale', afterLease: 'serve' };
    await control.expect(201, 'POST', '/v1/projects/market/environments', stale);
    const verifier = connectVerifier({ controlUrl: control.url, token: control.verifierToken });
    await eventually('the verifier is ready', async () => verifier.ready);
    await verifier.stop();
    await control.stop();
    await control.start();
    const { barrier } = await control.expect(200, 'POST', `/v1/keys/${keyId}/revoke`, { reason: 'key_compromise' });
    assert.deepEqual([barrier.acknowledged, barrier.waitedOut, barrier.unconfirmed], [0, 0, 0]);
    // Of a token, so of all environments.
    const { token } = await control.expect(201, 'POST', '/v1/tokens', { name: 'gone', scopes: ['read'] });
    const ended = await control.expect(200, 'POST', `/v1/tokens/${token.id}/revoke`);
    assert.deepEqual([ended.barrier.waitedOut, ended.barrier.unconfirmed], [0, 0]);
  });

  it('goes on with the same facts, and its verifier follows without a fence', async () => {
    await using place = await createPlace();
    await using control = new Restartable(place);
    await control.start();
    const { keyId, secret } = await (await control.market())();
    const verifier = connectVerifier({ controlUrl: control.url, token: control.verifierToken });
    try {
      await eventually('the verifier is ready', async () => verifier.ready);
      const before = await control.expect(200, 'GET', '/v1/installation');
      await control.stop();
      await control.start();
      await eventually('the verifier is back', async () => verifier.connected && verifier.ready);
      const after = await control.expect(200, 'GET', '/v1/installation');
      assert.equal(after.id, before.id);
      assert.ok(after.epoch > before.epoch);
      assert.equal((await verifier.verify({ key: secret, environment: 'market/test' })).code, 'VALID');
      const { barrier } = await control.expect(200, 'POST', `/v1/keys/${keyId}/revoke`, { reason: 'superseded' });
      assert.equal(barrier.acknowledged, 1);
      assert.equal((await verifier.verify({ key: secret, environment: 'market/test' })).code, 'REVOKED');
    } finally {
      await verifier.stop();
    }
  });

  it('refuses to run beside another one on the same data', async () => {
    await using place = await createPlace();
    await using control = new Restartable(place);
    await using second = new Restartable(place);
    await control.start();
    await assert.rejects(second.start(), { name: 'AlreadyRunning' });
  });
});

onEachDatabase('a restored backup', (createPlace) => {
  it('waits for the leases of verifiers that it knows nothing of, also after a second start within them', async () => {
    await using place = await createPlace();
    await using control = new Restartable(place);
    await control.start();
    const { keyId, secret } = await (await control.market())();
    const serving = { name: 'serving', prefix: 'mkt_serving', leaseSeconds: 1, afterLease: 'serve' };
    await control.expect(201, 'POST', '/v1/projects/market/environments', serving);
    const body = { project: 'market', environment: 'serving', name: 'key', permissions: [] };
    const consumer = (await control.expect(201, 'POST', '/v1/consumers', { project: 'market', name: 'other' })).id;
    const served = await control.expect(201, 'POST', '/v1/keys', { ...body, consumer });
    await control.stop();
    const restore = await backUp(place);
    await control.start();
    await using relay = await startRelay(control.url);
    const verifier = connectVerifier({ controlUrl: relay.url, token: control.verifierToken });
    const decide = (key: string, environment: string) => verifier.verify({ key, environment: `market/${environment}` });
    const revoke = (id: string) => control.expect(200, 'POST', `/v1/keys/${id}/revoke`, { reason: 'key_compromise' });
    try {
      await eventually('the verifier is ready', async () => verifier.ready);
      assert.equal((await decide(secret, 'test')).code, 'VALID');
      relay.cut();
      await control.stop();
      await restore(control);
      const { verifiers } = await control.expect(200, 'GET', '/v1/installation');
      assert.deepEqual(
        verifiers.map(({ id, connected }: { id: string; connected: boolean }) => [id, connected]),
        [['unknown', false]],
      );
      const { barrier } = await revoke(keyId);
      assert.equal((await decide(secret, 'test')).code, 'VERIFIER_FENCED');
      assert.deepEqual([barrier.acknowledged, barrier.waitedOut, barrier.unconfirmed], [0, 1, 0]);
      const unconfirmed = (await revoke(served.key.id)).barrier;
      assert.deepEqual([unconfirmed.waitedOut, unconfirmed.unconfirmed], [0, 1]);
      const { code, stale } = await decide(served.secret, 'serving');
      assert.deepEqual([code, stale], ['VALID', true]);
    } finally {
      await verifier.stop();
    }
    await control.stop();
    await control.start();
    const again = (await revoke(keyId)).barrier;
    assert.ok(again.waitedOut === 1 && again.elapsedMs > LEASE_MS / 2, JSON.stringify(again));
    assert.equal((await revoke(served.key.id)).barrier.unconfirmed, 1);
  });

  it('is followed by no running verifier until an operator accepts it', async () => {
    await using place = await createPlace();
    await using control = new Restartable(place);
    await control.start();
    const issue = await control.market();
    const { secret } = await issue();
    await control.stop();
    const restore = await backUp(place);
    await control.start();
    const lost = await issue();
    const verifier = connectVerifier({ controlUrl: control.url, token: control.verifierToken });
    const decide = async (key: string) => (await verifier.verify({ key, environment: 'market/test' })).code;
    try {
      await eventually('the verifier is ready', async () => verifier.ready);
      assert.deepEqual([await decide(secret), await decide(lost.secret)], ['VALID', 'VALID']);
      await control.stop();
      await restore(control);
      await eventually('the verifier fences itself', async () => verifier.fenced);
      assert.equal(await decide(secret), 'VERIFIER_FENCED');
      const { alarms, verifiers } = await control.expect(200, 'GET', '/v1/installation');
      assert.deepEqual(
        // Where the restored database lies elsewhere, nothing remembers its newest entry: that is an alarm of its own.
        alarms.map(({ code }: { code: string }) => code).filter((code: string) => code !== 'HEAD_NOT_REMEMBERED'),
        ['VERIFIER_AHEAD'],
      );
      assert.ok(verifiers.some(({ fenced }: { fenced: boolean }) => fenced));
      const { sequence, acceptedEpoch } = await control.expect(200, 'POST', '/v1/installation/accept-restore');
      const [entry] = (await control.expect(200, 'GET', '/v1/audit/entries?action=restore.accepted')).items;
      assert.deepEqual([entry.sequence, JSON.parse(entry.leaf).code], [sequence, `epoch-${acceptedEpoch}`]);
      await eventually('the verifier starts anew', async () => verifier.ready);
      assert.deepEqual([await decide(secret), await decide(lost.secret)], ['VALID', 'NOT_FOUND']);
      const nothing = await control.expect(409, 'POST', '/v1/installation/accept-restore');
      assert.equal(nothing.code, 'NOTHING_TO_ACCEPT');
    } finally {
      await verifier.stop();
    }
  });
});
