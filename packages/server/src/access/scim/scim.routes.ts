import { ERRORS, isRefusal, type Refusal } from '@keyhold/protocol/errors';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { classifyFault } from '../../database/store-fault.ts';
import type { SignOnRow } from '../../database/sign-on-rows.ts';
import { parseJsonBody } from '../../http/json-body.ts';
import { bearerOf } from '../../http/mount.ts';
import { readCheckedRows } from '../../ledger/checked-rows.ts';
import type { Caller } from '../change-context.ts';
import type { Principal } from '../principal.ts';
import { removeScimGroup, saveScimGroup } from './save-scim-group.ts';
import { createScimUser, removeScimUser, type ScimContext, updateScimUser } from './save-scim-user.ts';
import * as scim from './scim.ts';
import * as store from './scim.store.ts';
import { patchGroup, patchUser, readOperations } from './scim-patch.ts';
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
            const answer = await handle({ caller, signOn, id, query, body: readBody(request.body), base });
            return send(reply, isRefusal(answer) ? errorOf(ERRORS[answer.refused].status, answer.detail) : answer);
          },
        });
      mountUsers(mount, routes);
      mountGroups(mount, routes);
      mount('GET', '/ServiceProviderConfig', async () => ok(PROVIDER_CONFIG));
      mount('GET', '/ResourceTypes', async () => ok(listOf(RESOURCE_TYPES, RESOURCE_TYPES.length, 1)));
      mount('GET', '/Schemas', async () => ok(listOf(SCIM_SCHEMAS, SCIM_SCHEMAS.length, 1)));
      done();
    },
    { prefix: PREFIX },
  );
}

type Mount = (method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', url: string, handle: Handle) => void;

function mountUsers(mount: Mount, { context }: ScimRoutes): void {
  const { reader } = context;
  const show = async (rows: Awaited<ReturnType<typeof store.listUsers>>['rows'], { signOn, base }: Asked) => {
    const ids = rows.map(({ id }) => id);
    const groups = await store.groupsOf(reader, signOn.id, ids);
    const names = await store.namesOf(
      reader,
      rows.map(({ person_id }) => person_id),
    );
    return rows.map((row) => scim.showUser(row, names.get(row.person_id) ?? '', groups.get(row.id) ?? [], base));
  };
  const find = async ({ signOn, id }: Asked) => {
    const row = await store.findUser(reader, signOn.id, id);
    if (row === undefined) throw scim.notThere();
    const names = await store.namesOf(reader, [row.person_id]);
    const { user_name: userName, external_id: externalId, active, person_id } = row;
    return { row, user: { userName, externalId, name: names.get(person_id) ?? userName, active: active === 1 } };
  };
  const update = async (asked: Asked, change: (before: scim.ScimUser) => scim.ScimUser) => {
    const { row, user } = await find(asked);
    const saved = await updateScimUser(context, asked.caller, asked.signOn, row, change(user));
    return isRefusal(saved) ? saved : ok((await show([saved], asked))[0] as object);
  };

  mount('POST', '/Users', async (asked) => {
    const saved = await createScimUser(context, asked.caller, asked.signOn, scim.readUser(asked.body));
    return isRefusal(saved) ? saved : { status: 201, body: (await show([saved], asked))[0] as object };
  });
  mount('GET', '/Users', async (asked) => {
    const filter = scim.readFilter(asked.query['filter'], ['userName', 'externalId', 'id']);
    const column = { userName: 'user_name_key', externalId: 'external_id', id: 'id' }[filter?.attribute ?? 'id'];
    const value = filter?.attribute === 'userName' ? filter.value.toLowerCase() : filter?.value;
    const where = value === undefined ? null : { column: column as 'id', value };
    const window = windowOf(asked.query);
    const { rows, total } = await store.listUsers(reader, asked.signOn.id, where, window);
    return ok(listOf(await show(rows, asked), total, window.offset + 1));
  });
  mount('GET', '/Users/:id', async (asked) => ok((await show([(await find(asked)).row], asked))[0] as object));
  mount('PUT', '/Users/:id', async (asked) => await update(asked, () => scim.readUser(asked.body)));
  mount('PATCH', '/Users/:id', async (asked) => {
    const operations = readOperations(asked.body);
    return await update(asked, (before) => patchUser(before, operations));
  });
  mount('DELETE', '/Users/:id', async (asked) => {
    const refused = await removeScimUser(context, asked.caller, asked.signOn, (await find(asked)).row);
    return refused ?? { status: 204, body: null };
  });
}

function mountGroups(mount: Mount, { context }: ScimRoutes): void {
  const { reader } = context;
  const withMembers = ({ query }: Asked) =>
    !String(query['excludedAttributes'] ?? '')
      .toLowerCase()
      .includes('members');
  const save = async (asked: Asked, known: string | null, change: (before: scim.ScimGroup) => scim.ScimGroup) => {
    const saved = await saveScimGroup(context, asked.caller, asked.signOn, known, change);
    if (isRefusal(saved)) return saved;
    return { status: known === null ? 201 : 200, body: scim.showGroup(saved, withMembers(asked), asked.base) };
  };

  mount('POST', '/Groups', async (asked) => {
    const group = scim.readGroup(asked.body);
    return await save(asked, null, () => group);
  });
  mount('GET', '/Groups', async (asked) => {
    const filter = scim.readFilter(asked.query['filter'], ['displayName', 'externalId', 'id']);
    const column = { displayName: 'display_name', externalId: 'external_id', id: 'id' }[filter?.attribute ?? 'id'];
    const where = filter === null ? null : { column: column as 'id', value: filter.value };
    const window = windowOf(asked.query);
    const { rows, total } = await store.listGroups(reader, asked.signOn.id, where, window);
    const shown = rows.map((row) => scim.showGroup(row, withMembers(asked), asked.base));
    return ok(listOf(shown, total, window.offset + 1));
  });
  mount('GET', '/Groups/:id', async (asked) => {
    const row = await store.findGroup(reader, asked.signOn.id, asked.id);
    if (row === undefined) throw scim.notThere();
    return ok(scim.showGroup(row, withMembers(asked), asked.base));
  });
  mount('PUT', '/Groups/:id', async (asked) => {
    const group = scim.readGroup(asked.body);
    return await save(asked, asked.id, () => group);
  });
  mount('PATCH', '/Groups/:id', async (asked) => {
    const operations = readOperations(asked.body);
    return await save(asked, asked.id, (before) => patchGroup(before, operations));
  });
  mount('DELETE', '/Groups/:id', async (asked) => {
    const refused = await removeScimGroup(context, asked.caller, asked.signOn, asked.id);
    return refused ?? { status: 204, body: null };
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
  const { statusCode = 500 } = error;
  if (statusCode < 500) return send(reply, errorOf(statusCode, 'The request cannot be read.'));
  failed(error, request.id);
  return send(reply, errorOf(500, `Report the instance id ${request.id} to whoever runs this server.`));
}

function send(reply: FastifyReply, { status, body }: Answer): FastifyReply {
  if (status === 401) reply.header('www-authenticate', 'Bearer realm="keyhold"');
  reply.code(status).header('cache-control', 'no-store');
  if (body === null) return reply.send();
  return reply
    .header('content-type', 'application/scim+json; charset=utf-8')
    .serializer(String)
    .send(JSON.stringify(body));
}
