import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import { ID_PREFIXES } from '@keyhold/protocol/id';
import * as operations from '@keyhold/protocol/operations/offboarding';
import type { FastifyInstance } from 'fastify';
import { attribution } from '../access/change-context.ts';
import { findAppRoleById } from '../access/app-roles/app-roles.store.ts';
import { allowOnInstallation } from '../access/locate.ts';
import { noPerson } from '../access/people/invite-person.ts';
import { findPerson } from '../access/people/people.store.ts';
import type { Principal } from '../access/principal.ts';
import { noWorkload } from '../access/remove-workload.ts';
import { findToken } from '../access/tokens.store.ts';
import { findWorkload } from '../access/workloads.store.ts';
import type { Kysely } from 'kysely';
import type { OffboardingRow } from '../database/compliance-rows.ts';
import type { Database } from '../database/schema.ts';
import type { Cursors } from '../http/cursor.ts';
import { showDelivery } from '../delivery/delivery.routes.ts';
import { type Gate, mount } from '../http/mount.ts';
import { pageOf } from '../http/page.ts';
import { readCheckedRows } from '../ledger/checked-rows.ts';
import { createOffboarding } from './create-offboarding.ts';
import { type KnownThing, readLine } from './exposure.ts';
import { listingEntries, olderThanLog, readLines } from './exposures.store.ts';
import { findActors, findExposures } from './find-exposures.ts';
import type { OffboardContext } from './finish-offboarding.ts';
import { showOffboarding } from './offboarding.ts';
import { findOffboarding, listOffboardings, namesOf } from './offboardings.store.ts';
import { type RotateContext, rotateExposed } from './rotate-exposed.ts';
import { viewExposures } from './view-exposures.ts';

const MOST_UNATTRIBUTED = 1_000;

export interface OffboardingRoutes {
  readonly gate: Gate<Principal>;
  readonly cursors: Cursors;
  readonly context: OffboardContext & Omit<RotateContext, 'describeOnce'>;
}

const noOffboarding = (id: string) => refuse('OFFBOARDING_NOT_FOUND', `There is no off-boarding ${id}.`, 'id');

/** What somebody knew is known by the log, so who reads that reads these. */
const mayRead = (principal: Principal) => allowOnInstallation(principal, 'audit.read');

/** Off-boarding, and rotating what somebody knew. */
export function mountOffboarding(app: FastifyInstance, { gate, cursors, context }: OffboardingRoutes): void {
  const { reader } = context;
  const show = async (rows: readonly OffboardingRow[]) => {
    if (rows.length === 0) return [];
    const principals = [...new Set(rows.map(({ principal_id }) => principal_id))];
    const names = await namesOf(reader, principals);
    const listings = await listingEntries(reader, principals);
    const unattributed = await olderThanLog(reader, MOST_UNATTRIBUTED);
    return rows.map((row) => {
      const listing = listings.find(({ leaf }) => leaf.changes.some(({ id }) => id === row.id));
      return showOffboarding(row, { name: names.get(row.principal_id) ?? null, listing, unattributed });
    });
  };

  mount(app, gate, operations.createOffboarding, async ({ principal, body, ip }) => {
    const denied = allowOnInstallation(principal, 'people.offboard') ?? (await findLeaver(context, body.of));
    if (denied !== null) return denied;
    const by = attribution({ principal, ip, idempotency: undefined });
    const left = await createOffboarding(context, by, { ...body, keep: body.keep ?? [] });
    if (isRefusal(left)) return left;
    const [offboarding] = await show([left.offboarding]);
    if (offboarding === undefined) return noOffboarding(left.offboarding.id);
    return { body: { offboarding, barrier: left.barrier }, sequence: offboarding.sequence ?? undefined };
  });

  mount(app, gate, operations.listOffboardings, async ({ principal, query }) => {
    const denied = mayRead(principal);
    if (denied !== null) return denied;
    const page = { list: operations.listOffboardings.id, principal: principal.id, query };
    const load = (after: string | undefined, limit: number) => listOffboardings(reader, after, limit);
    const found = await pageOf(cursors, page, load, ({ id }) => id, show);
    return isRefusal(found) ? found : { body: found };
  });

  mount(app, gate, operations.getOffboarding, async ({ principal, params: { id } }) => {
    const row = mayRead(principal) ?? (await findOffboarding(reader, id));
    if (isRefusal(row)) return row;
    const [offboarding] = row === undefined ? [] : await show([row]);
    return offboarding === undefined ? noOffboarding(id) : { body: { offboarding } };
  });

  mount(app, gate, operations.rotateExposed, async ({ principal, params: { id }, body, ip, confirm }) => {
    // What is refused is named: by its id, to whoever may read of it.
    const denied = mayRead(principal) ?? allowOnInstallation(principal, 'people.offboard');
    if (denied !== null) return denied;
    const [checked] = await readCheckedRows(reader, ['offboardings'], [id]);
    if (checked === undefined) return noOffboarding(id);
    if ('tampered' in checked) {
      context.vault.tampered(checked.tampered);
      return refuse('ROW_TAMPERED', `The stored row ${id} is not the one that the ledger recorded.`);
    }
    const row = checked.row as OffboardingRow;
    // Whoever rotates is told where the new credentials wait.
    const unconfirmed = await confirm();
    if (unconfirmed !== null) return unconfirmed;
    const rotated = await rotateExposed(
      { ...context, describeOnce: showDelivery },
      { principal, ip, idempotency: undefined },
      row,
      body,
    );
    if (isRefusal(rotated)) return rotated;
    const { barred: refused, newest: sequence, ...rest } = rotated;
    return { body: { ...rest, refused }, sequence };
  });
}

/** What somebody came to know until now, or until he left. */
export function mountExposures(app: FastifyInstance, { gate, cursors, context }: OffboardingRoutes): void {
  const { reader, ledger } = context;
  const list = new LastExposures(reader);
  const viewing = () => ({ reader, places: context.places, nowMs: context.clock.wall() });

  mount(app, gate, operations.listExposures, async ({ principal, query }) => {
    const denied = mayRead(principal);
    if (denied !== null) return denied;
    const absent = await findLeaver(context, query.of);
    if (absent !== null) return absent;
    // Each page goes on with the list that the first one began with.
    const load = async (after: string | undefined, limit: number) => {
      const [upTo = ledger.head.sequence, from = 0] = (after ?? '').split('/').filter(Boolean).map(Number);
      const things = await list.until(query.of, upTo);
      return things.slice(from, from + limit).map((thing, i) => ({ thing, id: `${upTo}/${from + i + 1}` }));
    };
    const page = { list: operations.listExposures.id, principal: principal.id, query };
    const found = await pageOf(
      cursors,
      page,
      load,
      ({ id }) => id,
      (rows) =>
        viewExposures(
          viewing(),
          principal,
          rows.map(({ thing }) => thing),
        ),
    );
    return isRefusal(found) ? found : { body: found };
  });

  mount(app, gate, operations.listOffboardingExposures, async ({ principal, params: { id }, query }) => {
    const row = mayRead(principal) ?? (await findOffboarding(reader, id));
    if (isRefusal(row)) return row;
    if (row === undefined) return noOffboarding(id);
    const page = { list: operations.listOffboardingExposures.id, principal: principal.id, query: { ...query, id } };
    const load = (after: string | undefined, limit: number) => readLines(reader, id, after, limit);
    const found = await pageOf(
      cursors,
      page,
      load,
      (line) => line.id,
      (lines) =>
        viewExposures(
          viewing(),
          principal,
          lines.map(({ line }) => readLine(line)),
        ),
    );
    return isRefusal(found) ? found : { body: found };
  });
}

/** What somebody knew until an entry does not change: the last such list is kept for its next page. */
class LastExposures {
  readonly #reader: Kysely<Database>;
  #last: { readonly name: string; readonly things: Promise<readonly KnownThing[]> } | null = null;

  constructor(reader: Kysely<Database>) {
    this.#reader = reader;
  }

  until(of: string, upTo: number): Promise<readonly KnownThing[]> {
    const name = `${of} ${upTo}`;
    if (this.#last?.name === name) return this.#last.things;
    const things = this.#find(of, upTo);
    this.#last = { name, things };
    // One that failed is looked for again.
    things.catch(() => {
      if (this.#last?.name === name) this.#last = null;
    });
    return things;
  }

  async #find(of: string, upTo: number): Promise<readonly KnownThing[]> {
    return await findExposures(this.#reader, await findActors(this.#reader, of), upTo);
  }
}

/** Null where there is such a person, token or workload. */
async function findLeaver({ reader }: OffboardContext, id: string): Promise<Refusal | null> {
  if (id.startsWith(`${ID_PREFIXES.person}_`))
    return (await findPerson(reader, id)) === undefined ? noPerson(id) : null;
  if (id.startsWith(`${ID_PREFIXES.token}_`)) {
    const token = await findToken(reader, id);
    return token === undefined ? refuse('TOKEN_NOT_FOUND', `There is no token ${id}.`, 'of') : null;
  }
  const isAppRole = id.startsWith(`${ID_PREFIXES.appRole}_`);
  const found = isAppRole ? await findAppRoleById(reader, id) : await findWorkload(reader, id);
  return found === undefined ? noWorkload(id) : null;
}
