import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createPlace, type TestPlace } from '@keyhold/server/testing/databases';
import { startInstallation, type TestInstallation } from '@keyhold/server/testing/installation';
import { createMarket, type TestMarket } from '@keyhold/server/testing/market';
import { type RunOptions, runKeyhold } from './testing/run-keyhold.ts';

const stack = new AsyncDisposableStack();
let place: TestPlace;
let installation: TestInstallation;
let market: TestMarket;

before(async () => {
  place = stack.use(await createPlace('sqlite'));
  installation = stack.use(await startInstallation(place));
  market = await createMarket(installation);
});
after(() => stack.disposeAsync());

const ONCE = ['--deliver-to', '{"once":{"ttlSeconds":60}}'];

const keyhold = (line: string, more: readonly string[] = [], options: RunOptions = {}) =>
  runKeyhold([...line.split(' '), ...more], {
    ...options,
    env: { KEYHOLD_URL: installation.controlUrl, KEYHOLD_DATA: place.folder, ...options.env },
  });

async function printed(line: string, more: readonly string[] = [], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await keyhold(line, more, options);
  assert.equal(code, 0, `${line}: ${stderr}`);
  return stdout;
}

/** Takes as somebody who has nothing but the token: no token file, no data folder. */
const take = (token: string, more: readonly string[] = []) =>
  keyhold('deliveries take', more, { input: `${token}\n`, env: { KEYHOLD_DATA: join(place.folder, 'none') } });

const tokenIn = (output: string): string => /^token {2,}(keyhold_once_\w+)$/m.exec(output)?.[1] ?? assert.fail(output);

describe('the command delivers', () => {
  it('a stored secret, to be taken once by somebody else', async () => {
    const apiSecret = randomBytes(16).toString('hex');
    const stored = await printed('secrets store --project market --environment test --path exchange/one --json', [], {
      input: JSON.stringify({ apiSecret }),
    });
    const { id } = JSON.parse(stored).secret;
    const output = await printed(`secrets deliver ${id}`, ONCE);
    assert.match(
      output,
      /^id {2,}dlv_\S+\npage {2,}\/once#keyhold_once_\w+\ntoken {2,}keyhold_once_\w+\nexpires {2,}\d{4}-/,
    );
    const token = tokenIn(output);
    const taken = await take(token);
    assert.deepEqual([taken.code, JSON.parse(taken.stdout)], [0, { apiSecret }]);
    const again = await take(token);
    assert.notEqual(again.code, 0);
    assert.equal(again.stdout, '');
    assert.match(again.stderr, /taken already/);
    assert.ok(!again.stderr.includes(token));
    const next = tokenIn(await printed(`secrets deliver ${id}`, ONCE));
    const file = join(place.folder, 'once');
    writeFileSync(file, next, { mode: 0o600 });
    const fromFile = await printed('deliveries take --json --once-file', [file]);
    assert.deepEqual(JSON.parse(fromFile), { subject: id, content: { apiSecret } });
    const astray = JSON.parse(await printed(`secrets deliver ${id} --json`, ONCE)).delivery;
    assert.equal(await printed(`deliveries end ${astray.id}`), `ended    ${astray.id} of ${id}\n`);
    assert.notEqual((await take(astray.token)).code, 0);
    const listed = await printed(`deliveries list --project market --environment test --subject ${id}`);
    const states = listed.split('\n').map((line) => /^(dlv_\S+) +(sec_\S+) +(\w+)/.exec(line)?.slice(2).join(' '));
    assert.deepEqual(states.filter(Boolean), [`${id} over`, `${id} taken`, `${id} taken`]);
  });

  it('a key that it issues or rotates, and prints what carries it', async () => {
    const issue = `keys issue --project market --environment test --consumer ${market.consumer} --name a`;
    const issued = await printed(`${issue} --permission prices:read`, ONCE);
    const keyId = /^id +(key_\S+)$/m.exec(issued)?.[1] ?? assert.fail(issued);
    const first = (await take(tokenIn(issued))).stdout.trim();
    const valid = async (key: string) => (await installation.verify({ key, environment: 'market/test' })).code;
    assert.equal(await valid(first), 'VALID');
    assert.ok(!issued.includes(first));
    const rotated = await printed(`keys rotate ${keyId} --overlap-seconds 60`, ONCE);
    const next = (await take(tokenIn(rotated))).stdout.trim();
    assert.notEqual(next, first);
    assert.equal(await valid(next), 'VALID');
    // The public key of the age specification's example.
    const age = 'age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p';
    const encrypted = await printed(`keys rotate ${keyId} --overlap-seconds 60 --deliver-to`, [
      JSON.stringify({ age }),
    ]);
    assert.match(encrypted, /^-----BEGIN AGE ENCRYPTED FILE-----\n[\s\S]+\n-----END AGE ENCRYPTED FILE-----$/m);
  });

  it('by no token that stands among the arguments, and takes nothing without one', async () => {
    const { delivery } = JSON.parse(
      await printed(`keys issue --project market --environment test --consumer ${market.consumer} --name b --json`, [
        '--permission',
        'prices:read',
        ...ONCE,
      ]),
    );
    const refused = await keyhold('deliveries take', [delivery.token]);
    assert.equal(refused.code, 2);
    assert.ok(!refused.stderr.includes(delivery.token));
    const none = await keyhold('deliveries take', [], { input: '' });
    assert.equal(none.code, 2);
    assert.match(none.stderr, /--once-file/);
    assert.equal((await take(delivery.token)).code, 0, 'it was not taken by either');
  });
});
