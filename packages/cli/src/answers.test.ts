import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, it } from 'node:test';
import { runKeyhold } from './testing/run-keyhold.ts';

/** Answers that a healthy installation does not give. */
const ANSWERS: Readonly<Record<string, readonly [status: number, body: string]>> = {
  '/v1/projects': [503, JSON.stringify({ status: 503, code: 'STORE_UNAVAILABLE', detail: 'Nothing was changed.' })],
  '/v1/keys': [200, '<html>another service</html>'],
  '/v1/consumers': [500, '<html>a proxy</html>'],
  '/v1/installation/accept-restore': [200, JSON.stringify({ sequence: 12, acceptedEpoch: 3 })],
};

let server: Server;
let env: Record<string, string>;

before(async () => {
  server = createServer(({ url }, response) => {
    const [status, body] = ANSWERS[new URL(url ?? '', 'http://x').pathname] ?? [404, '{}'];
    response.writeHead(status).end(body);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  env = { KEYHOLD_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, KEYHOLD_TOKEN: 'any' };
});

after(() => void server.close());

it('exit code 3 is for a store that is unavailable, a fault, and what is not Keyhold', async () => {
  const runs = ['projects list', 'consumers list', 'keys list'].map((line) => runKeyhold(line.split(' '), { env }));
  const messages = [
    /^keyhold: STORE_UNAVAILABLE: Nothing was changed\.$/m,
    /^keyhold: UNKNOWN: /,
    /^keyhold: NOT_KEYHOLD: /,
  ];
  for (const [i, { code, stderr }] of (await Promise.all(runs)).entries()) {
    assert.equal(code, 3, stderr);
    assert.match(stderr, messages[i] as RegExp);
  }
});

it('installation accept-restore answers people and programs', async () => {
  const [shown, json] = await Promise.all([
    runKeyhold(['installation', 'accept-restore'], { env }),
    runKeyhold(['installation', 'accept-restore', '--json'], { env }),
  ]);
  assert.match(shown.stdout, /^sequence +12\naccepted epoch +3\n$/);
  assert.deepEqual(JSON.parse(json.stdout), { sequence: 12, acceptedEpoch: 3 });
});

it('exit code 2 is for wrong usage; help and version are answers', async () => {
  const [unknown, noun, token, help, version] = await Promise.all([
    runKeyhold(['keyz', 'list']),
    runKeyhold(['keys']),
    runKeyhold(['keys', 'list', '--token', 'planted']),
    runKeyhold(['help', 'keys', 'revoke'], { env: { KEYHOLD_TOKEN: 'planted' } }),
    runKeyhold(['--version']),
  ]);
  for (const { code, stdout } of [unknown, noun, token]) assert.deepEqual([code, stdout], [2, '']);
  assert.match(unknown.stderr, /there is no command "keyz list"/);
  assert.match(token.stderr, /--token-file FILE/);
  assert.ok(!(token.stderr + help.stdout).includes('planted'));
  assert.equal(help.code, 0);
  assert.match(help.stdout, /^keyhold keys revoke KEY \[flags\]/);
  assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
});
