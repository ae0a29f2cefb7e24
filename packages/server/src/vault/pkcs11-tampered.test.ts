import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { isRefusal } from '@keyhold/protocol/errors';
import { systemClock } from '../clock.ts';
import { onEachDatabase } from '../testing/databases.ts';
import { startInstallation } from '../testing/installation.ts';
import { openRaw } from '../testing/raw-database.ts';
import { changeSealInto, closeSeal, mustOpenSeal } from '../testing/seals.ts';
import { startSoftHsm } from '../testing/soft-hsm.ts';
import { WrittenPast } from '../testing/written-past.ts';
import { Hsm } from './hsm.ts';
import { keyOfPkcs11Seal, makePkcs11Seal } from './pkcs11-seal.ts';

/** Commitment, nonce, ciphertext and tag: one bit of each, and less or more of the whole. */
function damaged(hex: string): readonly string[] {
  const flipped = [0, 33, 50, 91].map((at) => {
    const bytes = Buffer.from(hex, 'hex');
    bytes[at] = (bytes[at] as number) ^ 1;
    return bytes.toString('hex');
  });
  return [...flipped, hex.slice(2), `${hex}00`, ''];
}

onEachDatabase('what a seal in a token holds', (createPlace) => {
  it('opens nothing where it was altered or put back, its digest mended or not', async (t) => {
    using hsm = startSoftHsm(t);
    if (hsm === null) return;
    await using place = await createPlace();
    await using installation = await startInstallation(place, { childEnvironment: hsm.environment });
    await using raw = await openRaw(place);
    const past = new WrittenPast(raw);
    await changeSealInto(installation, hsm, 'file');
    const [before] = await raw.rows('select id, parameters from seals');
    await changeSealInto(installation, hsm, 'file');
    await closeSeal(installation);
    const { id } = before;
    const row = await past.row('seals', id);
    const parameters = JSON.parse(String(row['parameters']));
    const unseal = async () => (await installation.call('POST', '/v1/unseal', {})).body.code;
    for (const wrappedKey of damaged(parameters.wrappedKey)) {
      await past.edit('seals', id, { parameters: JSON.stringify({ ...parameters, wrappedKey }) });
      assert.equal(await unseal(), 'ROW_TAMPERED', wrappedKey);
      await past.mend('seals', id);
      assert.equal(await unseal(), 'UNSEAL_REFUSED', wrappedKey);
      await past.restore('seals', row);
    }
    await past.edit('seals', id, { parameters: before.parameters });
    await past.mend('seals', id);
    assert.equal(await unseal(), 'ENVELOPE_BROKEN', 'an older key of the same seal');
    await past.restore('seals', row);
    await mustOpenSeal(installation, { kind: 'pkcs11' });
  });
});

describe("a seal's key in a token", () => {
  it('opens in its installation and its seal, and nowhere else', async (t) => {
    using soft = startSoftHsm(t);
    if (soft === null) return;
    const hsm = new Hsm({ clock: systemClock, environment: soft.environment });
    const { module, tokenLabel, pin } = soft;
    const place = { installation: 'one', id: 'seal_a' };
    const made = await makePkcs11Seal(hsm, place, { module, tokenLabel, keyLabel: 'shared', pin });
    assert.ok(!isRefusal(made));
    const opened = await keyOfPkcs11Seal(hsm, place, made.parameters, pin);
    assert.ok(!isRefusal(opened) && opened.equals(made.keyBytes.read()));
    for (const other of [
      { installation: 'two', id: 'seal_a' },
      { installation: 'one', id: 'seal_b' },
    ]) {
      const refused = await keyOfPkcs11Seal(hsm, other, made.parameters, pin);
      assert.equal(isRefusal(refused) && refused.refused, 'UNSEAL_REFUSED');
    }
  });

  it('is checked against what the seal says of it: an HSM that gives something else is not believed', async () => {
    const lying = { call: async () => randomBytes(32) } as unknown as Hsm;
    const place = { installation: 'one', id: 'seal_a' };
    const made = await makePkcs11Seal(lying, place, { module: '/m.so', tokenLabel: 't', pin: '1' });
    assert.ok(!isRefusal(made));
    const wrappedKey = Buffer.alloc(92, made.parameters.wrappedKey, 'hex').toString('hex');
    const refused = await keyOfPkcs11Seal(lying, place, { ...made.parameters, wrappedKey }, '1');
    assert.match(isRefusal(refused) ? refused.detail : '', /is not the key of this seal/);
  });
});
