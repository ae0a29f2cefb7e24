import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { after, before, it } from 'node:test';
import { ID_PREFIXES } from '@keyhold/protocol/id';
import { MANAGEMENT_OPERATIONS, VERIFIER_OPERATIONS } from '@keyhold/protocol/operations/registry';
import { ROLES } from '@keyhold/protocol/role';
import { SCOPES } from '@keyhold/protocol/state';
import { onEachDatabase, type TestPlace } from '../testing/databases.ts';
import { startInstallation, type TestInstallation } from '../testing/installation.ts';
import { OTHER_ROUTES, SENT_BODIES } from '../testing/other-routes.ts';
import { enrolOwner, enrolPerson, originOf, type TestPerson } from '../testing/person.ts';
import { assertStatus } from '../testing/shared-market.ts';

/** Routes that a server was given: `GET /v1/x/:id`. */
type Routes = Set<string>;

interface RouteOptions {
  readonly method: string | readonly string[];
  readonly url: string;
}
interface Made {
  readonly fastify: { addHook(name: 'onRoute', hook: (route: RouteOptions) => void): void };
}

const UNKNOWN = '01890a5d-ac96-774b-bcce-b302099a8057';
/** Of what an address names. */
const kindOf = (url: string) => {
  const kinds = { confirmations: 'confirmation', passkeys: 'personPasskey', sessions: 'session' } as const;
  const [, kind] = Object.entries(kinds).find(([name]) => url.includes(`/${name}/`)) ?? [];
  return ID_PREFIXES[kind ?? 'key'];
};
/** Who signs out is gone. */
const isLast = (route: string) => route.includes('sign-out');

onEachDatabase('routes that are no operation of the matrix', (createPlace) => {
  let place: TestPlace;
  let installation: TestInstallation;
  const servers: Routes[] = [];
  const people: TestPerson[] = [];
  const tokens: string[] = [];

  before(async () => {
    const note = (message: unknown) => {
      const routes: Routes = new Set();
      servers.push(routes);
      (message as Made).fastify.addHook('onRoute', ({ method, url }) => {
        for (const one of [method].flat()) if (one !== 'HEAD') routes.add(`${one} ${url}`);
      });
    };
    subscribe('fastify.initialization', note);
    place = await createPlace();
    installation = await startInstallation(place);
    unsubscribe('fastify.initialization', note);
    for (const scope of SCOPES) {
      const body = { name: scope, scopes: [scope === 'scim' ? 'read' : scope] };
      tokens.push(assertStatus(await installation.call('POST', '/v1/tokens', body), 201).secret);
    }
    const owner = await enrolOwner(installation);
    const provider = { issuer: 'https://sso.example', clientId: 'keyhold', makesPeople: false, roles: [] };
    assertStatus(await owner.call('PUT', '/v1/sign-on/corp', provider, { confirm: true }), 200);
    const made = await owner.call('POST', '/v1/sign-on/corp/provisioning-tokens', {}, { confirm: true });
    tokens[SCOPES.indexOf('scim')] = assertStatus(made, 201).secret;
    for (const role of ROLES) people.push(await enrolPerson(installation, owner, { role }));
  });
  after(async () => {
    await installation?.[Symbol.asyncDispose]();
    await place?.[Symbol.asyncDispose]();
  });

  it('stand in the reviewed list, every one of every server, and nothing else does', () => {
    const listed = new Set(
      [...MANAGEMENT_OPERATIONS, ...VERIFIER_OPERATIONS].map(
        ({ method, path }) => `${method} ${path.replace(/\{(\w+)\}/g, ':$1')}`,
      ),
    );
    const [control = new Set(), vault = new Set(), verifier = new Set(), ...more] = servers;
    assert.deepEqual(more, []);
    const found = [
      ...[...control].filter((route) => !listed.has(route)).map((route) => `control ${route}`),
      ...[...vault].map((route) => `vault ${route}`),
      ...[...verifier].filter((route) => !listed.has(route)).map((route) => `verifier ${route}`),
    ];
    assert.deepEqual(found.toSorted(), Object.keys(OTHER_ROUTES).toSorted());
    assert.ok(listed.size > 100);
  });

  /** `0` 401, `-` 403, `+` whatever else is answered: he got in, and what he sent is looked at. */
  const outcome = (status: number, text: string) => {
    if (status >= 500) return String(status);
    // Who has to confirm it may do it.
    if (status === 403) return text.includes('"CONFIRMATION_REQUIRED"') ? '+' : '-';
    return status === 401 ? '0' : '+';
  };
  const send = async (server: string, method: string, path: string, headers: Record<string, string>) => {
    const { controlUrl, vaultUrl, verifierUrl } = installation;
    const base = { control: controlUrl, vault: vaultUrl, verifier: verifierUrl }[server] ?? '';
    const hasBody = !['GET', 'TRACE', 'OPTIONS'].includes(method);
    const json = { 'content-type': path.startsWith('/scim') ? 'application/scim+json' : 'application/json' };
    const response = await fetch(new URL(path, base), {
      ...{ method, redirect: 'manual', headers: { ...headers, ...(hasBody ? json : {}) } },
      ...(hasBody ? { body: JSON.stringify(SENT_BODIES[path] ?? {}) } : {}),
    });
    return outcome(response.status, await response.text());
  };

  it('let in whom the list says: nobody, each role, each scope', async () => {
    const sent: Record<string, string> = {};
    // The others are sent by no fetch; they lead to the same handlers.
    const routes = Object.keys(OTHER_ROUTES).filter((route) => !/ (?:TRACE|LINK|QUERY) /.test(route));
    for (const route of [...routes.filter((one) => !isLast(one)), ...routes.filter(isLast)]) {
      const [server = '', method = '', url = ''] = route.split(' ');
      const path = url
        .replace(/:\w+/g, `${kindOf(url)}_${UNKNOWN}`)
        .replace('tile/*', 'tile/entries/000.p/1')
        .replace('*', 'x');
      const origin = originOf(installation);
      const nobody = await send(server, method, path, {});
      const roles: string[] = [];
      for (const { session } of people) {
        const cookie = `__Host-keyhold-session=${session}`;
        roles.push(await send(server, method, path, { cookie, ...(method === 'GET' ? {} : { origin }) }));
      }
      const scopes: string[] = [];
      for (const token of tokens) {
        const bearer = { authorization: `Bearer ${token}`, 'x-vault-token': token };
        scopes.push(await send(server, method, path, bearer));
      }
      sent[route] = `${nobody} ${roles.join('')} ${scopes.join('')}`;
    }
    const wanted = Object.fromEntries(routes.map((route) => [route, OTHER_ROUTES[route]]));
    assert.deepEqual(sent, wanted);
  });
});
