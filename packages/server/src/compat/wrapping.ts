import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import { attribution, type Caller } from '../access/change-context.ts';
import { ID_PREFIXES, type IdKind } from '@keyhold/protocol/id';
import type { DeliveryRow } from '../database/schema.ts';
import { createDelivery, MAX_DELIVERED_BYTES, type PreparedDelivery } from '../delivery/create-delivery.ts';
import { findDelivery } from '../delivery/deliveries.store.ts';
import { onceDigest } from '../delivery/delivery.ts';
import { openDelivery } from '../delivery/open-delivery.ts';
import { rewrapDelivery } from '../delivery/rewrap-delivery.ts';
import { takeDelivery } from '../delivery/take-delivery.ts';
import type { Facts } from '../ledger/facts.ts';
import { stateOfVersion } from '../secrets/secret-record.ts';
import { expose } from '../vault/expose.ts';
import { Secret } from '../vault/secret.ts';
import type { Vault } from '../vault/vault.ts';
import { readDuration } from './duration.ts';
import { data, envelope, errors, refusalAnswer, type VaultAnswer } from './vault-answer.ts';
import type { Located, VaultApi, VaultCall } from './vault-call.ts';

const MAX_TTL_SECONDS = 30 * 86_400;
const NO_SUCH_TOKEN = errors(400, 'wrapping token is not valid or does not exist');

/** Room for an answer, made before the answer is. */
export interface Wrap {
  readonly seconds: number;
  readonly place: Located;
  readonly delivery: PreparedDelivery;
}

/** Whether the caller may put an answer aside here, and for how long. */
export async function prepareWrap(api: VaultApi, call: VaultCall, ttl: string): Promise<Wrap | VaultAnswer> {
  // It stores something: reading is not enough.
  const place = await call.open('secrets.write');
  if (isRefusal(place)) return refusalAnswer(place);
  const seconds = readDuration(ttl);
  if (seconds === null || seconds < 1 || seconds > MAX_TTL_SECONDS)
    return errors(400, 'X-Vault-Wrap-TTL is not a duration of up to 30 days');
  const inEnvironment = { project_id: place.project.id, environment_id: place.environment.id };
  const delivery = await createDelivery(api.vault, inEnvironment, seconds);
  return isRefusal(delivery) ? refusalAnswer(delivery) : { seconds, place, delivery };
}

/** Puts an answer aside, to be taken once (`X-Vault-Wrap-TTL`): a delivery like any other, in Vault's words. */
export async function wrapAnswer(
  api: VaultApi,
  call: VaultCall,
  answer: VaultAnswer,
  wrap: Wrap,
  path: string,
): Promise<VaultAnswer> {
  const { seconds, place } = wrap;
  let { delivery } = wrap;
  if (answer.status >= 300 || answer.body === null) return answer;
  const text = JSON.stringify({ path, ttl: seconds, answer: answer.body });
  if (Buffer.byteLength(text) > MAX_DELIVERED_BYTES) return errors(413, 'the answer is too large to be wrapped');
  const content = new Secret(text);
  const draft = {
    ...attribution(call.caller),
    action: 'delivery.created',
    subject: delivery.id,
    project: place.project.id,
    environment: place.environment.id,
  };
  const { carries } = answer;
  const recorded = await api.vault.ledger.record(draft, async (facts) => {
    const end = await endOf(api, facts, carries);
    if (isRefusal(end)) return end;
    delivery = delivery.endingBy(end);
    await delivery.insert(facts, carries ?? delivery.id, content);
    return true;
  });
  if (isRefusal(recorded)) return refusalAnswer(recorded);
  // Of what was done; that it was put aside is another, of which the token itself is proof.
  return wrapInfo(delivery, path, answer.sequence ?? recorded.sequence);
}

/**
 * When what is carried ends, epoch milliseconds; null: never. A version that was destroyed since it was read has taken
 * all with it that waited to give it.
 */
async function endOf({ vault }: VaultApi, facts: Facts, carries: string | undefined): Promise<number | null | Refusal> {
  if (carries === undefined || !isOf('secretVersion', carries)) return null;
  const row = await facts.find('secret_versions', carries);
  if (row !== undefined && stateOfVersion(row, vault.clock.wall()) === 'live') return row.expires_at;
  return refuse('SECRET_VERSION_GONE', 'The version was deleted or destroyed meanwhile.');
}

const isOf = (kind: IdKind, id: string) => id.startsWith(`${ID_PREFIXES[kind]}_`);

function wrapInfo(delivery: PreparedDelivery, path: string, sequence: number): VaultAnswer {
  const { createdAt: created_at, expiresAt: expires_at } = delivery;
  const wrap_info = {
    token: expose(delivery.token),
    accessor: delivery.id,
    ttl: ttlOf({ created_at, expires_at }),
    creation_time: new Date(created_at).toISOString(),
    creation_path: path,
  };
  return { ...envelope({ wrap_info }), sequence };
}

/** `sys/wrapping/wrap`: what was sent, put aside. */
export function echo(call: VaultCall): VaultAnswer {
  return data(call.body);
}

/** `sys/wrapping/unwrap`, also with nothing but the wrapping token itself. */
export async function unwrap({ vault }: VaultApi, token: string, ip: string, caller?: Caller): Promise<VaultAnswer> {
  const taken = await takeDelivery(vault, token, ip, caller);
  if (isRefusal(taken)) return taken.refused === 'DELIVERY_GONE' ? NO_SUCH_TOKEN : refusalAnswer(taken);
  const content: unknown = JSON.parse(expose(taken.content));
  const answer = isWrapped(taken) ? { status: 200, body: (content as Wrapped).answer } : data(content);
  return { ...answer, sequence: taken.sequence };
}

/** What a delivery carries that is a wrapped answer. */
interface Wrapped {
  readonly path: string;
  readonly ttl: number;
  readonly answer: Readonly<Record<string, unknown>>;
}

/**
 * A wrapped answer is of the very thing that it carries, or else its own subject; what was delivered otherwise, for example
 * an issued key, is of something else.
 */
function isWrapped({ subject }: { readonly subject: string }): boolean {
  return isOf('secretVersion', subject) || isOf('appSecret', subject) || isOf('delivery', subject);
}

/**
 * `sys/wrapping/lookup`: when, how long and of which path, without taking it. Clients compare the path with the one they
 * expect, to find a token that was put in another's place: it comes from inside the envelope, where nobody changes it.
 */
export async function lookup({ vault }: VaultApi, token: string): Promise<VaultAnswer> {
  const found = await findWaiting(vault, token);
  if (found === undefined) return NO_SUCH_TOKEN;
  const content = await openDelivery(vault, found);
  if (isRefusal(content)) return refusalAnswer(content);
  return data({
    creation_path: isWrapped(found) ? (JSON.parse(expose(content)) as Wrapped).path : 'sys/wrapping/wrap',
    creation_time: new Date(found.created_at).toISOString(),
    creation_ttl: ttlOf(found),
  });
}

async function findWaiting({ reader, clock }: Vault, token: string): Promise<DeliveryRow | undefined> {
  const found = await findDelivery(reader, onceDigest(token));
  return found === undefined || found.envelope === null || clock.wall() >= found.expires_at ? undefined : found;
}

function ttlOf({ created_at, expires_at }: Pick<DeliveryRow, 'created_at' | 'expires_at'>): number {
  return Math.ceil((expires_at - created_at) / 1000);
}

/** `sys/wrapping/rewrap`: the same content for as long again, under a new token; the old one is taken. */
export async function rewrap(api: VaultApi, call: VaultCall, token: string): Promise<VaultAnswer> {
  // What is no wrapped answer, or can't be put aside again, is not taken.
  const found = await findWaiting(api.vault, token);
  if (found !== undefined && !isWrapped(found)) return NO_SUCH_TOKEN;
  const prepared = await prepareWrap(api, call, String(found === undefined ? 1 : ttlOf(found)));
  if ('status' in prepared) return prepared;
  const end = (facts: Facts, subject: string) => endOf(api, facts, subject);
  const rewrapped = await rewrapDelivery(api.vault, call.caller, token, prepared.delivery, end);
  if (isRefusal(rewrapped)) return rewrapped.refused === 'DELIVERY_GONE' ? NO_SUCH_TOKEN : refusalAnswer(rewrapped);
  const { content, delivery, sequence } = rewrapped;
  return wrapInfo(delivery, (JSON.parse(expose(content)) as Wrapped).path, sequence);
}
