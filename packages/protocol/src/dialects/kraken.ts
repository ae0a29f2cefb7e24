import { toBase64 } from '../log/base64.ts';
import { signatureFromBase64, toBytes, toText } from './bytes.ts';
import {
  type Dialect,
  type DialectRefusal,
  isMalformed,
  type Malformed,
  type OutgoingRequest,
  type ReceivedRequest,
  type SignedClaim,
  type SigningContext,
} from './dialect.ts';
import { hasField, isCredential, malformed, readFields, withFields } from './fields.ts';
import { bodyText, isSaidJson } from './form-body.ts';
import { decodeFormText, onlyParameter, parametersOf, withParameter } from './form.ts';
import { jsonMembers, stringMember } from './json-members.ts';
import { type RefusalKind, refusalKind } from './refusal-kind.ts';
import type { KrakenSettings } from './settings.ts';
import { taskOf } from './signing-task.ts';
import { isJsonStart, splitTarget } from './target.ts';

const KEY = 'API-Key';
const SIGN = 'API-Sign';
const HIGHEST_NONCE = 2n ** 64n - 1n;

/**
 * Kraken's style: POST with a nonce in a form or in JSON, above every other of the key. It has no time: what is held
 * back stays good until a higher nonce is seen. NOT signed: the host. All else is, or is refused: other methods, and a
 * query. Kraken's own `nonce_window`, within which lower nonces pass, is not there: requests of clients that send at once
 * and arrive out of order are `REPLAYED`, so each takes a key of its own.
 * @see https://docs.kraken.com/exchange/guides/rest/authentication
 */
export const kraken: Dialect<KrakenSettings> = {
  name: 'kraken',
  recognises: (request) => hasField(request, KEY, SIGN),
  read,
  async prepare(request, context, settings) {
    const ready = withNonce({ ...request, method: request.method.toUpperCase() }, context);
    return taskOf(kraken, settings, context, (signature) => ({
      ...ready,
      headers: withFields(ready.headers, [
        [KEY, context.credential],
        [SIGN, toBase64(signature)],
      ]),
    }));
  },
  refuse: (code) => REFUSALS[refusalKind(code)],
};

function read(request: ReceivedRequest): SignedClaim | Malformed {
  const fields = readFields(request, [KEY, SIGN]);
  if (isMalformed(fields)) return fields;
  const signature = signatureFromBase64(fields[SIGN]);
  if (!isCredential(fields[KEY])) return malformed(`${KEY} is no id of a credential`);
  if (signature?.length !== 64) return malformed(`${SIGN} is not Base 64 of an HMAC`);
  if (request.method !== 'POST')
    return malformed(`the method is ${request.method}, which is not signed; only POST is read`);
  const target = splitTarget(request.target);
  if (target === null) return malformed('the target is not a path');
  if (target.query !== null) return malformed('the target has a query, which is not signed');
  if (request.body === null) return malformed('the body was not read');
  const said = readBody(request, request.body);
  if (isMalformed(said)) return said;
  return {
    credential: fields[KEY],
    // The nonce is digits and stands in the body once, so no other split of the hashed text has it there again.
    base: [target.path, { sha256: concat(toBytes(said.nonce), request.body) }],
    signature,
    algorithms: ['hmac-sha512'],
    secretEncoding: 'base64',
    freshness: null,
    nonce: { kind: 'rising', value: BigInt(said.nonce) },
    ...(said.otp === undefined ? {} : { otp: said.otp }),
    digests: [],
  };
}

interface Said {
  readonly nonce: string;
  readonly otp: string | undefined;
}

/** INVARIANT: who is behind us reads the body as the same of the two that we read it as. */
function readBody(request: ReceivedRequest, body: Uint8Array): Said | Malformed {
  const isJson = isJsonStart(body[0]);
  const isSaid = isSaidJson(request);
  if (isSaid === null) return malformed('Content-Type is there more than once');
  if (isJson !== isSaid) return malformed('Content-Type and body differ on whether this is JSON');
  const said = isJson ? readJson(body) : readForm(body);
  if (isMalformed(said)) return said;
  const isNonce = /^(?:0|[1-9]\d{0,19})$/.test(said.nonce) && BigInt(said.nonce) <= HIGHEST_NONCE;
  return isNonce ? said : malformed('nonce is no unsigned number of 64 bits');
}

function readForm(body: Uint8Array): Said | Malformed {
  const parameters = parametersOf(bodyText(body) ?? '&');
  if (parameters === null) return malformed('the body is no form, or too long');
  const [nonce, otp] = [onlyParameter(parameters, 'nonce'), onlyParameter(parameters, 'otp')];
  if (nonce === undefined || nonce === null) return malformed('nonce is not there exactly once');
  const code = otp === undefined ? undefined : decodeFormText(otp?.value ?? '%');
  return code === null ? malformed('otp is not there once, or not text') : { nonce: nonce.value, otp: code };
}

function readJson(body: Uint8Array): Said | Malformed {
  const text = bodyText(body) === null ? null : toText(body);
  const members = text === null ? null : jsonMembers(text);
  if (members === null) return malformed('the body is no JSON object with each name once, or too long');
  const otp = stringMember(members, 'otp');
  if (otp === null) return malformed('otp is no string');
  // A number is taken as it is written: read as one, it would lose its last digits from 2⁵³ on.
  return { nonce: (members.get('nonce') ?? '').replace(/^"(\d+)"$/, '$1'), otp };
}

/** Puts nonce and one-time code in where they are missing. */
function withNonce(request: OutgoingRequest, { nonce, otp }: SigningContext): OutgoingRequest {
  const added = [['nonce', nonce.rising.toString()] as const, ...(otp === undefined ? [] : [['otp', otp] as const])];
  const isJson = isJsonStart(request.body[0]);
  const text = toText(request.body);
  if (text === null) throw new TypeError('kraken: the body is not text');
  const body = isJson ? withMembers(text, added) : withParameters(text, added);
  const type = isJson ? 'application/json' : 'application/x-www-form-urlencoded';
  return { ...request, headers: withFields(request.headers, [['Content-Type', type]]), body: toBytes(body) };
}

function withParameters(text: string, added: readonly (readonly [string, string])[]): string {
  const names = new Set(parametersOf(text)?.map(({ name }) => name));
  return added.reduce((text, [name, value]) => (names.has(name) ? text : withParameter(text, name, value)), text);
}

function withMembers(text: string, added: readonly (readonly [string, string])[]): string {
  const members = jsonMembers(text);
  const missing = added
    .filter(([name]) => !members?.has(name))
    .map(([name, value]) => `"${name}":${JSON.stringify(value)}`);
  return `{${[...missing, ...(members?.size === 0 ? [] : [''])].join(',')}${text.slice(1)}`;
}

function concat(first: Uint8Array, second: Uint8Array): Uint8Array {
  const all = new Uint8Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  return all;
}

function answer(status: number, error: string): DialectRefusal {
  return { status, body: JSON.stringify({ error: [error], result: {} }) };
}

/** Kraken itself answers 200. INVARIANT: we never do, so that no gateway hands a refusal on as a yes; ccxt reads the body. */
const REFUSALS: Readonly<Record<RefusalKind, DialectRefusal>> = {
  // Not `EAPI:Invalid signature`: it would tell who holds a key from who does not, and ccxt knows only this one.
  unauthenticated: answer(401, 'EAPI:Invalid key'),
  time: answer(401, 'EAPI:Invalid nonce'),
  replay: answer(401, 'EAPI:Invalid nonce'),
  network: answer(403, 'EGeneral:Permission denied'),
  permission: answer(403, 'EGeneral:Permission denied'),
  'second-factor': answer(403, 'EGeneral:Permission denied'),
  rate: answer(429, 'EAPI:Rate limit exceeded'),
  unavailable: answer(503, 'EService:Unavailable'),
};
