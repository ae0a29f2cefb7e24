import assert from 'node:assert/strict';
import { afterEach, before, it } from 'node:test';
import { MANAGEMENT_OPERATIONS, VERIFIER_OPERATIONS } from '@keyhold/protocol/operations/registry';
import { onEachDatabase } from '../testing/databases.ts';
import { send } from '../testing/installation.ts';
import { type MatrixWorld, requestFor } from '../testing/matrix-requests.ts';
import { MATRIX } from '../testing/scope-matrix.ts';
import { shareMarket } from '../testing/shared-market.ts';

const NOBODY = 'person_00000000-0000-7000-8000-000000000000';
const NO_ROLE = 'role_00000000-0000-7000-8000-000000000000';
const NO_GLASS = 'glass_00000000-0000-7000-8000-000000000000';
const NO_OFFBOARDING = 'offb_00000000-0000-7000-8000-000000000000';
const NO_APPROVAL = 'appr_00000000-0000-7000-8000-000000000000';
const NO_POLICY = 'pol_00000000-0000-7000-8000-000000000000';

/** That there is nothing to do is found only by who may do it. */
const FOUND_BY_WHO_MAY = new Set(['NOTHING_TO_ACCEPT', 'ALREADY_UNSEALED', 'ATTEMPT_OVER']);

const SCOPES = ['admin', 'keys', 'read', 'verify', 'feed'] as const;
const BINDINGS = [
  {},
  { projects: ['market'] },
  { projects: ['other'] },
  { environment: 'market/test' },
  { environment: 'market/live' },
  { environment: 'other/test' },
] as const;

onEachDatabase('scopes and bindings', (createPlace) => {
  const shared = shareMarket(createPlace);
  const tokens = new Map<string, string>();

  before(async () => {
    const { expect } = shared();
    await expect(201, 'POST', '/v1/projects/market/environments', { name: 'live', prefix: 'mkt_live' });
    await expect(201, 'POST', '/v1/projects', { slug: 'other', name: 'Other' });
    await expect(201, 'POST', '/v1/projects/other/environments', { name: 'test', prefix: 'oth_test' });
    for (const scope of SCOPES) {
      for (const [i, binding] of BINDINGS.entries()) {
        const body = { name: 'matrix', scopes: [scope], ...binding };
        tokens.set(`${scope} ${i}`, (await expect(201, 'POST', '/v1/tokens', body)).secret);
      }
    }
  });

  // One operation seals; the others need an open seal. Where nothing is sealed this is refused.
  afterEach(() => shared().installation.call('POST', '/v1/unseal'));

  const world = (): MatrixWorld => ({
    ...shared(),
    unseal: () => shared().installation.call('POST', '/v1/unseal'),
    // No token invites: nobody has to be there to be refused.
    invite: async () => ({ person: NOBODY, role: NO_ROLE }),
    enrolled: async () => NOBODY,
    waiting: async () => ({ id: NO_APPROVAL, digest: '0'.repeat(64) }),
    glass: async () => NO_GLASS,
    offboarded: async () => NO_OFFBOARDING,
    signOn: async (name) => name,
    customRole: async (name) => name,
    policy: async () => ({ id: NO_POLICY, basis: '0'.repeat(64) }),
  });

  const outcome = async (operation: string, scope: string, binding: number): Promise<string> => {
    const { method, path, body } = await requestFor(operation, world());
    const { controlUrl, verifierUrl } = shared().installation;
    const url = new URL(path, operation.startsWith('verify') ? verifierUrl : controlUrl);
    const token = tokens.get(`${scope} ${binding}`) as string;
    const answer = await send(url, method, body, { token });
    if (answer.status === 403) return answer.body.code === 'FORBIDDEN' ? '-' : '?';
    if (answer.status === 404) return '.';
    return answer.status < 300 || FOUND_BY_WHO_MAY.has(answer.body.code) ? '+' : `${answer.status}`;
  };

  it('are tested for every operation there is', () => {
    const ids = [...MANAGEMENT_OPERATIONS, ...VERIFIER_OPERATIONS].map(({ id }) => id);
    assert.deepEqual(Object.keys(MATRIX).sort(), ids.sort());
  });

  for (const [operation, { scopes, bindings }] of Object.entries(MATRIX)) {
    it(`${operation} opens to the scopes ${scopes} and the bindings ${bindings}`, async () => {
      const byScope = await Promise.all(SCOPES.map((scope) => outcome(operation, scope, 0)));
      assert.equal(byScope.join(''), scopes);
      const opening = SCOPES.filter((_, i) => scopes[i] === '+');
      for (const scope of opening) {
        const byBinding = await Promise.all(BINDINGS.map((_, i) => outcome(operation, scope, i)));
        assert.equal(byBinding.join(''), bindings, scope);
      }
    });
  }

  it('tell a stranger nothing: no token, a mistyped one and a foreign one all answer 401 before the body is read', async () => {
    const good = tokens.get('admin 0') as string;
    const mistyped = `${good.slice(0, -1)}${good.endsWith('0') ? '1' : '0'}`;
    const { secret } = await shared().market.issue();
    const { controlUrl, verifierUrl } = shared().installation;
    for (const token of [undefined, 'x', mistyped, secret]) {
      for (const url of [new URL('/v1/keys', controlUrl), new URL('/v1/verify', verifierUrl)]) {
        const answer = await send(url, 'POST', { nonsense: true }, token === undefined ? {} : { token });
        assert.deepEqual([answer.status, answer.body.code], [401, 'UNAUTHENTICATED']);
        assert.match(answer.headers.get('www-authenticate') ?? '', /^Bearer/);
      }
    }
  });

  it('answer for what lies beyond a binding exactly as for what is not there', async () => {
    const { keyId } = await shared().market.issue();
    const token = tokens.get('admin 2') as string;
    const absent = keyId.replace(/.$/, (last) => (last === '0' ? '1' : '0'));
    const [hidden, missing] = await Promise.all(
      [keyId, absent].map((id) => shared().installation.call('GET', `/v1/keys/${id}`, undefined, { token })),
    );
    const { instance: _one, ...seen } = hidden?.body ?? {};
    const { instance: _two, ...expected } = missing?.body ?? {};
    assert.deepEqual(
      { ...seen, detail: seen.detail.replace(keyId, '') },
      { ...expected, detail: expected.detail.replace(absent, '') },
    );
  });

  it('show in lists only what lies within the binding', async () => {
    const { market, installation } = shared();
    await market.issue();
    const lists: [path: string, token: string, seen: (item: { [name: string]: string }) => boolean][] = [
      ['/v1/keys', 'read 4', () => false],
      ['/v1/keys', 'read 2', () => false],
      ['/v1/keys', 'read 3', ({ environment }) => environment === 'test'],
      ['/v1/projects', 'read 2', ({ slug }) => slug === 'other'],
      ['/v1/projects', 'read 4', ({ slug }) => slug === 'market'],
      ['/v1/consumers', 'read 2', () => false],
      ['/v1/projects/market/environments', 'read 4', ({ name }) => name === 'live'],
      [
        '/v1/tokens',
        'admin 2',
        ({ projects, environment }) => JSON.stringify(projects) === '["other"]' || environment === 'other/test',
      ],
      ['/v1/tokens', 'admin 4', ({ environment }) => environment === 'market/live'],
    ];
    for (const [path, token, seen] of lists) {
      const { body } = await installation.call('GET', path, undefined, { token: tokens.get(token) as string });
      for (const item of body.items) assert.ok(seen(item), `${path} by ${token} shows ${JSON.stringify(item)}`);
      if (token !== 'read 2' && path !== '/v1/keys') assert.ok(body.items.length > 0, path);
    }
  });
});
