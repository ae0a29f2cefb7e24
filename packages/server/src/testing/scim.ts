import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { originOf, type PersonAnswer, TestPerson } from './person.ts';
import type { Policed } from './policies.ts';
import { assertStatus } from './shared-market.ts';
import { SsoBrowser, type SsoProvider, startSsoProvider } from './sso-provider.ts';

export const USER = 'urn:ietf:params:scim:schemas:core:2.0:User';
const GROUP = 'urn:ietf:params:scim:schemas:core:2.0:Group';
const PATCH = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';
export const SESSION = '__Host-keyhold-session';
export const ROLES = [
  { group: 'Trading', role: 'developer', environment: 'market/live' },
  { group: 'Audit', role: 'auditor' },
];
export const outcome = ({ status, body }: PersonAnswer) => (status < 300 ? 'done' : `${status} ${body.code}`);

interface ScimAnswer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  readonly body: any;
}

/** A provider `corp` that keeps its people in an installation, with a token to do so. Call what it has inside tests only. */
export function shareScim(shared: () => Policed) {
  let provider: SsoProvider;
  let token = '';
  const stack = new AsyncDisposableStack();
  after(() => stack.disposeAsync());
  const origin = () => originOf(shared().installation);

  const save = (more: object = {}, name = 'corp') => {
    const body = { issuer: provider.issuer, clientId: 'keyhold', makesPeople: false, roles: ROLES, ...more };
    return shared().owner.call('PUT', `/v1/sign-on/${name}`, body, { confirm: true });
  };
  const provisioning = async (name: string): Promise<string> => {
    const path = `/v1/sign-on/${name}/provisioning-tokens`;
    return assertStatus(await shared().owner.call('POST', path, {}, { confirm: true }), 201).secret;
  };
  const scim = async (method: string, path: string, body?: object, by = token): Promise<ScimAnswer> => {
    const response = await fetch(`${shared().installation.controlUrl}/scim/v2${path}`, {
      method,
      headers: { authorization: `Bearer ${by}`, 'content-type': 'application/scim+json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? null : JSON.parse(text) };
  };
  const expect = async (status: number, method: string, path: string, body?: object) => {
    const answer = await scim(method, path, body);
    assert.equal(answer.status, status, JSON.stringify(answer.body));
    return answer.body;
  };
  const patch = (path: string, ...Operations: object[]) => scim('PATCH', path, { schemas: [PATCH], Operations });
  const user = async (login: string, more: object = {}) => {
    const body = { schemas: [USER], userName: `${login}@Corp.example`, externalId: login, displayName: login, ...more };
    return await expect(201, 'POST', '/Users', body);
  };
  const group = (displayName: string, members: readonly string[] = []) =>
    expect(201, 'POST', '/Groups', { schemas: [GROUP], displayName, members: members.map((value) => ({ value })) });
  const come = async (login: string): Promise<TestPerson | string> => {
    if (!provider.accounts.has(login)) provider.accounts.set(login, {});
    const browser = new SsoBrowser();
    const isBack = (url: string) => url.startsWith(`${origin()}/sign-in#`) || url === `${origin()}/account`;
    const end = await browser.go(`${origin()}/sign-on/corp`, login, isBack);
    const session = browser.cookieOf(origin(), SESSION);
    if (end !== `${origin()}/account` || session === undefined) return new URL(end).hash.slice(1);
    const person = new TestPerson(shared().installation);
    person.session = session;
    person.id = (await person.call('GET', '/v1/session')).body.person.id;
    return person;
  };
  const comes = async (login: string): Promise<TestPerson> => {
    const person = await come(login);
    assert.ok(typeof person !== 'string', `${login}: ${person}`);
    return person;
  };
  const rolesOf = async (person: TestPerson): Promise<string[]> =>
    assertStatus(await person.call('GET', '/v1/session'), 200)
      .roles.map(({ role }: { role: string }) => role)
      .sort();
  const personNamed = async (name: string) => {
    const { items } = assertStatus(await shared().owner.call('GET', '/v1/people?limit=200'), 200);
    return items.find((one: { name: string }) => one.name === name);
  };

  before(async () => {
    provider = stack.use(await startSsoProvider([`${origin()}/sign-on/corp/callback`]));
    const { clientSecret } = provider;
    const at = { project: 'market', environment: 'live', path: 'sso/corp' };
    assertStatus(
      await shared().owner.call('POST', '/v1/secrets', { ...at, data: { clientSecret } }, { confirm: true }),
      201,
    );
    assertStatus(await save({ clientSecretFrom: at }), 200);
    token = await provisioning('corp');
  });

  return {
    ...{ origin, save, provisioning, scim, expect, patch, user, group, come, comes, rolesOf, personNamed },
    provider: () => provider,
    token: () => token,
  };
}
