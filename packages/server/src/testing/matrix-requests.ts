import { authenticator } from './authenticator.ts';
import type { TestMarket } from './market.ts';
import { PasskeyDevice } from './passkey-device.ts';

const PASSKEY = { rpId: 'app.example', origins: ['https://app.example'] } as const;
const WORKLOAD = { issuer: 'https://ci.example', audience: 'keyhold', claims: { sub: 'job' }, scopes: ['read'] };

export interface MatrixRequest {
  readonly method: string;
  readonly path: string;
  readonly body?: object;
}

export interface MatrixWorld {
  readonly market: TestMarket;
  /** Calls the control plane as one who may do everything; resolves to the body. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  readonly expect: (status: number, method: string, path: string, body?: unknown) => Promise<any>;
  /** Opens a seal that an operation closed. */
  readonly unseal: () => Promise<unknown>;
  /** Somebody new, where there is somebody who can invite; with a role at market/test. */
  readonly invite: () => Promise<{ readonly person: string; readonly role: string }>;
  /** A reveal in market/test that waits for approval. */
  readonly waiting: () => Promise<{ readonly id: string; readonly digest: string }>;
  /** Somebody went on without approvals, and has closed it; resolves to its id. */
  readonly glass: () => Promise<string>;
  /** A provider of that name; resolves to it. */
  readonly signOn: (name: string) => Promise<string>;
  /** Somebody was off-boarded; resolves to the id of that. */
  readonly offboarded: () => Promise<string>;
  /** A role of that name; resolves to it. */
  readonly customRole: (name: string) => Promise<string>;
  /** A policy of this text, by the name of `matrix`, and the basis of a preview that has seen it. */
  readonly policy: (text: string) => Promise<{ readonly id: string; readonly basis: string }>;
  /** Somebody new who is suspended, or active. */
  readonly enrolled: (suspended: boolean) => Promise<string>;
}

/** Of project market; it forbids nothing any more. */
const HARMLESS_POLICY =
  'forbid(principal in Role::"auditor", action == Action::"keys.issue", resource in Environment::"market/test") when { context.at < datetime("2000-01-01") };';

let count = 0;

/** A request of the operation that succeeds when it is allowed, whatever was done before. */
export async function requestFor(operation: string, world: MatrixWorld): Promise<MatrixRequest> {
  const { market, expect } = world;
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
  const token = async () => {
    const bound = { name, scopes: ['read'], environment: 'market/test' };
    return (await expect(201, 'POST', '/v1/tokens', bound)).token.id;
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
      const { factor, options } = await expect(201, 'POST', path, { environment: 'test', name, ...PASSKEY });
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
    case 'revoke-keys':
      return post('/v1/keys/revoke', { keys: [await key()], reason: 'unspecified' });
    case 'destroy-key':
      return post(`/v1/keys/${await key()}/destroy`);
    case 'revoke-credential':
      return post(`/v1/credentials/${(await market.issue()).credentialId}/revoke`, { reason: 'unspecified' });
    case 'create-workload':
      return post('/v1/workloads', { name, ...WORKLOAD });
    case 'list-workloads':
      return get('/v1/workloads');
    case 'remove-workload': {
      const { workload } = await expect(201, 'POST', '/v1/workloads', { name, ...WORKLOAD });
      return { method: 'DELETE', path: `/v1/workloads/${workload.id}` };
    }
    case 'invite-person':
      return post('/v1/people', { name, role: 'auditor', reason: 'test' });
    case 'list-people':
      return get('/v1/people');
    case 'get-person':
      return get(`/v1/people/${(await world.invite()).person}`);
    case 'reinvite-person':
      return post(`/v1/people/${(await world.invite()).person}/invite`);
    case 'suspend-person':
      return post(`/v1/people/${await world.enrolled(false)}/suspend`);
    case 'resume-person':
      return post(`/v1/people/${await world.enrolled(true)}/resume`);
    case 'remove-person':
      return { method: 'DELETE', path: `/v1/people/${(await world.invite()).person}` };
    case 'grant-role': {
      const role = { role: 'support', environment: 'market/test', reason: 'test' };
      return post(`/v1/people/${(await world.invite()).person}/roles`, role);
    }
    case 'end-role':
      return { method: 'DELETE', path: `/v1/roles/${(await world.invite()).role}` };
    case 'list-approvals':
      return get('/v1/approvals');
    case 'approve-request': {
      const { id, digest } = await world.waiting();
      return post(`/v1/approvals/${id}/approve`, { digest, reason: 'test' });
    }
    case 'save-sign-on': {
      const body = { issuer: 'https://sso.example', clientId: 'keyhold', makesPeople: false, roles: [] };
      return { method: 'PUT', path: `/v1/sign-on/${name}`, body };
    }
    case 'create-provisioning-token':
      return post(`/v1/sign-on/${await world.signOn(name)}/provisioning-tokens`);
    case 'list-sign-ons':
      return get('/v1/sign-on');
    case 'remove-sign-on':
      return { method: 'DELETE', path: `/v1/sign-on/${await world.signOn(name)}` };
    case 'list-exposures':
      return get(`/v1/exposures?of=${await token()}`);
    case 'create-offboarding':
      return post('/v1/offboardings', { of: await token(), reason: 'test' });
    case 'list-offboardings':
      return get('/v1/offboardings');
    case 'get-offboarding':
      return get(`/v1/offboardings/${await world.offboarded()}`);
    case 'list-offboarding-exposures':
      return get(`/v1/offboardings/${await world.offboarded()}/exposures`);
    case 'rotate-exposed': {
      const body = { overlapSeconds: 3600, deliverTo: { once: { ttlSeconds: 60 } } };
      return post(`/v1/offboardings/${await world.offboarded()}/rotate`, body);
    }
    case 'deny-request':
      return post(`/v1/approvals/${(await world.waiting()).id}/deny`, { reason: 'test' });
    case 'open-break-glass':
      return post('/v1/break-glass', { reason: 'test', minutes: 1 });
    case 'list-break-glass':
      return get('/v1/break-glass');
    case 'close-break-glass':
      return post(`/v1/break-glass/${await world.glass()}/close`);
    case 'review-break-glass': {
      const id = await world.glass();
      return post(`/v1/break-glass/${id}/review`, { review: 'test' });
    }
    case 'list-custom-roles':
      return get('/v1/custom-roles');
    case 'save-custom-role':
      return { method: 'PUT', path: `/v1/custom-roles/${name}`, body: { actions: ['keys.read'], about: 'test' } };
    case 'remove-custom-role':
      return { method: 'DELETE', path: `/v1/custom-roles/${await world.customRole(name)}` };
    case 'list-policies':
      return get('/v1/policies');
    case 'get-policy-schema':
      return get('/v1/policies/schema');
    case 'preview-policy':
      return post('/v1/policies/preview', { name: 'matrix', text: HARMLESS_POLICY });
    case 'save-policy': {
      const { basis } = await world.policy(HARMLESS_POLICY);
      const text = HARMLESS_POLICY.replace('2000', `${2000 + (count % 20)}`);
      return { method: 'PUT', path: '/v1/policies/matrix', body: { text, reason: 'test', basis } };
    }
    case 'remove-policy': {
      const { id, basis } = await world.policy(HARMLESS_POLICY);
      return { method: 'DELETE', path: `/v1/policies/${id}`, body: { basis } };
    }
    case 'create-token':
      return post('/v1/tokens', { name, scopes: ['read'], environment: 'market/test' });
    case 'list-tokens':
      return get('/v1/tokens');
    case 'revoke-token':
      return post(`/v1/tokens/${await token()}/revoke`);
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
    case 'list-deliveries':
      return get('/v1/deliveries?project=market&environment=test');
    case 'end-delivery': {
      const body = { deliverTo: { once: { ttlSeconds: 60 } } };
      const { delivery } = await expect(201, 'POST', `/v1/secrets/${await secret()}/deliver`, body);
      return { method: 'DELETE', path: `/v1/deliveries/${delivery.id}` };
    }
    case 'get-rotation':
      return get('/v1/vault/keys?project=market&environment=test');
    case 'rotate-environment-keys':
      return post('/v1/vault/keys/rotate', { project: 'market', environment: 'test' });
    case 'rotate-root-key':
      return post('/v1/vault/root/rotate');
    case 'record-drill': {
      const installation = (await expect(200, 'GET', '/v1/installation')).id;
      const found = { installation, sequence: 1, hash: null, rows: 1, envelopes: 1, sides: 1, failed: null };
      return post('/v1/backup/drills', found);
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
      await world.unseal();
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
}
