import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createPlace } from '@keyhold/server/testing/databases';
import { type TestInstallation, startInstallation } from '@keyhold/server/testing/installation';
import { createMarket } from '@keyhold/server/testing/market';

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

it('serves a valid key and answers every other with what is wrong of it, however it is sent', async () => {
  await using stack = new AsyncDisposableStack();
  const installation = stack.use(await startInstallation(stack.use(await createPlace('sqlite'))));
  const { secret } = await (await createMarket(installation)).issue();
  const url = await start(installation, stack);
  const ask = async (key: string, path: string, headers: Record<string, string> = {}) => {
    const response = await fetch(new URL(path, url), { headers: { authorization: `Bearer ${key}`, ...headers } });
    await response.text();
    return response.status;
  };
  assert.equal(await ask(secret, '/v1/prices/BTC-USD'), 200);
  assert.equal(await ask(secret, '/v1/candles/BTC-USD'), 403);
  assert.equal(await ask('x'.repeat(500), '/v1/prices/BTC-USD'), 401);
  assert.equal(await ask('x'.repeat(501), '/v1/prices/BTC-USD'), 401, 'longer than a verifier reads');
  assert.equal(await ask(secret, '/v1/prices/BTC-USD', { 'keyhold-passkey': 'none' }), 200, 'nothing here takes one');
});
