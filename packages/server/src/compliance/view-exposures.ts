import type { Exposure, ExposureKind } from '@keyhold/protocol/operations/offboarding';
import type { Kysely } from 'kysely';
import type { Action } from '../access/authorise.ts';
import { isGood } from '../access/app-roles/app-role.ts';
import { decide } from '../access/decide.ts';
import type { PolicyPlaces } from '../access/policies/entities.ts';
import { isAlive, type Principal, type Resource } from '../access/principal.ts';
import type { CredentialRow, Database, FactTable, FactTables, KeyRow, SecretRow } from '../database/schema.ts';
import { readCheckedRows } from '../ledger/checked-rows.ts';
import { stateAt } from '../keys/key.ts';
import type { KnownThing } from './exposure.ts';
import { newestCredentials, sealKnownFrom } from './exposures.store.ts';

export interface ViewContext {
  readonly reader: Kysely<Database>;
  readonly places: PolicyPlaces;
  readonly nowMs: number;
}

const REMEDIES: Readonly<Record<ExposureKind, NonNullable<Exposure['remedy']>>> = {
  secret: 'store-anew',
  key: 'rotate',
  token: 'revoke',
  factor: 'enrol-anew',
  workload: 'remove',
  'app-secret': 'revoke',
  person: 'review',
  'log-export': 'remove',
  'sign-on': 'review',
  seal: 'change-seal',
};

/** What it takes to be told what a thing is called. */
const READING: Readonly<Record<ExposureKind, Action>> = {
  secret: 'secrets.read',
  key: 'keys.read',
  token: 'tokens.read',
  factor: 'factors.read',
  workload: 'workloads.read',
  'app-secret': 'app-roles.read',
  person: 'people.read',
  'log-export': 'audit.read',
  'sign-on': 'sign-on.read',
  seal: 'seal.read',
};

type Standing = Pick<Exposure, 'state' | 'endsAt'>;
const STANDS: Standing = { state: 'stands', endsAt: null };
const OVER: Standing = { state: 'over', endsAt: null };

/** What is known of each now, and whether it still opens something; in doubt it does. */
export async function viewExposures(
  context: ViewContext,
  principal: Principal,
  things: readonly KnownThing[],
): Promise<Exposure[]> {
  const rows = await Rows.load(context.reader, things);
  return things.map((thing) => {
    const { name, at } = rows.describe(thing);
    const standing = rows.standingOf(thing, context.nowMs);
    const remedy = standing.state === 'over' ? null : rows.remedyOf(thing);
    const isOpen = decide(principal, READING[thing.kind], at).allowed;
    const { how, by, ...rest } = thing;
    return {
      ...{ ...rest, how: [...how], by: [...by], ...standing, remedy },
      ...(isOpen ? { name, ...namesOf(context.places, at) } : { name: null, project: null, environment: null }),
    };
  });
}

function namesOf(places: PolicyPlaces, { project, environment }: Resource) {
  return {
    project: project === null ? null : (places.slugOf(project) ?? null),
    environment: environment === null ? null : (places.environmentOf(environment)?.name ?? null),
  };
}

const HERE: Resource = { project: null, environment: null };
const TABLES = [
  ...(['secrets', 'keys', 'credentials', 'consumer_factors'] as const),
  ...(['app_role_secrets', 'tokens', 'workloads', 'people', 'log_exports', 'sign_ons'] as const),
] as const;

/** The rows that a page of things is about, each checked; what was written past the ledger counts as standing. */
class Rows {
  readonly #rows = new Map<string, FactTables[FactTable]>();
  readonly #tampered = new Set<string>();
  #sealKnownFrom = 0;
  /** When the newest credential in use was made, by key. */
  #newest: ReadonlyMap<string, number> = new Map();

  static async load(reader: Kysely<Database>, things: readonly KnownThing[]): Promise<Rows> {
    const rows = new Rows();
    const idsOf = (kind: ExposureKind) => [...new Set(things.filter((one) => one.kind === kind).map(({ id }) => id))];
    rows.#newest = await newestCredentials(reader, idsOf('key'));
    rows.#sealKnownFrom = things.some(({ kind }) => kind === 'seal') ? await sealKnownFrom(reader) : 0;
    const credentials = things.flatMap(({ kind, part }) => (kind === 'key' && part !== null ? [part] : []));
    const ids = new Set([...things.map(({ id }) => id), ...credentials]);
    await rows.#read(reader, TABLES, [...ids]);
    const roleOf = (id: string) => (rows.#rows.get(id) as FactTables['app_role_secrets'] | undefined)?.app_role_id;
    await rows.#read(
      reader,
      ['app_roles'],
      idsOf('app-secret').flatMap((id) => roleOf(id) ?? []),
    );
    return rows;
  }

  async #read(reader: Kysely<Database>, tables: readonly FactTable[], ids: readonly string[]): Promise<void> {
    for (const checked of await readCheckedRows(reader, tables, ids)) {
      if ('tampered' in checked) this.#tampered.add(checked.tampered);
      else this.#rows.set(checked.row.id, checked.row);
    }
  }

  describe({ kind, id }: KnownThing): { name: string | null; at: Resource } {
    // A secret id is called what its role is.
    const own = this.#rows.get(id) as FactTables['app_role_secrets'] | undefined;
    const named = this.#rows.get(kind === 'app-secret' ? (own?.app_role_id ?? '') : id);
    const row = named as { name?: string; path?: string; project_id?: string; environment_id?: string } | undefined;
    if (row === undefined) return { name: null, at: HERE };
    const { name = row.path ?? null, project_id: project = null, environment_id: environment = null } = row;
    const at = { project, environment, ...(kind === 'secret' && row.path !== undefined ? { secret: row.path } : {}) };
    // A token's place is what it is bound to, which is no place that it lies at.
    return { name, at: kind === 'token' || kind === 'workload' ? HERE : at };
  }

  remedyOf({ kind, id }: KnownThing): Exposure['remedy'] {
    return kind === 'secret' && !this.#tampered.has(id) && !this.#rows.has(id) ? 'elsewhere' : REMEDIES[kind];
  }

  standingOf(thing: KnownThing, nowMs: number): Standing {
    const { kind, id, part, last } = thing;
    if (kind === 'seal') return last < this.#sealKnownFrom ? OVER : STANDS;
    if (this.#tampered.has(id) || (part !== null && this.#tampered.has(part))) return STANDS;
    const row = this.#rows.get(id);
    // What is gone here may open another's door all the same.
    if (row === undefined) return kind === 'secret' ? STANDS : OVER;
    switch (kind) {
      case 'secret':
        // What was stored after it took its place; what was deleted or destroyed may still open another's door.
        return (row as SecretRow).version > Number(part) ? OVER : STANDS;
      case 'key':
        return this.#ofKey(row as KeyRow, part, nowMs);
      case 'token':
        return isAlive(row as FactTables['tokens'], nowMs) ? STANDS : OVER;
      case 'factor':
        return (row as FactTables['consumer_factors']).state === 'removed' ? OVER : STANDS;
      case 'app-secret':
        return isGood(row as FactTables['app_role_secrets'], nowMs) ? STANDS : OVER;
      case 'person':
        return (row as FactTables['people']).state === 'removed' ? OVER : STANDS;
      case 'log-export':
      case 'sign-on':
        return STANDS;
      case 'workload':
        return (row as FactTables['workloads']).state === 'active' ? STANDS : OVER;
    }
  }

  #ofKey(key: KeyRow, part: string | null, nowMs: number): Standing {
    const credential = this.#rows.get(part ?? '') as CredentialRow | undefined;
    const isOver = (timed: KeyRow | CredentialRow) =>
      !['active', 'pre-active', 'suspended'].includes(stateAt(timed, nowMs));
    if (credential === undefined || isOver(credential) || isOver(key)) return OVER;
    const isReplaced = (this.#newest.get(key.id) ?? 0) > credential.created_at;
    if (credential.expires_at === null || !isReplaced) return STANDS;
    return { state: 'ending', endsAt: new Date(credential.expires_at).toISOString() };
  }
}
