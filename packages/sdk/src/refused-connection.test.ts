import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { it } from 'node:test';
import { createClient, createVerifierClient } from './client.ts';
import { exchangeToken } from './exchange-token.ts';
import { KeyholdError } from './keyhold-error.ts';
import { signInDevice } from './sign-in-device.ts';
import { listening } from './testing/raw-http.ts';

const TOKEN = 'kh_planted_0123456789';
const VERIFY = { key: 'planted-key', environment: 'a/b' };
const STORE = { project: 'a', environment: 'b', path: 'p', data: { apiSecret: 'planted-secret' } };

it('follows no redirect: what was sent to one address, secrets among it, is for no other', async () => {
  const led: string[] = [];
  const elsewhere = createServer(async (request, response) => {
    led.push(`${request.url} ${await text(request)}`);
    response.end('{"valid":true,"code":"VALID","token":"t"}');
  });
  await using there = await listening(elsewhere);
  let status = 0;
  const front = createServer((request, response) => {
    request.resume();
    response.writeHead(status, { location: `http://127.0.0.1:${there.port}/planted` }).end('{}');
  });
  await using here = await listening(front);
  const url = `http://127.0.0.1:${here.port}`;
  for (status of [301, 302, 303, 307, 308]) {
    const redirected = (error: unknown) => {
      assert.ok(error instanceof KeyholdError, String(error));
      assert.deepEqual([error.status, error.code], [status, 'UNKNOWN']);
      assert.match(error.message, /redirect/);
      assert.doesNotMatch(error.message, /planted/);
      return true;
    };
    await assert.rejects(createVerifierClient({ url, token: TOKEN }).verify(VERIFY), redirected);
    await assert.rejects(createClient({ url, token: TOKEN }).secrets.store(STORE), redirected);
    await assert.rejects(createClient({ url, token: TOKEN }).keys.list({}), redirected);
    await assert.rejects(signInDevice({ url }, 'planted-code'), redirected);
    await assert.rejects(exchangeToken({ url }, 'planted.jwt.x'), { name: 'ExchangeRefused', status });
  }
  assert.deepEqual(led, []);
});

it('takes a token as a file has it, and repeats nothing of one that could not be sent', async () => {
  const sent: (string | null)[] = [];
  const fetch = async (_url: unknown, init?: RequestInit) => {
    sent.push(new Headers(init?.headers).get('authorization'));
    return new Response('{"items":[],"nextCursor":null}');
  };
  const url = 'http://127.0.0.1:1';
  await createClient({ url, token: ` ${TOKEN}\r\n`, fetch }).keys.list({});
  assert.deepEqual(sent, [`Bearer ${TOKEN}`]);
  for (const token of ['', '\n', `${TOKEN}\n# more`, `${TOKEN} more`, `${TOKEN}é`, `${TOKEN}\0`]) {
    for (const make of [createClient, createVerifierClient]) {
      assert.throws(
        () => make({ url, token, fetch }),
        (error) => {
          assert.ok(error instanceof TypeError);
          assert.doesNotMatch(`${error.stack}`, /planted/);
          return true;
        },
      );
    }
  }
});

it('keeps the path of its address, and lets no id make another operation of one', async () => {
  const asked: string[] = [];
  const fetch = async (url: unknown) => {
    asked.push(String(url));
    return new Response('{"access_token":"t","expires_in":1}');
  };
  for (const url of ['https://ops.example/keyhold', 'https://ops.example/keyhold/']) {
    const client = createClient({ url, token: TOKEN, fetch });
    await client.keys.list({ project: 'a' });
    await client.keys.get({ id: 'a/b?c#d' });
    await signInDevice({ url, fetch }, 'code');
    await exchangeToken({ url, fetch }, 'jwt');
  }
  const paths = ['keys?project=a', 'keys/a%2Fb%3Fc%23d', 'device-sign-in', 'token-exchange'];
  const expected = paths.map((path) => `https://ops.example/keyhold/v1/${path}`);
  assert.deepEqual(asked, [...expected, ...expected]);
  for (const url of ['https://ops.example//other.example', 'https://ops.example/\\other.example/']) {
    await createClient({ url, token: TOKEN, fetch }).keys.list({});
    await exchangeToken({ url, fetch }, 'jwt');
    for (const sent of asked.splice(-2)) assert.equal(new URL(sent).origin, 'https://ops.example');
  }
  const { keys } = createClient({ url: 'https://ops.example', token: TOKEN, fetch });
  for (const id of ['', '.', '..']) await assert.rejects(keys.revoke({ id, reason: 'superseded' }), /"id" is missing/);
  assert.equal(asked.length, 8);
});
