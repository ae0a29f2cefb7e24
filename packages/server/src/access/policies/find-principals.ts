import type { Kysely } from 'kysely';
import type { Database, TokenRow } from '../../database/schema.ts';
import { listPeople, rolesOf } from '../people/people.store.ts';
import { grantOf, isInForce, type RoleNamed } from '../people/person.ts';
import type { Principal } from '../principal.ts';
import type { Judge } from '../judge.ts';
import { grantsOfToken } from '../token.ts';
import { listTokens } from '../tokens.store.ts';
import { workloadOf } from '../token-names.ts';

export interface Named {
  readonly principal: Principal;
  readonly name: string;
}

const PAGE = 500;

/** Everybody who could do something now: active people, and tokens that are alive. As the rows say, unchecked: to be shown. */
export async function findPrincipals(
  db: Kysely<Database>,
  nowMs: number,
  judge: Judge,
  roleNamed: RoleNamed,
): Promise<readonly Named[]> {
  const found: Named[] = [];
  for (let after: string | undefined; ; ) {
    const people = await listPeople(db, after, PAGE);
    const active = people.filter(({ state }) => state === 'active');
    const roles = await rolesOf(
      db,
      active.map(({ id }) => id),
    );
    for (const { id, name } of active) {
      const own = roles.filter((role) => role.person_id === id && isInForce(role, nowMs));
      found.push({
        name,
        principal: { id, kind: 'person', grants: own.map((role) => grantOf(role, roleNamed)), judge },
      });
    }
    if (people.length < PAGE) break;
    after = people.at(-1)?.id;
  }
  for (let after: string | undefined; ; ) {
    const tokens = await listTokens(db, { state: 'active', nowMs, after, limit: PAGE });
    for (const token of tokens) found.push(ofToken(token, judge));
    if (tokens.length < PAGE) break;
    after = tokens.at(-1)?.id;
  }
  return found;
}

function ofToken(token: TokenRow, judge: Judge): Named {
  const workload = workloadOf(token);
  const own = workload === undefined ? {} : { workload };
  return {
    name: token.name,
    principal: { id: token.id, kind: 'service', grants: grantsOfToken(token), ...own, judge },
  };
}
