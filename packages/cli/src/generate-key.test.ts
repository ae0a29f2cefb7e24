import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { existsSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import { PUBLIC_KEY_ALGORITHMS } from '@keyhold/protocol/state';
import { type Signer, signRequest } from '@keyhold/sdk/signing/sign-request';
import type { SigningKey } from '@keyhold/sdk/signing/signing-key';
import { createPlace, type TestPlace } from '@keyhold/server/testing/databases';
import { eventually } from '@keyhold/server/testing/eventually';
import { startInstallation, type TestInstallation } from '@keyhold/server/testing/installation';
import { createMarket, type TestMarket } from '@keyhold/server/testing/market';
import { runKeyhold } from './testing/run-keyhold.ts';

let place: TestPlace;
let installation: TestInstallation;
let market: TestMarket;
let environment: Record<string, string>;

before(async () => {
  place = await createPlace('sqlite');
  installation = await startInstallation(place);
  market = await createMarket(installation);
  environment = { KEYHOLD_URL: installation.controlUrl, KEYHOLD_DATA: place.folder };
  const signing = { dialects: [{ dialect: 'rfc9421' }], replay: 'verifier' };
  assert.equal((await installation.call('PUT', '/v1/projects/market/environments/test/signing', signing)).status, 200);
});

after(async () => {
  await installation?.[Symbol.asyncDispose]();
  await place?.[Symbol.asyncDispose]();
});

const generate = (algorithm: string, holder: string, output: string) => {
  const flags = ['--algorithm', algorithm, '--environment', 'market/test', '--holder', holder, '--output', output];
  return runKeyhold(['keys', 'generate', ...flags], { env: environment });
};

const SIGNS_WITH = { ed25519: 'ed25519', 'ecdsa-p256': 'ecdsa-p256-sha256', rsa: 'rsa-pss-sha512' } as const;

async function verdictOn(signer: Signer): Promise<string> {
  const { method, url, headers } = await signRequest(signer, { method: 'GET', url: 'https://api.example/v1/orders' });
  const request = { method, target: new URL(url).pathname, headers: [['Host', 'api.example'], ...headers] };
  return (await installation.verify({ request, environment: 'market/test', permission: 'orders:write' })).code;
}

for (const algorithm of PUBLIC_KEY_ALGORITHMS) {
  it(`${algorithm}: a key made here is issued by its proof, signs, and is rotated to another`, async () => {
    const file = join(place.folder, `${algorithm}.pem`);
    const made = await generate(algorithm, market.consumer, file);
    assert.equal(made.code, 0, made.stderr);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const pem = readFileSync(file, 'utf8');
    assert.doesNotMatch(made.stdout + made.stderr, /PRIVATE/);
    const spki = createPublicKey(createPrivateKey(pem)).export({ type: 'spki', format: 'der' }).toString('hex');
    assert.equal(JSON.parse(made.stdout).publicKey, spki);
    const where = ['--project', 'market', '--environment', 'test', '--consumer', market.consumer, '--name', algorithm];
    const what = ['--permission', 'orders:write', '--credential', made.stdout.trim(), '--json'];
    const issued = await runKeyhold(['keys', 'issue', ...where, ...what], { env: environment });
    assert.equal(issued.code, 0, issued.stderr);
    const { key, credential } = JSON.parse(issued.stdout);
    const signs: SigningKey = { kind: 'private', algorithm: SIGNS_WITH[algorithm], key: pem };
    const signer: Signer = { dialect: 'rfc9421', credential: credential.id, key: signs };
    await eventually('a verifier that began to remember', async () => (await verdictOn(signer)) === 'VALID');
    const next = await generate(algorithm, key.id, join(place.folder, `${algorithm}-2.pem`));
    const overlap = ['--overlap-seconds', '0', '--credential', next.stdout.trim()];
    const rotated = await runKeyhold(['keys', 'rotate', key.id, ...overlap], { env: environment });
    assert.equal(rotated.code, 0, rotated.stderr);
    assert.equal(await verdictOn(signer), 'REVOKED');
  });
}

it('a file that is there is not overwritten, nor written through a link', async () => {
  const file = join(place.folder, 'there.pem');
  writeFileSync(file, 'mine');
  symlinkSync(join(place.folder, 'nowhere'), join(place.folder, 'link.pem'));
  for (const name of ['there.pem', 'link.pem']) {
    const refused = await generate('ed25519', market.consumer, join(place.folder, name));
    assert.deepEqual([refused.code, refused.stdout], [2, '']);
    assert.match(refused.stderr, /is there already, and is not overwritten/);
  }
  assert.equal(readFileSync(file, 'utf8'), 'mine');
  assert.equal(existsSync(join(place.folder, 'nowhere')), false);
  const lost = await generate('ed25519', market.consumer, join(place.folder, 'no', 'folder.pem'));
  assert.match(lost.stderr, /cannot be written \(ENOENT\)/);
});

it('what it cannot make is refused, and nothing is written', async () => {
  const file = join(place.folder, 'none.pem');
  for (const algorithm of ['dsa', '']) assert.equal((await generate(algorithm, market.consumer, file)).code, 2);
  const bare = ['--algorithm', 'ed25519', '--environment', 'test', '--holder', 'x', '--output', file];
  assert.equal((await runKeyhold(['keys', 'generate', ...bare], { env: environment })).code, 2);
  assert.equal(existsSync(file), false);
});
