import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Delivery, DeliverTo } from '@keyhold/protocol/operations/deliveries';
import type { Exposure } from '@keyhold/protocol/operations/offboarding';
import type { Barrier } from '@keyhold/protocol/operations/shapes';
import type { Kysely } from 'kysely';
import type { Caller, ChangeContext } from '../access/change-context.ts';
import type { PolicyPlaces } from '../access/policies/entities.ts';
import type { OffboardingRow } from '../database/compliance-rows.ts';
import type { Database } from '../database/schema.ts';
import { findCredential } from '../keys/keys.store.ts';
import { openKey } from '../keys/open-key.ts';
import {
  credentialPlaceOf,
  type DescribeOnce,
  describeDelivered,
  prepareDelivered,
} from '../keys/prepare-delivered.ts';
import { together } from '../keys/revoke-keys.ts';
import { rotateKey } from '../keys/rotate-key.ts';
import { openSecret } from '../secrets/open-secret.ts';
import { setRotateBy } from '../secrets/set-rotate-by.ts';
import type { Vault } from '../vault/vault.ts';
import { readLine } from './exposure.ts';
import { readLines } from './exposures.store.ts';
import { viewExposures } from './view-exposures.ts';

export interface RotateContext extends ChangeContext {
  readonly reader: Kysely<Database>;
  readonly places: PolicyPlaces;
  readonly vault: Vault;
  readonly describeOnce: DescribeOnce;
}

export interface RotatedExposed {
  readonly rotated: { key: string; consumer: string; credential: string; delivery: Delivery }[];
  /** Ids of stored secrets that wait for a new version. */
  readonly due: string[];
  readonly barred: { id: string; code: string; detail: string }[];
  remaining: number;
  byHand: number;
  /** Of all that was rotated without an overlap that verifiers learn of in time; null where nothing was. */
  barrier: Barrier | null;
}

/** Keys and secrets at a time: each answer of a key carries how it is delivered. */
const MOST = 1_000;
const LINES_PER_READ = 500;
const AT_ONCE = 50;

/**
 * Rotates every key that somebody knew and that still stands, each by what the caller may do to it, and says of stored
 * secrets that a new version is due. What was refused keeps none of the others; to repeat it goes on with what is left.
 */
export async function rotateExposed(
  context: RotateContext,
  caller: Caller,
  { id, state }: OffboardingRow,
  how: { readonly overlapSeconds: number; readonly deliverTo: DeliverTo },
): Promise<RotatedExposed | Refusal> {
  if (state !== 'done') return refuse('ILLEGAL_TRANSITION', 'What he knows is not listed yet: ask again in a minute.');
  const done: RotatedExposed = { rotated: [], due: [], barred: [], remaining: 0, byHand: 0, barrier: null };
  const seen = new Set<string>();
  for await (const standing of whatStands(context, caller, id)) {
    const fresh = standing.filter((one) => !seen.has(one.id) && seen.add(one.id));
    done.byHand += fresh.filter(isByHand).length;
    const mendable = fresh.filter((one) => !isByHand(one));
    const room = Math.max(0, MOST - done.rotated.length - done.due.length - done.barred.length);
    done.remaining += Math.max(0, mendable.length - room);
    const some = mendable.slice(0, room);
    for (let i = 0; i < some.length; i += AT_ONCE) {
      const work = some.slice(i, i + AT_ONCE).map(async (one) => {
        const refused =
          one.kind === 'key' ? await rotate(context, caller, one, how, done) : await due(context, caller, one);
        if (refused !== null) done.barred.push({ id: one.id, code: refused.refused, detail: refused.detail });
        else if (one.kind === 'secret') done.due.push(one.id);
      });
      await Promise.all(work);
    }
  }
  return done;
}

const isByHand = ({ kind }: Exposure) => kind !== 'key' && kind !== 'secret';

async function* whatStands({ reader, places, clock }: RotateContext, { principal }: Caller, id: string) {
  for (let after: string | undefined; ; ) {
    const lines = await readLines(reader, id, after, LINES_PER_READ);
    const things = lines.map(({ line }) => readLine(line));
    const viewed = await viewExposures({ reader, places, nowMs: clock.wall() }, principal, things);
    yield viewed.filter((one) => one.state === 'stands');
    if (lines.length < LINES_PER_READ) return;
    after = lines.at(-1)?.id;
  }
}

async function rotate(
  context: RotateContext,
  caller: Caller,
  { id, part }: Exposure,
  { overlapSeconds, deliverTo }: { readonly overlapSeconds: number; readonly deliverTo: DeliverTo },
  done: RotatedExposed,
): Promise<Refusal | null> {
  const { reader, vault } = context;
  const key = await openKey(reader, caller.principal, 'keys.rotate', id);
  if (isRefusal(key)) return key;
  const known = await findCredential(reader, part ?? '');
  const kind = known?.kind === 'hmac' ? 'hmac' : 'bearer';
  const prepared = await prepareDelivered(vault, credentialPlaceOf(key), { kind }, deliverTo);
  if (isRefusal(prepared)) return prepared;
  const { credential, way } = prepared;
  const rotated = await rotateKey(context, caller, key, overlapSeconds, credential, way);
  if (isRefusal(rotated)) return rotated;
  const { barrier } = rotated;
  if (barrier !== undefined) done.barrier = done.barrier === null ? barrier : together(done.barrier, barrier);
  if (way === undefined) return null;
  const delivery = await describeDelivered(prepared, way, context.describeOnce);
  done.rotated.push({ key: id, consumer: key.consumer_id, credential: rotated.value.credential.id, delivery });
  return null;
}

/** What another gave to us, another has to give anew. */
async function due({ reader, vault, clock }: RotateContext, caller: Caller, { id }: Exposure): Promise<Refusal | null> {
  const secret = await openSecret(reader, caller.principal, 'secrets.write', id);
  if (isRefusal(secret)) return secret;
  const marked = await setRotateBy(vault, caller, secret, clock.wall());
  return isRefusal(marked) ? marked : null;
}
