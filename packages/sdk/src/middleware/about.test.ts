import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { it } from 'node:test';
import type { VerificationRequest } from '@keyhold/protocol/verdict';
import { createGuard } from '../guard.ts';
import { listening } from '../testing/raw-http.ts';
import { SigningVerifier } from '../testing/signing-verifier.ts';
import { createFetchGuard } from './fetch.ts';
import type { Requirement } from './http-guard.ts';

const URL_OF_API = 'https://api.example/v1/withdrawals';
const WITHDRAW: Requirement = {
  permission: 'orders:write',
  about: ({ body }) => ({ destination: String(JSON.parse(Buffer.from(body as Uint8Array).toString()).address) }),
};
const BODY = '{"address":"bc1qexample"}';

/** A guarded handler, and what its verifier was asked. */
function guarded(options: object = {}) {
  const seen: VerificationRequest[] = [];
  const handle = createFetchGuard({
    ...{ environment: 'a/b', dialects: [{ dialect: 'rfc9421' }] as const, ...options },
    verify: async (request) => {
      seen.push(request);
      return { valid: true, code: 'VALID' };
    },
  });
  return { seen, handle };
}

it('says where a withdrawal goes, as the API reads it, of a signed request and beside a key', async () => {
  const { seen, handle } = guarded({ body: 'stream' });
  const keys = new SigningVerifier([{ dialect: 'rfc9421' }]);
  const signed = await keys.sign('rfc9421', { method: 'POST', url: URL_OF_API, body: BODY });
  const headers = signed.headers.map(([name, value]): [string, string] => [name, value]);
  const serve = handle(WITHDRAW, async (request) => new Response(await request.text()));
  const answers = [
    await serve(new Request(URL_OF_API, { method: 'POST', headers, body: BODY })),
    await serve(new Request(URL_OF_API, { method: 'POST', headers: { authorization: 'Bearer k' }, body: BODY })),
  ];
  for (const answer of answers) assert.equal(await answer.text(), BODY, 'the body is still there');
  assert.deepEqual(
    seen.map(({ destination, key, request }) => [destination, key, Buffer.from(request?.body ?? []).toString()]),
    [
      ['bc1qexample', undefined, BODY],
      ['bc1qexample', undefined, BODY],
    ],
  );
});

it('hands over the whole request where a passkey stands beside a key, and else key and code alone', async () => {
  const { seen, handle } = guarded();
  const serve = handle({ permission: 'orders:write' }, () => new Response('done'));
  for (const more of [{}, { 'Keyhold-Otp': '123456' }, { 'Keyhold-Passkey': 'e30' }]) {
    const init = { method: 'POST', headers: { authorization: 'Bearer k', ...more }, body: BODY };
    assert.equal((await serve(new Request(URL_OF_API, init))).status, 200);
  }
  assert.deepEqual(
    seen.map(({ key, secondFactor, request }) => [
      key,
      secondFactor?.otp ?? null,
      request === undefined ? null : Buffer.from(request.body ?? []).toString(),
    ]),
    [
      ['k', null, null],
      ['k', '123456', null],
      [undefined, null, BODY],
    ],
  );
});

it('refuses nobody, and ends nothing, where the body was read before the guard and a key alone is asked for', async () => {
  const { seen, handle } = guarded();
  const serve = handle({ permission: 'orders:write' }, () => new Response('done'));
  for (const more of [{}, { 'Keyhold-Otp': '123456' }, { 'Keyhold-Passkey': 'e30' }]) {
    const headers = { authorization: 'Bearer k', ...more };
    const request = new Request(URL_OF_API, { method: 'POST', headers, body: BODY });
    await request.text();
    assert.equal((await serve(request)).status, 200);
  }
  assert.equal(seen.at(-1)?.request?.body, null, 'and a passkey confirms no body that nobody has');
});

it('answers 413 for a body that is too large to be looked at, and says nothing of one that cannot be read', async () => {
  const { seen, handle: open } = guarded();
  const garbage = { method: 'POST', headers: { authorization: 'Bearer k' }, body: '{' };
  const served = await open(WITHDRAW, () => new Response('done'))(new Request(URL_OF_API, garbage));
  assert.deepEqual([served.status, seen[0]?.destination], [200, undefined]);
  const { handle } = guarded({ maxBodyBytes: 10 });
  const serve = handle(WITHDRAW, () => new Response('done'));
  const init = { method: 'POST', headers: { authorization: 'Bearer k' }, body: BODY };
  assert.equal((await serve(new Request(URL_OF_API, init))).status, 413);
});

it('leaves the body to whoever reads it next, in node:http too', async () => {
  const { seen } = guarded();
  const guard = createGuard({
    environment: 'a/b',
    verify: async (request) => {
      seen.push(request);
      return { valid: true, code: 'VALID' };
    },
  });
  const server = createServer((request, response) => {
    void guard(request, response, WITHDRAW).then(async (verdict) => {
      if (verdict !== null) response.end(await buffer(request));
    });
  });
  await using open = await listening(server);
  const init = { method: 'POST', headers: { authorization: 'Bearer k' }, body: BODY };
  assert.equal(await (await fetch(`http://127.0.0.1:${open.port}/`, init)).text(), BODY);
  assert.equal(seen[0]?.destination, 'bc1qexample');
});
