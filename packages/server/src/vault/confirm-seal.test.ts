import assert from 'node:assert/strict';
import { it } from 'node:test';
import { onEachDatabase } from '../testing/databases.ts';
import { startInstallation, type TestInstallation } from '../testing/installation.ts';
import { closeSeal, confirmSeal, mustOpenSeal } from '../testing/seals.ts';

async function begin({ call }: TestInstallation, shares = 3, threshold = 2): Promise<string[]> {
  const { status, body } = await call('POST', '/v1/seal/change', { kind: 'shamir', shares, threshold });
  assert.equal(status, 200);
  return body.shares;
}

const attemptOf = async ({ call }: TestInstallation) => (await call('GET', '/v1/seal')).body.attempt;

onEachDatabase('a change to shares', (createPlace) => {
  it('leaves the old seal when its answer is lost: nobody has the shares', async () => {
    await using place = await createPlace();
    await using installation = await startInstallation(place);
    await begin(installation);
    assert.equal((await installation.call('GET', '/v1/seal')).body.kind, 'file');
    await closeSeal(installation);
    await mustOpenSeal(installation, { kind: 'file' });
    assert.equal(await attemptOf(installation), null, 'closing forgets it');
  });

  it('counts once enough shares came back, each named that is wrong, foreign or repeated', async () => {
    await using place = await createPlace();
    await using installation = await startInstallation(place);
    const foreign = await begin(installation);
    const shares = await begin(installation);
    const { nonce } = await attemptOf(installation);
    const give = (share: string, by = nonce) => installation.call('POST', '/v1/seal/confirm', { share, nonce: by });
    const first = await give(shares[0] as string);
    assert.deepEqual([first.status, first.body.kind, first.body.attempt.given], [200, 'file', [1]]);
    const refusals: readonly (readonly [answer: Awaited<ReturnType<typeof give>>, code: string, detail: RegExp])[] = [
      [await give(foreign[1] as string), 'UNSEAL_REFUSED', /another set/],
      [await give(shares[0] as string), 'UNSEAL_REFUSED', /given already/],
      [await give('nonsense'), 'UNSEAL_REFUSED', /not a share/],
      [await give(shares[1] as string, 'other'), 'ATTEMPT_OVER', /begin anew/],
    ];
    for (const [{ status, body }, code, detail] of refusals) {
      assert.deepEqual([status, body.code], [409, code]);
      assert.match(body.detail, detail);
    }
    const last = await give(shares[2] as string);
    assert.deepEqual([last.status, last.body.kind, last.body.attempt], [200, 'shamir', null]);
    await closeSeal(installation);
    await mustOpenSeal(installation, { kind: 'shamir', shares, threshold: 2 });
  });

  it('is forgotten by the next change, and gives nothing back afterwards', async () => {
    await using place = await createPlace();
    await using installation = await startInstallation(place);
    const given = await begin(installation);
    const { nonce } = await attemptOf(installation);
    assert.equal((await installation.call('POST', '/v1/seal/change', { kind: 'file' })).status, 200);
    const late = await installation.call('POST', '/v1/seal/confirm', { share: given[0], nonce });
    assert.equal(late.body.code, 'ATTEMPT_OVER');
    const shares = await begin(installation, 5, 3);
    await confirmSeal(installation, shares.slice(1, 4));
  });
});
