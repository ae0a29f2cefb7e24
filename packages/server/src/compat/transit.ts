import { randomBytes } from 'node:crypto';
import { ERRORS, isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { TransitKeyRow } from '../database/transit-rows.ts';
import { createTransitKey } from '../secrets/create-transit-key.ts';
import { openTransitKey, transitKeyToDecrypt, transitKeyToEncrypt } from '../secrets/open-transit-key.ts';
import { HMAC_ALGORITHMS, readTransit, transitDecrypt, transitEncrypt, transitHmac } from '../vault/transit-cipher.ts';
import { isObject } from './kv-data.ts';
import { besideBatch, unsupportedInput, unsupportedOption } from './transit-options.ts';
import { wholeNumber } from './whole-number.ts';
import { data, errors, refusalAnswer, type VaultAnswer } from './vault-answer.ts';
import type { Located, VaultApi, VaultCall } from './vault-call.ts';

const MAX_BATCH = 1_000;
const MAX_RANDOM_BYTES = 128 * 1024;
const DATA_KEY_BITS = [128, 256, 512];

type Item = Readonly<Record<string, unknown>>;
/** Works on one item; a refusal is that item's alone where several were sent. */
type Work = (item: Item) => Promise<Readonly<Record<string, unknown>> | Refusal>;

/** `transit/encrypt|decrypt|rewrap|hmac/…`, one or a batch. */
export async function transitUse(
  api: VaultApi,
  call: VaultCall,
  what: 'encrypt' | 'decrypt' | 'rewrap' | 'hmac',
): Promise<VaultAnswer> {
  if (call.method !== 'POST') return errors(405, 'unsupported operation');
  const unsupported = unsupportedOption(call.body);
  if (unsupported !== null) return errors(400, unsupported);
  // Before encrypting makes a key that it then can't use.
  const derived = unsupportedInput(call.body);
  if (derived !== null) return refusalAnswer(derived);
  const beside = call.body['batch_input'] === undefined ? null : besideBatch(call.body);
  if (beside !== null) return errors(400, beside);
  const [name = '', algorithm] = call.path.split('/');
  const place = await call.open('transit.use');
  if (isRefusal(place)) return refusalAnswer(place);
  const key = await findOrCreate(api, call, place, name, what === 'encrypt');
  if (isRefusal(key))
    return key.refused === 'SECRET_NOT_FOUND' ? errors(400, 'encryption key not found') : refusalAnswer(key);
  const work: Record<typeof what, Work> = {
    encrypt: (item) => encrypt(api, call, key, item),
    decrypt: (item) => decrypt(api, key, item),
    rewrap: (item) => rewrap(api, call, key, item),
    hmac: (item) => hmac(api, key, { algorithm, ...item }),
  };
  return await onEach(call.body, work[what]);
}

async function onEach(body: Item, work: Work): Promise<VaultAnswer> {
  const batch = body['batch_input'];
  if (batch === undefined) {
    const result = await work(body);
    return isRefusal(result) ? refusalAnswer(result) : data(result);
  }
  if (!Array.isArray(batch) || batch.length === 0 || batch.length > MAX_BATCH || !batch.every(isObject)) {
    return errors(400, `batch_input is 1 to ${MAX_BATCH} objects`);
  }
  const ofAll = body['algorithm'] === undefined ? {} : { algorithm: body['algorithm'] };
  const results: Readonly<Record<string, unknown>>[] = [];
  for (const item of batch) {
    const result = unsupportedInput(item) ?? (await work({ ...ofAll, ...item }));
    // Not the item's own: nothing can be done now, and a client that is told so tries again.
    if (isRefusal(result) && ERRORS[result.refused].status === 503) return refusalAnswer(result);
    // Back as it came: by it a client finds the result of an item.
    const { reference } = item;
    const named = typeof reference === 'string' ? { reference } : {};
    results.push(isRefusal(result) ? { error: result.detail, ...named } : { ...result, ...named });
  }
  const failed = results.some((result) => 'error' in result);
  return data({ batch_results: results }, failed ? 400 : 200);
}

async function encrypt(api: VaultApi, call: VaultCall, key: TransitKeyRow, item: Item): Promise<Item | Refusal> {
  const plaintext = base64(item, 'plaintext');
  const associated = base64(item, 'associated_data', '');
  const version = keyVersion(item);
  if (isRefusal(plaintext)) return plaintext;
  if (isRefusal(associated)) return associated;
  if (isRefusal(version)) return version;
  const opened = await transitKeyToEncrypt(api.vault, call.caller, key, version);
  if (isRefusal(opened)) return opened;
  return { ciphertext: transitEncrypt(opened, plaintext, associated), key_version: opened.version };
}

async function decrypt(api: VaultApi, key: TransitKeyRow, item: Item): Promise<Item | Refusal> {
  const plaintext = await opened(api, key, item);
  return isRefusal(plaintext) ? plaintext : { plaintext: plaintext.toString('base64') };
}

async function rewrap(api: VaultApi, call: VaultCall, key: TransitKeyRow, item: Item): Promise<Item | Refusal> {
  const plaintext = await opened(api, key, item);
  if (isRefusal(plaintext)) return plaintext;
  const again = { ...item, plaintext: plaintext.toString('base64') };
  plaintext.fill(0);
  return await encrypt(api, call, key, again);
}

async function opened(api: VaultApi, key: TransitKeyRow, item: Item): Promise<Buffer | Refusal> {
  const text = typeof item['ciphertext'] === 'string' ? readTransit(item['ciphertext']) : null;
  if (text === null) return refuse('INVALID_INPUT', 'invalid ciphertext: no prefix or not base64');
  const associated = base64(item, 'associated_data', '');
  if (isRefusal(associated)) return associated;
  const under = await transitKeyToDecrypt(api.vault, key, text.version);
  if (isRefusal(under)) return under;
  return (
    transitDecrypt(under, text.bytes, associated) ?? refuse('INVALID_INPUT', 'cipher: message authentication failed')
  );
}

async function hmac(api: VaultApi, key: TransitKeyRow, item: Item): Promise<Item | Refusal> {
  const input = base64(item, 'input');
  if (isRefusal(input)) return input;
  const named = item['algorithm'] ?? 'sha2-256';
  const algorithm =
    typeof named === 'string' && Object.hasOwn(HMAC_ALGORITHMS, named) ? HMAC_ALGORITHMS[named] : undefined;
  if (algorithm === undefined)
    return refuse('INVALID_INPUT', `algorithm is one of ${Object.keys(HMAC_ALGORITHMS).join(', ')}`);
  const version = keyVersion(item);
  if (isRefusal(version)) return version;
  // It makes something new, as encrypting does.
  if (version !== 0 && version < key.min_encryption_version) {
    return refuse('INVALID_INPUT', 'cannot generate HMAC: version is too old (disallowed by policy)', '/key_version');
  }
  const under = await transitKeyToDecrypt(api.vault, key, version === 0 ? key.latest_version : version);
  return isRefusal(under) ? under : { hmac: transitHmac(under, algorithm, input) };
}

/** `transit/datakey/plaintext|wrapped/…`: a key that the client uses, with itself encrypted under a key of ours. */
export async function transitDataKey(api: VaultApi, call: VaultCall): Promise<VaultAnswer> {
  if (call.method !== 'POST') return errors(405, 'unsupported operation');
  const [kind, name = ''] = call.path.split('/');
  if (kind !== 'plaintext' && kind !== 'wrapped') return errors(400, 'Invalid path, must be "plaintext" or "wrapped"');
  const bits = wholeNumber(call.body['bits'] ?? 256) ?? 0;
  if (!DATA_KEY_BITS.includes(bits)) return errors(400, 'bits is 128, 256 or 512');
  const unsupported = unsupportedInput(call.body);
  if (unsupported !== null) return refusalAnswer(unsupported);
  const place = await call.open('transit.use');
  if (isRefusal(place)) return refusalAnswer(place);
  const key = await findOrCreate(api, call, place, name, false);
  if (isRefusal(key))
    return key.refused === 'SECRET_NOT_FOUND' ? errors(400, 'encryption key not found') : refusalAnswer(key);
  const bytes = randomBytes(bits / 8);
  const plaintext = bytes.toString('base64');
  bytes.fill(0);
  const made = await encrypt(api, call, key, { ...call.body, plaintext });
  if (isRefusal(made)) return refusalAnswer(made);
  return data(kind === 'plaintext' ? { ...made, plaintext } : made);
}

/** `transit/random`, with the number of bytes in the path or the body. */
export async function transitRandom(call: VaultCall): Promise<VaultAnswer> {
  if (call.method !== 'POST') return errors(405, 'unsupported operation');
  const place = await call.open('transit.use');
  if (isRefusal(place)) return refusalAnswer(place);
  const asked = call.path.split('/').find((part) => /^\d+$/.test(part));
  const count = wholeNumber(asked ?? call.body['bytes'] ?? 32) ?? 0;
  if (count < 1 || count > MAX_RANDOM_BYTES) return errors(400, `bytes is 1 to ${MAX_RANDOM_BYTES}`);
  const format = call.body['format'] ?? 'base64';
  if (format !== 'base64' && format !== 'hex') return errors(400, 'format is base64 or hex');
  return data({ random_bytes: randomBytes(count).toString(format) });
}

async function findOrCreate(
  api: VaultApi,
  call: VaultCall,
  { project, environment }: Located,
  name: string,
  create: boolean,
): Promise<TransitKeyRow | Refusal> {
  const known = await openTransitKey(api.vault, environment.id, name);
  if (known !== undefined) return known;
  if (!create || !isKeyName(name)) return refuse('SECRET_NOT_FOUND', 'There is no such key.');
  // As Vault does for who may create one: encrypting makes the key.
  const allowed = await call.open('transit.manage');
  if (isRefusal(allowed)) return allowed;
  const inEnvironment = { project_id: project.id, environment_id: environment.id };
  const made = await createTransitKey(api.vault, call.caller, inEnvironment, name);
  return isRefusal(made) ? made : made.value;
}

export function isKeyName(name: string): boolean {
  return /^[A-Za-z0-9_.-]{1,128}$/.test(name);
}

/** The version that is asked for; 0: the newest. */
function keyVersion(item: Item): number | Refusal {
  return (
    wholeNumber(item['key_version'] ?? 0) ??
    refuse('INVALID_INPUT', 'key_version is the number of a version', '/key_version')
  );
}

function base64(item: Item, field: string, fallback?: string): Buffer | Refusal {
  const text = item[field] ?? fallback;
  if (typeof text === 'string') {
    const bytes = Buffer.from(text, 'base64');
    // Node passes over what is no base64, and cuts a rest that is no byte: what was not encoded would come back short.
    if (bytes.toString('base64') === text) return bytes;
  }
  return refuse('INVALID_INPUT', `${field} has to be base64`, `/${field}`);
}
