import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { newAgePair } from '@keyhold/server/testing/age-pair';
import { createPlace, type TestPlace } from '@keyhold/server/testing/databases';
import { startInstallation, type TestInstallation } from '@keyhold/server/testing/installation';
import { type Finished, runKeyhold } from './testing/run-keyhold.ts';

let place: TestPlace;
let installation: TestInstallation;

before(async () => {
  place = await createPlace('sqlite');
  installation = await startInstallation(place);
});

after(async () => {
  await installation?.[Symbol.asyncDispose]();
  await place?.[Symbol.asyncDispose]();
});

async function keyhold(code: number, line: string, input?: string): Promise<Finished> {
  const env = {
    ...{ KEYHOLD_URL: installation.controlUrl, KEYHOLD_DATA: place.folder },
    KEYHOLD_KEY_FILE: `${place.folder}.key`,
  };
  const finished = await runKeyhold(line.split(' '), { env, ...(input === undefined ? {} : { input }) });
  assert.equal(finished.code, code, `${line}: ${finished.stdout}${finished.stderr}`);
  return finished;
}

async function drills(): Promise<{ subject: string; code: string }[]> {
  const { body } = await installation.call('GET', '/v1/audit/entries?action=backup.drilled&order=asc');
  return body.items.map(({ leaf }: { leaf: string }) => JSON.parse(leaf));
}

describe('keyhold backup', () => {
  it('restore takes what create wrote, and drill opens it, also under a passphrase, and enters what it found, also that it failed', async () => {
    const file = (name: string, content: string) => {
      writeFileSync(join(place.folder, name), content, { mode: 0o600 });
      return join(place.folder, name);
    };
    const { identity, recipient } = await newAgePair();
    const identityFile = file('identity', `${identity}\n`);
    const output = join(place.folder, 'backup.age');
    const create = `backup create --recipient ${recipient} --output ${output}`;
    const given = `--input ${output} --identity-file ${identityFile}`;
    const drill = `backup drill ${given}`;

    await keyhold(0, create);
    const { installation: id, sequence } = JSON.parse(readFileSync(`${output}.json`, 'utf8'));
    const restored = await keyhold(0, `restore ${given} --data ${join(place.folder, 'restored')}`);
    assert.match(
      restored.stdout,
      new RegExp(`^restored  ${id} up to entry ${sequence}, as of .*\\nchecked   \\d+ rows`),
    );
    assert.ok(existsSync(join(place.folder, 'restored', 'keyhold.db')));
    const { stdout } = await keyhold(0, drill);
    const [, envelopes, sides] =
      /^opened +(\d+) envelopes, and the personal parts of (\d+) entries$/m.exec(stdout) ?? [];
    assert.ok(Number(envelopes) > 0 && Number(sides) > 0, stdout);
    const [first, ...others] = await drills();
    assert.deepEqual(others, []);
    const counts = `\\.sequence-${sequence}\\.rows-\\d+\\.envelopes-${envelopes}\\.sides-${sides}`;
    assert.match(first?.code ?? '', new RegExp(`^whole${counts}\\.hash-[0-9a-f]{64}$`));

    const passphrase = randomUUID();
    await keyhold(0, 'seal change --kind passphrase', passphrase);
    await keyhold(0, create);
    assert.match((await keyhold(2, drill)).stderr, /takes its passphrase: give --input-file FILE/);
    assert.equal((await drills()).length, 1, 'what could not be made found nothing');
    const brought = await keyhold(0, `${drill} --input-file ${file('passphrase', `${passphrase}\n`)}`);
    assert.ok(!`${brought.stdout}${brought.stderr}`.includes(passphrase));
    assert.match((await drills())[1]?.code ?? '', /^whole\.sequence-\d+\.rows-\d+\.envelopes-\d+\.sides-\d+\.hash-/);

    writeFileSync(output, readFileSync(output).subarray(0, -100));
    assert.match((await keyhold(1, `restore --drill ${given}`)).stdout, /^failed +it is cut off or damaged/m);
    const failed = (await drills())[2];
    assert.deepEqual([failed?.code, failed?.subject], ['failed-restore', id]);
  });

  it('alone names its commands', async () => {
    assert.match(
      (await keyhold(2, 'backup')).stderr,
      /backup is followed by one of create, drill; "keyhold help backup"/,
    );
    assert.match((await keyhold(2, 'audit exports')).stderr, /audit exports is followed by one of .*\bcreate\b/);
  });
});
