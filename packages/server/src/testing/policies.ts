import { createMarket } from './market.ts';
import { after, before } from 'node:test';
import type { TestPlace } from './databases.ts';
import { startInstallation, type TestInstallation } from './installation.ts';
import { enrolOwner, enrolPerson, type PersonAnswer, type TestPerson } from './person.ts';
import { openRaw } from './raw-database.ts';
import { assertStatus } from './shared-market.ts';
import { WrittenPast } from './written-past.ts';

/** Previews a policy and saves it as it was shown. */
export async function trySavePolicy(by: TestPerson, name: string, text: string): Promise<PersonAnswer> {
  const preview = await by.call('POST', '/v1/policies/preview', { name, text });
  if (preview.status !== 200) return preview;
  const body = { text, reason: 'test', basis: preview.body.basis };
  return await by.call('PUT', `/v1/policies/${name}`, body, { confirm: true });
}

/** The same, of one that has to be taken; resolves to its id. */
export async function savePolicy(by: TestPerson, name: string, text: string): Promise<string> {
  return assertStatus(await trySavePolicy(by, name, text), 200).policy.id;
}

export async function removePolicy(by: TestPerson, id: string): Promise<void> {
  const { basis } = assertStatus(await by.call('POST', '/v1/policies/preview', { remove: id }), 200);
  assertStatus(await by.call('DELETE', `/v1/policies/${id}`, { basis }, { confirm: true }), 200);
}

/** An installation with people, two projects, and environments of production and for testing. */
export interface Policed {
  readonly place: TestPlace;
  readonly installation: TestInstallation;
  readonly owner: TestPerson;
  readonly consumer: string;
  enrol(role: object): Promise<TestPerson>;
  /** A token of these scopes; resolves to its id and secret. */
  token(scopes: readonly string[], binding?: object): Promise<{ id: string; secret: string }>;
  /** Ids of secrets by their paths, in market/live. */
  readonly secrets: ReadonlyMap<string, string>;
}

const PATHS = ['binance/main', 'binance/spare', 'kraken/main', 'plain'];

/** `market/live` (production) with some secrets, `market/test` (testing), `other/live`. */
export function sharePoliced(createPlace: () => Promise<TestPlace>): () => Policed {
  let shared: Policed | undefined;
  before(async () => {
    const place = await createPlace();
    const installation = await startInstallation(place);
    const { consumer } = await createMarket(installation, { kind: 'testing' });
    const make = async (path: string, body: object) => assertStatus(await installation.call('POST', path, body), 201);
    await make('/v1/projects/market/environments', { name: 'live', prefix: 'mkt_live' });
    await make('/v1/projects', { slug: 'other', name: 'Other' });
    await make('/v1/projects/other/environments', { name: 'live', prefix: 'oth_live' });
    const secrets = new Map<string, string>();
    for (const path of PATHS) {
      const body = { project: 'market', environment: 'live', path, data: { key: path } };
      secrets.set(path, (await make('/v1/secrets', body)).secret.id);
    }
    const owner = await enrolOwner(installation);
    shared = {
      ...{ place, installation, owner, consumer, secrets },
      enrol: (role) => enrolPerson(installation, owner, role),
      token: async (scopes, binding = {}) => {
        const body = { name: 'service', scopes, ...binding };
        const { token, secret } = assertStatus(await owner.call('POST', '/v1/tokens', body, { confirm: true }), 201);
        return { id: token.id, secret };
      },
    };
  });
  after(async () => {
    await shared?.installation[Symbol.asyncDispose]();
    await shared?.place[Symbol.asyncDispose]();
  });
  return () => {
    if (shared === undefined) throw new Error('the installation did not start');
    return shared;
  };
}

const DAY_MS = 86_400_000;
const SETTLED = ['role_grants', 'invitations', 'people'] as const;

/** Makes it so that somebody was there for two days: who was made today approves nothing of whoever made him. */
export async function settle(
  place: TestPlace,
  person: string,
  tables: readonly (typeof SETTLED)[number][] = SETTLED,
): Promise<void> {
  await using raw = await openRaw(place);
  const past = new WrittenPast(raw);
  const then = Date.now() - 2 * DAY_MS;
  for (const table of tables) {
    const own = table === 'people' ? 'id' : 'person_id';
    for (const row of await raw.rows(`select * from ${table} where ${own} = '${person}'`)) {
      const columns = table === 'people' ? { passkeys_after: then, sessions_after: then } : { created_at: then };
      await past.edit(table, String(row['id']), columns);
      await past.mend(table, String(row['id']));
    }
  }
}

/** Makes an owner into somebody who never was one. */
export async function forgetOwner(place: TestPlace, person: string): Promise<void> {
  await using raw = await openRaw(place);
  const past = new WrittenPast(raw);
  for (const row of await raw.rows(`select * from role_grants where person_id = '${person}'`)) {
    await past.edit('role_grants', String(row['id']), { role: 'support' });
    await past.mend('role_grants', String(row['id']));
  }
}
