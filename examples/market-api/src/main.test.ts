import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createPlace } from '@keyhold/server/testing/databases';
import type { TestInstallation } from '@keyhold/server/testing/installation';
import { shareMarket } from '@keyhold/server/testing/shared-market';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));

/** Starts it with a token for `market/test`; it says where it serves. */
async function start({ call, verifierUrl }: TestInstallation, stack: AsyncDisposableStack): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'keyhold-market-'));
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const environment = 'market/test';
  const { body } = await call('POST', '/v1/tokens', { name: 'example', scopes: ['verify'], environment });
  const tokenFile = join(folder, 'token');
  writeFileSync(tokenFile, body.secret, { mode: 0o600 });
  const flags = ['--port', '0', '--verifier', verifierUrl, '--environment', environment, '--token-file', tokenFile];
  const child = fork(MAIN, flags);
  stack.defer(() => void child.kill('SIGKILL'));
  const [{ url }] = (await once(child, 'message')) as [{ url: string }];
  return url;
}

interface Answer {
  readonly code?: string;
  readonly detail?: string;
  readonly candles?: readonly unknown[];
  readonly synthetic?: boolean;
}

describe('the example', () => {
  const shared = shareMarket(() => createPlace('sqlite'));
  const stack = new AsyncDisposableStack();
  let url = '';

  before(async () => {
    url = await start(shared().installation, stack);
  });
  after(() => stack.disposeAsync());

  const ask = async (key: string, path: string, { headers = {}, ...init }: RequestInit = {}) => {
    const authorization = `Bearer ${key}`;
    const response = await fetch(new URL(path, url), { ...init, headers: { authorization, ...headers } });
    return { status: response.status, body: (await response.json()) as Answer };
  };

  it('serves a valid key and answers every other with what is wrong of it, however it is sent', async () => {
    const { secret } = await shared().market.issue();
    const status = async (...asked: Parameters<typeof ask>) => (await ask(...asked)).status;
    assert.equal(await status(secret, '/v1/prices/BTC-USD'), 200);
    assert.equal(await status(secret, '/v1/candles/BTC-USD'), 403);
    assert.equal(await status('x'.repeat(500), '/v1/prices/BTC-USD'), 401);
    assert.equal(await status('x'.repeat(501), '/v1/prices/BTC-USD'), 401, 'longer than a verifier reads');
    const passkey = { headers: { 'keyhold-passkey': 'none' } };
    assert.equal(await status(secret, '/v1/prices/BTC-USD', passkey), 200, 'nothing here takes one');
  });

  it('gives candles, and takes orders, to and from keys that may, and says that none of it is real', async () => {
    const { secret } = await shared().market.issue({ permissions: ['candles:read', 'orders:write'] });
    const candles = await ask(secret, '/v1/candles/BTC-USD');
    assert.deepEqual([candles.status, candles.body.candles?.length, candles.body.synthetic], [200, 20, true]);

    const order = { symbol: 'BTC-USD', side: 'buy', quantity: 1 };
    const place = (key: string, body: string) => ask(key, '/v1/orders', { method: 'POST', body });
    const placed = await place(secret, JSON.stringify(order));
    assert.equal(placed.status, 201);
    assert.partialDeepStrictEqual(placed.body, { ...order, consumer: shared().market.consumer, synthetic: true });

    for (const [bad, detail] of [
      ['{', /not JSON/],
      ['null', /^symbol/],
      [JSON.stringify({ ...order, symbol: 'btc' }), /^symbol/],
      [JSON.stringify({ ...order, side: 'hold' }), /^side/],
      [JSON.stringify({ ...order, quantity: 0 }), /^quantity/],
      [JSON.stringify({ ...order, quantity: '1' }), /^quantity/],
      ['x'.repeat(4097), /too large/],
    ] as const) {
      const refused = await place(secret, bad);
      assert.deepEqual([refused.status, refused.body.code], [400, 'INVALID_ORDER'], bad);
      assert.match(refused.body.detail ?? '', detail);
    }
    const { secret: reading } = await shared().market.issue();
    assert.equal((await place(reading, JSON.stringify(order))).status, 403);
  });
});
