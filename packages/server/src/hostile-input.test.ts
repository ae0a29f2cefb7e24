import assert from 'node:assert/strict';
import { it, type TestContext } from 'node:test';
import * as approvals from '@keyhold/protocol/operations/approvals';
import * as breakGlass from '@keyhold/protocol/operations/break-glass';
import * as customRoles from '@keyhold/protocol/operations/custom-roles';
import * as offboarding from '@keyhold/protocol/operations/offboarding';
import * as signOn from '@keyhold/protocol/operations/sign-on';
import * as people from '@keyhold/protocol/operations/people';
import * as policies from '@keyhold/protocol/operations/policies';
import { MANAGEMENT_OPERATIONS, SIGN_IN_OPERATIONS, VERIFIER_OPERATIONS } from '@keyhold/protocol/operations/registry';
import type { Operation } from '@keyhold/protocol/operation';
import fc from 'fast-check';
import { attackedByOwner, type OwnedWorld } from './testing/attacks-people.ts';
import { attacksElsewhere } from './testing/attacks-elsewhere.ts';
import { attackable, attacksOn, type Attack } from './testing/attacks.ts';
import { flawElsewhere, flawOf, flawOfProblem } from './testing/attacks-judge.ts';
import { encodeRequest, WireConnection } from './testing/attacks-wire.ts';
import { buildWorld } from './testing/attacks-world.ts';
import { createPlace, type DatabaseName } from './testing/databases.ts';
import { startInstallation, type TestInstallation } from './testing/installation.ts';
import { createMarket } from './testing/market.ts';
import { POSTGRES_URL } from './testing/postgres.ts';
import { openRaw, type RawDatabase } from './testing/raw-database.ts';

const CASES = Number(process.env['KEYHOLD_FUZZ_CASES'] ?? 6_000);
const SEED = Number(process.env['KEYHOLD_FUZZ_SEED'] ?? 20_261_101);
/** Of all that is served and is no operation. */
const ELSEWHERE_SHARE = 1 / 10;
/** Text rules differ on PostgreSQL; all else is the same code. */
const POSTGRES_SHARE = 1 / 6;
/** After so many cases a fresh installation: what was created by the way would make the rest slow. */
const ROUND = 5_000;
const BATCH = 50;
const CONNECTIONS = 8;
const MOST_SHOWN = 12;

const ROOMS = { ...people, ...signOn, ...offboarding, ...approvals, ...breakGlass, ...customRoles, ...policies };
const PEOPLE = Object.values(ROOMS).filter((exported) => 'method' in exported && 'path' in exported) as Operation[];

/** Whoever asks what to sign in with, or where, is answered, with whatever token he comes. */
const OF_ANYBODY = ['ask-to-sign-in', 'list-ways-in'];

const BY_PEOPLE = [...SIGN_IN_OPERATIONS, ...PEOPLE].filter(({ id }) => !OF_ANYBODY.includes(id));

const PLANES = [
  { operations: attackable(MANAGEMENT_OPERATIONS), share: 0.75 },
  { operations: VERIFIER_OPERATIONS, share: 0.1 },
  // By an owner, since no token manages people. It comes last: with him the bootstrap token ends.
  { operations: attackable(BY_PEOPLE), share: 0.15 },
];

for (const database of ['sqlite', 'postgres'] as const satisfies DatabaseName[]) {
  if (database === 'postgres' && POSTGRES_URL === undefined) continue;
  const share = POSTGRES_URL === undefined ? 1 : database === 'postgres' ? POSTGRES_SHARE : 1 - POSTGRES_SHARE;
  it(`bad input on any route is a clear 4xx problem and leaves nothing half-written (${database})`, async (t) => {
    const flaws: string[] = [];
    let left = Math.ceil(CASES * share);
    let sent = 0;
    for (let round = 0; left > 0; round++) {
      sent += await attackFreshInstallation(database, Math.min(ROUND, left), SEED + round, flaws);
      left -= ROUND;
    }
    t.diagnostic(`${sent} hostile requests on ${database}, seed ${SEED}`);
    report(t, flaws);
  });
}

async function attackFreshInstallation(database: DatabaseName, cases: number, seed: number, flaws: string[]) {
  await using place = await createPlace(database);
  await using installation = await startInstallation(place);
  const world = await buildWorld(installation);
  await using raw = await openRaw(place);
  let sent = 0;
  for (const [i, { operations, share }] of PLANES.entries()) {
    let attacked = world;
    if (i === PLANES.length - 1) {
      const owned = await attackedByOwner(installation, world);
      const elsewhere = { ...owned, admin: world.admin };
      sent += await attackElsewhere(installation, elsewhere, Math.ceil(cases * ELSEWHERE_SHARE), seed, flaws);
      attacked = owned;
    }
    const url = operations === VERIFIER_OPERATIONS ? installation.verifierUrl : installation.controlUrl;
    const attacks = fc.oneof(...operations.map((operation) => attacksOn(operation, attacked)));
    const all = fc.sample(attacks, { seed, numRuns: Math.ceil(cases * share) });
    // Those that must be refused go together, so that a single written entry shows.
    for (const certain of [true, false]) {
      const group = all.filter((attack) => attack.certain === certain);
      for (let i = 0; i < group.length; i += BATCH) {
        flaws.push(...(await sendBatch(raw, url, group.slice(i, i + BATCH))));
      }
    }
    sent += all.length;
  }
  return sent;
}

/** Before people are attacked: wrong passwords close every way in for a while. */
async function attackElsewhere(
  { controlUrl, vaultUrl, verifierUrl }: TestInstallation,
  world: OwnedWorld,
  numRuns: number,
  seed: number,
  flaws: string[],
): Promise<number> {
  const operations = PLANES.flatMap((plane) => plane.operations);
  const attacks = fc.sample(attacksElsewhere(operations, world), { seed, numRuns });
  for (const [server, url] of Object.entries({ control: controlUrl, vault: vaultUrl, verifier: verifierUrl })) {
    const waiting = attacks.filter((attack) => attack.server === server);
    const work = async () => {
      using connection = new WireConnection(url);
      for (let attack = waiting.pop(); attack !== undefined; attack = waiting.pop()) {
        const flaw = flawElsewhere(attack, await connection.send(attack));
        if (flaw !== null) flaws.push(`${flaw}\n    ${show(attack)}`);
      }
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, work));
  }
  return attacks.length;
}

async function sendBatch(raw: RawDatabase, url: string, attacks: readonly Attack[]) {
  const before = await countEntries(raw);
  const waiting = [...attacks];
  const flaws: string[] = [];
  let accepted = 0;
  await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      using connection = new WireConnection(url);
      for (let attack = waiting.pop(); attack !== undefined; attack = waiting.pop()) {
        const answer = await connection.send(attack);
        const flaw = flawOf(attack, answer);
        if (flaw !== null) flaws.push(`${flaw}\n    ${show(attack)}`);
        if (typeof answer !== 'string' && answer.status < 300 && attack.method !== 'GET') accepted += entriesOf(answer);
      }
    }),
  );
  const written = (await countEntries(raw)) - before;
  if (written > accepted) {
    flaws.push(`${accepted} accepted, but ${written} entries written\n    ${attacks.map(show).join('\n    ')}`);
  }
  return flaws;
}

/** Many keys at once have an entry each. */
function entriesOf({ body }: { readonly body: string }): number {
  const many = /"revoked":(\[[^\]]*\])/.exec(body)?.[1];
  return many === undefined ? 1 : Math.max(1, (JSON.parse(many) as unknown[]).length);
}

/**
 * Of what was accepted: neither those that say that something was refused, nor what goes on by itself (re-wrapping), nor
 * the keys of an environment, of which one rotation makes several, and which verifiers ask for by themselves, nor that a
 * secret was delivered, before which it is entered that it was revealed, nor that a person, a workload or a provider
 * was emptied or what he knows listed, before which it is entered that he was removed, nor that the key file of a seal
 * is gone, before which it is entered that there is another; nor refusals that were counted, which an erasure enters.
 */
async function countEntries(raw: RawDatabase): Promise<number> {
  const [{ n }] = await raw.rows(
    `select count(*) as n from entries where actor <> 'system'
     and action not in ('seal.attempted', 'seal.confirming', 'seal.change-refused', 'delivery.refused', 'vault-key.created',
       'secret.delivered', 'distribution-key.handed', 'person.emptied',
       'offboarding.listed', 'workload.emptied', 'invitations.withdrawn',
       'sign-on.emptied', 'seal.key-file-removed', 'access.denied')`,
  );
  return Number(n);
}

/** Enough to repeat it by hand. */
function show(attack: Attack): string {
  const bytes = encodeRequest(attack);
  const text = JSON.stringify(bytes.subarray(0, 700).toString('utf8'));
  return `${attack.operation.id}, ${attack.kind}: ${text}${bytes.length > 700 ? ` … ${bytes.length} bytes` : ''}`;
}

/** One example of each distinct flaw; a thousand times the same would hide the others. */
function report(t: TestContext, flaws: readonly string[]): void {
  const distinct = new Map<string, string>();
  for (const flaw of flaws) {
    const name = flaw
      .replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '#')
      .replace(/\d+/g, 'n')
      .slice(0, 90);
    if (!distinct.has(name)) distinct.set(name, flaw);
  }
  const shown = [...distinct.values()].slice(0, MOST_SHOWN);
  if (flaws.length > 0) t.diagnostic(`${flaws.length} flaws, ${distinct.size} distinct`);
  assert.equal(shown.length, 0, `\n${shown.join('\n\n')}\n`);
}

/** Found by the cases above or by reading; each stays here so that it can't come back unseen. */
const UNREADABLE: Readonly<Record<string, string>> = {
  'an invented method': 'BREW /v1/keys HTTP/1.1\r\nhost: a\r\n\r\n',
  'no host': 'GET /v1/keys HTTP/1.1\r\n\r\n',
  'headers too large': `GET /v1/keys HTTP/1.1\r\nhost: a\r\nx: ${'a'.repeat(20_000)}\r\n\r\n`,
  'an address too long': `GET /v1/keys/${'a'.repeat(20_000)} HTTP/1.1\r\nhost: a\r\n\r\n`,
  'a length that is none': 'POST /v1/keys HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n',
  'two lengths': 'POST /v1/keys HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}',
  'length and chunks': 'POST /v1/keys HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}',
  'broken chunks': 'POST /v1/keys HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n',
  'an expectation': 'GET /v1/keys HTTP/1.1\r\nhost: a\r\nexpect: wonders\r\n\r\n',
  'a space in the address': 'GET /v1/keys /x HTTP/1.1\r\nhost: a\r\n\r\n',
  'files beside the reference': 'GET /docs/static/index.html/../.. HTTP/1.1\r\nhost: a\r\n\r\n',
  'an unknown version': 'GET /v1/keys HTTP/9.9\r\nhost: a\r\n\r\n',
  noise: '\u0001\u0002\u0003\r\n\r\n',
  'TLS to a plain port': '\u0016\u0003\u0001\u0002\u0000\u0001\r\n\r\n',
};

it('what is hardly HTTP gets a problem too', async () => {
  await using place = await createPlace('sqlite');
  await using installation = await startInstallation(place);
  const flaws: string[] = [];
  for (const url of [installation.controlUrl, installation.verifierUrl]) {
    for (const [name, bytes] of Object.entries(UNREADABLE)) {
      using connection = new WireConnection(url);
      const answer = await connection.exchange(Buffer.from(bytes, 'latin1'));
      const flaw =
        typeof answer === 'string' ? answer : answer.status < 400 ? `${answer.status}` : flawOfProblem(answer);
      if (flaw !== null) flaws.push(`${name}: ${flaw}`);
    }
  }
  assert.deepEqual(flaws, []);
});

it('an offer to upgrade to something else than the feed changes nothing', async () => {
  await using place = await createPlace('sqlite');
  await using installation = await startInstallation(place);
  // Java's HttpClient and `curl --http2` offer this with every first request.
  const offer = 'connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n';
  const head = `host: a\r\nauthorization: Bearer ${installation.bootstrapToken}\r\n${offer}\r\n`;
  using connection = new WireConnection(installation.controlUrl);
  const answer = await connection.exchange(Buffer.from(`GET /v1/keys HTTP/1.1\r\n${head}`));
  assert.equal(typeof answer === 'string' ? answer : answer.status, 200);
});

it('a number too large for a double is refused, in metadata too', async () => {
  await using place = await createPlace('sqlite');
  await using installation = await startInstallation(place);
  await createMarket(installation);
  using connection = new WireConnection(installation.controlUrl);
  for (const number of ['1e400', '-1e400', '9'.repeat(10_000)]) {
    for (const claim of [[], [['idempotency-key', number.slice(0, 9)]] as const]) {
      const body = Buffer.from(`{"project":"market","name":"a","metadata":{"a":[${number}]}}`);
      const authorization = `Bearer ${installation.bootstrapToken}`;
      const headers = [['content-type', 'application/json'], ['authorization', authorization], ...claim] as const;
      const answer = await connection.send({ method: 'POST', target: '/v1/consumers', headers, body });
      assert.equal(typeof answer === 'string' ? answer : answer.status, 400, `${number.slice(0, 9)} ${claim.length}`);
    }
  }
});

it('a lifetime that ends after the year 9999 is refused', async () => {
  await using place = await createPlace('sqlite');
  await using installation = await startInstallation(place);
  const { consumer } = await createMarket(installation);
  const { status, body } = await installation.call('POST', '/v1/keys', {
    ...{ project: 'market', environment: 'test', consumer, name: 'key', permissions: [] },
    ...{ startsAt: '9999-12-31T00:00:00Z', ttlSeconds: 30 * 86_400 },
  });
  assert.equal(status, 400, JSON.stringify(body));
});

it('a key rotated a hundred times can still be rotated without overlap, and destroyed', async () => {
  await using place = await createPlace('sqlite');
  await using installation = await startInstallation(place);
  const market = await createMarket(installation);
  const { keyId } = await market.issue();
  const rotate = (overlapSeconds: number) => installation.call('POST', `/v1/keys/${keyId}/rotate`, { overlapSeconds });
  for (let i = 0; i < 100; i++) {
    const { status, body } = await rotate(86_400);
    assert.ok(status < 500, `rotation ${i}: ${JSON.stringify(body)}`);
  }
  const last = await rotate(0);
  assert.ok(last.status < 500, JSON.stringify(last.body));
  const destroyed = await installation.call('POST', `/v1/keys/${keyId}/destroy`);
  assert.equal(destroyed.status, 200, JSON.stringify(destroyed.body));
});
