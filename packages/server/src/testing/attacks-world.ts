import type { TestInstallation } from './installation.ts';
import { createMarket } from './market.ts';
import type { RealValues } from './attacks-schema.ts';

/** An installation with something in it, and what an attacker could know of it. */
export interface AttackedWorld {
  /** Of scope admin; not the bootstrap token, whose uses are entries. */
  readonly admin: string;
  /** Tokens that lack scope or place for most operations, or are no longer alive. */
  readonly others: readonly string[];
  /** Made by other lists, other filters, other callers. */
  readonly cursors: readonly string[];
  readonly credential: string;
  readonly real: RealValues;
}

const KEYS = 6;
const SECRETS = 8;

export async function buildWorld(installation: TestInstallation): Promise<AttackedWorld> {
  const post = async (path: string, body: unknown, status = 201) => {
    const answer = await installation.call('POST', path, body);
    if (answer.status !== status) throw new Error(`${path} answered ${answer.status}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  const market = await createMarket(installation);
  await post('/v1/projects', { slug: 'other', name: 'Other' });
  await post('/v1/projects/other/environments', {
    name: 'alpha',
    prefix: 'oth_alpha',
    kind: 'testing',
    leaseSeconds: 5,
  });
  const keys = await Promise.all(Array.from({ length: KEYS }, () => market.issue({ metadata: { plan: 'free' } })));
  const secrets: string[] = [];
  // In every environment, so that making its key is no entry that an attack would have to answer for.
  for (const [project, environment] of [
    ['market', 'test'],
    ['other', 'alpha'],
  ] as const) {
    for (let i = 0; i < SECRETS; i++) {
      const body = { project, environment, path: `exchanges/venue-${i}`, data: { apiKey: `${i}` } };
      secrets.push((await post('/v1/secrets', body)).secret.id);
    }
  }
  const factors: string[] = [];
  for (const name of ['phone', 'tablet']) {
    const path = `/v1/consumers/${market.consumer}/factors/totp`;
    factors.push((await post(path, { environment: 'test', name })).factor.id);
  }
  const token = (settings: object) => post('/v1/tokens', { name: 'attacker', ...settings });
  const admin = await token({ scopes: ['admin'] });
  const bound = await token({ scopes: ['keys', 'read'], projects: ['market'] });
  const narrow = await token({ scopes: ['verify'], environment: 'other/alpha' });
  const feed = await token({ scopes: ['feed'] });
  const dead = await token({ scopes: ['admin'] });
  await post(`/v1/tokens/${dead.token.id}/revoke`, undefined, 200);
  const cursors = await collectCursors(installation, admin.secret, bound.secret);
  const ids: Readonly<Record<string, readonly string[]>> = {
    '^cons_': [market.consumer],
    '^fac_': factors,
    '^key_': keys.map(({ keyId }) => keyId),
    '^cred_': keys.map(({ credentialId }) => credentialId),
    '^sec_': secrets,
    '^tok_': [dead.token.id, narrow.token.id],
  };
  const names: Readonly<Record<string, readonly unknown[]>> = {
    slug: ['market', 'other'],
    project: ['market', 'other'],
    projects: ['market', 'other'],
    cursor: cursors,
    key: keys.map(({ secret }) => secret),
    path: ['exchanges/venue-0', 'exchanges/venue-1', 'new/one'],
    permission: ['prices:read', 'prices:read and orders:write', '*:*'],
    startsAt: ['2020-02-29T00:00:00Z', '9999-12-31T23:59:59.999Z', '2031-01-01T00:00:00+23:59'],
    expiresAt: [
      '2999-01-01T00:00:00.123456789Z',
      '9999-12-31T23:59:59Z',
      '2031-02-30T00:00:00Z',
      '0000-01-01T00:00:00Z',
    ],
  };
  const real: RealValues = (name, { pattern = '', maxLength }) => {
    const kind = Object.keys(ids).find((prefix) => pattern.startsWith(prefix));
    if (kind !== undefined) return ids[kind];
    if (name === 'environment') return maxLength === 127 ? ['market/test', 'other/alpha', 'test'] : ['test', 'alpha'];
    return names[name];
  };
  const others = [bound.secret, narrow.secret, feed.secret, dead.secret];
  return { admin: admin.secret, others, cursors, credential: keys[0]?.secret ?? '', real };
}

const SECRETS_OF_MARKET = 'secrets?project=market&environment=test&';

async function collectCursors(installation: TestInstallation, ...tokens: string[]): Promise<string[]> {
  const cursors: string[] = [];
  for (const token of tokens) {
    for (const list of [
      'keys?',
      'keys?project=market&',
      'projects?',
      'tokens?',
      'audit/entries?',
      'consumers?',
      SECRETS_OF_MARKET,
    ]) {
      const { body } = await installation.call('GET', `/v1/${list}limit=1`, undefined, { token });
      if (typeof body.nextCursor === 'string') cursors.push(body.nextCursor);
    }
  }
  return cursors;
}
