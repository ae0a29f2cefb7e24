import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createPlace, type TestPlace } from '@keyhold/server/testing/databases';
import { startInstallation, type TestInstallation } from '@keyhold/server/testing/installation';
import { exampleLines, readDocs } from './testing/docs.ts';
import { type Finished, MAIN, type RunOptions, runKeyhold, runProgram } from './testing/run-keyhold.ts';

/** One installation for all: what one test makes, the next ones use. */
let place: TestPlace;
let installation: TestInstallation;
let environment: Record<string, string>;
const made: Record<string, string> = {};

before(async () => {
  place = await createPlace('sqlite');
  installation = await startInstallation(place);
  environment = {
    KEYHOLD_URL: installation.controlUrl,
    KEYHOLD_VERIFIER_URL: installation.verifierUrl,
    KEYHOLD_DATA: place.folder,
  };
});

after(async () => {
  await installation?.[Symbol.asyncDispose]();
  await place?.[Symbol.asyncDispose]();
});

const keyhold = (line: string, options: RunOptions = {}) =>
  runKeyhold(
    line.split(' ').map((word) => made[word] ?? word),
    { ...options, env: { ...environment, ...options.env } },
  );

async function table(line: string, expected: RegExp, options?: RunOptions): Promise<Finished> {
  const finished = await keyhold(line, options);
  assert.equal(finished.code, 0, `${line}: ${finished.stderr}`);
  assert.match(finished.stdout, expected);
  assert.doesNotMatch(finished.stdout, /\u001b/, 'no colour where nobody looks');
  return finished;
}

// biome-ignore lint/suspicious/noExplicitAny: answers of every shape
async function json(line: string, options?: RunOptions): Promise<any> {
  const { code, stdout, stderr } = await keyhold(`${line} --json`, options);
  assert.equal(code, 0, `${line}: ${stderr}`);
  return JSON.parse(stdout);
}

/** A port on which somebody listened a moment ago, and nobody does now. */
async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

describe('every command answers people with a table and programs with JSON', () => {
  it('projects', async () => {
    await table('projects create --slug futures --name Futures', /^slug +futures$/m);
    assert.equal((await json('projects create --slug other --name Other')).slug, 'other');
    const [shown, listed] = await Promise.all([
      table('projects list', /^SLUG +NAME +ID +CREATED\ndefault .*\nfutures /),
      json('projects list --all --limit 1'),
    ]);
    assert.equal(shown.stderr, '');
    assert.equal(listed.items.length, 3, '--all follows the cursors');
    assert.equal(listed.nextCursor, null);
  });

  it('environments', async () => {
    await table('environments create futures --name test --prefix ftr_test --kind testing', /^name +futures\/test$/m);
    assert.equal((await json('environments create futures --name live --prefix ftr_live')).leaseSeconds, 30);
    await table(
      'environments set-permission futures test orders:write --confirm online',
      /\nin force everywhere: 1 verifier/,
    );
    const both = await json('environments set-permission futures test orders:write --audit every-use');
    assert.deepEqual(both.setting, { permission: 'orders:write', confirm: 'online', audit: 'every-use' });
    const set = await json('environments set-permission futures test orders:write --confirm none');
    assert.deepEqual(set.setting, { permission: 'orders:write', confirm: null, audit: 'every-use' });
    const [, listed, , settings] = await Promise.all([
      table('environments list futures', /futures\/test +ftr_test +testing/),
      json('environments list futures'),
      table('environments list-permissions futures test', /orders:write +- +every-use/),
      json('environments list-permissions futures test'),
    ]);
    assert.equal(listed.items.length, 2);
    assert.deepEqual(settings.items, [set.setting]);
    await json('environments set-rules futures live --withdrawal funds:withdraw --unused-days 90');
    const { rules } = await json(
      'environments set-rules futures live --second-factor funds:withdraw --unused-days none',
    );
    const withdrawals = ['funds:withdraw'];
    assert.deepEqual(rules, { withdrawals, withoutNetworks: null, secondFactor: withdrawals, unusedDays: null });
  });

  it('consumers', async () => {
    await table(
      'consumers create --project futures --name bot --rate-limit minute=100/60',
      /^rate limits +minute=100\/60$/m,
    );
    const created = await json('consumers create --project futures --name agent --metadata {"desk":7}');
    assert.deepEqual(created.metadata, { desk: 7 });
    made['CONSUMER'] = created.id;
    const [, listed, , got] = await Promise.all([
      table('consumers list --q bot', /^ID .*\ncons_\S+ +futures +bot/),
      json('consumers list --project futures'),
      table('consumers get CONSUMER', /^metadata +{"desk":7}$/m),
      json('consumers get CONSUMER'),
    ]);
    assert.equal(listed.items.length, 2);
    assert.equal(got.name, 'agent');
  });

  it('keys: issue, shown once and safe to repeat', async () => {
    const issue = 'keys issue --project futures --environment test --consumer CONSUMER --permission prices:read';
    const shown = await table(`${issue} --name first --quota 1000/day --idempotency-key once`, /^quota +1000\/day$/m);
    const secret = /^secret {2}(ftr_test_\S+)$/m.exec(shown.stdout)?.[1] as string;
    assert.equal(shown.stdout.split(secret).length, 2, 'printed once');
    assert.match(shown.stderr, /will not be shown again/);
    assert.ok(!shown.stderr.includes(secret));
    const repeated = await keyhold(`${issue} --name first --quota 1000/day --idempotency-key once`);
    assert.equal(repeated.code, 0);
    assert.ok(!repeated.stdout.includes(secret));
    assert.match(repeated.stderr, /its secret was shown then/);
    const issued = await json(`${issue} --name second --rate-limit a=9/1 --rate-limit b=99/60 --ttl-seconds 600`);
    assert.deepEqual(issued.key.rateLimits, [
      { name: 'a', limit: 9, windowSeconds: 1 },
      { name: 'b', limit: 99, windowSeconds: 60 },
    ]);
    Object.assign(made, { KEY: issued.key.id, CREDENTIAL: issued.credential.id, SECRET: issued.secret });
  });

  it('verify: from stdin or a file, 0 when valid and 1 when not', async () => {
    const file = join(place.folder, 'key.txt');
    writeFileSync(file, `${made['SECRET']}\n`);
    const verify = 'verify --environment futures/test --permission';
    const [, verdict, refused, refusedJson] = await Promise.all([
      table(`${verify} prices:read --key-file ${file}`, /^verdict +VALID\nkey +key_/),
      json(`${verify} prices:read`, { input: `${made['SECRET']}\n` }),
      keyhold(`${verify} orders:write`, { input: made['SECRET'] as string }),
      keyhold(`${verify} orders:write --json`, { input: made['SECRET'] as string }),
    ]);
    assert.equal(verdict.code, 'VALID');
    assert.equal(refused.code, 1);
    assert.match(refused.stdout, /^verdict +INSUFFICIENT_PERMISSIONS$/m);
    assert.equal(refusedJson.code, 1);
    assert.equal(JSON.parse(refusedJson.stdout).valid, false);
  });

  it('keys: list, get, update, suspend, resume', async () => {
    const [, listed, , got] = await Promise.all([
      table('keys list --project futures --state active', /second +futures\/test +active +prices:read/),
      json('keys list --q second'),
      table('keys get KEY', /^networks +from anywhere$[\s\S]*^CREDENTIAL +KIND +HINT/m),
      json('keys get KEY'),
    ]);
    assert.deepEqual(
      listed.items.map(({ id }: { id: string }) => id),
      [made['KEY']],
    );
    assert.equal(got.name, 'second');
    await table(
      'keys update KEY --allowed-network 10.0.0.0/8 --allowed-network ::1',
      /^networks +10\.0\.0\.0\/8, ::1/m,
    );
    const cleared = await json('keys update KEY --allowed-network none --rate-limit none --expires-at none');
    assert.deepEqual([cleared.key.allowedNetworks, cleared.key.rateLimits, cleared.key.expiresAt], [[], [], null]);
    await table('keys suspend KEY', /^state +suspended\nsuspended everywhere: 1 verifier acknowledged in \d+ ms$/m);
    await table('keys resume KEY', /^state +active$/m);
    assert.equal((await json('keys suspend KEY')).barrier.acknowledged, 1);
    assert.equal((await json('keys resume KEY')).key.state, 'active');
  });

  it('keys: rotate, revoke, destroy; and one credential alone', async () => {
    const rotated = await table('keys rotate KEY --overlap-seconds 0', /the old one is dead everywhere: 1 verifier/);
    assert.match(rotated.stderr, /will not be shown again/);
    // Both are valid for a while: nothing may say that the old one is dead.
    const ends = await table(
      'keys rotate KEY --overlap-seconds 60',
      /^the end of the old one is known everywhere: 1 v/m,
    );
    assert.doesNotMatch(ends.stdout, /dead/);
    const again = await json('keys rotate KEY --overlap-seconds 60');
    made['PREVIOUS'] = again.previous.id;
    made['NEWEST'] = again.credential.id;
    await table(
      'credentials revoke PREVIOUS --reason superseded',
      /^state +deactivated \(superseded\)$[\s\S]*dead everywhere/m,
    );
    const credential = await json('credentials revoke NEWEST --reason key_compromise');
    assert.equal(credential.credential.state, 'compromised');
    await table(
      'keys revoke KEY --reason key_compromise',
      /^state +compromised \(key_compromise\)\ndead everywhere: 1 verifier acknowledged in \d+ ms$/m,
    );
    assert.equal((await json('keys revoke KEY --reason key_compromise')).barrier.unconfirmed, 0);
    await table('keys destroy KEY', /^state +destroyed[\s\S]*gone everywhere/m);
    assert.equal((await json('keys destroy KEY')).key.state, 'destroyed');
  });

  it('tokens', async () => {
    await table(
      'tokens create --name reader --scope read --project futures',
      /^bound to +futures$[\s\S]*^secret {2}keyhold_\S+$/m,
    );
    const created = await json('tokens create --name both --scope keys --scope read --environment futures/test');
    assert.deepEqual(created.token.scopes, ['keys', 'read']);
    Object.assign(made, { TOKEN: created.token.id, LIMITED: created.secret });
    await Promise.all([
      table('tokens list', /both +created +keys, read +futures\/test/),
      json('tokens list').then(({ items }) => assert.ok(items.length >= 3)),
    ]);
  });

  it('audit and installation', async () => {
    const [, listed, installed, verified] = await Promise.all([
      table('audit list --action key.revoked', /^SEQUENCE +AT[\s\S]*key\.revoked +key_/),
      json('audit list --limit 2'),
      json('installation get'),
      json('audit verify'),
      table('installation get', /^VERIFIER +CONNECTED[\s\S]*ver_\S+ +yes/m),
      table(
        'audit verify',
        /^It verifies: \d+ entries, up to[\s\S]*Proven:[\s\S]*Only said by the operator:\n- what the entries say/,
      ),
    ]);
    assert.equal(listed.items.length, 2);
    assert.equal(installed.verifiers.length, 1);
    assert.equal(verified.valid, true);
    assert.equal(verified.installation, installed.id);
  });
});

it('entries are sent to a webhook whose address is another than where the command goes', async () => {
  const webhook = `http://127.0.0.1:${await closedPort()}/`;
  const { code, stderr } = await keyhold(`audit exports create --name siem --kind webhook --webhook-url ${webhook}`);
  assert.equal(code, 0, stderr);
  const meant = await keyhold(`audit exports create --name other --kind webhook --url ${webhook}`);
  assert.deepEqual([meant.code, meant.stderr.startsWith('keyhold: --webhook-url URL is missing')], [2, true]);
  const { items } = await json('audit exports list');
  const [made] = items;
  assert.deepEqual([items.length, made.name, made.kind, made.url], [1, 'siem', 'webhook', webhook]);
  await table(`audit exports remove ${made.id}`, /^removed/);
});

it('each exit code says what happened', async () => {
  const withToken = (token: string) => ({ env: { KEYHOLD_TOKEN: token } });
  const absent = `key_${'0'.repeat(8)}-0000-7000-8000-${'0'.repeat(12)}`;
  const expectations: [number, RegExp, Promise<Finished>][] = [
    [1, /^keyhold: KEY_NOT_FOUND: /, keyhold(`keys get ${absent}`)],
    [1, /^keyhold: SLUG_TAKEN: /, keyhold('projects create --slug futures --name again')],
    [1, /^{"exitCode":1,"code":"SLUG_TAKEN"/, keyhold('projects create --slug futures --name again --json')],
    [1, /^keyhold: NOT_FOUND: entry 1 shows no signed request/, keyhold('audit evidence 1 --output nowhere')],
    [2, /--overlap-seconds NUMBER is missing/, keyhold('keys rotate KEY')],
    [3, /^keyhold: UNREACHABLE: .*ECONNREFUSED/, keyhold(`keys list --url http://127.0.0.1:${await closedPort()}`)],
    [4, /^keyhold: UNAUTHENTICATED: /, keyhold('keys list', withToken('nobody'))],
    [4, /^keyhold: FORBIDDEN: /, keyhold('tokens list', withToken(made['LIMITED'] as string))],
    [4, /^keyhold: NO_TOKEN: /, keyhold('keys list', { env: { KEYHOLD_DATA: join(place.folder, 'nowhere') } })],
  ];
  for (const [code, message, finished] of expectations) {
    const { code: actual, stderr, stdout } = await finished;
    assert.equal(actual, code, stderr);
    assert.match(stderr, message);
    assert.equal(stdout, '');
  }
  assert.equal((await json('tokens revoke TOKEN')).token.state, 'deactivated');
  await table('tokens revoke TOKEN', /dead everywhere: 1 verifier acknowledged/);
  assert.equal(
    (await keyhold('keys list', withToken(made['LIMITED'] as string))).code,
    4,
    'a revoked token opens nothing',
  );
});

it('an exported log verifies without the server, and a flipped byte is found', async () => {
  const file = join(place.folder, 'log.jsonl');
  const keys = join(place.folder, 'log.keys');
  writeFileSync(keys, (await keyhold('audit keys')).stdout);
  await table(`audit export --output ${file}`, /entries 1 to \d+/);
  const bytes = readFileSync(file);
  const offline = { env: { KEYHOLD_URL: 'http://127.0.0.1:1', KEYHOLD_DATA: '/nowhere' } };
  await table(`audit verify --file ${file} --trust ${keys}`, /^It verifies: \d+ entries/, offline);
  const at = bytes.indexOf('"action\\":\\"key.revoked') + 14;
  bytes[at] = (bytes[at] as number) ^ 1;
  writeFileSync(file, bytes);
  const found = await keyhold(`audit verify --file ${file} --trust ${keys}`, offline);
  assert.equal(found.code, 1);
  const line = bytes.subarray(0, at).toString().split('\n').length - 1;
  assert.match(found.stdout, new RegExp(`^IT DOES NOT VERIFY\\. At entry ${line}: `));
});

it('a run of entries and a receipt verify without the server, against keys that came from elsewhere', async () => {
  const [file, receipt, keys] = ['part.jsonl', 'one.receipt', 'log.keys'].map((name) => join(place.folder, name));
  writeFileSync(keys as string, (await keyhold('audit keys')).stdout);
  await table(`audit export --output ${file}`, /entries 1 to \d+/);
  const whole = readFileSync(file as string);
  const again = await keyhold(`audit export --output ${file} --from 5 --to 11`);
  assert.deepEqual([again.code, /--overwrite replaces it/.test(again.stderr)], [2, true], again.stderr);
  assert.deepEqual(readFileSync(file as string), whole);
  await table(`audit export --output ${file} --overwrite --from 5 --to 11`, /entries 5 to 11/);
  await table(`audit receipt 7 --output ${receipt}`, /of entry 7/);
  for (const what of ['receipt 8', 'evidence 8', 'page'])
    assert.equal((await keyhold(`audit ${what} --output ${receipt}`)).code, 2, what);
  const offline = { env: { KEYHOLD_URL: 'http://127.0.0.1:1', KEYHOLD_DATA: '/nowhere' } };
  await table(`audit verify --file ${file} --trust ${keys}`, /^It verifies: 7 entries, up to entry 11 of \d+/, offline);
  await table(`audit verify --receipt ${receipt} --trust ${keys}`, /^It verifies: 1 entry, up to entry 7 of/, offline);
  const lines = readFileSync(file as string, 'utf8').split('\n');
  writeFileSync(file as string, [...lines.slice(0, 3), ...lines.slice(4)].join('\n'));
  assert.equal((await keyhold(`audit verify --file ${file} --trust ${keys}`, offline)).code, 1);
  const changed = readFileSync(receipt as string, 'utf8')
    .replace('index 7', 'index 8')
    .replace('index 6', 'index 7');
  writeFileSync(receipt as string, changed);
  assert.equal((await keyhold(`audit verify --receipt ${receipt} --trust ${keys}`, offline)).code, 1);
  assert.equal((await keyhold(`audit verify --receipt ${receipt}`, offline)).code, 2, 'nothing vouches for itself');
});

it('a change waits for the log as far as it is told to, and says how far that is', async () => {
  const { stderr, code } = await keyhold('projects create --slug acked --name acked --ack integrated');
  assert.equal(code, 0);
  assert.match(stderr, /^Entry \d+ is integrated in the log\.$/m);
  assert.equal((await keyhold('projects create --slug none --name none --ack anchored')).code, 1);
});

it('the log is followed, each entry once and in order', async () => {
  const { stdout, code } = await keyhold('audit tail --from 3 --to 9 --json-lines');
  assert.equal(code, 0);
  const sequences = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).sequence);
  assert.deepEqual(sequences, [3, 4, 5, 6, 7, 8, 9]);
});

it('every example line of docs/cli.md does what it says', async () => {
  const cwd = join(place.folder, 'work');
  mkdirSync(cwd);
  const shim = join(cwd, 'keyhold');
  writeFileSync(shim, `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`, { mode: 0o755 });
  const env = { ...environment };
  const lines = exampleLines(readDocs());
  assert.ok(lines.length > 15);
  for (const line of lines) {
    const { code, stdout, stderr } = await runProgram('/bin/sh', ['-c', `PATH=.:$PATH; ${line}`], { cwd, env });
    assert.equal(code, 0, `${line}\n${stdout}${stderr}`);
    for (const [name, prefix] of [
      ['CONSUMER', 'cons'],
      ['KEY', 'key'],
      ['CREDENTIAL', 'cred'],
      ['TOKEN', 'tok'],
    ] as const) {
      env[name] = new RegExp(`\\b${prefix}_[0-9a-f-]{36}`).exec(stdout)?.[0] ?? env[name] ?? '';
    }
    const secret = /^secret {2}(\S+)$/m.exec(stdout)?.[1];
    if (secret !== undefined) writeFileSync(join(cwd, 'key.txt'), secret);
  }
  assert.match(readFileSync(join(cwd, 'log.jsonl'), 'utf8'), /^{"keyhold-log-export":1,/);
});
