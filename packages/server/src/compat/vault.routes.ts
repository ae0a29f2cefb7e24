import { ONCE_PREFIX } from '@keyhold/protocol/credential-format';
import { isRefusal, refuse } from '@keyhold/protocol/errors';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Principal } from '../access/principal.ts';
import { classifyFault } from '../database/store-fault.ts';
import { nameEntry } from '../http/acknowledge.ts';
import { parseJsonBody } from '../http/json-body.ts';
import type { Log } from '../http/log.ts';
import { InvalidInput } from '../http/validation.ts';
import { openEnvironment } from '../projects/locate.ts';
import { findEnvironmentNames } from '../projects/projects.store.ts';
import { appLogin } from './approle.ts';
import { dispatch } from './dispatch.ts';
import { readDuration } from './duration.ts';
import { health, INITIALIZED, sealStatus } from './sys.ts';
import { lookup, unwrap } from './wrapping.ts';
import { errors, PERMISSION_DENIED, refusalAnswer, type VaultAnswer } from './vault-answer.ts';
import type { VaultApi, VaultCall } from './vault-call.ts';

/** Room for a secret of 1 MiB, however it is escaped. */
const MAX_BODY_BYTES = 4 * 1024 * 1024;

/** Of whoever is nobody yet. */
const MAX_LOGIN_BYTES = 16 * 1024;

const METHODS: Readonly<Record<string, VaultCall['method']>> = {
  GET: 'GET',
  HEAD: 'GET',
  POST: 'POST',
  PUT: 'POST',
  PATCH: 'PATCH',
  DELETE: 'DELETE',
  // What `list-framer.ts` makes of LIST.
  LINK: 'LIST',
};

/** Mounts Vault's wire API below a prefix: same secrets, rules and ledger as `/v1`, in words that its clients know. */
export async function mountVault(app: FastifyInstance, prefix: string, api: VaultApi, log: Log): Promise<void> {
  app.addHttpMethod('LINK', { hasBody: false });
  await app.register(
    (scope, _options, done) => {
      // Clients send whatever Content-Type their HTTP library likes.
      scope.removeAllContentTypeParsers();
      const parse = (_request: unknown, bytes: string | Buffer, done: (error: Error | null, body?: unknown) => void) =>
        done(null, bytes);
      scope.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: MAX_BODY_BYTES }, parse);
      // Also what is no media type at all, which would be refused before a parser is looked for.
      scope.addHook('onRequest', (request, _reply, next) => {
        request.raw.headers['content-type'] = 'application/json';
        next();
      });
      scope.setErrorHandler((error: Error & { statusCode?: number }, request, reply) =>
        send(reply, failure(error, request.id, log)),
      );
      // A stranger's input is not even read.
      const principals = new WeakMap<FastifyRequest, Principal>();
      scope.addHook('onRequest', async (request, reply) => {
        // Whoever signs in has no token yet.
        if (request.routeOptions.url?.endsWith(LOGIN) === true) return;
        const admitted = await admit(api, request);
        if ('status' in admitted) return send(reply, admitted);
        principals.set(request, admitted);
      });
      const route = { method: Object.keys(METHODS), schema: { hide: true } as object };
      scope.route({
        ...{ ...route, url: '/v1/*', bodyLimit: MAX_BODY_BYTES },
        handler: async (request: FastifyRequest, reply: FastifyReply) => {
          const principal = principals.get(request) as Principal;
          const given = await answer(api, request, principal);
          if (given.status === 403) api.refused(principal, WIRE, 'FORBIDDEN', request.ip);
          if (given.status === 404) api.refused(principal, WIRE, 'SECRET_NOT_FOUND', request.ip);
          return send(reply, given);
        },
      });
      scope.route({
        ...{ ...route, url: LOGIN, bodyLimit: MAX_LOGIN_BYTES },
        handler: async (request: FastifyRequest, reply: FastifyReply) => send(reply, await login(api, request)),
      });
      done();
    },
    { prefix },
  );
}

const LOGIN = '/v1/auth/approle/login';
/** What is asked for here has no ids of operations. */
const WIRE = 'vault-wire';

async function login(api: VaultApi, request: FastifyRequest): Promise<VaultAnswer> {
  if (METHODS[request.method] !== 'POST') return UNSUPPORTED;
  if (wrapTtlOf(request) !== null) return errors(400, 'a login is not wrapped');
  const body = readBody(request.body);
  return 'wrong' in body
    ? errors(400, `error parsing JSON: ${body.wrong}`)
    : await appLogin(api, body.read, request.ip);
}

/** Who asks, or the answer to what nobody has to be known for. */
async function admit(api: VaultApi, request: FastifyRequest): Promise<Principal | VaultAnswer> {
  const path = pathOf(request);
  if (path === 'sys/health') return health(api, queryOf(request));
  if (path === 'sys/seal-status') return await sealStatus(api);
  if (path === 'sys/init' && request.method === 'GET') return INITIALIZED;
  const token = tokenOf(request);
  // A wrapping token opens nothing but what waits for it.
  if (token?.startsWith(`${ONCE_PREFIX}_`)) {
    if (path === 'sys/wrapping/unwrap') {
      // Taken once: not by whoever only looks.
      return METHODS[request.method] === 'POST' ? await unwrap(api, token, request.ip) : UNSUPPORTED;
    }
    if (path === 'sys/wrapping/lookup') return await lookup(api, token);
  }
  const principal = await api.authenticate(token, request.ip);
  if (principal === null) api.refused(null, WIRE, 'UNAUTHENTICATED', request.ip);
  return principal ?? PERMISSION_DENIED;
}

const UNSUPPORTED = errors(405, 'unsupported operation');

function pathOf({ params }: FastifyRequest): string {
  return (params as { '*': string })['*'];
}

async function answer(api: VaultApi, request: FastifyRequest, principal: Principal): Promise<VaultAnswer> {
  const body = readBody(request.body);
  if ('wrong' in body) return errors(400, `error parsing JSON: ${body.wrong}`);
  const query = queryOf(request);
  const method = METHODS[request.method] as VaultCall['method'];
  return await dispatch(api, {
    method: method === 'GET' && query['list'] === 'true' ? 'LIST' : method,
    path: pathOf(request),
    query,
    body: body.read,
    token: tokenOf(request) ?? '',
    wrapTtl: wrapTtlOf(request),
    caller: { principal, ip: request.ip, idempotency: undefined },
    open: (action, secret) => openNamespace(api, principal, action, request, secret),
  });
}

/** The environment that the namespace names, else the token's own, else `default/production`. */
async function openNamespace(
  { reader }: VaultApi,
  principal: Principal,
  action: Parameters<VaultCall['open']>[0],
  { headers }: FastifyRequest,
  secret: string | undefined,
): ReturnType<VaultCall['open']> {
  const named = String(headers['x-vault-namespace'] ?? '').replace(/^\/+|\/+$/g, '');
  const [project, environment, ...rest] = named === '' ? await ownEnvironment(reader, principal) : named.split('/');
  if (project === undefined || environment === undefined || rest.length > 0) {
    return refuse('ENVIRONMENT_NOT_FOUND', 'X-Vault-Namespace is project/environment.');
  }
  return await openEnvironment(reader, principal, action, project, environment, { secret });
}

async function ownEnvironment(reader: VaultApi['reader'], { grants }: Principal): Promise<readonly string[]> {
  const [own, ...others] = new Set(grants.map((grant) => grant.environment));
  if (own == null || others.length > 0) return ['default', 'production'];
  return await findEnvironmentNames(reader, own);
}

function queryOf({ query }: FastifyRequest): VaultCall['query'] {
  return query as VaultCall['query'];
}

function tokenOf({ headers }: FastifyRequest): string | null {
  const token = headers['x-vault-token'];
  if (typeof token === 'string' && token !== '') return token;
  return /^Bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1] ?? null;
}

function wrapTtlOf({ headers }: FastifyRequest): string | null {
  const ttl = headers['x-vault-wrap-ttl'];
  // Vault takes a length of nothing as no wish to wrap.
  return typeof ttl === 'string' && ttl !== '' && readDuration(ttl) !== 0 ? ttl : null;
}

/** Named apart: whatever a client sends is no refusal of ours. */
function readBody(body: unknown): { readonly read: Readonly<Record<string, unknown>> } | { readonly wrong: string } {
  const parsed = parseJsonBody(Buffer.isBuffer(body) ? body : Buffer.alloc(0));
  if (isRefusal(parsed)) return { wrong: parsed.detail };
  const { value } = parsed as { value?: unknown };
  if (value === undefined || value === null) return { read: {} };
  if (typeof value === 'object' && !Array.isArray(value)) return { read: value as Record<string, unknown> };
  return { wrong: 'The body is not an object.' };
}

function failure(error: Error & { statusCode?: number }, request: string, log: Log): VaultAnswer {
  if (error instanceof InvalidInput) return errors(400, error.refusal.detail);
  if (error.statusCode === 413) return errors(413, 'request body too large');
  const known = classifyFault(error);
  if (known !== null) return refusalAnswer(refuse(known, 'Try again shortly.'));
  if (error.statusCode !== undefined && error.statusCode < 500) return errors(400, 'the request could not be read');
  log.error({ error, request }, 'a request failed');
  return errors(500, 'internal error');
}

function send(reply: FastifyReply, { status, body, sequence }: VaultAnswer): FastifyReply {
  reply.code(status).header('cache-control', 'no-store');
  if (sequence !== undefined) nameEntry(reply, sequence);
  if (status === 503) reply.header('retry-after', '5');
  // Without a charset, which JSON has none of (RFC 8259 §11): hvac reads errors only from exactly this type.
  return body === null
    ? reply.send()
    : reply.header('content-type', 'application/json').send(Buffer.from(JSON.stringify(body)));
}
