import type { Kysely } from 'kysely';
import type { BreakGlassRow, CustomRoleRow, PolicyRow } from '../../database/people-rows.ts';
import type { Database } from '../../database/schema.ts';
import { type CheckedRow, readChecked } from '../../ledger/checked-rows.ts';
import type { ChangedRow } from '../../ledger/facts.ts';
import type { Action } from '../authorise.ts';
import type { Ruling } from '../judge.ts';
import { type CustomRole, isBuiltIn } from '../opener.ts';
import type { RoleNamed } from '../people/person.ts';
import type { Principal, Resource } from '../principal.ts';
import { type CedarRequest, judge, type Uid } from './cedar.ts';
import { actionEntity, askerOf, describe, type Described, type PolicyPlaces } from './entities.ts';
import { type Asker, isAbout, namesServiceAndPlace, type Policy, readPolicy, whomIt } from './policy.ts';
import { PreparedSets } from './prepared-sets.ts';
import { goesOnWithoutPolicies } from './vocabulary.ts';

const ROWS_PER_READ = 500;
/** A policy that asks for more forbids. */
export const MAX_APPROVALS = 9;

/** What a decision is made in. */
export interface Circumstances {
  /** Address that is asked from. */
  readonly network: string;
  /** Epoch milliseconds. */
  readonly atMs: number;
  /** How many others approved just this. */
  readonly approvals: number;
}

/**
 * The policies in force, in memory. Those that can apply within one project alone are asked there alone, and each only
 * about actions and people that it names: what a decision costs grows with the policies that could decide it, not with all.
 */
export class PolicyBook {
  readonly places: PolicyPlaces;
  readonly #policies = new Map<string, Policy>();
  /** Ids of rows that are not what the ledger recorded. */
  readonly #broken = new Set<string>();
  /** By project (empty: of the installation), action, and whom it names. */
  readonly #index = new Map<string, Policy[]>();
  readonly #sets: PreparedSets;
  /** By name. */
  readonly #roles = new Map<string, CustomRole & { readonly id: string }>();
  /** By person: those that are open, until then. */
  readonly #glasses = new Map<string, { readonly id: string; readonly until: number }>();
  #version = 0;
  #hasPeople = false;

  /** @param name under which its policies are prepared: another book of that name takes its place */
  constructor(places: PolicyPlaces, name = 'in force') {
    this.places = places;
    this.#sets = new PreparedSets(name);
  }

  /** Changes with each change of policies. */
  get version(): number {
    return this.#version;
  }

  /** Whether anybody was ever enrolled: from then on services are held to what policies name. */
  get hasPeople(): boolean {
    return this.#hasPeople;
  }

  /** The role of that name; of a custom one that is not there, or not as it was recorded, one that opens nothing. */
  readonly roleNamed: RoleNamed = (name) => (isBuiltIn(name) ? name : (this.#roles.get(name) ?? { name, actions: [] }));

  list(): readonly Policy[] {
    return [...this.#policies.values()];
  }

  /** Reads them all, as the ledger recorded them. */
  async load(db: Kysely<Database>, tampered: (rowId: string) => void): Promise<void> {
    const rows = await readAll(db, 'policies');
    this.#roles.clear();
    for (const row of await readAll(db, 'custom_roles')) {
      if ('tampered' in row) tampered(row.tampered);
      else this.#noteRole(row.row as CustomRoleRow);
    }
    this.#glasses.clear();
    for (const row of await readAll(db, 'break_glass')) {
      if ('tampered' in row) tampered(row.tampered);
      else this.#noteGlass(row.row as BreakGlassRow);
    }
    const [person] = (await readChecked(db, 'people', '', 1)).rows;
    this.#hasPeople = person !== undefined;
    this.#policies.clear();
    this.#broken.clear();
    for (const row of rows) {
      if ('tampered' in row) {
        tampered(row.tampered);
        this.#broken.add(row.tampered);
      } else this.#policies.set(row.row.id, readPolicy(row.row as PolicyRow));
    }
    this.#changed();
  }

  /** Notes what a commit brought about. */
  note(changed: readonly ChangedRow[], removed: readonly string[]): void {
    const own = changed.filter(({ table }) => table === 'policies').map(({ row }) => row as PolicyRow);
    this.#hasPeople ||= changed.some(({ table }) => table === 'people');
    for (const { table, row } of changed) {
      if (table === 'break_glass') this.#noteGlass(row as BreakGlassRow);
      if (table !== 'custom_roles') continue;
      this.#noteRole(row as CustomRoleRow);
      this.#version++;
    }
    for (const { id, name } of [...this.#roles.values()]) {
      if (!removed.includes(id) || changed.some(({ row }) => row.id === id)) continue;
      this.#roles.delete(name);
      this.#version++;
    }
    const gone = removed.filter((id) => this.#policies.has(id) || this.#broken.has(id));
    if (own.length === 0 && gone.length === 0) return;
    for (const row of own) this.#policies.set(row.id, readPolicy(row));
    for (const id of gone) this.#policies.delete(id);
    for (const id of [...own.map((row) => row.id), ...gone]) this.#broken.delete(id);
    this.#changed();
  }

  #noteGlass({ id, person_id, state, expires_at }: BreakGlassRow): void {
    for (const [person, glass] of this.#glasses) if (glass.id === id) this.#glasses.delete(person);
    if (state === 'open') this.#glasses.set(person_id, { id, until: expires_at });
    // What was decided with one that is closed now is decided again.
    this.#version++;
  }

  /** Id of what lets this person go on without approvals at this time, or undefined. */
  glassOf(person: string, atMs: number): string | undefined {
    const glass = this.#glasses.get(person);
    return glass !== undefined && atMs < glass.until ? glass.id : undefined;
  }

  #noteRole({ id, name, actions }: CustomRoleRow): void {
    this.#roles.set(name, { id, name, actions: JSON.parse(actions) as Action[] });
  }

  /** As it would be with these: for looking at a change before it is made. */
  withPolicies(policies: readonly Policy[], name: string): PolicyBook {
    const other = new PolicyBook(this.places, name);
    for (const policy of policies) other.#policies.set(policy.id, policy);
    other.#hasPeople = this.#hasPeople;
    other.#changed();
    return other;
  }

  #changed(): void {
    this.#version++;
    this.#sets.clear();
    this.#index.clear();
    for (const policy of [...this.#policies.values()].sort((a, b) => (a.id < b.id ? -1 : 1))) {
      for (const action of policy.actions) {
        for (const where of [policy.project ?? '', ANYWHERE]) {
          const key = indexKey(where, action, whomIt(policy));
          const there = this.#index.get(key);
          if (there === undefined) this.#index.set(key, [policy]);
          else there.push(policy);
        }
      }
    }
  }

  /** Policies that speak of the action there, and of him. */
  #about(asker: Asker, action: Action, ...places: readonly string[]): readonly Policy[] {
    const whom = [undefined, asker.uid, ...asker.parents];
    return places
      .flatMap((place) => whom.flatMap((one) => this.#index.get(indexKey(place, action, one)) ?? []))
      .filter((policy) => isAbout(policy, asker));
  }

  /** Policies that may have a say in what he does, wherever that is. */
  anywhere(principal: Principal, action: Action): readonly Policy[] {
    return this.#policies.size === 0 ? [] : this.#about(askerOf(principal, null), action, ANYWHERE);
  }

  isBroken(action: Action): boolean {
    return this.#broken.size > 0 && !goesOnWithoutPolicies(action);
  }

  /** What the policies say; null: nothing, so that grants decide. */
  rule(principal: Principal, action: Action, resource: Resource, circumstances: Circumstances): Ruling | null {
    if (this.isBroken(action)) return { effect: 'forbid', policy: [...this.#broken][0] as string };
    if (this.#policies.size === 0) return null;
    const asker = askerOf(principal, resource);
    const described = describe(this.places, resource);
    // Nobody knows what a place falls under whose row was tampered with.
    if (described === undefined) {
      const mayMatter = this.#about(asker, action, ANYWHERE).length > 0;
      return mayMatter ? { effect: 'forbid', policy: 'unknown-place' } : null;
    }
    const candidates = this.#about(asker, action, '', ...(described.project === null ? [] : [described.project]));
    if (candidates.length === 0) return null;
    const set = this.#sets.nameOf(candidates);
    const request = requestOf(asker, action, described, circumstances);
    const ruling = this.#ruling(judge(set, request), action);
    const mindsApprovals = candidates.some(({ effect, minds }) => effect === 'forbid' && minds.approvals);
    if (ruling?.effect !== 'forbid' || !mindsApprovals) return ruling;
    // How many it would take, if approvals are what it lacks.
    for (let approvals = circumstances.approvals + 1; approvals <= MAX_APPROVALS; approvals++) {
      const approved = judge(set, { ...request, context: { ...request.context, approvals } });
      if (this.#ruling(approved, action)?.effect !== 'forbid') return { ...ruling, approvals };
    }
    return ruling;
  }

  #ruling({ allowed, policies, failed }: ReturnType<typeof judge>, action: Action): Ruling | null {
    // One that could not be evaluated may have been one that forbids.
    const [broken] = failed;
    if (broken !== undefined) return { effect: 'forbid', policy: broken };
    const [first] = policies;
    if (first === undefined) return null;
    if (!allowed) return { effect: 'forbid', policy: first };
    const named = policies.find((id) => namesServiceAndPlace(this.#policies.get(id) as Policy, action));
    return { effect: 'permit', policy: named ?? first, byName: named !== undefined };
  }
}

function requestOf(asker: Asker, action: Action, described: Described, circumstances: Circumstances): CedarRequest {
  return {
    ...{ principal: asker.uid, action, resource: described.uid },
    context: {
      network: plainAddress(circumstances.network),
      at: new Date(circumstances.atMs).toISOString(),
      production: described.production,
      approvals: circumstances.approvals,
    },
    entities: [{ uid: asker.uid, attrs: {}, parents: asker.parents }, actionEntity(action), ...described.entities],
  };
}

/** In the index, for what is said of any place: no slug. */
const ANYWHERE = '*';

function indexKey(place: string, action: Action, whom: Uid | undefined): string {
  return whom === undefined ? `${place} ${action}` : `${place} ${action} ${whom.type}::${whom.id}`;
}

async function readAll(
  db: Kysely<Database>,
  table: 'policies' | 'custom_roles' | 'break_glass',
): Promise<CheckedRow[]> {
  const all: CheckedRow[] = [];
  for (let after: string | null = ''; after !== null; ) {
    const page: { rows: CheckedRow[]; last: string | null } = await readChecked(db, table, after, ROWS_PER_READ);
    all.push(...page.rows);
    after = page.last;
  }
  return all;
}

/** IPv4 where it is one in IPv6's clothes, and without the zone: a network is to be named in one way. */
function plainAddress(address: string): string {
  const bare = address.split('%')[0] ?? '';
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1] ?? bare;
}
