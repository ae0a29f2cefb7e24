import assert from 'node:assert/strict';
import { afterEach, before, it } from 'node:test';
import { MANAGEMENT_OPERATIONS, VERIFIER_OPERATIONS } from '@keyhold/protocol/operations/registry';
import { authenticator } from '../testing/authenticator.ts';
import { onEachDatabase } from '../testing/databases.ts';
import { send } from '../testing/installation.ts';
import { PasskeyDevice } from '../testing/passkey-device.ts';
import { MATRIX } from '../testing/scope-matrix.ts';
import { shareMarket } from '../testing/shared-market.ts';

const PASSKEY = { rpId: 'app.example', origins: ['https://app.example'] } as const;
const WORKLOAD = { issuer: 'https://ci.example', audience: 'keyhold', claims: { sub: 'job' }, scopes: ['read'] };

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

interface Request {
  readonly method: string;
  readonly path: string;
  readonly body?: object;
}

onEachDatabase('scopes and bindings', (createPlace) => {
  const shared = shareMarket(createPlace);
  const tokens = new Map<string, string>();
  let count = 0;

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

  /** A request of the operation that succeeds when it is allowed, whatever was done before. */
  const requestFor = async (operation: string): Promise<Request> => {
    const { market, expect } = shared();
    const name = `n${++count}`;
    const [post, get] = [
      (path: string, body: object = {}) => ({ method: 'POST', path, body }),
      (path: string) => ({ method: 'GET', path }),
    ];
    const key = async () => (await market.issue()).keyId;
    const consumer = () => expect(201, 'POST', '/v1/consumers', { project: 'market', name });
    const enrol = async () => {
      const path = `/v1/consumers/${(await consumer()).id}/factors/totp`;
      return await expect(201, 'POST', path, { environment: 'test', name });
    };
    const secret = async () => {
      const body = { project: 'market', environment: 'test', path: name, data: {} };
      return (await expect(201, 'POST', '/v1/secrets', body)).secret.id;
    };
    switch (operation) {
      case 'create-project':
        return post('/v1/projects', { slug: name, name });
      case 'list-projects':
        return get('/v1/projects');
      case 'create-environment':
        return post('/v1/projects/market/environments', { name, prefix: name });
      case 'list-environments':
        return get('/v1/projects/market/environments');
      case 'set-permission':
        return { method: 'PUT', path: '/v1/projects/market/environments/test/permissions/rare:thing', body: {} };
      case 'list-permissions':
        return get('/v1/projects/market/environments/test/permissions');
      case 'set-signing': {
        const path = '/v1/projects/market/environments/test/signing';
        return { method: 'PUT', path, body: { dialects: [{ dialect: 'rfc9421' }] } };
      }
      case 'set-rules':
        return { method: 'PUT', path: '/v1/projects/market/environments/test/rules', body: {} };
      case 'get-rules':
        return get('/v1/projects/market/environments/test/rules');
      case 'get-signing':
        return get('/v1/projects/market/environments/test/signing');
      case 'create-consumer':
        return post('/v1/consumers', { project: 'market', name });
      case 'list-consumers':
        return get('/v1/consumers?project=market');
      case 'get-consumer':
        return get(`/v1/consumers/${market.consumer}`);
      case 'enrol-totp':
        return post(`/v1/consumers/${(await consumer()).id}/factors/totp`, { environment: 'test', name });
      case 'confirm-factor': {
        const { factor, uri } = await enrol();
        return post(`/v1/factors/${factor.id}/confirm`, { otp: authenticator(uri).codeAt(Date.now()) });
      }
      case 'enrol-passkey':
        return post(`/v1/consumers/${(await consumer()).id}/factors/passkey`, {
          environment: 'test',
          name,
          ...PASSKEY,
        });
      case 'confirm-passkey': {
        const path = `/v1/consumers/${(await consumer()).id}/factors/passkey`;
        const { factor, options } = await shared().expect(201, 'POST', path, { environment: 'test', name, ...PASSKEY });
        const response = new PasskeyDevice(PASSKEY.origins[0], PASSKEY.rpId).create(options);
        return post(`/v1/factors/${factor.id}/confirm-passkey`, { response });
      }
      case 'list-factors':
        return get(`/v1/consumers/${market.consumer}/factors`);
      case 'remove-factor':
        return { method: 'DELETE', path: `/v1/factors/${(await enrol()).factor.id}` };
      case 'issue-key': {
        const place = { project: 'market', environment: 'test', consumer: market.consumer };
        return post('/v1/keys', { ...place, name, permissions: [] });
      }
      case 'list-keys':
        return get('/v1/keys?project=market&environment=test');
      case 'get-key':
        return get(`/v1/keys/${await key()}`);
      case 'update-key':
        return { method: 'PATCH', path: `/v1/keys/${await key()}`, body: { name } };
      case 'rotate-key':
        return post(`/v1/keys/${await key()}/rotate`, { overlapSeconds: 60 });
      case 'suspend-key':
        return post(`/v1/keys/${await key()}/suspend`);
      case 'resume-key': {
        const id = await key();
        await expect(200, 'POST', `/v1/keys/${id}/suspend`);
        return post(`/v1/keys/${id}/resume`);
      }
      case 'revoke-key':
        return post(`/v1/keys/${await key()}/revoke`, { reason: 'unspecified' });
      case 'destroy-key':
        return post(`/v1/keys/${await key()}/destroy`);
      case 'revoke-credential':
        return post(`/v1/credentials/${(await market.issue()).credentialId}/revoke`, { reason: 'unspecified' });
      case 'create-workload':
        return post('/v1/workloads', { name, ...WORKLOAD });
      case 'list-workloads':
        return get('/v1/workloads');
      case 'remove-workload': {
        const { workload } = await shared().expect(201, 'POST', '/v1/workloads', { name, ...WORKLOAD });
        return { method: 'DELETE', path: `/v1/workloads/${workload.id}` };
      }
      case 'create-token':
        return post('/v1/tokens', { name, scopes: ['read'], environment: 'market/test' });
      case 'list-tokens':
        return get('/v1/tokens');
      case 'revoke-token': {
        const bound = { name, scopes: ['read'], environment: 'market/test' };
        return post(`/v1/tokens/${(await expect(201, 'POST', '/v1/tokens', bound)).token.id}/revoke`);
      }
      case 'store-secret':
        return post('/v1/secrets', { project: 'market', environment: 'test', path: name, data: {} });
      case 'list-secrets':
        return get('/v1/secrets?project=market&environment=test');
      case 'get-secret':
        return get(`/v1/secrets/${await secret()}`);
      case 'list-secret-versions':
        return get(`/v1/secrets/${await secret()}/versions`);
      case 'update-secret':
        return { method: 'PATCH', path: `/v1/secrets/${await secret()}`, body: { casRequired: true } };
      case 'reveal-secret':
        return post(`/v1/secrets/${await secret()}/reveal`);
      case 'delete-secret-versions':
        return post(`/v1/secrets/${await secret()}/delete`, { versions: [1] });
      case 'undelete-secret-versions':
        return post(`/v1/secrets/${await secret()}/undelete`, { versions: [1] });
      case 'destroy-secret-versions':
        return post(`/v1/secrets/${await secret()}/destroy`, { versions: [1] });
      case 'remove-secret':
        return { method: 'DELETE', path: `/v1/secrets/${await secret()}` };
      case 'deliver-secret':
        return post(`/v1/secrets/${await secret()}/deliver`, { deliverTo: { once: { ttlSeconds: 60 } } });
      case 'take-delivery':
        return post('/v1/deliveries/take');
      case 'get-rotation':
        return get('/v1/vault/keys?project=market&environment=test');
      case 'rotate-environment-keys':
        return post('/v1/vault/keys/rotate', { project: 'market', environment: 'test' });
      case 'rotate-root-key':
        return post('/v1/vault/root/rotate');
      case 'record-drill': {
        const installation = (await expect(200, 'GET', '/v1/installation')).id;
        return post('/v1/backup/drills', { installation, sequence: 1, hash: null, rows: 1, envelopes: null });
      }
      case 'erase-subject':
        return post('/v1/audit/subjects/cons_00000000-0000-7000-8000-000000000000/erase');
      case 'get-receipt':
        return get('/v1/audit/entries/1/receipt');
      case 'get-log':
        return get('/v1/audit/log');
      case 'prove-inclusion':
        return get('/v1/audit/proofs/inclusion?sequence=1&size=2');
      case 'prove-consistency':
        return get('/v1/audit/proofs/consistency?from=1&to=2');
      case 'prove-range':
        return get('/v1/audit/proofs/range?from=1&to=2');
      case 'prune-log':
        return post('/v1/audit/prune', { before: '2020-01-01T00:00:00Z' });
      case 'create-export':
        return post('/v1/audit/exports', { name, kind: 'file' });
      case 'list-exports':
        return get('/v1/audit/exports');
      case 'remove-export': {
        const created = await expect(201, 'POST', '/v1/audit/exports', { name, kind: 'file' });
        return { method: 'DELETE', path: `/v1/audit/exports/${created.id}` };
      }
      case 'get-seal':
        return get('/v1/seal');
      case 'unseal':
        return post('/v1/unseal');
      case 'seal-installation':
        await shared().installation.call('POST', '/v1/unseal');
        return post('/v1/seal');
      case 'confirm-seal':
        return post('/v1/seal/confirm', { share: 'none', nonce: 'none' });
      case 'change-seal':
        return post('/v1/seal/change', { kind: 'file' });
      case 'list-entries':
        return get('/v1/audit/entries');
      case 'get-installation':
        return get('/v1/installation');
      case 'accept-restore':
        return post('/v1/installation/accept-restore');
      case 'verify':
        return post('/v1/verify', { key: (await market.issue()).secret, environment: 'market/test' });
      case 'verify-batch': {
        const one = { key: (await market.issue()).secret, environment: 'market/test' };
        return post('/v1/verify/batch', { requests: [one] });
      }
      default:
        throw new Error(`no request for ${operation}`);
    }
  };

  const outcome = async (operation: string, scope: string, binding: number): Promise<string> => {
    const { method, path, body } = await requestFor(operation);
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
