import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { confirmWithPasskey, type PasskeySource } from '@keyhold/sdk/signing/confirm-with-passkey';
import { chromium, type Page } from 'playwright-core';
import { createPlace } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { startInstallation, type TestInstallation } from '../testing/installation.ts';
import { createMarket, type TestMarket } from '../testing/market.ts';
import { chromiumPath } from '../testing/missing-part.ts';

const executablePath = chromiumPath();
const AT = '/v1/projects/market/environments/test';

describe("a passkey in a real browser, with the browser's own authenticator", { skip: executablePath === null }, () => {
  const stack = new AsyncDisposableStack();
  let installation: TestInstallation;
  let market: TestMarket;
  let page: Page;
  let origin = '';

  before(async () => {
    installation = stack.use(await startInstallation(stack.use(await createPlace('sqlite'))));
    market = await createMarket(installation);
    const pages = createServer((_request, response) => response.end('<!doctype html><title>trade</title>'));
    pages.listen(0, '127.0.0.1');
    await once(pages, 'listening');
    stack.defer(() => {
      pages.closeAllConnections();
      pages.close();
    });
    origin = `http://localhost:${(pages.address() as AddressInfo).port}`;
    const browser = await chromium.launch({ executablePath: executablePath as string, args: ['--no-sandbox'] });
    stack.defer(() => browser.close());
    page = await browser.newPage();
    const session = await page.context().newCDPSession(page);
    await session.send('WebAuthn.enable');
    await session.send('WebAuthn.addVirtualAuthenticator', {
      options: {
        ...{ protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true },
        isUserVerified: true,
      },
    });
    await page.goto(origin);
  });
  after(() => stack.disposeAsync());

  /** `navigator.credentials.get` of the page. */
  const source: PasskeySource = {
    get: async ({ publicKey }) => {
      const { challenge, rpId } = publicKey as { challenge: Uint8Array; rpId: string };
      const given = await page.evaluate(
        async ([bytes, id]) => {
          const options = { challenge: new Uint8Array(bytes as number[]), rpId: id, userVerification: 'required' };
          // biome-ignore lint/suspicious/noExplicitAny: what browsers have is not among Node's types
          const { credentials } = (globalThis as any).navigator;
          const credential = await credentials.get({ publicKey: options });
          const { clientDataJSON, authenticatorData, signature } = credential.response;
          const list = (buffer: ArrayBuffer) => [...new Uint8Array(buffer)];
          return { id: credential.id, parts: [clientDataJSON, authenticatorData, signature].map(list) };
        },
        [[...challenge], rpId] as const,
      );
      const [clientDataJSON, authenticatorData, signature] = given.parts.map((part) => new Uint8Array(part).buffer);
      return { id: given.id, response: { clientDataJSON, authenticatorData, signature } };
    },
  };

  it('is made there, and confirms a request that is then accepted once', async () => {
    await installation.call('PUT', `${AT}/signing`, { dialects: [{ dialect: 'rfc9421' }], replay: 'verifier' });
    await installation.call('PUT', `${AT}/rules`, { secondFactor: ['funds:*'] });
    const { secret: key } = await market.issue({ permissions: ['funds:*'] });
    const asked = await installation.call('POST', `/v1/consumers/${market.consumer}/factors/passkey`, {
      ...{ environment: 'test', name: 'laptop', rpId: 'localhost', origins: [origin] },
    });
    const response = await page.evaluate(async (options) => {
      // biome-ignore lint/suspicious/noExplicitAny: what browsers have is not among Node's types
      const { navigator, PublicKeyCredential } = globalThis as any;
      const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
      return (await navigator.credentials.create({ publicKey })).toJSON();
    }, asked.body.options);
    const path = `/v1/factors/${asked.body.factor.id}/confirm-passkey`;
    const confirmed = await installation.call('POST', path, { response });
    assert.deepEqual([confirmed.status, confirmed.body.factor?.state], [200, 'active'], JSON.stringify(confirmed.body));
    const request = {
      ...{ method: 'POST', url: 'https://api.example/v1/withdrawals', body: Buffer.from('{"amount":1}') },
      headers: [['Authorization', `Bearer ${key}`]] as const,
    };
    const verify = async (sent: Awaited<ReturnType<typeof confirmWithPasskey>>) => {
      const { method, headers } = sent;
      const body = Buffer.from(sent.body).toString('base64');
      const received = { method, target: '/v1/withdrawals', headers, body };
      const asking = { request: received, environment: 'market/test', permission: 'funds:withdraw' };
      return (await installation.verify(asking)).code;
    };
    const sign = () => confirmWithPasskey(request, { credential: { key }, rpId: 'localhost' }, source);
    let sent = await sign();
    await eventually('the verifier guards alone', async () => {
      sent = await sign();
      return (await verify(sent)) === 'VALID';
    });
    assert.equal(await verify(sent), 'SECOND_FACTOR_REQUIRED', 'a second time');
    const changed = { ...(await sign()), body: Buffer.from('{"amount":9}') };
    assert.equal(await verify(changed), 'SECOND_FACTOR_REQUIRED');
  });
});
