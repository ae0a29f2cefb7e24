import assert from 'node:assert/strict';
import { randomInt, randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createPlace, type TestPlace } from '@keyhold/server/testing/databases';
import { startInstallation, type TestInstallation } from '@keyhold/server/testing/installation';
import { type Finished, runKeyhold } from './testing/run-keyhold.ts';

let place: TestPlace;
let installation: TestInstallation;

before(async () => {
  place = await createPlace('sqlite');
  installation = await startInstallation(place);
  await keyhold(0, 'projects create --slug desk --name Desk');
  await keyhold(0, 'environments create desk --name test --prefix dsk_test');
});

after(async () => {
  await installation?.[Symbol.asyncDispose]();
  await place?.[Symbol.asyncDispose]();
});

async function keyhold(code: number, line: string, input?: string): Promise<Finished> {
  const env = { KEYHOLD_URL: installation.controlUrl, KEYHOLD_DATA: place.folder };
  const finished = await runKeyhold(line.split(' '), { env, ...(input === undefined ? {} : { input }) });
  assert.equal(finished.code, code, `${line}: ${finished.stdout}${finished.stderr}`);
  return finished;
}

const STORE = 'secrets store --project desk --environment test --path venues/one';

describe('keyhold secrets', () => {
  it('stores what stdin or a file holds, and prints it on reveal alone', async () => {
    const [one, two] = [randomUUID(), randomUUID()];
    const stored = await keyhold(0, STORE, JSON.stringify({ apiKey: one }));
    const id = /^id +(sec_\S+)$/m.exec(stored.stdout)?.[1];
    assert.ok(id, stored.stdout);
    const file = join(place.folder, 'data.json');
    writeFileSync(file, JSON.stringify({ apiKey: two }), { mode: 0o600 });
    const again = await keyhold(0, `${STORE} --cas 1 --data-file ${file} --json`);
    assert.equal(JSON.parse(again.stdout).version.version, 2);
    const shown = await Promise.all([
      keyhold(0, 'secrets list --project desk --environment test --prefix venues/'),
      keyhold(0, `secrets get ${id}`),
      keyhold(0, `secrets list-versions ${id}`),
      keyhold(0, `secrets update ${id} --max-versions 5`),
    ]);
    for (const { stdout, stderr } of [stored, again, ...shown]) {
      assert.ok(!`${stdout}${stderr}`.includes(one) && !`${stdout}${stderr}`.includes(two));
    }
    assert.deepEqual(JSON.parse((await keyhold(0, `secrets reveal ${id}`)).stdout), { apiKey: two });
    assert.deepEqual(JSON.parse((await keyhold(0, `secrets reveal ${id} --version 1`)).stdout), { apiKey: one });
    assert.match((await keyhold(0, `secrets delete ${id} --version 1`)).stdout, /deleted/);
    assert.match((await keyhold(1, `secrets reveal ${id} --version 1`)).stderr, /SECRET_VERSION_GONE.*deleted/);
    assert.match((await keyhold(0, `secrets undelete ${id} --version 1`)).stdout, /live/);
    assert.match((await keyhold(0, `secrets destroy ${id} --version 1`)).stdout, /destroyed/);
    assert.match((await keyhold(0, `secrets remove ${id}`)).stdout, /with 2 versions$/m);
    assert.match((await keyhold(1, `secrets get ${id}`)).stderr, /SECRET_NOT_FOUND/);
  });

  it('refuses data that is not a JSON object without repeating it', async () => {
    for (const text of [`"${randomUUID()}"`, randomUUID(), `[${'1'.repeat(20)}]`]) {
      const { stderr } = await keyhold(2, STORE, text);
      assert.match(stderr, /not a JSON object/);
      assert.ok(!stderr.includes(text.slice(2, 20)), stderr);
    }
  });

  it('stores no other number than the one given: what a double does not hold is refused before it is sent', async () => {
    for (const number of ['12345678901234567890', '0.1234567890123456789', '1e-400']) {
      const { stderr } = await keyhold(2, STORE, `{"account":[{"number":${number}}]}`);
      assert.match(stderr, /would come back as another one: write it as text/);
    }
    const number = '{"number":12345678901234567000,"text":"12345678901234567890"}';
    const stored = await keyhold(0, `${STORE} --json`, number);
    const revealed = await keyhold(0, `secrets reveal ${JSON.parse(stored.stdout).secret.id} --json`);
    assert.deepEqual(JSON.parse(revealed.stdout).data, JSON.parse(number));
  });

  it('takes no data as an argument, where every process could read it', async () => {
    await keyhold(2, `${STORE} --data {"a":1}`);
    await keyhold(2, `seal change --kind passphrase --passphrase ${randomUUID()}`);
    await keyhold(2, `seal change --kind pkcs11 --module /m.so --token-label t --pin ${randomInt(1e9)}`);
    await keyhold(2, `seal open --pin ${randomInt(1e9)}`);
  });
});

describe('keyhold seal', () => {
  it('changes to a passphrase read from stdin, closes, refuses a wrong one and opens with the right one', async () => {
    const passphrase = randomUUID();
    assert.match((await keyhold(0, 'seal get')).stdout, /^seal +file\nstate +unsealed$/m);
    await keyhold(0, 'seal change --kind passphrase', `${passphrase}\n`);
    assert.match((await keyhold(0, 'seal close')).stdout, /^state +sealed$/m);
    assert.match((await keyhold(1, 'seal open', randomUUID())).stderr, /UNSEAL_REFUSED/);
    assert.match((await keyhold(0, 'seal open', `${passphrase}\n`)).stdout, /^state +unsealed$/m);
  });

  it('shows shares once, and progress while they come back one by one', async () => {
    const { stdout, stderr } = await keyhold(0, 'seal change --kind shamir --shares 3 --threshold 2');
    const shares = [...stdout.matchAll(/^share +(khshare-\S+)$/gm)].map(([, share]) => share as string);
    assert.equal(shares.length, 3);
    assert.match(stderr, /will not be shown again/);
    assert.match(
      (await keyhold(0, 'seal confirm', shares[1])).stdout,
      /^seal +passphrase\n(?:.*\n)*given +1 of 2: 2$/m,
    );
    assert.match((await keyhold(0, 'seal confirm', shares[0])).stdout, /^seal +shamir$/m);
    await keyhold(0, 'seal close');
    assert.match((await keyhold(0, 'seal open', shares[2])).stdout, /^given +1 of 2: 3$/m);
    assert.match((await keyhold(1, 'seal open', shares[2])).stderr, /Share 3 was given already/);
    assert.match((await keyhold(0, 'seal open --reset')).stdout, /^given +0 of 2$/m);
    await keyhold(0, 'seal open', shares[0]);
    assert.match((await keyhold(0, 'seal open', shares[2])).stdout, /^state +unsealed$/m);
  });
});
