import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, it } from 'node:test';
import { listening } from '@keyhold/sdk/testing/raw-http';
import { connectionFor } from './connection.ts';
import { readEnvironment } from './environment.ts';
import { NoToken } from './failure.ts';
import { runKeyhold } from './testing/run-keyhold.ts';

const KEY = 'key_01890a5d-ac96-774b-bcce-b302099a8057';
const REFUSED = [{ id: KEY, code: 'FORBIDDEN', detail: 'not yours' }];
const BARRIER = { sequence: 1, acknowledged: 1, waitedOut: 0, unconfirmed: 0, elapsedMs: 1 };

/** What a server says, by what it was asked; whatever else is a redirect. */
const ANSWERS: Readonly<Record<string, (body: string) => readonly [status: number, body: object]>> = {
  '/v1/keys/revoke': (body) => [200, { revoked: [], refused: body.includes(KEY) ? REFUSED : [], barrier: BARRIER }],
  '/v1/offboardings/off_1/rotate': () => [200, { rotated: [], due: [], refused: REFUSED, remaining: 0, byHand: 0 }],
  '/v1/verify': (body) => [200, { valid: false, code: JSON.parse(body).key }],
  '/v1/verify/batch': (body) => [
    200,
    { verdicts: JSON.parse(body).requests.map(({ key }: { key: string }) => ({ valid: key === 'VALID', code: key })) },
  ],
  '/v1/token-exchange': (body) => [Number(new URLSearchParams(body).get('subject_token')), { detail: 'no' }],
};

let folder: string;
let server: Awaited<ReturnType<typeof listening>>;
const asked: string[] = [];

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'keyhold-exit-codes-'));
  server = await listening(
    createServer(async (request, response) => {
      const body = await text(request);
      asked.push(`${request.url} ${request.headers.authorization}`);
      const [status, answer] = ANSWERS[request.url ?? '']?.(body) ?? [307, {}];
      response.writeHead(status, { 'content-type': 'application/json', location: '/v1/verify' });
      response.end(JSON.stringify(answer));
    }),
  );
});

after(async () => {
  await server?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

async function exitCode(args: readonly string[], input = '', url = '--url'): Promise<number | null> {
  const address = [url, `http://127.0.0.1:${server.port}`];
  const { code, stderr } = await runKeyhold([...args, ...address], {
    ...{ cwd: folder, input },
    env: { HOME: folder, KEYHOLD_TOKEN: 'any' },
  });
  assert.doesNotMatch(stderr, /FAULT|unexpected|nothing-here/, args.join(' '));
  return code;
}

it('what was refused in part did not succeed', async () => {
  const revoke = ['keys', 'revoke-many', '--reason', 'key_compromise'];
  assert.equal(await exitCode([...revoke, '--key-id', KEY]), 1);
  assert.equal(await exitCode([...revoke, '--key-id', KEY.replace('a8057', 'a8058')]), 0);
  const rotate = ['offboardings', 'rotate', 'off_1', '--overlap-seconds', '0', '--deliver-to', '{"link":{}}'];
  assert.equal(await exitCode(rotate), 1);
});

it('what nobody could decide is not what was refused', async () => {
  const codes = { STORE_UNAVAILABLE: 3, VERIFIER_FENCED: 3, REVOKED: 1 };
  const verify = ['verify', '--environment', 'a/b'];
  for (const [code, expected] of Object.entries(codes)) {
    assert.equal(await exitCode(verify, code, '--verifier-url'), expected, code);
  }
  const batch = (...keys: string[]) =>
    exitCode(['verify-batch'], JSON.stringify(keys.map((key) => ({ key, environment: 'a/b' }))), '--verifier-url');
  assert.equal(await batch('VALID'), 0);
  assert.equal(await batch('VALID', 'REVOKED'), 1);
  assert.equal(await batch('REVOKED', 'STORE_UNAVAILABLE', 'VALID'), 3);
  for (const [status, expected] of [
    [503, 3],
    [401, 4],
    [403, 4],
    [400, 1],
  ] as const) {
    const jwt = join(folder, 'jwt');
    writeFileSync(jwt, String(status));
    assert.equal(await exitCode(['workloads', 'exchange', '--jwt-file', jwt]), expected, String(status));
  }
});

it('a file that cannot be used, and what no header can carry, is wrong usage', async () => {
  const store = ['secrets', 'store', '--project', 'a', '--environment', 'b', '--path', 'p'];
  const before = asked.length;
  assert.equal(await exitCode([...store, '--data-file', 'nothing-here']), 2);
  assert.equal(await exitCode(['deliveries', 'take', '--once-file', 'nothing-here']), 2);
  assert.equal(await exitCode(['projects', 'create', '--slug', 'a', '--name', 'b', '--idempotency-key', '日本']), 2);
  assert.equal(await exitCode(['projects', 'create', '--slug', 'a', '--name', 'b', '--approval', '日本']), 2);
  assert.equal(asked.length, before, 'nothing was sent');
  const page = await runKeyhold(['audit', 'page', '--output', join(folder, 'nothing-here', 'x.html')], {});
  assert.deepEqual([page.code, page.stderr], [2, 'keyhold: a file cannot be used (ENOENT)\n']);
});

it('a backup is taken from the address that was named, not from one that this leads to', async () => {
  const before = asked.length;
  assert.equal(await exitCode(['backup', 'create', '--recipient', 'age1x', '--output', join(folder, 'backup')]), 3);
  assert.deepEqual(asked.slice(before), ['/v1/backup Bearer any']);
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.startsWith('backup')),
    [],
  );
});

it('the bootstrap token of this machine goes to this machine, or where the environment says', () => {
  const data = join(folder, 'data');
  mkdirSync(data);
  writeFileSync(join(data, 'bootstrap-token'), 'kh_planted\n');
  const tokenFor = (url: string, env: Record<string, string> = {}) =>
    connectionFor({ url }, readEnvironment({ HOME: folder, KEYHOLD_DATA: data, ...env })).token;
  for (const own of ['http://127.0.0.1:1', 'http://127.9.9.9', 'https://localhost:7070/x', 'http://[::1]:7070']) {
    assert.equal(tokenFor(own), 'kh_planted', own);
  }
  const named = { KEYHOLD_URL: 'https://keyhold.example:7070' };
  assert.equal(tokenFor('https://keyhold.example:7070/', named), 'kh_planted');
  for (const other of [
    'https://keyhold.example',
    'http://keyhold.example:7070',
    'http://127.0.0.1.example',
    'http://localhost.example',
    'http://10.0.0.1',
  ]) {
    assert.throws(() => tokenFor(other, named), NoToken, other);
  }
});
