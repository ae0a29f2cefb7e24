import { canonicalJson } from '@keyhold/protocol/canonical-json';
import type { Exposure } from '@keyhold/protocol/operations/offboarding';
import { send } from './installation.ts';
import type { PersonAnswer, TestPerson } from './person.ts';
import type { Policed } from './policies.ts';
import { assertStatus } from './shared-market.ts';

export const outcome = ({ status, body }: PersonAnswer) => (status < 300 ? 'done' : `${status} ${body.code}`);
export const ONCE = { once: { ttlSeconds: 600 } };
export const NOW = { overlapSeconds: 0, deliverTo: ONCE };
/** As the evidence has it. */
export const lineOf = ({ kind, id, part, how, by, first, last, times }: Exposure) =>
  `${canonicalJson({ kind, id, part, how, by, first, last, times })}\n`;
export const inShort = (known: readonly Exposure[]) => known.map(({ kind, id, how }) => `${kind} ${id} ${how}`).sort();

export interface Issued {
  readonly key: { readonly id: string };
  readonly credential: { readonly id: string };
  readonly secret: string;
  readonly delivery?: { readonly token: string };
}

/** What somebody with a session can do, in this test. */
export function hands({ installation, consumer }: Policed, person: TestPerson) {
  const confirmed = { confirm: true };
  const made = async (path: string, body: object) =>
    assertStatus(await person.call('POST', path, body, confirmed), 201);
  return {
    reveal: (secret: string | undefined) => person.call('POST', `/v1/secrets/${secret}/reveal`, {}, confirmed),
    issue: async (more: object = {}) => {
      const body = { project: 'market', environment: 'test', consumer, name: 'key', permissions: ['prices:read'] };
      return (await made('/v1/keys', { ...body, ...more })) as Issued;
    },
    token: async (scopes: readonly string[], name = 'made') =>
      (await made('/v1/tokens', { name, scopes })) as { token: { id: string }; secret: string },
    workload: async () => {
      const trust = { issuer: 'https://ci.example', audience: 'keyhold', claims: { sub: 'job' }, scopes: ['read'] };
      return (await made('/v1/workloads', { name: 'ci', ...trust })).workload.id as string;
    },
    store: async (path: string) =>
      (await made('/v1/secrets', { project: 'market', environment: 'test', path, data: {} })).secret.id as string,
    invite: async () => await made('/v1/people', { name: 'x', role: 'support', reason: 'test' }),
    with: (token: string, method: string, path: string, body?: object) =>
      send(new URL(path, installation.controlUrl), method, body, { token }),
  };
}

export const leave = (by: TestPerson, of: string, more: object = {}) =>
  by.call('POST', '/v1/offboardings', { of, reason: 'left the company', ...more });

export const left = async (by: TestPerson, of: string, more: object = {}) =>
  assertStatus(await leave(by, of, more), 201).offboarding;

/** All pages. */
export async function knownOf(by: TestPerson, path: string): Promise<Exposure[]> {
  const items: Exposure[] = [];
  for (let cursor = ''; ; ) {
    const page = assertStatus(await by.call('GET', `${path}${path.includes('?') ? '&' : '?'}limit=3${cursor}`), 200);
    items.push(...page.items);
    if (page.nextCursor === null) return items;
    cursor = `&cursor=${page.nextCursor}`;
  }
}
