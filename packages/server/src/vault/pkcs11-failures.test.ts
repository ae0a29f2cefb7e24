import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { chmodSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { it, type TestContext } from 'node:test';
import { onEachDatabase, type TestPlace } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { startInstallation, type TestInstallation } from '../testing/installation.ts';
import { createMarket } from '../testing/market.ts';
import { changeSealInto, closeSeal, mustOpenSeal, tokenChange } from '../testing/seals.ts';
import { newPin, type SoftHsm, startSoftHsm } from '../testing/soft-hsm.ts';
import { CK } from './pkcs11-interface.ts';

interface World extends AsyncDisposable {
  readonly hsm: SoftHsm;
  readonly place: TestPlace;
  readonly installation: TestInstallation;
}

async function startWorld(t: TestContext, createPlace: () => Promise<TestPlace>): Promise<World | null> {
  const hsm = startSoftHsm(t);
  if (hsm === null) return null;
  await using stack = new AsyncDisposableStack();
  stack.use(hsm);
  const place = stack.use(await createPlace());
  const installation = stack.use(await startInstallation(place, { childEnvironment: hsm.environment }));
  await createMarket(installation);
  const running = stack.move();
  return { hsm, place, installation, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

async function assertRefused(
  { installation }: World,
  [status, code, detail]: readonly [status: number, code: string, detail: RegExp],
  body: object = {},
  path = '/v1/unseal',
): Promise<void> {
  const before = (await installation.call('GET', '/v1/seal')).body;
  const answer = await installation.call('POST', path, body);
  assert.deepEqual([answer.status, answer.body.code], [status, code], JSON.stringify(answer.body));
  assert.match(answer.body.detail, detail);
  assert.equal(answer.headers.has('retry-after'), status === 503);
  assert.deepEqual((await installation.call('GET', '/v1/seal')).body, before, 'nothing was changed');
}

const GONE = [503, 'HSM_UNAVAILABLE', /CKR_DEVICE_REMOVED/] as const;
const LOCKED = [409, 'HSM_PIN_LOCKED', /security officer/] as const;
const TAKEN_AWAY = [409, 'HSM_TOKEN_NOT_FOUND', /no token labelled "keyhold test"/] as const;

onEachDatabase('a seal in a token that fails', (createPlace) => {
  it('refuses a wrong PIN, given or in the file, and opens with the right one', async (t) => {
    await using world = await startWorld(t, createPlace);
    if (world === null) return;
    const { hsm, installation } = world;
    await changeSealInto(installation, hsm, 'file');
    await closeSeal(installation);
    const wrong = [409, 'HSM_PIN_WRONG', /does not take this PIN/] as const;
    await assertRefused(world, wrong, { pin: newPin() });
    writeFileSync(hsm.pinFile, newPin());
    await assertRefused(world, wrong);
    chmodSync(hsm.pinFile, 0o640);
    await assertRefused(world, [409, 'UNSEAL_REFUSED', /open to others: chmod 600/]);
    renameSync(hsm.pinFile, `${hsm.pinFile}.away`);
    await assertRefused(world, [409, 'UNSEAL_REFUSED', /cannot be read \(ENOENT\)/]);
    await mustOpenSeal(installation, { kind: 'pkcs11', pin: hsm.pin });
  });

  it('says that a PIN is locked, and opens with the one that the security officer sets', async (t) => {
    await using world = await startWorld(t, createPlace);
    if (world === null) return;
    const { hsm, installation } = world;
    await changeSealInto(installation, hsm, 'file');
    await closeSeal(installation);
    for (const fault of ['locked', 'flagged'] as const) {
      hsm.fail(fault);
      await assertRefused(world, LOCKED);
      await assertRefused(world, LOCKED, { pin: hsm.pin });
    }
    hsm.fail(null);
    const pin = newPin();
    hsm.setPin(pin);
    await mustOpenSeal(installation, { kind: 'pkcs11', pin });
  });

  it('names each part that is missing, and opens once it is back', async (t) => {
    await using world = await startWorld(t, createPlace);
    if (world === null) return;
    const { hsm, installation } = world;
    const opener = await changeSealInto(installation, hsm, 'file');
    await closeSeal(installation);
    hsm.takeAway();
    await assertRefused(world, TAKEN_AWAY);
    hsm.bringBack();
    for (const fault of ['gone', 'crashes'] as const) {
      hsm.fail(fault);
      await assertRefused(world, fault === 'gone' ? GONE : [503, 'HSM_UNAVAILABLE', /ended its process \(SIGABRT\)/]);
    }
    hsm.fail(null);
    chmodSync(hsm.module, 0o777);
    await assertRefused(world, [409, 'HSM_MODULE_UNUSABLE', /can be written by others/]);
    chmodSync(hsm.module, 0o755);
    chmodSync(dirname(hsm.module), 0o777);
    await assertRefused(world, [409, 'HSM_MODULE_UNUSABLE', /can be written by others/]);
    chmodSync(dirname(hsm.module), 0o700);
    renameSync(hsm.module, `${hsm.module}.away`);
    await assertRefused(world, [409, 'HSM_MODULE_UNUSABLE', /ENOENT/]);
    writeFileSync(hsm.module, 'no library');
    await assertRefused(world, [409, 'HSM_MODULE_UNUSABLE', /does not load/]);
    renameSync(`${hsm.module}.away`, hsm.module);
    await mustOpenSeal(installation, opener);
  });

  it('says that its key is gone, or another one is there under its label', async (t) => {
    await using world = await startWorld(t, createPlace);
    if (world === null) return;
    const { hsm, installation } = world;
    await changeSealInto(installation, hsm, 'file');
    await closeSeal(installation);
    const { keyLabel } = (await installation.call('GET', '/v1/seal')).body.pkcs11;
    hsm.inToken((pkcs11, session) => {
      pkcs11.C_FindObjectsInit(session, [{ type: CK.CKA_LABEL, value: keyLabel }]);
      for (const key of pkcs11.C_FindObjects(session, 10)) pkcs11.C_DestroyObject(session, key);
    });
    await assertRefused(world, [409, 'HSM_KEY_NOT_FOUND', /no secret key labelled/]);
    makeKey(hsm, keyLabel, 32, false);
    await assertRefused(world, [409, 'UNSEAL_REFUSED', /is not the one of this seal/]);
    makeKey(hsm, keyLabel, 32, false);
    await assertRefused(world, [409, 'HSM_KEY_NOT_FOUND', /more than one/]);
  });

  it('leaves an unsealed installation at work: it keeps its seal, rotates its keys, and goes over to another seal', async (t) => {
    await using world = await startWorld(t, createPlace);
    if (world === null) return;
    const { hsm, installation } = world;
    await changeSealInto(installation, hsm, 'file');
    const store = (path: string) =>
      installation.call('POST', '/v1/secrets', { project: 'market', environment: 'test', path, data: { path } });
    hsm.takeAway();
    const stored = await store('while-away');
    assert.equal(stored.status, 201);
    assert.equal((await installation.call('POST', '/v1/vault/root/rotate')).status, 200);
    await eventually(
      'every key has moved',
      async () => (await installation.call('GET', '/v1/seal')).body.rootPending === 0,
    );
    await assertRefused(world, TAKEN_AWAY, tokenChange(hsm, 'file'), '/v1/seal/change');
    hsm.bringBack();
    hsm.fail('gone');
    await assertRefused(world, GONE, tokenChange(hsm, 'call'), '/v1/seal/change');
    hsm.fail('lost-before-decrypting');
    await assertRefused(world, GONE, tokenChange(hsm, 'call'), '/v1/seal/change');
    // What it holds is enough to open it again, under the root key that was rotated meanwhile.
    hsm.fail(null);
    await closeSeal(installation);
    await mustOpenSeal(installation, { kind: 'pkcs11' });
    const reveal = () => installation.call('POST', `/v1/secrets/${stored.body.secret.id}/reveal`, {});
    assert.deepEqual((await reveal()).body.data, { path: 'while-away' });
    hsm.takeAway();
    const passphrase = randomUUID();
    const change = await installation.call('POST', '/v1/seal/change', { kind: 'passphrase', passphrase });
    assert.equal(change.status, 200);
    await closeSeal(installation);
    await mustOpenSeal(installation, { kind: 'passphrase', passphrase });
    assert.deepEqual((await reveal()).body.data, { path: 'while-away' });
  });

  it('opens beside another token that is out of order, and says what its own answers', async (t) => {
    await using world = await startWorld(t, createPlace);
    if (world === null) return;
    const { hsm, installation } = world;
    const opener = await changeSealInto(installation, hsm, 'file');
    await closeSeal(installation);
    hsm.fail('all-broken');
    await assertRefused(world, [503, 'HSM_UNAVAILABLE', /CKR_DEVICE_ERROR \(C_GetTokenInfo\)/]);
    hsm.fail('other-broken');
    await mustOpenSeal(installation, opener);
  });

  it('is left alone by a start where one wrong PIN more would lock it, and opens by hand', async (t) => {
    await using world = await startWorld(t, createPlace);
    if (world === null) return;
    const { hsm, installation, place } = world;
    const opener = await changeSealInto(installation, hsm, 'file');
    await installation[Symbol.asyncDispose]();
    hsm.fail('last-try');
    await using again = await startInstallation(place, { childEnvironment: hsm.environment });
    assert.equal((await again.call('GET', '/v1/seal')).body.sealed, true);
    const { body } = await again.call('GET', '/v1/audit/entries?action=seal.attempted&limit=1');
    const { actor, code } = JSON.parse(body.items[0].leaf);
    assert.deepEqual([actor, code], ['system', 'unseal_refused']);
    await mustOpenSeal(again, opener);
  });

  it('does not keep a start from serving, and opens by hand afterwards', async (t) => {
    await using world = await startWorld(t, createPlace);
    if (world === null) return;
    const { hsm, installation, place } = world;
    const opener = await changeSealInto(installation, hsm, 'file');
    await installation[Symbol.asyncDispose]();
    hsm.fail('gone');
    await using again = await startInstallation(place, { childEnvironment: hsm.environment });
    assert.equal((await again.call('GET', '/v1/seal')).body.sealed, true);
    const { body } = await again.call('GET', '/v1/audit/entries?action=seal.attempted&limit=1');
    const { actor, code } = JSON.parse(body.items[0].leaf);
    assert.deepEqual([actor, code], ['system', 'hsm_unavailable']);
    hsm.fail(null);
    await mustOpenSeal(again, opener);
  });

  it('is not made of a key that could be exported or is too short', async (t) => {
    await using world = await startWorld(t, createPlace);
    if (world === null) return;
    const change = (keyLabel: string) => ({ ...tokenChange(world.hsm, 'call'), keyLabel });
    makeKey(world.hsm, 'exportable', 32, true);
    makeKey(world.hsm, 'short', 16, false);
    const unfit = (why: RegExp) => [409, 'HSM_KEY_UNFIT', why] as const;
    await assertRefused(world, unfit(/can be exported/), change('exportable'), '/v1/seal/change');
    await assertRefused(world, unfit(/is not an AES-256 key/), change('short'), '/v1/seal/change');
  });

  it('enters each PIN that was tried in order to change the seal', async (t) => {
    await using world = await startWorld(t, createPlace);
    if (world === null) return;
    const { hsm, installation } = world;
    const wrong = [409, 'HSM_PIN_WRONG', /does not take this PIN/] as const;
    for (let i = 0; i < 2; i++)
      await assertRefused(world, wrong, { ...tokenChange(hsm, 'call'), pin: newPin() }, '/v1/seal/change');
    hsm.fail('locked');
    await assertRefused(world, LOCKED, tokenChange(hsm, 'call'), '/v1/seal/change');
    const { body } = await installation.call('GET', '/v1/audit/entries?action=seal.change-refused');
    const entered = body.items.map(({ leaf }: { leaf: string }) => JSON.parse(leaf));
    assert.deepEqual(
      entered.map(({ code }: { code: string }) => code),
      ['hsm_pin_locked', 'hsm_pin_wrong', 'hsm_pin_wrong'],
    );
    assert.ok(entered.every(({ actor }: { actor: string }) => actor.startsWith('tok_')));
  });
});

function makeKey(hsm: SoftHsm, label: string, bytes: number, exportable: boolean): void {
  hsm.inToken((pkcs11, session) =>
    pkcs11.C_GenerateKey(session, { mechanism: CK.CKM_AES_KEY_GEN }, [
      { type: CK.CKA_CLASS, value: CK.CKO_SECRET_KEY },
      { type: CK.CKA_KEY_TYPE, value: CK.CKK_AES },
      { type: CK.CKA_VALUE_LEN, value: bytes },
      { type: CK.CKA_LABEL, value: label },
      ...[CK.CKA_TOKEN, CK.CKA_PRIVATE, CK.CKA_ENCRYPT, CK.CKA_DECRYPT].map((type) => ({ type, value: true })),
      { type: CK.CKA_SENSITIVE, value: !exportable },
      { type: CK.CKA_EXTRACTABLE, value: exportable },
    ]),
  );
}
