import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { MANAGEMENT_OPERATIONS, SIGN_IN_OPERATIONS, VERIFIER_OPERATIONS } from '@keyhold/protocol/operations/registry';
import { findPlanted, marker, plantIn, type Planted, variantsOf } from './testing/attacks-planted.ts';
import { plantInFeed } from './testing/attacks-planted-feed.ts';
import { attackable } from './testing/attacks.ts';
import { type WireAnswer, WireConnection } from './testing/attacks-wire.ts';
import { type AttackedWorld, buildWorld } from './testing/attacks-world.ts';
import { createPlace, type DatabaseName, type TestPlace } from './testing/databases.ts';
import { send, type TestInstallation, untilReady } from './testing/installation.ts';
import { POSTGRES_URL } from './testing/postgres.ts';
import { inherited } from './testing/processes.ts';
import { openRaw } from './testing/raw-database.ts';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));
/** `npm run soak -- hostile` plants every malformed one, on SQLite; else it is one of each, another each time. */
const EVERY_VARIANT = process.env['KEYHOLD_PLANTED'] === 'every';
/** What belongs to the installation itself and lies in these files on purpose. */
const TOKEN_FILES = new Set(['bootstrap-token', 'verifier-token']);
const URL_FILES = new Set(['KEYHOLD_REDIS_URL_FILE', 'KEYHOLD_DATABASE_URL_FILE']);

interface Running extends AsyncDisposable {
  readonly installation: TestInstallation;
  /** All that both processes have printed. */
  output(): string;
  readonly pid: number;
}

/** What was found where after everything was planted everywhere. */
interface Findings {
  requests: number;
  /** A request that succeeds gets further than one that is refused: both are wanted. */
  accepted: number;
  readonly answers: string[];
  readonly urls: string[];
  readonly logs: string[];
  readonly processes: string[];
  readonly metrics: string[];
  readonly entries: string[];
  readonly files: string[];
  readonly database: string[];
}

for (const database of ['sqlite', 'postgres'] as const satisfies DatabaseName[]) {
  if (database === 'postgres' && POSTGRES_URL === undefined) continue;
  describe(`secrets planted in every field (${database})`, () => {
    let found: Findings;
    before(async () => {
      found = await plantEverywhere(database);
    });

    it('turn up in no error', (t) => {
      t.diagnostic(`${found.requests} requests with planted secrets, ${found.accepted} changes accepted`);
      assert.ok(found.accepted > 50, 'hardly anything was accepted');
      assert.deepEqual(distinct(found.answers), []);
    });
    it('turn up in no URL that is answered', () => assert.deepEqual(distinct(found.urls), []));
    it('turn up in no log', () => assert.deepEqual(distinct(found.logs), []));
    it('turn up in no process title, argument or environment', () => assert.deepEqual(distinct(found.processes), []));
    it('turn up in no metric', () => assert.deepEqual(distinct(found.metrics), []));
    it('turn up in no ledger entry', () => assert.deepEqual(distinct(found.entries), []));
    it('lie in no file of the data folder, and in no temporary one', () => assert.deepEqual(distinct(found.files), []));
    it('lie in no table, unless put into a field that is stored as given', () =>
      assert.deepEqual(distinct(found.database), []));
  });
}

async function plantEverywhere(database: DatabaseName): Promise<Findings> {
  await using place = await createPlace(database);
  const redis = { ...marker(randomBytes(12).toString('hex')), name: 'password of Redis' };
  await using running = await start(place.folder, place.databaseUrl, redis);
  const { installation } = running;
  const world = await buildWorld(installation);
  // A second token of the same scope is planted; the one that asks goes over the wire in any case.
  const { body } = await installation.call('POST', '/v1/tokens', { name: 'planted', scopes: ['admin'] });
  const every = [variantsOf('credential', world.credential), variantsOf('token', body.secret)];
  const planted = [...chosen(database, every), marker(randomBytes(12).toString('hex'))];
  const secrets = planted.filter(({ name }) => name !== 'marker');
  const found: Findings = {
    requests: 0,
    accepted: 0,
    answers: [],
    urls: [],
    logs: [],
    processes: [],
    metrics: [],
    entries: [],
    files: [],
    database: [],
  };
  await plantAll(installation, world, planted, false, found);
  await plantInFrames(installation, world, planted, found);
  found.files.push(...searchFiles(place, secrets));
  // What is stored as a secret is nowhere at any time, whatever becomes of it.
  const stored = marker(randomBytes(12).toString('hex'));
  await liveAsSecret(installation, stored);
  planted.push(stored);
  found.files.push(...searchFiles(place, [stored]));
  found.database.push(...(await searchTables(place, [...secrets, stored])));
  await plantAll(installation, world, planted, true, found);
  for (const url of [installation.controlUrl, installation.verifierUrl]) {
    found.metrics.push(...findPlanted(await textOf(url, '/metrics', world.admin), planted, '/metrics'));
  }
  found.entries.push(...(await searchEntries(installation, planted)));
  const own = [...ownTokens(place.folder), redis, ...databasePassword(place)];
  found.processes.push(...searchProcesses(running.pid, [...planted, ...own]));
  await running[Symbol.asyncDispose]();
  found.logs.push(...findPlanted(running.output(), [...planted, ...own], 'the log'));
  assert.match(running.output(), /"serving"/, 'the log was not captured');
  return found;
}

function chosen(database: DatabaseName, every: readonly Planted[][]): Planted[] {
  // The routes are the same on both; what differs is the store and what its errors say: one that is whole is enough.
  if (database === 'postgres') return [every[randomInt(every.length)]?.[0] as Planted];
  return EVERY_VARIANT ? every.flat() : every.flatMap(wholeAndOneMore);
}

function wholeAndOneMore([whole, ...malformed]: Planted[]): Planted[] {
  return [whole, malformed[randomInt(malformed.length)]] as Planted[];
}

async function plantAll(
  installation: TestInstallation,
  { admin, real }: AttackedWorld,
  planted: readonly Planted[],
  stored: boolean,
  found: Findings,
): Promise<void> {
  // Of those who have no token yet, what is whole is enough.
  const ofSignIn = stored ? [] : attackable(SIGN_IN_OPERATIONS);
  for (const operations of [attackable(MANAGEMENT_OPERATIONS), VERIFIER_OPERATIONS, ofSignIn]) {
    const url = operations === VERIFIER_OPERATIONS ? installation.verifierUrl : installation.controlUrl;
    const those = operations === ofSignIn ? planted.filter(({ name }) => /^(?:token|marker)$/.test(name)) : planted;
    const waiting = operations.flatMap((operation) =>
      those.flatMap((one) => plantIn(operation, one, admin, real, stored)),
    );
    found.requests += waiting.length;
    const work = async () => {
      using connection = new WireConnection(url);
      for (let request = waiting.pop(); request !== undefined; request = waiting.pop()) {
        const answer = await connection.send(request);
        assert.ok(typeof answer !== 'string', `${request.operation.id} ${request.target}: ${answer}`);
        if (answer.status < 300 && request.method !== 'GET') found.accepted++;
        found.urls.push(...findPlanted(urlsIn(answer), [request.planted], `a URL of ${request.operation.id}`));
        if (answer.status < 400 || request.planted.name === 'marker') continue;
        const text = `${[...answer.headers].join('\n')}\n${answer.body}`;
        found.answers.push(...findPlanted(text, [request.planted], `an error of ${request.operation.id}`));
      }
    };
    await Promise.all([work(), work(), work(), work()]);
  }
}

/** Whole addresses, and what is written into one next: pages are cut where the list goes on. */
function urlsIn({ status, headers, body }: WireAnswer): string {
  if (status >= 400) return '';
  const sent = ['location', 'content-location', 'link', 'refresh'].map((name) => headers.get(name) ?? '');
  const cursor = /"nextCursor":"([^"]*)"/.exec(body)?.[1] ?? '';
  const urls = body.match(/https?:\/\/[^"\s]*/g) ?? [];
  return [...sent, ...urls, cursor, Buffer.from(cursor, 'base64url').toString('latin1')].join('\n');
}

async function plantInFrames(
  { call, controlUrl }: TestInstallation,
  { real }: AttackedWorld,
  planted: readonly Planted[],
  found: Findings,
): Promise<void> {
  const { body } = await call('POST', '/v1/tokens', { name: 'verifier', scopes: ['feed'] });
  const idOf = (pattern: string) => String(real('', { pattern })?.[0]);
  const own = { key: idOf('^key_'), credential: idOf('^cred_') };
  for (const one of planted) found.answers.push(...(await plantInFeed(controlUrl, body.secret, one, own)));
}

/** The whole life of a secret, its data sent in every way that there is. */
async function liveAsSecret(installation: TestInstallation, { text }: Planted): Promise<void> {
  const call = async (status: number, method: string, path: string, body?: unknown, headers = {}) => {
    const answer = await installation.call(method, path, body, { headers });
    assert.equal(answer.status, status, JSON.stringify(answer.body));
    return answer.body;
  };
  const body = { project: 'market', environment: 'test', path: 'planted', data: { [text]: [{ deep: text }] } };
  const { secret } = await call(201, 'POST', '/v1/secrets', body, { 'idempotency-key': 'planted' });
  await call(200, 'POST', '/v1/secrets', body, { 'idempotency-key': 'planted' });
  await call(409, 'POST', '/v1/secrets', { ...body, cas: 7 });
  await call(413, 'POST', '/v1/secrets', { ...body, data: { a: text.repeat(60_000) } });
  await call(201, 'POST', '/v1/secrets', body);
  const revealed = await call(200, 'POST', `/v1/secrets/${secret.id}/reveal`, {});
  assert.deepEqual(revealed.data, body.data);
  await call(200, 'POST', `/v1/secrets/${secret.id}/destroy`, { versions: [1] });
}

/** Both may hold a password; nobody answers at this Redis, which is when a URL would be repeated. */
function urlFiles(folder: string, databaseUrl: string | undefined, redis: Planted): Record<string, string> {
  const files = {
    KEYHOLD_REDIS_URL_FILE: `redis://:${redis.text}@127.0.0.1:1/`,
    KEYHOLD_DATABASE_URL_FILE: databaseUrl,
  };
  return Object.fromEntries(
    Object.entries(files).flatMap(([name, url]) => {
      if (url === undefined) return [];
      const file = join(folder, name);
      writeFileSync(file, url, { mode: 0o600 });
      return [[name, file]];
    }),
  );
}

/** Within the data folder, so that it is searched with it. */
function ownTemporary(folder: string): string {
  const path = join(folder, 'tmp');
  mkdirSync(path);
  return path;
}

/** Starts both processes as a user does, with everything logged that can be. */
async function start(folder: string, databaseUrl: string | undefined, redis: Planted): Promise<Running> {
  const env = {
    ...inherited(),
    KEYHOLD_DATA: folder,
    TMPDIR: ownTemporary(folder),
    KEYHOLD_PORT: '0',
    KEYHOLD_VERIFIER_PORT: '0',
    KEYHOLD_KEY_FILE: `${folder}.key`,
    KEYHOLD_LOG_LEVEL: 'trace',
    ...urlFiles(folder, databaseUrl, redis),
  };
  const child: ChildProcess = spawn(process.execPath, [MAIN, 'serve'], {
    env,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  let output = '';
  child.stdout?.on('data', (chunk) => (output += chunk));
  child.stderr?.on('data', (chunk) => (output += chunk));
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const started = await new Promise<{ url: string; verifierUrl: string; bootstrapTokenFile: string }>(
    (resolve, reject) => {
      child.once('message', (message) => resolve(message as never));
      child.once('exit', () => reject(new Error(output)));
    },
  );
  await untilReady(started.verifierUrl);
  const token = readFileSync(started.bootstrapTokenFile, 'utf8').trim();
  const call: TestInstallation['call'] = (method, path, body, options = {}) =>
    send(new URL(path, started.url), method, body, { token, ...options });
  const installation = { controlUrl: started.url, verifierUrl: started.verifierUrl, call } as TestInstallation;
  return {
    installation,
    output: () => output,
    pid: child.pid ?? 0,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGTERM');
      await closed;
    },
  };
}

async function textOf(url: string, path: string, token: string): Promise<string> {
  const response = await fetch(new URL(path, url), { headers: { authorization: `Bearer ${token}` } });
  assert.equal(response.status, 200);
  return await response.text();
}

async function searchEntries(installation: TestInstallation, planted: readonly Planted[]): Promise<string[]> {
  const found: string[] = [];
  let cursor = '';
  do {
    const { status, body } = await installation.call('GET', `/v1/audit/entries?limit=200${cursor}`);
    assert.equal(status, 200);
    for (const { leaf, side, action } of body.items) {
      found.push(...findPlanted(leaf, planted, `a leaf of ${action}`));
      found.push(...findPlanted(JSON.stringify(side), planted, `a side row of ${action}`));
    }
    cursor = body.nextCursor === null ? '' : `&cursor=${body.nextCursor}`;
  } while (cursor !== '');
  return found;
}

/** The tokens that the installation made for itself; they may be seen by nobody who lists processes or reads logs. */
function ownTokens(folder: string): Planted[] {
  return [...TOKEN_FILES].flatMap((file) =>
    variantsOf(file, readFileSync(join(folder, file), 'utf8').trim()).slice(0, 1),
  );
}

/** With its user and what divides them: the word alone may be anything. */
function databasePassword({ databaseUrl }: TestPlace): Planted[] {
  const { username, password } = new URL(databaseUrl ?? 'none:');
  const text = `${username}:${password}@`;
  return password === '' ? [] : [{ name: 'password of the database', text, needles: [text] }];
}

function searchProcesses(parent: number, planted: readonly Planted[]): string[] {
  const children = readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8').trim().split(' ').filter(Boolean);
  assert.equal(children.length, 1, 'the verifier process runs');
  return [String(parent), ...children].flatMap((pid) =>
    ['cmdline', 'environ', 'comm'].flatMap((file) =>
      findPlanted(readFileSync(`/proc/${pid}/${file}`, 'latin1'), planted, `/proc/${file}`),
    ),
  );
}

/** In depth: the data folder, and in it what the processes take for the system's temporary one. */
function searchFiles({ folder, databaseUrl }: TestPlace, planted: readonly Planted[]): string[] {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(
    (entry) => entry.isFile() && !TOKEN_FILES.has(entry.name) && !URL_FILES.has(entry.name),
  );
  assert.equal(
    files.some(({ name }) => name === 'keyhold.db'),
    databaseUrl === undefined,
    'the database lies here, or elsewhere',
  );
  return files.flatMap(({ name, parentPath }) =>
    findPlanted(readFileSync(join(parentPath, name), 'latin1'), planted, name),
  );
}

/** As a dump would have it: every row of every table. */
async function searchTables(place: TestPlace, planted: readonly Planted[]): Promise<string[]> {
  await using raw = await openRaw(place);
  const names = await raw.rows(
    place.databaseUrl === undefined
      ? "select name from sqlite_schema where type = 'table'"
      : "select table_name as name from information_schema.tables where table_schema = 'public'",
  );
  assert.ok(names.length > 15, 'the tables lie here');
  const found: string[] = [];
  for (const { name } of names) {
    found.push(...findPlanted(JSON.stringify(await raw.rows(`select * from ${name}`)), planted, `table ${name}`));
  }
  return found;
}

const MOST_SHOWN = 10;

/** One example of each kind, by the member that leaks: the same leak through a hundred fields is one finding. */
function distinct(found: readonly string[]): string[] {
  const shapes = new Map(found.map((text) => [/.*"(\w+)":"/.exec(text)?.[1] ?? text.slice(0, 40), text] as const));
  return [...shapes.values()].slice(0, MOST_SHOWN);
}
