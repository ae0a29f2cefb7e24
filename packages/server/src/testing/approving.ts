import assert from 'node:assert/strict';
import { afterEach } from 'node:test';
import type { TestPlace } from './databases.ts';
import type { PersonAnswer, TestPerson } from './person.ts';
import { forgetOwner, type Policed, removePolicy, settle, sharePoliced } from './policies.ts';
import { assertStatus } from './shared-market.ts';

/** `done`, or status and code. */
export function outcome({ status, body }: PersonAnswer): string {
  return status < 300 ? 'done' : `${status} ${body.code}`;
}

/** A policy that wants so many approvals of something in `market/live`. */
export function wanting(needed: number, action = 'secrets.reveal'): string {
  return `forbid(principal, action == Action::"${action}", resource in Environment::"market/live") unless { context.approvals >= ${needed} };`;
}

/** People who ask for secrets of `market/live` and approve that. */
export interface Approving {
  readonly shared: () => Policed;
  readonly path: (secret: string) => string;
  readonly reveal: (
    by: TestPerson,
    headers?: Record<string, string>,
    secret?: string,
    body?: object,
  ) => Promise<PersonAnswer>;
  /** Asks to reveal it; resolves to what waits. */
  readonly ask: (by: TestPerson, secret?: string, body?: object) => Promise<string>;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  readonly waiting: (by: TestPerson, id: string) => Promise<any>;
  readonly approve: (by: TestPerson, id: string, seenBy?: TestPerson) => Promise<PersonAnswer>;
  /** Somebody who was there long enough. */
  readonly settled: (role: object) => Promise<TestPerson>;
}

/** Of one installation; people and policies of a test are gone after it. */
export function shareApproving(createPlace: () => Promise<TestPlace>): Approving {
  const shared = sharePoliced(createPlace);
  const path = (secret: string) => `/v1/secrets/${shared().secrets.get(secret)}/reveal`;
  const reveal = (by: TestPerson, headers: Record<string, string> = {}, secret = 'plain', body: object = {}) =>
    by.call('POST', path(secret), body, { confirm: true, headers });
  const ask = async (by: TestPerson, secret = 'plain', body: object = {}): Promise<string> => {
    const refused = await reveal(by, { 'keyhold-approval-reason': 'rotate%20it' }, secret, body);
    assert.deepEqual([refused.status, refused.body.code], [403, 'APPROVALS_REQUIRED'], JSON.stringify(refused.body));
    return refused.body.approval;
  };
  const waiting = async (by: TestPerson, id: string) =>
    assertStatus(await by.call('GET', '/v1/approvals'), 200).items.find((one: { id: string }) => one.id === id);
  const approve = async (by: TestPerson, id: string, seenBy: TestPerson = by) => {
    const seen = await waiting(seenBy, id);
    const body = { digest: seen?.digest ?? '0'.repeat(64), reason: 'seen' };
    return await by.call('POST', `/v1/approvals/${id}/approve`, body, { confirm: true });
  };
  const settled = async (role: object): Promise<TestPerson> => {
    const person = await shared().enrol(role);
    await settle(shared().place, person.id);
    return person;
  };

  afterEach(async () => {
    const { owner } = shared();
    // Other owners would have to approve it, also those who were some until today.
    const { items: people } = assertStatus(await owner.call('GET', '/v1/people?limit=100'), 200);
    for (const { id, state, roles } of people) {
      if (id === owner.id || state === 'removed') continue;
      if (roles.some(({ role }: { role: string }) => role === 'owner')) await forgetOwner(shared().place, id);
      assertStatus(await owner.call('DELETE', `/v1/people/${id}`, {}), 200);
    }
    for (const { id } of assertStatus(await owner.call('GET', '/v1/policies'), 200).items)
      await removePolicy(owner, id);
  });
  return { shared, path, reveal, ask, waiting, approve, settled };
}
