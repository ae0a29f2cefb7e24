import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createPlace } from '@keyhold/server/testing/databases';
import { eventually } from '@keyhold/server/testing/eventually';
import { startInstallation } from '@keyhold/server/testing/installation';
import { CLIENTS, withUrl } from './testing/ccxt-clients.ts';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));

/** Starts it, and reads of its first line where it serves. */
async function start(stack: AsyncDisposableStack, args: readonly string[]): Promise<[ChildProcess, string]> {
  const child = spawn(process.execPath, [MAIN, '--port', '0', ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  stack.defer(() => void child.kill('SIGKILL'));
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const url = /http:\/\/[\d.:]+/.exec(String(line))?.[0];
  assert.ok(url !== undefined, String(line));
  return [child, url];
}

it('starts with the token of a verifier, serves who signs, and ends when it is told to', async () => {
  await using stack = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), 'keyhold-exchange-'));
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const installation = stack.use(await startInstallation(stack.use(await createPlace('sqlite'))));
  const call = async (method: string, path: string, body: object) => {
    const answer = await installation.call(method, path, body);
    assert.ok(answer.status < 300, JSON.stringify(answer.body));
    return answer.body;
  };
  await call('POST', '/v1/projects', { slug: 'exchange', name: 'Synthetic exchange' });
  await call('POST', '/v1/projects/exchange/environments', { name: 'live', prefix: 'xch_live' });
  const signing = { dialects: [{ dialect: 'binance' }], replay: 'verifier' };
  await call('PUT', '/v1/projects/exchange/environments/live/signing', signing);
  const { secret } = await call('POST', '/v1/tokens', { name: 'exchange', scopes: ['feed', 'feed:hmac'] });
  const tokenFile = join(folder, 'token');
  writeFileSync(tokenFile, secret, { mode: 0o600 });
  const [child, url] = await start(stack, ['--control', installation.controlUrl, '--token-file', tokenFile]);

  const consumer = await call('POST', '/v1/consumers', { project: 'exchange', name: 'bot' });
  const own = { project: 'exchange', environment: 'live', consumer: consumer.id, name: 'bot' };
  const kind = { permissions: ['orders:*'], credential: { kind: 'hmac' } };
  const issued = await call('POST', '/v1/keys', { ...own, ...kind });
  const place = (credentials: object) => CLIENTS.binance.place(withUrl('binance', url, credentials));
  const trader = { apiKey: issued.credential.id, secret: issued.secret };
  // What was signed before its verifier began to remember is not accepted.
  await eventually('an order is placed', async () => await place(trader).catch(() => false));
  await assert.rejects(place({ ...trader, secret: 'another' }), /-1022/);
  assert.equal((await fetch(new URL('/nothing', url))).status, 404);

  const exit = once(child, 'exit');
  child.kill('SIGTERM');
  assert.deepEqual((await exit)[0], 0);
});

it('says what is missing where it was given no token', async () => {
  const child = spawn(process.execPath, [MAIN], { stdio: ['ignore', 'ignore', 'pipe'] });
  const [said, [code]] = await Promise.all([child.stderr.setEncoding('utf8').toArray(), once(child, 'exit')]);
  assert.notEqual(code, 0);
  assert.match(said.join(''), /--token-file/);
});
