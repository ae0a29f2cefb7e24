import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { it } from 'node:test';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { IssuerKeys } from './issuer-keys.ts';

const AUDIENCE = 'https://keyhold.example';

it('an issuer that cannot be asked is left alone for a while, whatever strangers send, and believed again afterwards', async () => {
  const { privateKey, publicKey } = await generateKeyPair('ES256');
  let [asked, down, issuer] = [0, true, ''];
  const server = createServer(async (request, response) => {
    asked++;
    if (down) return void response.writeHead(503).end();
    const keys = { keys: [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256' }] };
    const discovery = { issuer, jwks_uri: `${issuer}/keys` };
    return void response.end(JSON.stringify(request.url === '/keys' ? keys : discovery));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  let now = Date.now();
  const keys = new IssuerKeys(() => now);
  const trusted = { issuer, audience: AUDIENCE, jwksUri: null };
  const jwt = await new SignJWT({ iss: issuer, aud: AUDIENCE, sub: 'job', exp: Math.floor(now / 1000) + 300 })
    .setProtectedHeader({ alg: 'ES256', kid: 'one' })
    .sign(privateKey);
  for (let i = 0; i < 20; i++) assert.equal(await keys.verify(jwt, trusted), null);
  assert.equal(asked, 1);
  down = false;
  now += 5_001;
  assert.equal((await keys.verify(jwt, trusted))?.sub, 'job');
  assert.equal((await keys.verify(jwt, trusted))?.sub, 'job');
  assert.equal(asked, 3, 'discovery and keys, once');
  assert.equal(await keys.verify(jwt, { ...trusted, audience: 'https://other.example' }), null);
  const elsewhere = { ...trusted, issuer: issuer.replace('127.0.0.1', 'localhost') };
  assert.equal(await keys.verify(jwt, elsewhere), null, 'a discovery document of another issuer');
  assert.equal(keys.issuerOf(jwt), issuer);
  for (const none of ['', 'x', 'a.b.c', '..']) assert.equal(keys.issuerOf(none), null);
  server.closeAllConnections();
  server.close();
});
