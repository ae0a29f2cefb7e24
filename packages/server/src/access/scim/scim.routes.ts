import { ERRORS, isRefusal, type Refusal } from '@keyhold/protocol/errors';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { classifyFault } from '../../database/store-fault.ts';
import type { SignOnRow } from '../../database/sign-on-rows.ts';
import { parseJsonBody } from '../../http/json-body.ts';
import { bearerOf } from '../../http/mount.ts';
import { InvalidInput } from '../../http/validation.ts';
import { readCheckedRows } from '../../ledger/checked-rows.ts';
import type { Caller } from '../change-context.ts';
import { INSTALLATION, type Principal } from '../principal.ts';
import { removeScimGroup, saveScimGroup } from './save-scim-group.ts';
import { createScimUser, removeScimUser, type ScimContext, updateScimUser } from './save-scim-user.ts';
import * as scim from './scim.ts';
import * as store from './scim.store.ts';
import { type GroupPatch, patchGroup, patchUser, readOperations } from './scim-patch.ts';
import { PROVIDER_CONFIG, RESOURCE_TYPES, SCIM_SCHEMAS } from './scim-schemas.ts';

export interface ScimRoutes {
  readonly context: ScimContext;
  /** Finds who holds one of our tokens. */
  readonly authenticate: (secret: string | null, ip: string) => Promise<Principal | null>;
  readonly tampered: (rowId: string) => void;
  readonly origin: () => string;
  /** Of faults, for the log of the server. */
  readonly failed: (error: unknown, request: string) => void;
}

const PREFIX = '/scim/v2';
const MAX_BODY_BYTES = 4 * 1024 * 1024;
const MAX_PAGE = 200;

/** One request of a provider. */
interface Asked {
  readonly caller: Caller;
  readonly signOn: SignOnRow;
  readonly id: string;
  readonly query: Readonly<Record<string, unknown>>;
  readonly body: Readonly<Record<string, unknown>>;
  readonly base: string;
}

/** What is answered; null: nothing but that it is done. */
interface Answer {
  readonly status: number;
  readonly body: object | null;
}

type Handle = (asked: Asked) => Promise<Answer | Refusal>;

/** People and groups as a provider keeps them here (SCIM 2.0), with a token of just that provider. */
export async function mountScim(app: FastifyInstance, routes: ScimRoutes): Promise<void> {
  await app.register(
    (scope, _options, done) => {
      scope.removeAllContentTypeParsers();
      const parse = (_request: unknown, bytes: string | Buffer, parsed: (error: null, body: unknown) => void) =>
        parsed(null, bytes);
      scope.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: MAX_BODY_BYTES }, parse);
      scope.setErrorHandler((error: Error & { statusCode?: number }, request, reply) =>
        fail(routes, error, request, reply),
      );
      const asking = new WeakMap<FastifyRequest, { principal: Principal; signOn: SignOnRow }>();
      // A stranger's input is not even read.
      scope.addHook('onRequest', async (request, reply) => {
        const found = await admit(routes, request);
        if (found === null) return send(reply, errorOf(401, 'Send the token of a provider.'));
        asking.set(request, found);
      });
      const mount = (method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', url: string, handle: Handle) =>
        scope.route({
          ...{ method, url, bodyLimit: MAX_BODY_BYTES, schema: { hide: true } as object },
          handler: async (request, reply) => {
            const { principal, signOn } = asking.get(request) as { principal: Principal; signOn: SignOnRow };
            const caller = { principal, ip: request.ip, idempotency: undefined };
            const { id = '' } = request.params as { id?: string };
            const query = request.query as Asked['query'];
            const base = `${routes.origin()}${PREFIX}`;
            if (isForbidden(principal, method, url)) return send(reply, errorOf(403, 'A policy forbids it.'));
            const answer = await handle({ caller, signOn, id, query, body: readBody(request.body), base });
            return send(reply, isRefusal(answer) ? errorOf(ERRORS[answer.refused].status, answer.detail) : answer);
          },
        });
      mountUsers(mount, routes);
      mountGroups(mount, routes);
      mount('GET', '/ServiceProviderConfig', async () => ok(PROVIDER_CONFIG));
      mount('GET', '/ResourceTypes', async () => ok(listOf(RESOURCE_TYPES, RESOURCE_TYPES.length, 1)));
      mount('GET', '/Schemas', async () => ok(listOf(SCIM_SCHEMAS, SCIM_SCHEMAS.length, 1)));
      mount('GET', '/ResourceTypes/:id', async ({ id }) => ok(named(RESOURCE_TYPES, id)));
      mount('GET', '/Schemas/:id', async ({ id }) => ok(named(SCIM_SCHEMAS, id)));
      scope.setNotFoundHandler((_request, reply) => send(reply, errorOf(404, 'There is no such endpoint.')));
      done();
    },
    { prefix: PREFIX },
  );
}

/** Policies can keep a provider from making people and giving roles; not from taking away. */
function isForbidden(principal: Principal, method: string, url: string): boolean {
  if (method === 'GET' || method === 'DELETE') return false;
  const action = url.startsWith('/Groups') ? 'roles.grant' : 'people.invite';
  return principal.judge.rule(principal, action, INSTALLATION)?.effect === 'forbid';
}

type Mount = (method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', url: string, handle: Handle) => void;

function mountUsers(mount: Mount, { context }: ScimRoutes): void {
  const { reader } = context;
  const answer = (user: store.UserWithPerson | Refusal, base: string, status = 200): Answer | Refusal =>
    isRefusal(user) ? user : { status, body: scim.showUser(user, base) };

  mount('POST', '/Users', async ({ caller, signOn, body, base }) =>
    answer(await createScimUser(context, caller, signOn, scim.readUser(body, true)), base, 201),
  );
  mount('GET', '/Users', async ({ signOn, query, base }) => {
    const filter = scim.readFilter(query['filter'], ['userName', 'externalId', 'id']);
    const column = { userName: 'user_name_key', externalId: 'external_id', id: 'id' }[filter?.attribute ?? 'id'];
    const value = filter?.attribute === 'userName' ? filter.value.toLowerCase() : filter?.value;
    const where = value === undefined ? null : { column: column as 'id', value };
    const window = windowOf(query);
    const { rows, total } = await store.listUsers(reader, signOn.id, where, window);
    return ok(
      listOf(
        rows.map((row) => scim.showUser(row, base)),
        total,
        window.offset + 1,
      ),
    );
  });
  mount('GET', '/Users/:id', async ({ signOn, id, base }) => {
    const row = await store.findUser(reader, signOn.id, id);
    if (row === undefined) throw scim.notThere();
    return ok(scim.showUser(row, base));
  });
  mount('PUT', '/Users/:id', async ({ caller, signOn, id, body, base }) => {
    scim.readUser(body, true);
    const change = ({ active }: scim.ScimUser) => scim.readUser(body, active);
    return answer(await updateScimUser(context, caller, signOn, id, change), base);
  });
  mount('PATCH', '/Users/:id', async ({ caller, signOn, id, body, base }) => {
    const change = patchUser(readOperations(body));
    return answer(await updateScimUser(context, caller, signOn, id, change), base);
  });
  mount('DELETE', '/Users/:id', async ({ caller, signOn, id }) => {
    return (await removeScimUser(context, caller, signOn, id)) ?? { status: 204, body: null };
  });
}

/** Members that one page of groups shows, beyond those of its first. */
const MAX_SHOWN = 20_000;
const GROUPS_AT_ONCE = 5;

function mountGroups(mount: Mount, { context }: ScimRoutes): void {
  const { reader } = context;
  const withMembers = ({ query }: Asked) =>
    !String(query['excludedAttributes'] ?? '')
      .toLowerCase()
      .includes('members');
  const save = async (asked: Asked, known: string | null, patch: GroupPatch): Promise<Answer | Refusal> => {
    const saved = await saveScimGroup(context, asked.caller, asked.signOn, known, patch);
    if (isRefusal(saved)) return saved;
    return { status: known === null ? 201 : 200, body: scim.showGroup(saved, withMembers(asked), asked.base) };
  };
  const whole = ({ body }: Asked): GroupPatch => {
    const group = scim.readGroup(body);
    return { change: () => group, named: group.members };
  };

  mount('POST', '/Groups', async (asked) => await save(asked, null, whole(asked)));
  mount('GET', '/Groups', async (asked) => {
    const filter = scim.readFilter(asked.query['filter'], ['displayName', 'externalId', 'id']);
    const column = { displayName: 'display_name', externalId: 'external_id', id: 'id' }[filter?.attribute ?? 'id'];
    const where = filter === null ? null : { column: column as 'id', value: filter.value };
    const window = windowOf(asked.query);
    const isFull = withMembers(asked);
    const shown: ReturnType<typeof scim.showGroup>[] = [];
    let total = 0;
    // A few at a time: one may be as large as a page of them should be.
    for (let members = 0; members <= MAX_SHOWN && shown.length < window.limit; ) {
      const [offset, rest] = [window.offset + shown.length, window.limit - shown.length];
      const part = { offset, limit: isFull ? Math.min(rest, GROUPS_AT_ONCE) : rest };
      const found = await store.listGroups(reader, asked.signOn.id, where, part, isFull);
      total = found.total;
      shown.push(...found.rows.map((row) => scim.showGroup(row, isFull, asked.base)));
      members += found.rows.reduce((sum, row) => sum + scim.membersOf(row).length, 0);
      if (found.rows.length < part.limit) break;
    }
    return ok(listOf(shown, total, window.offset + 1));
  });
  mount('GET', '/Groups/:id', async (asked) => {
    const row = await store.findGroup(reader, asked.signOn.id, asked.id);
    if (row === undefined) throw scim.notThere();
    return ok(scim.showGroup(row, withMembers(asked), asked.base));
  });
  mount('PUT', '/Groups/:id', async (asked) => await save(asked, asked.id, whole(asked)));
  mount('PATCH', '/Groups/:id', async (asked) => await save(asked, asked.id, patchGroup(readOperations(asked.body))));
  mount('DELETE', '/Groups/:id', async ({ caller, signOn, id }) => {
    return (await removeScimGroup(context, caller, signOn, id)) ?? { status: 204, body: null };
  });
}

/** The holder of a provider's token, and that provider as the ledger recorded it. */
async function admit({ authenticate, context, tampered }: ScimRoutes, request: FastifyRequest) {
  const principal = await authenticate(bearerOf(request), request.ip);
  if (principal?.signOn === undefined || !principal.grants.some(({ opener }) => opener === 'scim')) return null;
  const [checked] = await readCheckedRows(context.reader, ['sign_ons'], [principal.signOn]);
  if (checked === undefined) return null;
  if ('tampered' in checked) {
    tampered(checked.tampered);
    return null;
  }
  return { principal, signOn: checked.row as SignOnRow };
}

function readBody(body: unknown): Asked['body'] {
  if (!Buffer.isBuffer(body)) return {};
  const read = parseJsonBody(body);
  if (isRefusal(read)) throw new scim.ScimError('invalidSyntax', read.detail);
  const value = read.value ?? {};
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Asked['body'];
  throw new scim.ScimError('invalidSyntax', 'The body is not a JSON object.');
}

/** Pages begin at 1; what is out of bounds is taken as the bound (RFC 7644 §3.4.2.4). */
function windowOf({ startIndex, count }: Asked['query']): store.Window {
  const whole = (value: unknown, least: number, fallback: number) =>
    typeof value === 'string' && /^-?\d{1,9}$/.test(value) ? Math.max(least, Number(value)) : fallback;
  return { offset: whole(startIndex, 1, 1) - 1, limit: Math.min(MAX_PAGE, whole(count, 0, MAX_PAGE)) };
}

function named<T extends { readonly id: string }>(all: readonly T[], id: string): T {
  const found = all.find((one) => one.id === id);
  if (found === undefined) throw scim.notThere();
  return found;
}

const ok = (body: object): Answer => ({ status: 200, body });

function listOf(resources: readonly object[], totalResults: number, startIndex: number) {
  const page = { totalResults, startIndex, itemsPerPage: resources.length, Resources: resources };
  return { schemas: [scim.SCHEMAS.list], ...page };
}

function errorOf(status: number, detail: string, scimType?: string): Answer {
  const body = { schemas: [scim.SCHEMAS.error], status: String(status), detail };
  return { status, body: scimType === undefined ? body : { ...body, scimType } };
}

function fail(
  { failed }: ScimRoutes,
  error: Error & { statusCode?: number },
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  if (error instanceof scim.ScimError) {
    const scimType = error.status === 404 || error.status === 413 ? undefined : error.scimType;
    return send(reply, errorOf(error.status, error.message, scimType));
  }
  const fault = classifyFault(error);
  if (fault !== null) return send(reply.header('retry-after', '1'), errorOf(503, ERRORS[fault].title));
  const statusCode = error instanceof InvalidInput ? 400 : (error.statusCode ?? 500);
  if (statusCode < 500) return send(reply, errorOf(statusCode, 'The request cannot be read.'));
  failed(error, request.id);
  return send(reply, errorOf(500, `Report the instance id ${request.id} to whoever runs this server.`));
}

function send(reply: FastifyReply, { status, body }: Answer): FastifyReply {
  if (status === 401) reply.header('www-authenticate', 'Bearer realm="keyhold"');
  reply.code(status).header('cache-control', 'no-store');
  const { location } = (body as { readonly meta?: { readonly location?: string } } | null)?.meta ?? {};
  if (status === 201 && location !== undefined) reply.header('location', location);
  if (body === null) return reply.send();
  return reply
    .header('content-type', 'application/scim+json; charset=utf-8')
    .serializer(String)
    .send(JSON.stringify(body));
}
