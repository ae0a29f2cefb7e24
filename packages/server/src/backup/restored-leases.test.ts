import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { connectVerifier } from '@keyhold/verifier/connect';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { onEachDatabase } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { startInstallation, testConfig } from '../testing/installation.ts';
import { createMarket } from '../testing/market.ts';
import { assertStatus } from '../testing/shared-market.ts';
import { runRestore } from './restore-command.ts';

const folder = mkdtempSync(join(tmpdir(), 'keyhold-restored-leases-'));
after(() => rmSync(folder, { recursive: true }));

let count = 0;

onEachDatabase('a revocation in what was restored from a backup', (createOnThis) => {
  it('returns when no verifier of before accepts it, also where no entry is missing and nothing else tells', async () => {
    const identity = await generateX25519Identity();
    const [input, identityFile] = [join(folder, 'whole.age'), join(folder, 'identity')];
    writeFileSync(identityFile, `${identity}\n`, { mode: 0o600 });
    // As where it is restored in place: the newest entry is remembered.
    const headFile = join(folder, `${(count += 1)}.head`);
    await using place = await createOnThis();
    await using target = await createOnThis();
    await using stack = new AsyncDisposableStack();
    const installation = stack.use(await startInstallation(place, { headFile }));
    const market = await createMarket(installation, { leaseSeconds: 10 });
    const { keyId, secret } = await market.issue();
    const token = readFileSync(join(place.folder, 'bootstrap-token'), 'utf8').trim();
    const url = new URL('/v1/backup', installation.controlUrl);
    const response = await fetch(url, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ recipients: [await identityToRecipient(identity)] }),
    });
    writeFileSync(input, Buffer.from(await response.arrayBuffer()));
    const feed = readFileSync(installation.verifierTokenFile, 'utf8').trim();
    const verifier = connectVerifier({ controlUrl: installation.controlUrl, token: feed });
    stack.defer(() => verifier.stop());
    await eventually('the verifier is ready', async () => verifier.ready);
    await installation[Symbol.asyncDispose]();
    const restoring = { command: 'restore', restore: { input, identityFile, drill: false, inputFiles: [] } } as const;
    await runRestore(testConfig(target, restoring));
    copyFileSync(join(place.folder, 'bootstrap-token'), join(target.folder, 'bootstrap-token'));
    await using restored = await startInstallation(target, { keyFile: `${place.folder}.key`, headFile });
    const { alarms } = assertStatus(await restored.call('GET', '/v1/installation', undefined, { token }), 200);
    assert.deepEqual(alarms, [], 'nothing tells that it is another state');
    const revoked = await restored.call('POST', `/v1/keys/${keyId}/revoke`, { reason: 'key_compromise' }, { token });
    assert.equal((await verifier.verify({ key: secret, environment: 'market/test' })).code, 'VERIFIER_FENCED');
    assert.equal(assertStatus(revoked, 200).barrier.waitedOut, 1);
  });
});
