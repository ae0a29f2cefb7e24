import { createHash } from 'node:crypto';
import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Delivery, DeliverTo } from '@keyhold/protocol/operations/deliveries';
import type { Exposure } from '@keyhold/protocol/operations/offboarding';
import type { Barrier } from '@keyhold/protocol/operations/shapes';
import type { Kysely } from 'kysely';
import type { Caller, ChangeContext } from '../access/change-context.ts';
import type { PolicyPlaces } from '../access/policies/entities.ts';
import type { OffboardingRow } from '../database/compliance-rows.ts';
import type { Database } from '../database/schema.ts';
import { stateAt } from '../keys/key.ts';
import { listCredentials } from '../keys/keys.store.ts';
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
import { readLines, takenByLink } from './exposures.store.ts';
import { viewExposures } from './view-exposures.ts';

export interface RotateContext extends ChangeContext {
  readonly reader: Kysely<Database>;
  readonly places: PolicyPlaces;
  readonly vault: Vault;
  readonly describeOnce: DescribeOnce;
}

export interface RotatedExposed {
  readonly rotated: {
    key: string;
    consumer: string;
    credential: string;
    delivery: Delivery | null;
    sequence: number;
  }[];
  /** Ids of stored secrets that were marked. */
  readonly due: string[];
  readonly barred: { id: string; code: string; detail: string }[];
  remaining: number;
  byHand: number;
  /** Of all that was rotated without an overlap that verifiers learn of in time; null where nothing was. */
  barrier: Barrier | null;
  /** Sequence of the last entry of all that was done; undefined where nothing was. */
  newest: number | undefined;
}

interface How {
  readonly overlapSeconds: number;
  readonly deliverTo: DeliverTo;
}

/** Keys, and marks, at a time: each answer of a key carries how it is delivered. */
const MOST = 1_000;
const LINES_PER_READ = 500;
const AT_ONCE = 50;

const UNLISTED = refuse('ILLEGAL_TRANSITION', 'What he knows is not listed yet: ask again in a minute.');

/**
 * Rotates every key that somebody knew and that is alive longer than the overlap, each by what the caller may do to it,
 * and says of stored secrets that a new version is due. What was refused keeps none of the others; to repeat it goes on
 * with what is left. Where the store fails it answers with what was done until then: those links are shown once.
 */
export async function rotateExposed(
  context: RotateContext,
  caller: Caller,
  row: OffboardingRow,
  how: How,
): Promise<RotatedExposed | Refusal> {
  if (row.state !== 'done') return UNLISTED;
  const known = await readWhole(context, row);
  if (known === null) {
    context.vault.tampered(row.id);
    return refuse('ROW_TAMPERED', 'The list of what he knows is not the one that was made.');
  }
  const nothing = { rotated: [], due: [], barred: [], remaining: 0, byHand: 0 };
  const done: RotatedExposed = { ...nothing, barrier: null, newest: undefined };
  const seen = new Set<string>();
  let fault: unknown = null;
  for await (const standing of whatStands(context, caller, row.id, how)) {
    const fresh = standing.filter((one) => !seen.has(one.id) && seen.add(one.id));
    done.byHand += fresh.filter(isByHand).length;
    const mendable = fresh.filter((one) => !isByHand(one));
    for (let i = 0; i < mendable.length; i += AT_ONCE) {
      const some = mendable.slice(i, i + AT_ONCE);
      if (fault !== null || done.rotated.length >= MOST || done.due.length >= MOST) {
        done.remaining += some.length;
        continue;
      }
      for (const outcome of await Promise.allSettled(
        some.map((one) => mend(context, caller, one, { ...how, known, upTo: row.log_to }, done)),
      ))
        if (outcome.status === 'rejected') fault ??= outcome.reason;
    }
  }
  // Nothing was done that anybody would have to hear of.
  if (fault !== null && done.rotated.length + done.due.length === 0) throw fault;
  return done;
}

const isByHand = ({ kind, remedy }: Exposure) => remedy === 'elsewhere' || (kind !== 'key' && kind !== 'secret');

/** By key: the credentials that he knew. */
type KnownOfKeys = ReadonlyMap<string, ReadonlySet<string>>;

interface Knowing extends How {
  readonly known: KnownOfKeys;
  /** The last entry that the list is of. */
  readonly upTo: number;
}

/** What of keys the list says; null where it is not the one that its row, as the ledger recorded it, commits to. */
async function readWhole({ reader }: RotateContext, { id, list_digest }: OffboardingRow): Promise<KnownOfKeys | null> {
  const digest = createHash('sha256');
  const known = new Map<string, Set<string>>();
  for (let after: string | undefined; ; ) {
    const lines = await readLines(reader, id, after, LINES_PER_READ);
    for (const { line } of lines) {
      digest.update(line);
      const { kind, id: of, part } = readLine(line);
      if (kind === 'key' && part !== null) known.set(of, (known.get(of) ?? new Set()).add(part));
    }
    if (lines.length < LINES_PER_READ) return digest.digest('hex') === list_digest ? known : null;
    after = lines.at(-1)?.id;
  }
}

/** Also what ends by itself, but later than it would now. */
async function* whatStands(
  { reader, places, clock }: RotateContext,
  { principal }: Caller,
  id: string,
  { overlapSeconds }: How,
) {
  for (let after: string | undefined; ; ) {
    const lines = await readLines(reader, id, after, LINES_PER_READ);
    const things = lines.map(({ line }) => readLine(line));
    const nowMs = clock.wall();
    const viewed = await viewExposures({ reader, places, nowMs }, principal, things);
    const end = nowMs + overlapSeconds * 1000;
    yield viewed.filter(({ state, endsAt }) => state === 'stands' || (endsAt !== null && Date.parse(endsAt) > end));
    if (lines.length < LINES_PER_READ) return;
    after = lines.at(-1)?.id;
  }
}

async function mend(
  context: RotateContext,
  caller: Caller,
  one: Exposure,
  how: Knowing,
  done: RotatedExposed,
): Promise<void> {
  const refused = await (one.kind === 'key' ? rotate : due)(context, caller, one, how, done);
  if (refused === null || done.barred.length >= MOST) return;
  done.barred.push({ id: one.id, code: refused.refused, detail: refused.detail });
}

async function rotate(
  context: RotateContext,
  caller: Caller,
  { id }: Exposure,
  { overlapSeconds, deliverTo, known, upTo }: Knowing,
  done: RotatedExposed,
): Promise<Refusal | null> {
  const { reader, vault } = context;
  const key = await openKey(reader, caller.principal, 'keys.rotate', id);
  if (isRefusal(key)) return key;
  // As it signs now: what he knew may have been replaced by another kind.
  const nowMs = context.clock.wall();
  const credentials = await listCredentials(reader, [id]);
  const newest = credentials.find((one) => stateAt(one, nowMs) === 'active');
  const kind = newest?.kind === 'hmac' ? 'hmac' : 'bearer';
  const prepared = await prepareDelivered(vault, credentialPlaceOf(key), { kind }, deliverTo);
  if (isRefusal(prepared)) return prepared;
  const { way } = prepared;
  // Whoever took one with nothing but its link may have been he.
  const ids = credentials.map((one) => one.id);
  const listed = known.get(id);
  const ending = listed && new Set([...listed, ...(await takenByLink(reader, ids, upTo))]);
  const rotated = await rotateKey(context, caller, key, overlapSeconds, prepared, ending);
  if (isRefusal(rotated)) return rotated;
  const { barrier, value, sequence } = rotated;
  done.newest = Math.max(done.newest ?? 0, sequence);
  if (barrier !== undefined) done.barrier = done.barrier === null ? barrier : together(done.barrier, barrier);
  if (way === undefined) return null;
  const delivery = !value.isNew ? null : await describeDelivered(prepared, way, context.describeOnce);
  const [consumer, issued] = [key.consumer_id, value.credential.id];
  done.rotated.push({ key: id, consumer, credential: issued, delivery, sequence });
  return null;
}

/** What another gave to us, another has to give anew. */
async function due(
  { reader, vault, clock }: RotateContext,
  caller: Caller,
  { id }: Exposure,
  _how: How,
  done: RotatedExposed,
): Promise<Refusal | null> {
  const secret = await openSecret(reader, caller.principal, 'secrets.write', id);
  if (isRefusal(secret)) return secret;
  const marked = await setRotateBy(vault, caller, secret, clock.wall());
  if (isRefusal(marked)) return marked;
  if (!marked.value) return null;
  done.due.push(id);
  done.newest = Math.max(done.newest ?? 0, marked.sequence);
  return null;
}
