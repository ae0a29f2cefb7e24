import type { Operation } from '@keyhold/protocol/operation';
import fc from 'fast-check';
import { addAt, placesIn, replaceAt } from './attacks-values.ts';
import { arbitraryOf, type RealValues, type Schema } from './attacks-schema.ts';
import type { WireRequest } from './attacks-wire.ts';

/** Something that must turn up nowhere. */
export interface Planted {
  readonly name: string;
  /** As it is sent. */
  readonly text: string;
  /** Parts of it, each enough to have leaked it. Prefix and hint are no secret. */
  readonly needles: readonly string[];
}

const HINT = 4;
const NEEDLE = 12;
/** Secret and checksum. */
const TAIL = 49;

/** A credential or token with malformed variants: mistyped, cut off, with something behind it. */
export function variantsOf(name: string, text: string): Planted[] {
  const secret = text.slice(-TAIL);
  const needles = [secret.slice(HINT, HINT + NEEDLE), secret.slice(-2 * NEEDLE, -NEEDLE)];
  const other = text.endsWith('0') ? '1' : '0';
  return [
    { name, text, needles },
    { name: `${name}, one character wrong`, text: `${text.slice(0, -1)}${other}`, needles },
    { name: `${name}, cut off`, text: text.slice(0, -3), needles },
    { name: `${name}, without its prefix`, text: secret, needles },
  ];
}

/** A marker in no form of ours. Lower case, so that it passes where a slug does. */
export function marker(random: string): Planted {
  return { name: 'marker', text: `m${random}`, needles: [random] };
}

/** Members whose text is stored and shown as given: what the user puts there is his. */
const STORED = /^(?:name|externalId|metadata|path)$/;

export interface PlantedRequest extends WireRequest {
  readonly planted: Planted;
  readonly operation: Operation;
}

/** A request for each place of the operation that could hold this. */
export function plantIn(
  operation: Operation,
  planted: Planted,
  token: string,
  real: RealValues,
  stored: boolean,
): PlantedRequest[] {
  const samples = (schema: unknown) =>
    schema === undefined
      ? [{}]
      : (fc.sample(arbitraryOf(schema as Schema, real), { seed: 1, numRuns: 30 }) as object[]);
  const [params = {}] = samples(operation.params);
  const query = samples(operation.query).reduce(largest);
  // The one with the most has most places; the one with the least is accepted most easily.
  const [body, plain] = [samples(operation.body).reduce(largest), samples(operation.body).reduce(smallest)];
  const { text } = planted;
  const authorization = ['authorization', `Bearer ${token}`] as const;
  const request = (parts: {
    params?: unknown;
    query?: unknown;
    body?: unknown;
    headers?: WireRequest['headers'];
    suffix?: string;
  }): PlantedRequest => ({
    operation,
    planted,
    method: operation.method,
    target: targetOf(operation, parts.params ?? params, parts.query ?? {}) + (parts.suffix ?? ''),
    headers: [...(parts.headers ?? [authorization]), ['content-type', 'application/json']],
    body: operation.method === 'GET' ? null : Buffer.from(JSON.stringify(parts.body ?? body)),
  });
  const bodyPlaces = operation.body === undefined ? [] : placesIn(body);
  const allowed = bodyPlaces.filter((place) => stored || !STORED.test(place[0] ?? ''));
  return [
    ...Object.keys(params).map((name) => request({ params: { ...params, [name]: text } })),
    ...placesIn(query).map((place) =>
      request({ query: place.length === 0 ? { [text]: '1' } : replaceAt(query, place, text) }),
    ),
    ...allowed.map((place) => request({ body: replaceAt(body, place, text) })),
    // Lists of what is wanted as one value, and the other way round.
    ...allowed.map((place) => request({ body: replaceAt(body, place, [text]) })),
    ...allowed.map((place) => request({ body: addAt(body, place, text, 1) })),
    ...allowed.map((place) => request({ body: addAt(body, place, '__proto__x', { [text]: '\u0000' }) })),
    request({ suffix: `/${text}` }),
    request({ suffix: `?${text}` }),
    request({ suffix: `?a=${text}%` }),
    request({ headers: [['authorization', text]] }),
    request({ headers: [['authorization', `Basic ${text}`]] }),
    ...(planted.text === token ? [] : [request({ headers: [['authorization', `Bearer ${text} ${text}`]] })]),
    request({ body: plain, headers: [authorization, ['idempotency-key', text]] }),
    request({
      body: plain,
      headers: [authorization, ['user-agent', text], ['x-forwarded-for', text], ['referer', `http://${text}/`]],
    }),
    request({ headers: [authorization, ['content-type', text]] }),
    request({ headers: [authorization, [text, text]] }),
    { ...request({}), method: 'PROPFIND', target: `/${text}?${text}` },
    { ...request({}), body: Buffer.from(`{"${text}`) },
    { ...request({}), body: Buffer.from(text) },
  ];
}

/** The request with the most in it. */
function largest(one: object, other: object): object {
  return JSON.stringify(one).length >= JSON.stringify(other).length ? one : other;
}

function smallest(one: object, other: object): object {
  return JSON.stringify(one).length <= JSON.stringify(other).length ? one : other;
}

function targetOf({ path }: Operation, params: unknown, query: unknown): string {
  const filled = path.replace(/\{(\w+)\}/g, (_whole, name: string) =>
    encodeURIComponent(String((params as Record<string, unknown>)[name])),
  );
  const fields = Object.entries(query as object).map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`);
  return fields.length === 0 ? filled : `${filled}?${fields.join('&')}`;
}

/** Names of what was found in the text, with where it stands. */
export function findPlanted(text: string, all: readonly Planted[], where: string): string[] {
  return all.flatMap(({ name, needles }) => {
    const found = needles.find((needle) => text.includes(needle));
    if (found === undefined) return [];
    const at = text.indexOf(found);
    return [`${name} in ${where}: …${text.slice(Math.max(0, at - 60), at + 30)}…`];
  });
}
