import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { OutgoingRequest } from '@keyhold/protocol/dialects/dialect';
import { BodyNotDecrypted, encryptRequestBody, generateEncryptionKey, openRequestBody } from '../body-encryption.ts';
import { SigningVerifier } from '../testing/signing-verifier.ts';
import { createFetchGuard } from './fetch.ts';

const ORDER = '{"side":"BUY","quantity":1}';
const JSON_TYPE = 'application/json';

function asRequest({ url, method, headers, body }: OutgoingRequest): Request {
  const lines = headers.map(([name, value]): [string, string] => [name, value]);
  return new Request(url, { method, headers: lines, body: new Uint8Array(body) });
}

it('an order that is encrypted and signed is served, and answered, through a proxy that reads and changes neither', async () => {
  const keys = new SigningVerifier([{ dialect: 'rfc9421' }]);
  const server = await generateEncryptionKey();
  const orders: string[] = [];
  const api = createFetchGuard(keys.guarded)({ permission: 'orders:write' }, async (request, { credentialId = '' }) => {
    const opened = await openRequestBody(await request.text(), [server.privateKey], credentialId);
    orders.push(Buffer.from(opened.body).toString());
    const answer = await opened.answer(`{"orderId":${orders.length}}`, JSON_TYPE);
    return new Response(answer, { headers: { 'content-type': 'application/jose' } });
  });
  const send = async () => {
    const { credential } = keys;
    const encrypted = await encryptRequestBody(ORDER, { to: server.publicKey, credential, contentType: JSON_TYPE });
    const { body, contentType } = encrypted;
    const headers = [['Content-Type', contentType]] as const;
    const signed = await keys.sign('rfc9421', { method: 'POST', url: 'https://api.example/v1/orders', headers, body });
    return { signed, encrypted };
  };
  const [one, two] = [await send(), await send()];
  const answers = [await api(asRequest(one.signed)), await api(asRequest(two.signed))];
  assert.deepEqual(orders, [ORDER, ORDER]);
  const [first, second] = await Promise.all(answers.map((answer) => answer.text()));
  for (const seen of [one.signed.body, first]) assert.doesNotMatch(Buffer.from(seen ?? '').toString(), /BUY|orderId/);
  assert.equal(Buffer.from((await one.encrypted.open(first as string)).body).toString(), '{"orderId":1}');
  await assert.rejects(one.encrypted.open(second as string), BodyNotDecrypted);
  const changed = { ...one.signed, body: two.signed.body };
  assert.equal((await api(asRequest(changed))).status, 401);
  assert.equal(orders.length, 2);
});
