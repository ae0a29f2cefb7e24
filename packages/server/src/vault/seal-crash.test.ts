import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { it, type TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { onEachDatabase } from '../testing/databases.ts';
import { COMMIT_STAGES, startDyingInstallation } from '../testing/dying-installation.ts';
import { createMarket } from '../testing/market.ts';
import { type ProcessInstallation, startProcessInstallation } from '../testing/process-installation.ts';
import { changeSeal, changeSealInto, mustOpenSeal, type Opener, openSeal, tokenChange } from '../testing/seals.ts';
import { seededRandom } from '../testing/seeded-random.ts';
import { startSoftHsm } from '../testing/soft-hsm.ts';
import { checkWholeChain } from '../testing/whole-chain.ts';

const ROUNDS = Number(process.env['KEYHOLD_SEAL_CRASH_ROUNDS'] ?? 6);
/** A share; `npm run soak -- crash` comes to every stage of every step, and again. */
const STEP_ROUNDS = Number(process.env['KEYHOLD_SEAL_STEP_ROUNDS'] ?? 3);
const SEED = Number(process.env['KEYHOLD_CRASH_SEED'] ?? 1);
/** Into `file`, `passphrase` and, where there is one, a token, from every kind; into shares by its steps, below. */
const INTO = ['file', 'file', 'passphrase'] as const;
const INTO_TOKEN = ['file', 'pkcs11', 'pkcs11'] as const;
type Into = (typeof INTO | typeof INTO_TOKEN)[number];

onEachDatabase('kill -9 during a change of the seal', (createPlace) => {
  it('leaves an installation that opens with the old seal or the new one, and every secret with it', async (t) => {
    await using place = await createPlace();
    await using installation = await startProcessInstallation(place);
    const longestMs = {
      passphrase: await timed(() => changeSeal(installation, 'passphrase')),
      file: await timed(() => changeSeal(installation, 'file')),
      pkcs11: 0,
    };
    await killInRounds(t, installation, INTO, longestMs, (kind) =>
      kind === 'file' ? { kind } : { kind: 'passphrase', passphrase: randomUUID() },
    );
  });

  it('into a token and out of it does so too', async (t) => {
    using hsm = startSoftHsm(t);
    if (hsm === null) return;
    await using place = await createPlace();
    await using installation = await startProcessInstallation(place, { env: hsm.environment });
    const longestMs = {
      passphrase: 0,
      pkcs11: await timed(() => changeSealInto(installation, hsm, 'call')),
      file: await timed(() => changeSeal(installation, 'file')),
    };
    await killInRounds(t, installation, INTO_TOKEN, longestMs, (kind) =>
      kind === 'file' ? { kind } : tokenChange(hsm, 'call'),
    );
  });
});

/** Every entry of a change is a step of it; into shares it takes three, and the seal changes with the last. */
const STEPS = [
  { kind: 'shamir', action: 'seal.change-begun' },
  { kind: 'shamir', action: 'seal.changed' },
  { kind: 'shamir', action: 'seal.confirming' },
  { kind: 'file', action: 'seal.changed' },
  { kind: 'passphrase', action: 'seal.changed' },
  // After it: the change counts already.
  { kind: 'passphrase', action: 'seal.key-file-removed' },
] as const;

onEachDatabase('kill -9 at a commit of a change of the seal', (createPlace) => {
  it('leaves the old seal until the new one is committed, then the new one alone, and shares that count', async () => {
    await using place = await createPlace();
    await using dying = await startDyingInstallation(place);
    const { installation } = dying;
    const data = { apiKey: randomUUID() };
    const body = { project: 'default', environment: 'production', path: 'kept', data };
    const { secret } = (await installation.call('POST', '/v1/secrets', body)).body;
    let present: Opener = { kind: 'file' };
    for (let round = 0; round < STEP_ROUNDS; round++) {
      const { kind, action } = STEPS[round % STEPS.length] as (typeof STEPS)[number];
      // Another one of each step each time around.
      const turn = round + Math.floor(round / STEPS.length);
      const stage = COMMIT_STAGES[turn % COMMIT_STAGES.length] as (typeof COMMIT_STAGES)[number];
      const when: string = `round ${round}: ${present.kind} into ${kind}, ${stage} of ${action}`;
      const next = await dying.die({ stage, action, nth: 1 }, async () => {
        // The start leaves every seal but a file closed.
        if (present.kind !== 'file') await mustOpenSeal(installation, present);
        if (action === 'seal.key-file-removed' && present.kind !== 'file') await changeSeal(installation, 'file');
        return await changeAsFarAsItGoes(installation, kind);
      });
      const seal = (await installation.call('GET', '/v1/seal')).body;
      assert.equal(seal.sealed, seal.kind !== 'file', when);
      assert.equal(existsSync(installation.config.keyFile as string), seal.kind === 'file', when);
      if (seal.kind === 'file') present = { kind: 'file' };
      else present = await openWithEither(installation, present, next ?? present);
      const isAfter = action === 'seal.key-file-removed';
      if (isAfter || (action === 'seal.changed' && stage === 'committed')) assert.equal(present, next, when);
      else if (action !== 'seal.changed' || stage === 'before-commit') assert.notEqual(present, next, when);
      const revealed = await installation.call('POST', `/v1/secrets/${secret.id}/reveal`, {});
      assert.deepEqual([revealed.status, revealed.body.data], [200, data], when);
    }
    await checkWholeChain(installation);
  });

  it('leaves no key file once it was started again, and touches none that is put there later', async () => {
    await using place = await createPlace();
    await using dying = await startDyingInstallation(place);
    const { installation } = dying;
    const keyFile = installation.config.keyFile as string;
    const keyBefore = readFileSync(keyFile, 'utf8');
    const opener = await dying.die({ stage: 'committed', action: 'seal.changed', nth: 1 }, async () => {
      const changed = await changeAsFarAsItGoes(installation, 'passphrase');
      assert.equal(readFileSync(keyFile, 'utf8'), keyBefore, 'the kill left it');
      return changed;
    });
    assert.equal(existsSync(keyFile), false);
    assert.equal((await newestEntry(installation, 'seal.key-file-removed')).actor, 'system');
    // From now on a key file that lies there is somebody else's.
    writeFileSync(keyFile, keyBefore, { mode: 0o600 });
    await installation.control.kill();
    await installation.startControl();
    assert.equal(readFileSync(keyFile, 'utf8'), keyBefore);
    await mustOpenSeal(installation, opener as Opener);
  });
});

async function newestEntry({ call }: ProcessInstallation, action: string): Promise<{ actor: string }> {
  const { body } = await call('GET', `/v1/audit/entries?action=${action}&order=desc&limit=1`);
  return JSON.parse(body.items[0].leaf);
}

/** What opens the seal if the change counts; null where not even the shares were told. */
async function changeAsFarAsItGoes(
  { call }: ProcessInstallation,
  kind: (typeof STEPS)[number]['kind'],
): Promise<Opener | null> {
  const passphrase = randomUUID();
  const threshold = 2;
  const settings = { file: {}, passphrase: { passphrase }, shamir: { shares: 3, threshold } }[kind];
  const changed = await call('POST', '/v1/seal/change', { kind, ...settings }).catch(() => null);
  if (kind === 'file') return { kind };
  if (kind === 'passphrase') return { kind, passphrase };
  if (changed === null) return null;
  const { shares, seal } = changed.body;
  for (const share of shares.slice(0, threshold))
    await call('POST', '/v1/seal/confirm', { share, nonce: seal.attempt.nonce }).catch(() => null);
  return { kind, shares, threshold };
}

/** Kills the control plane at some moment of a change, again and again, from the kind that was left each time. */
async function killInRounds(
  t: TestContext,
  installation: ProcessInstallation,
  into: readonly Into[],
  longestMs: Readonly<Record<Into, number>>,
  openerOf: (kind: Into) => Opener,
): Promise<void> {
  await createMarket(installation);
  const data = { apiKey: randomUUID() };
  const body = { project: 'market', environment: 'test', path: 'kept', data };
  const { secret } = (await installation.call('POST', '/v1/secrets', body)).body;
  const random = seededRandom(SEED);
  const counts = { new: 0, acknowledged: 0 };
  let present: Opener = { kind: 'file' };
  for (let round = 0; round < ROUNDS; round++) {
    // Now and then from shares, whose answer is waited for.
    if (round % 4 === 3) present = await changeSeal(installation, 'shamir');
    const kind = into[Math.floor(random() * into.length)] as Into;
    const next = openerOf(kind);
    const changing = installation.call('POST', '/v1/seal/change', next).catch(() => null);
    await pause(random() * longestMs[kind] * 1.3);
    await installation.control.kill();
    const answer = await changing;
    await installation.startControl();
    const opener = await openWithEither(installation, present, next);
    assert.equal(existsSync(installation.config.keyFile as string), opener.kind === 'file', `round ${round}`);
    const when: string = `round ${round}: ${present.kind} into ${kind}, ${answer === null ? 'unanswered' : answer.status}`;
    if (answer?.status === 200) assert.equal(opener, next, `${when}: an acknowledged change is lost`);
    counts.acknowledged += answer?.status === 200 ? 1 : 0;
    counts.new += opener === next ? 1 : 0;
    present = opener;
    const revealed = await installation.call('POST', `/v1/secrets/${secret.id}/reveal`, {});
    assert.deepEqual([revealed.status, revealed.body.data], [200, data], when);
  }
  await checkWholeChain(installation);
  t.diagnostic(
    `seed ${SEED}: ${ROUNDS} kills, the new seal counted after ${counts.new}, ${counts.acknowledged} were acknowledged`,
  );
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** What opened it; a key file does so at the start, and of two key files it is the newer one that counts as well. */
async function openWithEither(
  installation: Parameters<typeof openSeal>[0],
  present: Opener,
  next: Opener,
): Promise<Opener> {
  const { kind, sealed } = (await installation.call('GET', '/v1/seal')).body;
  assert.equal(sealed, kind !== 'file');
  for (const opener of [next, present].filter((one) => one.kind === kind)) {
    if (!sealed) return opener;
    const { status, body } = await openSeal(installation, opener);
    if (status === 200 && body.sealed === false) return opener;
  }
  assert.fail(`the ${kind} seal opens with neither`);
}
