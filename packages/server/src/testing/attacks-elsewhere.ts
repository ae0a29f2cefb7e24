import type { Operation } from '@keyhold/protocol/operation';
import { EXCHANGE_GRANT, JWT_TYPE } from '@keyhold/protocol/operations/workloads';
import fc from 'fast-check';
import { type Attack, attacksOn } from './attacks.ts';
import type { OwnedWorld } from './attacks-people.ts';
import { OTHER_ROUTES, SENT_BODIES } from './other-routes.ts';

/** In whose words a route refuses, where they are not our problems alone. */
export type Form = 'problem' | 'verdict' | 'scim' | 'vault' | 'oauth';

export interface AttackElsewhere extends Attack {
  readonly server: string;
  readonly form: Form;
}

/** A route as an operation: what it takes is written down nowhere, so that a valid request of each stands here. */
interface Route {
  readonly server: string;
  readonly form: Form;
  readonly operation: Operation;
}

/** Hostile requests to whatever is served beside the operations, every route of the reviewed list but pages' parts. */
export function attacksElsewhere(attacked: readonly Operation[], world: OwnedWorld): fc.Arbitrary<AttackElsewhere> {
  const known = new Set(attacked.map(({ method, path }) => `${method} ${path}`));
  const routes = Object.keys(OTHER_ROUTES)
    .filter((route) => !route.includes('/assets/'))
    .flatMap(routesOf)
    .filter(({ operation: { method, path } }) => !known.has(`${method} ${path}`));
  return fc.oneof(...routes.map((route) => ({ arbitrary: attacksOnRoute(route, world), weight: weightOf(route) })));
}

/** Pages take nothing, and Vault's many methods lead to the same few handlers. */
function weightOf({ form, operation: { params, method } }: Route): number {
  return form === 'vault' || (method === 'GET' && params === undefined) ? 1 : 4;
}

/** What stands for the rest of an address, and for the parts of it that have a name. */
const RESTS: Readonly<Record<string, readonly string[]>> = {
  '/audit/tile/*': ['0/{part}', '{part}/000.p/1', 'entries/{part}', 'entries/000.p/{part}'],
  '/v1/*': ['secret/data/{part}', 'transit/encrypt/{part}', 'sys/wrapping/wrap'],
};
const PARTS = ['000.p/1', '000.p', '000', '1', '0', 'x001', 'x'];
const NAMES = ['corp', 'absent', 'User', 'Group'];

function routesOf(route: string): Route[] {
  const [server = '', method = '', url = ''] = route.split(' ');
  const rests = Object.entries(RESTS).find(([end]) => url.endsWith(end))?.[1] ?? ['{part}'];
  return (url.endsWith('*') ? rests : ['']).map((rest) => {
    const path = url.replace('*', rest).replace(/:(\w+)/g, '{$1}');
    const body = method === 'GET' ? undefined : { const: bodyOf(path, method) };
    const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name as string);
    const properties = Object.fromEntries(names.map((name) => [name, { enum: name === 'part' ? PARTS : NAMES }]));
    const params = names.length === 0 ? undefined : { type: 'object', properties, required: names };
    const operation = { id: route, method, path, params, body, maxBodyBytes: limitOf(path) } as unknown as Operation;
    return { server, form: formOf(server, path), operation };
  });
}

function formOf(server: string, path: string): Form {
  if (server === 'vault' || path.startsWith('/compat/')) return 'vault';
  if (path.startsWith('/v1/auth/')) return 'verdict';
  if (path.startsWith('/scim/')) return 'scim';
  return path === '/v1/token-exchange' ? 'oauth' : 'problem';
}

const KIB = 1024;

function limitOf(path: string): number {
  if (path.includes('/approle/') || path === '/v1/token-exchange') return 16 * KIB;
  if (path.startsWith('/v1/auth/')) return 1024 * KIB;
  return path.startsWith('/scim/') || path.includes('/v1/secret') ? 4096 * KIB : 64 * KIB;
}

const SCIM = 'urn:ietf:params:scim';

function bodyOf(path: string, method: string): unknown {
  if (path.startsWith('/scim/') && method === 'PATCH') {
    const email = { op: 'add', path: 'emails[type eq "work"].value', value: 'a@corp.example' };
    const Operations = [{ op: 'replace', path: 'active', value: false }, email, { op: 'remove', path: 'members' }];
    return { schemas: [`${SCIM}:api:messages:2.0:PatchOp`], Operations };
  }
  if (path.startsWith('/scim/v2/Users')) {
    const name = { givenName: 'Ada', familyName: 'Lovelace' };
    const said = { userName: 'ada@corp.example', externalId: 'ada', displayName: 'Ada', active: true, name };
    return {
      schemas: [`${SCIM}:schemas:core:2.0:User`],
      ...said,
      emails: [{ value: 'a@corp.example', primary: true }],
    };
  }
  if (path.startsWith('/scim/')) {
    return { schemas: [`${SCIM}:schemas:core:2.0:Group`], displayName: 'Trading', members: [{ value: 'x' }] };
  }
  if (path.includes('/approle/')) return { role_id: 'x', secret_id: 'y' };
  if (path === '/v1/token-exchange') {
    return { grant_type: EXCHANGE_GRANT, subject_token: 'e30.e30.AAAA', subject_token_type: JWT_TYPE };
  }
  return SENT_BODIES[path] ?? { data: { a: 'b' }, options: { cas: 0 }, plaintext: 'aGVsbG8=' };
}

/** What gateways say of the requests that they ask about; the first can be decided. */
const SAID: readonly (readonly [string, string])[][] = [
  [
    ['x-forwarded-uri', '/v1/prices'],
    ['x-original-uri', '/v1/prices'],
    ['x-forwarded-for', '192.0.2.7'],
  ],
  [
    ['x-forwarded-uri', '%zz\u00ff'],
    ['x-original-uri', 'http://[/%'],
  ],
  [['x-forwarded-for', '\u00ff, ,999.1.1.1, ::ffff:1']],
  [['x-keyhold-environment', '__proto__']],
  [['x-keyhold-permission', '((']],
  [['x-original-method', ' \u00ff']],
  [
    ['signature-input', 'a=(;=;'],
    ['signature', 'a=:*:'],
  ],
  [
    ['x-keyhold-body', 'sent'],
    ['content-digest', 'sha-256=:*:'],
  ],
];
const PLACE = [
  ['x-keyhold-environment', 'market/test'],
  ['x-keyhold-permission', 'prices:read'],
] as const;

function attacksOnRoute({ server, form, operation }: Route, world: OwnedWorld): fc.Arbitrary<AttackElsewhere> {
  const attacks = (admin: string) =>
    attacksOn(operation, { ...world, admin }).map((attack): AttackElsewhere => ({ ...attack, server, form }));
  if (form === 'scim') return attacks(world.provisioning);
  if (form !== 'verdict') return attacks(world.admin);
  return fc.tuple(attacks(world.credential), fc.constantFrom(...SAID)).map(([attack, said]) => {
    const headers = [...attack.headers, ['x-keyhold-token', world.gateway] as const, ...PLACE, ...said];
    return { ...attack, headers };
  });
}
