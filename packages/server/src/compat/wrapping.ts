import { isRefusal } from '@keyhold/protocol/errors';
import { attribution } from '../access/change-context.ts';
import { createDelivery } from '../delivery/create-delivery.ts';
import { findDelivery } from '../delivery/deliveries.store.ts';
import { onceDigest } from '../delivery/delivery.ts';
import { takeDelivery } from '../delivery/take-delivery.ts';
import { expose } from '../vault/expose.ts';
import { Secret } from '../vault/secret.ts';
import { readDuration } from './duration.ts';
import { data, envelope, errors, refusalAnswer, type VaultAnswer } from './vault-answer.ts';
import type { VaultApi, VaultCall } from './vault-call.ts';

const MAX_TTL_SECONDS = 30 * 86_400;
const NO_SUCH_TOKEN = errors(400, 'wrapping token is not valid or does not exist');

/** Puts an answer aside, to be taken once (`X-Vault-Wrap-TTL`): a delivery like any other, in Vault's words. */
export async function wrapAnswer(
  api: VaultApi,
  call: VaultCall,
  answer: VaultAnswer,
  ttl: string,
  path: string,
): Promise<VaultAnswer> {
  const seconds = readDuration(ttl);
  if (seconds === null || seconds < 1 || seconds > MAX_TTL_SECONDS)
    return errors(400, 'X-Vault-Wrap-TTL is not a duration of up to 30 days');
  if (answer.status >= 300 || answer.body === null) return answer;
  const place = await call.open('secrets.read');
  if (isRefusal(place)) return refusalAnswer(place);
  const inEnvironment = { project_id: place.project.id, environment_id: place.environment.id };
  const prepared = await createDelivery(api.vault, inEnvironment, seconds);
  if (isRefusal(prepared)) return refusalAnswer(prepared);
  const content = new Secret(JSON.stringify({ path, ttl: seconds, answer: answer.body }));
  const draft = {
    ...attribution(call.caller),
    action: 'delivery.created',
    subject: prepared.id,
    project: place.project.id,
    environment: place.environment.id,
  };
  const recorded = await api.vault.ledger.record(draft, (facts) => prepared.insert(facts, prepared.id, content));
  if (isRefusal(recorded)) return refusalAnswer(recorded);
  const creation_time = new Date(prepared.expiresAt - seconds * 1000).toISOString();
  return envelope({
    wrap_info: {
      token: expose(prepared.token),
      accessor: prepared.id,
      ttl: seconds,
      creation_time,
      creation_path: path,
    },
  });
}

/** `sys/wrapping/wrap`: what was sent, put aside. */
export function echo(call: VaultCall): VaultAnswer {
  return data(call.body);
}

/** `sys/wrapping/unwrap`, also with nothing but the wrapping token itself. */
export async function unwrap({ vault }: VaultApi, token: string, ip: string): Promise<VaultAnswer> {
  const taken = await takeDelivery(vault, token, ip);
  if (isRefusal(taken)) return taken.refused === 'DELIVERY_GONE' ? NO_SUCH_TOKEN : refusalAnswer(taken);
  const content = JSON.parse(expose(taken.content)) as { answer?: Readonly<Record<string, unknown>> };
  // A delivery that was made otherwise, for example of an issued key.
  return content.answer === undefined ? data(content) : { status: 200, body: content.answer };
}

/** `sys/wrapping/lookup`: when and how long, without taking it. */
export async function lookup({ vault }: VaultApi, token: string): Promise<VaultAnswer> {
  const found = await findDelivery(vault.reader, onceDigest(token));
  if (found === undefined || found.envelope === null || vault.clock.wall() >= found.expires_at) return NO_SUCH_TOKEN;
  return data({
    creation_path: 'sys/wrapping/wrap',
    creation_time: new Date(found.created_at).toISOString(),
    creation_ttl: Math.round((found.expires_at - found.created_at) / 1000),
  });
}

/** `sys/wrapping/rewrap`: the same content for as long again, under a new token; the old one is taken. */
export async function rewrap(api: VaultApi, call: VaultCall, token: string): Promise<VaultAnswer> {
  const taken = await takeDelivery(api.vault, token, call.caller.ip);
  if (isRefusal(taken)) return taken.refused === 'DELIVERY_GONE' ? NO_SUCH_TOKEN : refusalAnswer(taken);
  const { path, ttl, answer } = JSON.parse(expose(taken.content)) as {
    path?: string;
    ttl?: number;
    answer?: Readonly<Record<string, unknown>>;
  };
  if (answer === undefined) return NO_SUCH_TOKEN;
  return await wrapAnswer(api, call, { status: 200, body: answer }, String(ttl), path ?? 'sys/wrapping/rewrap');
}
