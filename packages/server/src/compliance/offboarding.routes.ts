import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import { ID_PREFIXES } from '@keyhold/protocol/id';
import * as operations from '@keyhold/protocol/operations/offboarding';
import type { FastifyInstance } from 'fastify';
import { attribution } from '../access/change-context.ts';
import { allowOnInstallation } from '../access/locate.ts';
import { noPerson } from '../access/people/invite-person.ts';
import { findPerson } from '../access/people/people.store.ts';
import type { Principal } from '../access/principal.ts';
import { noWorkload } from '../access/remove-workload.ts';
import { findToken } from '../access/tokens.store.ts';
import { findWorkload } from '../access/workloads.store.ts';
import type { OffboardingRow } from '../database/compliance-rows.ts';
import type { Cursors } from '../http/cursor.ts';
import { showDelivery } from '../delivery/delivery.routes.ts';
import { type Gate, mount } from '../http/mount.ts';
import { pageOf } from '../http/page.ts';
import { createOffboarding } from './create-offboarding.ts';
import { readLine } from './exposure.ts';
import { readLines } from './exposures.store.ts';
import { findActors, findExposures } from './find-exposures.ts';
import type { OffboardContext } from './finish-offboarding.ts';
import { showOffboarding } from './offboarding.ts';
import { findOffboarding, listOffboardings, namesOf, newestEntries } from './offboardings.store.ts';
import { type RotateContext, rotateExposed } from './rotate-exposed.ts';
import { viewExposures } from './view-exposures.ts';

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
    const names = await namesOf(reader, [...new Set(rows.map(({ principal_id }) => principal_id))]);
    const entries = await newestEntries(
      reader,
      rows.map(({ id }) => id),
    );
    return rows.map((row) => showOffboarding(row, names.get(row.principal_id) ?? null, entries.get(row.id) ?? 0));
  };

  mount(app, gate, operations.createOffboarding, async ({ principal, body, ip }) => {
    const denied = allowOnInstallation(principal, 'people.offboard') ?? (await findLeaver(context, body.of));
    if (denied !== null) return denied;
    const by = attribution({ principal, ip, idempotency: undefined });
    const left = await createOffboarding(context, by, { ...body, keep: body.keep ?? [] });
    if (isRefusal(left)) return left;
    const [offboarding] = await show([left.offboarding]);
    if (offboarding === undefined) return noOffboarding(left.offboarding.id);
    return { body: { offboarding, barrier: left.barrier }, sequence: offboarding.sequence };
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
    const denied = allowOnInstallation(principal, 'people.offboard');
    if (denied !== null) return denied;
    const row = await findOffboarding(reader, id);
    if (row === undefined) return noOffboarding(id);
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
    const { barred: refused, ...rest } = rotated;
    return { body: { ...rest, refused } };
  });
}

/** What somebody came to know until now, or until he left. */
export function mountExposures(app: FastifyInstance, { gate, cursors, context }: OffboardingRoutes): void {
  const { reader, ledger } = context;
  const viewing = () => ({ reader, places: context.places, nowMs: context.clock.wall() });

  mount(app, gate, operations.listExposures, async ({ principal, query }) => {
    const denied = mayRead(principal);
    if (denied !== null) return denied;
    const absent = await findLeaver(context, query.of);
    if (absent !== null) return absent;
    const things = await findExposures(reader, await findActors(reader, query.of), ledger.head.sequence);
    const numbered = things.map((thing, i) => ({ thing, number: String(i + 1) }));
    const load = async (after: string | undefined, limit: number) =>
      numbered.slice(Number(after ?? 0), Number(after ?? 0) + limit);
    const page = { list: operations.listExposures.id, principal: principal.id, query };
    const found = await pageOf(
      cursors,
      page,
      load,
      ({ number }) => number,
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

/** Null where there is such a person, token or workload. */
async function findLeaver({ reader }: OffboardContext, id: string): Promise<Refusal | null> {
  if (id.startsWith(`${ID_PREFIXES.person}_`))
    return (await findPerson(reader, id)) === undefined ? noPerson(id) : null;
  if (id.startsWith(`${ID_PREFIXES.token}_`)) {
    const token = await findToken(reader, id);
    return token === undefined ? refuse('TOKEN_NOT_FOUND', `There is no token ${id}.`, 'of') : null;
  }
  return (await findWorkload(reader, id)) === undefined ? noWorkload(id) : null;
}
