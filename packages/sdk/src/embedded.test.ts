import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { it } from 'node:test';
import { FedClient } from '@keyhold/verifier/testing/fed-client';
import { credentialRecord, ENVIRONMENT, keyRecord, makeSecret } from '@keyhold/verifier/testing/records';
import { Verifier } from '@keyhold/verifier/verifier';
import { guardedBy } from './embedded.ts';
import { createGuard } from './guard.ts';
import { listening, sendRaw, written } from './testing/raw-http.ts';
import { SigningVerifier } from './testing/signing-verifier.ts';

it('until an embedded verifier knows anything, signed requests too are told to come again, not that they have no key', async () => {
  const fed = new FedClient();
  const verifier = new Verifier(fed.clock, fed.client);
  verifier.start();
  const ask = async (environment: string, text: string) => {
    const guard = createGuard(guardedBy(verifier, environment));
    const handle = createServer((request, response) => {
      void guard(request, response, {}).then((verdict) => verdict !== null && response.end('served'));
    });
    await using server = await listening(handle);
    const { status, body } = await sendRaw(server.port, text);
    return [status, body === 'served' ? body : JSON.parse(body).code];
  };
  const keys = new SigningVerifier([{ dialect: 'rfc9421' }]);
  const signed = written(await keys.sign('rfc9421', { method: 'GET', url: 'https://api.example/v1/orders' }));
  const secret = makeSecret();
  const bearer = `GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${secret}\r\nConnection: close\r\n\r\n`;
  for (const text of [signed, bearer]) assert.deepEqual(await ask(ENVIRONMENT, text), [503, 'UNAVAILABLE']);
  fed.lead([keyRecord(), credentialRecord(secret)]);
  assert.deepEqual(await ask(ENVIRONMENT, bearer), [200, 'served']);
  assert.deepEqual(await ask(ENVIRONMENT, signed), [401, 'KEY_REQUIRED'], 'an environment without dialects');
  assert.deepEqual(await ask('market/none', signed), [401, 'KEY_REQUIRED'], 'no environment that there is');
});
