import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { it } from 'node:test';
import { onEachDatabase } from '../testing/databases.ts';
import { startInstallation } from '../testing/installation.ts';
import { createMarket } from '../testing/market.ts';
import { openRaw } from '../testing/raw-database.ts';
import { changeSeal, changeSealInto, closeSeal, mustOpenSeal, type Opener } from '../testing/seals.ts';
import { type SoftHsm, startSoftHsm } from '../testing/soft-hsm.ts';
import { CK } from './pkcs11-interface.ts';

const CKA_VALUE = 0x11;
/** From `file` on: every other kind into a token, the token into every other, and into itself. */
const WALK = ['pkcs11', 'pkcs11', 'passphrase', 'pkcs11', 'shamir', 'pkcs11', 'file'] as const;

/** What the token says of the keys that lie in it. */
function keysIn(hsm: SoftHsm) {
  const types = [CK.CKA_SENSITIVE, CK.CKA_EXTRACTABLE, CK.CKA_PRIVATE, CK.CKA_WRAP];
  return hsm.inToken((pkcs11, session) => {
    pkcs11.C_FindObjectsInit(session, [{ type: CK.CKA_TOKEN, value: true }]);
    return pkcs11.C_FindObjects(session, 10).map((key) => {
      assert.throws(() => pkcs11.C_GetAttributeValue(session, key, [{ type: CKA_VALUE }]), /CKR_ATTRIBUTE_SENSITIVE/);
      const values = pkcs11.C_GetAttributeValue(
        session,
        key,
        [CK.CKA_LABEL, ...types].map((type) => ({ type })),
      );
      const [label, ...flags] = values.map(({ value }) => value);
      return [String(label), ...flags.map((value) => value[0])];
    });
  });
}

onEachDatabase('a seal in a token', (createPlace) => {
  it('is changed from and into every kind while running, and secrets open closed, opened and restarted', async (t) => {
    using hsm = startSoftHsm(t);
    if (hsm === null) return;
    await using place = await createPlace();
    const start = () => startInstallation(place, { childEnvironment: hsm.environment });
    let installation = await start();
    try {
      await createMarket(installation);
      const data = { apiSecret: randomUUID() };
      const body = { project: 'market', environment: 'test', path: 'kept', data };
      const { id } = (await installation.call('POST', '/v1/secrets', body)).body.secret;
      const assertReveals = async (when: string) => {
        const { status, body } = await installation.call('POST', `/v1/secrets/${id}/reveal`, {});
        assert.deepEqual([status, body.data], [200, data], `${when}: ${JSON.stringify(body)}`);
      };
      for (const [i, kind] of WALK.entries()) {
        const when = `${WALK[i - 1] ?? 'file'} into ${kind}`;
        const pinIn = i % 2 === 0 ? 'call' : 'file';
        const opener: Opener =
          kind === 'pkcs11' ? await changeSealInto(installation, hsm, pinIn) : await changeSeal(installation, kind);
        await assertReveals(when);
        await closeSeal(installation);
        await mustOpenSeal(installation, opener);
        await assertReveals(`${when}, opened`);
        assert.equal(existsSync(`${place.folder}.key`), kind === 'file', when);
        await installation[Symbol.asyncDispose]();
        installation = await start();
        const opensItself: boolean = kind === 'file' || (opener.kind === 'pkcs11' && opener.pin === undefined);
        const { body: seal } = await installation.call('GET', '/v1/seal');
        assert.deepEqual([seal.kind, seal.sealed], [kind, !opensItself], when);
        if (!opensItself) await mustOpenSeal(installation, opener);
        await assertReveals(`${when}, started again`);
      }
    } finally {
      await installation[Symbol.asyncDispose]();
    }
  });

  it('has its key in the token alone, where it cannot be exported, and the PIN nowhere', async (t) => {
    using hsm = startSoftHsm(t);
    if (hsm === null) return;
    await using place = await createPlace();
    await using installation = await startInstallation(place, { childEnvironment: hsm.environment });
    const opener = await changeSealInto(installation, hsm, 'call');
    await closeSeal(installation);
    await installation.call('POST', '/v1/unseal', { pin: `${hsm.pin}0` });
    await mustOpenSeal(installation, opener);
    const keyLabel = `keyhold ${(await installation.call('GET', '/v1/installation')).body.id}`;
    const { module, tokenLabel, pin } = hsm;
    const { pkcs11 } = (await installation.call('GET', '/v1/seal')).body;
    assert.deepEqual(pkcs11, { module, tokenLabel, keyLabel, pinFile: null });
    assert.deepEqual(keysIn(hsm), [[keyLabel, 1, 0, 1, 0]]);
    const { body } = await installation.call('GET', '/v1/audit/entries?order=desc&limit=5');
    const codes = body.items.map(({ action, leaf }: { action: string; leaf: string }) => [
      action,
      JSON.parse(leaf).code,
    ]);
    assert.deepEqual(codes, [
      ['seal.opened', undefined],
      ['seal.attempted', 'hsm_pin_wrong'],
      ['seal.closed', undefined],
      ['seal.key-file-removed', 'removed'],
      ['seal.changed', 'pkcs11'],
    ]);
    await using raw = await openRaw(place);
    const tables = ['seals', 'entries', 'entry_sides'];
    const stored = await Promise.all(tables.map((table) => raw.rows(`select * from ${table}`)));
    assert.ok(stored.every((rows) => rows.length > 0) && !JSON.stringify(stored).includes(pin));
  });

  it('asks for one key of its label, however many changes come at once', async (t) => {
    using hsm = startSoftHsm(t);
    if (hsm === null) return;
    await using place = await createPlace();
    await using installation = await startInstallation(place, { childEnvironment: hsm.environment });
    assert.deepEqual(keysIn(hsm), []);
    const changes = Array.from({ length: 4 }, () => changeSealInto(installation, hsm, 'file'));
    await Promise.allSettled(changes);
    assert.equal(keysIn(hsm).length, 1);
    await closeSeal(installation);
    await mustOpenSeal(installation, { kind: 'pkcs11' });
    await changeSealInto(installation, hsm, 'call');
  });
});
