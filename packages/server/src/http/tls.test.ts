import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { after, before, describe, it } from 'node:test';
import { connectVerifier } from '@keyhold/verifier/connect';
import { type ControlPlane, startControlPlane } from '../app.ts';
import { type MadeCertificate, makeCertificate } from '../testing/certificates.ts';
import { createPlace, type TestPlace } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { testConfig } from '../testing/installation.ts';
import { startVerifierProcess } from '../verification/verifier-process.ts';
import { createLog } from './log.ts';
import { wantsOpenssl } from '../testing/missing-part.ts';

const log = createLog('silent', 'test');

/** Status of a request over TLS that trusts this certificate, whatever name it carries. */
function statusOf(url: string, ca: string, method = 'GET'): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { ca, method, checkServerIdentity: () => undefined }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    sent.on('error', reject);
    sent.end();
  });
}

/** Names are nobody's here, so only pinning can trust a certificate. */
const suite = () => {
  const stack = new AsyncDisposableStack();
  let place: TestPlace;
  let tls: MadeCertificate;
  let control: ControlPlane;

  before(async () => {
    place = stack.use(await createPlace('sqlite'));
    tls = makeCertificate(place.folder, { name: 'own.invalid' });
    control = stack.use(await startControlPlane(testConfig(place, { tls }), log));
  });
  after(() => stack.disposeAsync());

  it('serves both planes, and a verifier that pins the certificate follows its control plane', async () => {
    const config = testConfig(place, {
      tls,
      controlUrl: control.url,
      tokenFile: control.verifierTokenFile,
      controlCertificateFile: tls.certificateFile,
    });
    await using verifier = await startVerifierProcess(config, log);
    const ca = readFileSync(tls.certificateFile, 'utf8');
    assert.match(verifier.url, /^https:/);
    await eventually('the verifier is ready', async () => (await statusOf(`${verifier.url}/health/ready`, ca)) === 200);
    assert.equal(await statusOf(`${control.url}/health/ready`, ca), 200);
  });

  it('takes the method LIST on the listener of the Vault API', async () => {
    const ca = readFileSync(tls.certificateFile, 'utf8');
    // Without a token it is refused by whoever answers it; the parser would have said 400.
    assert.equal(await statusOf(`${control.vaultUrl}/v1/secret/metadata/`, ca, 'LIST'), 403);
    assert.equal(await statusOf(`${control.vaultUrl}/v1/secret/metadata/`, ca, 'LOST'), 400);
  });

  it('keeps a verifier away that pins another certificate, or none', async () => {
    const other = makeCertificate(place.folder, { name: 'other.invalid' });
    const token = readFileSync(control.verifierTokenFile, 'utf8').trim();
    for (const pinnedCertificate of [readFileSync(other.certificateFile, 'utf8'), undefined]) {
      const { promise, resolve } = Promise.withResolvers<string>();
      const events = { failed: resolve, connected: () => resolve('connected') };
      const verifier = connectVerifier({ controlUrl: control.url, token, pinnedCertificate }, events);
      assert.match(await promise, /certificate/);
      assert.equal(verifier.position, null);
      await verifier.stop();
    }
  });

  it('answers nothing to who speaks in the clear', async () => {
    await assert.rejects(fetch(`${control.url.replace('https:', 'http:')}/health/live`));
  });
};

if (wantsOpenssl()) describe('TLS', suite);
