import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { it } from 'node:test';
import { isRefusal } from '@keyhold/protocol/errors';
import { systemClock } from '../clock.ts';
import { CommitDoubtful, StoreUnavailable } from '../database/store-fault.ts';
import { onEachDatabase } from '../testing/databases.ts';
import { type OwnVault, openOwnVault } from '../testing/own-vault.ts';
import { expose } from './expose.ts';
import { Hsm } from './hsm.ts';
import { keyToEncrypt } from './open-vault-key.ts';
import { rewrapAll } from './rewrap.ts';
import { rotateRootKey } from './rotate-keys.ts';
import { SealGate } from './seal-gate.ts';

const CALLER = { actor: 'tok_test' };
const unexpected = () => assert.fail('nobody was to be told');
const newPassphrase = () => randomBytes(24).toString('base64');

/** That the stored seal still opens what it holds, which is what a restart needs. */
async function mustReopen({ gate, vault, place }: OwnVault, input: { passphrase?: string }): Promise<void> {
  if (!vault.keyring.sealed) assert.ok(!isRefusal(await gate.close(CALLER)));
  const opened = await gate.unseal(CALLER, input);
  assert.deepEqual(isRefusal(opened) ? opened.detail : opened.sealed, false);
  assert.ok(!isRefusal(await keyToEncrypt(vault, place, 'secrets')));
}

/** Of the root key after it was rotated. */
async function rotatedTo({ vault }: OwnVault): Promise<unknown> {
  const rotated = await rotateRootKey(vault, CALLER);
  return isRefusal(rotated) ? rotated : rotated.version;
}

onEachDatabase('a seal whose change went without an answer', (createPlace) => {
  it('refuses to rotate the root key under a key that it has not, and opens as it was changed', async () => {
    await using place = await createPlace();
    await using own = await openOwnVault(place);
    const passphrase = newPassphrase();
    own.loseNextAnswer();
    await assert.rejects(own.gate.change(CALLER, { kind: 'passphrase', passphrase }), CommitDoubtful);
    const rotated = await rotateRootKey(own.vault, CALLER);
    assert.ok(isRefusal(rotated));
    assert.match(rotated.detail, /seal and unseal/);
    await mustReopen(own, { passphrase });
    assert.equal(await rotatedTo(own), 2);
    await mustReopen(own, { passphrase });
  });

  it('can be changed again at once', async () => {
    await using place = await createPlace();
    await using own = await openOwnVault(place);
    own.loseNextAnswer();
    await assert.rejects(own.gate.change(CALLER, { kind: 'passphrase', passphrase: newPassphrase() }), CommitDoubtful);
    const passphrase = newPassphrase();
    assert.ok(!isRefusal(await own.gate.change(CALLER, { kind: 'passphrase', passphrase })));
    await mustReopen(own, { passphrase });
  });
});

onEachDatabase('the key file of a seal that was changed without an answer', (createPlace) => {
  it('goes with the next change, which may be one into a file again', async () => {
    await using place = await createPlace();
    await using own = await openOwnVault(place);
    own.loseNextAnswer();
    await assert.rejects(own.gate.change(CALLER, { kind: 'passphrase', passphrase: newPassphrase() }), CommitDoubtful);
    const passphrase = newPassphrase();
    assert.ok(existsSync(own.keyFile), 'a file that may be in force stays');
    assert.ok(!isRefusal(await own.gate.change(CALLER, { kind: 'passphrase', passphrase })));
    assert.equal(existsSync(own.keyFile), false);
    await mustReopen(own, { passphrase });
    assert.ok(!isRefusal(await own.gate.change(CALLER, { kind: 'file' })));
    const before = readFileSync(own.keyFile, 'utf8');
    own.loseNextAnswer();
    await assert.rejects(own.gate.change(CALLER, { kind: 'passphrase', passphrase: newPassphrase() }), CommitDoubtful);
    assert.ok(!isRefusal(await own.gate.change(CALLER, { kind: 'file' })));
    assert.notEqual(readFileSync(own.keyFile, 'utf8'), before);
    await mustReopen(own, {});
  });

  it('goes from where it lay, wherever the next one would lie, and the entry says whether it was there', async () => {
    await using place = await createPlace();
    await using own = await openOwnVault(place);
    own.loseNextAnswer();
    await assert.rejects(own.gate.change(CALLER, { kind: 'passphrase', passphrase: newPassphrase() }), CommitDoubtful);
    const means = { keyFile: `${own.keyFile}.elsewhere`, hsm: new Hsm({ clock: systemClock, environment: {} }) };
    const elsewhere = new SealGate(own.vault, means, unexpected, unexpected);
    await elsewhere.removeFormerFiles();
    assert.equal(existsSync(own.keyFile), false);
    assert.ok(!isRefusal(await own.gate.change(CALLER, { kind: 'file' })));
    rmSync(own.keyFile);
    assert.ok(!isRefusal(await own.gate.change(CALLER, { kind: 'passphrase', passphrase: newPassphrase() })));
    const entries = await own.store.reader.selectFrom('entries').select('leaf').orderBy('sequence').execute();
    const codes = entries
      .map(({ leaf }) => JSON.parse(leaf))
      .filter(({ action }) => action === 'seal.key-file-removed')
      .map(({ code }) => code);
    assert.deepEqual(codes, ['removed', 'absent']);
  });

  it('is told to the log where it can not be removed: the change counts all the same, and is not made twice', async () => {
    await using place = await createPlace();
    await using own = await openOwnVault(place);
    const left: unknown[] = [];
    const means = { keyFile: own.keyFile, hsm: new Hsm({ clock: systemClock, environment: {} }) };
    const gate = new SealGate(
      own.vault,
      means,
      () => {},
      (error) => left.push(error),
    );
    const begun = await gate.change(CALLER, { kind: 'shamir', shares: 2, threshold: 2 });
    assert.ok(!isRefusal(begun));
    const [first, second] = (begun.shares ?? []).map(expose) as [string, string];
    const nonce = begun.seal.attempt?.nonce as string;
    assert.ok(!isRefusal(await gate.confirm(CALLER, first, nonce)));
    // In its place something that no unlinking removes.
    renameSync(own.keyFile, `${own.keyFile}.kept`);
    mkdirSync(own.keyFile);
    const confirmed = await gate.confirm(CALLER, second, nonce);
    assert.ok(!isRefusal(confirmed));
    assert.deepEqual([confirmed.kind, confirmed.attempt, left.length], ['shamir', null, 1]);
    rmdirSync(own.keyFile);
    renameSync(`${own.keyFile}.kept`, own.keyFile);
    await gate.removeFormerFiles();
    assert.equal(existsSync(own.keyFile), false);
  });

  it('stays with a change that failed, and once it went is forgotten', async () => {
    await using place = await createPlace();
    await using own = await openOwnVault(place);
    const key = readFileSync(own.keyFile, 'utf8');
    own.failNextChange();
    await assert.rejects(
      own.gate.change(CALLER, { kind: 'passphrase', passphrase: newPassphrase() }),
      StoreUnavailable,
    );
    assert.ok(existsSync(own.keyFile), 'nothing was changed');
    const passphrase = newPassphrase();
    assert.ok(!isRefusal(await own.gate.change(CALLER, { kind: 'passphrase', passphrase })));
    assert.equal(existsSync(own.keyFile), false);
    writeFileSync(own.keyFile, key, { mode: 0o600 });
    await own.gate.removeFormerFiles();
    assert.ok(existsSync(own.keyFile), "it is another installation's now");
  });
});

onEachDatabase('a rotation of the root key without an answer', (createPlace) => {
  it('is seen by the next key that is made, and by the next rotation', async () => {
    await using place = await createPlace();
    await using own = await openOwnVault(place);
    own.loseNextAnswer();
    await assert.rejects(rotateRootKey(own.vault, CALLER), CommitDoubtful);
    assert.ok(!isRefusal(await keyToEncrypt(own.vault, own.place, 'secrets')));
    assert.equal(own.vault.keyring.unsealed?.root.version, 2);
    await rewrapAll(own.vault, () => false);
    own.loseNextAnswer();
    await assert.rejects(rotateRootKey(own.vault, CALLER), CommitDoubtful);
    assert.ok(isRefusal(await rotateRootKey(own.vault, CALLER)), 'the one before is not done yet');
    await rewrapAll(own.vault, () => false);
    assert.equal(await rotatedTo(own), 4);
    await mustReopen(own, {});
    assert.deepEqual(own.alarms, []);
  });

  it('does not get lost when the seal is changed next', async () => {
    await using place = await createPlace();
    await using own = await openOwnVault(place);
    await keyToEncrypt(own.vault, own.place, 'secrets');
    own.loseNextAnswer();
    await assert.rejects(rotateRootKey(own.vault, CALLER), CommitDoubtful);
    const passphrase = newPassphrase();
    assert.ok(!isRefusal(await own.gate.change(CALLER, { kind: 'passphrase', passphrase })));
    await mustReopen(own, { passphrase });
  });
});

onEachDatabase('closing the seal', (createPlace) => {
  it('holds, whatever was on its way', async () => {
    await using place = await createPlace();
    await using own = await openOwnVault(place);
    await keyToEncrypt(own.vault, own.place, 'secrets');
    for (let round = 0; round < 5; round++) {
      const works = [rotateRootKey(own.vault, CALLER), rewrapAll(own.vault, () => false)];
      const closed = own.gate.close(CALLER);
      await Promise.all([...works, closed]);
      assert.ok(own.vault.keyring.sealed, `round ${round}`);
      await mustReopen(own, {});
    }
  });
});
