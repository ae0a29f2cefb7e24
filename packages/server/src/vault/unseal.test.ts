import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { renameSync, writeFileSync } from 'node:fs';
import { after, before, it } from 'node:test';
import { onEachDatabase, type TestPlace } from '../testing/databases.ts';
import { startInstallation, type TestInstallation } from '../testing/installation.ts';
import { changeSeal, closeSeal, mustOpenSeal, type Opener } from '../testing/seals.ts';
import { readShare, writeShare } from './share.ts';

type Shamir = Opener & { kind: 'shamir' };

onEachDatabase('an attempt to unseal', (createPlace) => {
  const stack = new AsyncDisposableStack();
  let place: TestPlace;
  let installation: TestInstallation;
  before(async () => {
    place = stack.use(await createPlace());
    installation = stack.use(await startInstallation(place));
  });
  after(() => stack.disposeAsync());

  const unseal = (body: object) => installation.call('POST', '/v1/unseal', body);
  const seal = async () => (await installation.call('GET', '/v1/seal')).body;
  /** Action and code of the newest entry; how many there are. */
  const newest = async () => {
    const { body } = await installation.call('GET', '/v1/audit/entries?order=desc&limit=1');
    const { action, leaf, sequence } = body.items[0];
    return { action, code: JSON.parse(leaf).code, sequence };
  };
  const refused = async (body: object, code: string, detail: RegExp) => {
    const { sequence } = await newest();
    const answer = await unseal(body);
    assert.equal(answer.body.code, code, JSON.stringify(answer.body));
    assert.match(answer.body.detail, detail);
    assert.deepEqual(await newest(), { action: 'seal.attempted', code: code.toLowerCase(), sequence: sequence + 1 });
    assert.equal((await seal()).sealed, true);
  };

  it('with a wrong passphrase is refused and entered, and the right one opens afterwards', async () => {
    const opener = (await changeSeal(installation, 'passphrase')) as Opener & { kind: 'passphrase' };
    await closeSeal(installation);
    assert.equal((await newest()).action, 'seal.closed');
    await refused({ passphrase: randomUUID() }, 'UNSEAL_REFUSED', /not the passphrase/);
    await refused({ passphrase: `${opener.passphrase} ` }, 'UNSEAL_REFUSED', /not the passphrase/);
    await refused({}, 'INVALID_INPUT', /takes the passphrase/);
    await refused({ share: 'x' }, 'INVALID_INPUT', /takes the passphrase/);
    await mustOpenSeal(installation, opener);
    assert.equal((await newest()).action, 'seal.opened');
    const again = await unseal({ passphrase: opener.passphrase });
    assert.equal(again.body.code, 'ALREADY_UNSEALED');
  });

  it('takes the same passphrase however a keyboard composes it', async () => {
    const passphrase = `${randomUUID()} \u00e9`;
    const change = await installation.call('POST', '/v1/seal/change', { kind: 'passphrase', passphrase });
    assert.equal(change.status, 200);
    await closeSeal(installation);
    await mustOpenSeal(installation, { kind: 'passphrase', passphrase: passphrase.replace('\u00e9', 'e\u0301') });
  });

  it('with shares names what is wrong with each, shows how far it came, and begins anew when told', async () => {
    const foreign = (await changeSeal(installation, 'shamir')) as Shamir;
    const { shares } = (await changeSeal(installation, 'shamir')) as Shamir;
    await closeSeal(installation);
    const { nonce } = (await seal()).attempt;
    const [one = '', two = '', three = ''] = shares;
    await refused({ share: one }, 'ATTEMPT_OVER', /nonce/);
    await refused({ share: one, nonce: randomUUID() }, 'ATTEMPT_OVER', /nonce/);
    await refused({ share: randomUUID(), nonce }, 'UNSEAL_REFUSED', /not a share, or was mistyped/);
    const mistyped = `${one.slice(0, -10)}${one.at(-10) === '0' ? '1' : '0'}${one.slice(-9)}`;
    await refused({ share: mistyped, nonce }, 'UNSEAL_REFUSED', /mistyped/);
    await refused({ share: foreign.shares[1], nonce }, 'UNSEAL_REFUSED', /Share 2 belongs to another set/);
    assert.deepEqual((await seal()).attempt.given, []);

    const first = await unseal({ share: ` ${three.toUpperCase()}\n`, nonce });
    assert.deepEqual(first.body.attempt, { nonce, given: [3], threshold: 2 });
    assert.deepEqual({ ...(await newest()), sequence: 0 }, { action: 'seal.attempted', code: 'share-3', sequence: 0 });
    await refused({ share: three, nonce }, 'UNSEAL_REFUSED', /Share 3 was given already/);
    assert.deepEqual((await seal()).attempt.given, [3], 'what was given stays given');

    const reset = await unseal({ reset: true });
    assert.equal((await newest()).action, 'seal.attempt-reset');
    assert.deepEqual(reset.body.attempt.given, []);
    assert.notEqual(reset.body.attempt.nonce, nonce);
    await refused({ share: one, nonce }, 'ATTEMPT_OVER', /nonce/);
    await mustOpenSeal(installation, { kind: 'shamir', shares: [one, two], threshold: 2 });
    assert.equal((await seal()).attempt, null);
  });

  it('with a share of this seal whose bytes are others is refused by the number on it', async () => {
    const { shares } = (await changeSeal(installation, 'shamir')) as Shamir;
    await closeSeal(installation);
    const { nonce } = (await seal()).attempt;
    // Share 2 says that it is share 1, with a check that fits.
    const share = readShare(shares[1] ?? '');
    assert.ok(share);
    await refused({ share: writeShare({ ...share, number: 1 }), nonce }, 'UNSEAL_REFUSED', /Share 1 is wrong/);
    await refused({ share: writeShare({ ...share, number: 0 }), nonce }, 'UNSEAL_REFUSED', /Share 0 is wrong/);
    await refused({ share: writeShare({ ...share, number: 200 }), nonce }, 'UNSEAL_REFUSED', /Share 200 is wrong/);
    await mustOpenSeal(installation, { kind: 'shamir', shares, threshold: 2 });
  });

  it('with a key file that is missing or another says so, is entered, and opens once it is back', async () => {
    const opener = await changeSeal(installation, 'file');
    await closeSeal(installation);
    const file = `${place.folder}.key`;
    renameSync(file, `${file}.away`);
    await refused({}, 'UNSEAL_REFUSED', /is missing: put it back/);
    writeFileSync(file, 'AAAA\n', { mode: 0o600 });
    await refused({}, 'UNSEAL_REFUSED', /256-bit key/);
    renameSync(`${file}.away`, file);
    await mustOpenSeal(installation, opener);
  });

  it('tells nothing of passphrase, share or key in any entry', async () => {
    const passphrase = randomUUID();
    await installation.call('POST', '/v1/seal/change', { kind: 'passphrase', passphrase });
    await closeSeal(installation);
    await unseal({ passphrase: passphrase.slice(1) });
    await unseal({ passphrase });
    const { shares } = (await changeSeal(installation, 'shamir')) as Shamir;
    const { body } = await installation.call('GET', '/v1/audit/entries?order=desc&limit=200');
    const text = JSON.stringify(body);
    for (const secret of [passphrase.slice(1), ...shares.map((share) => share.split('-')[3] as string)]) {
      assert.ok(!text.includes(secret));
    }
  });

  it('is refused where a new seal would ask for more shares than there are', async () => {
    const { status, body } = await installation.call('POST', '/v1/seal/change', {
      kind: 'shamir',
      shares: 2,
      threshold: 3,
    });
    assert.deepEqual([status, body.field], [400, '/threshold']);
  });
});
