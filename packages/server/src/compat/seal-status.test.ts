import assert from 'node:assert/strict';
import { it } from 'node:test';
import { onEachDatabase } from '../testing/databases.ts';
import { startInstallation } from '../testing/installation.ts';
import { closeSeal, confirmSeal } from '../testing/seals.ts';
import { assertStatus } from '../testing/shared-market.ts';
import { vaultWire } from '../testing/shared-vault.ts';

onEachDatabase("Vault's sys/seal-status", (createPlace) => {
  it('says how far an unsealing is, and nothing of a change of the seal: it asks for no token', async () => {
    await using place = await createPlace();
    await using installation = await startInstallation(place);
    const status = async () => {
      const answer = await vaultWire(installation.vaultUrl, '').expect(200, 'GET', 'sys/seal-status', undefined, {
        token: undefined,
      });
      const { type, sealed, t, n, progress, nonce } = answer;
      return [type, sealed, t, n, progress, nonce];
    };
    const sharing = { kind: 'shamir', shares: 3, threshold: 2 };
    const { seal, shares } = assertStatus(await installation.call('POST', '/v1/seal/change', sharing), 200);
    const untouched = ['file', false, 1, 1, 0, ''];
    assert.deepEqual(await status(), untouched);
    const first = { share: shares[0], nonce: seal.attempt.nonce };
    assertStatus(await installation.call('POST', '/v1/seal/confirm', first), 200);
    assert.deepEqual(await status(), untouched);
    await confirmSeal(installation, [shares[1]]);
    await closeSeal(installation);
    const { attempt } = assertStatus(await installation.call('GET', '/v1/seal'), 200);
    assertStatus(await installation.call('POST', '/v1/unseal', { share: shares[0], nonce: attempt.nonce }), 200);
    assert.deepEqual(await status(), ['shamir', true, 2, 3, 1, attempt.nonce]);
  });
});
