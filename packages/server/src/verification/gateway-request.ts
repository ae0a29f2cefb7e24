import type { FieldLine, ReceivedRequest } from '@keyhold/protocol/dialects/dialect';
import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { IsProxy } from './trusted-proxies.ts';

/** As much of an HTTP request as is read of it. */
export interface HttpRequest {
  readonly raw: {
    readonly method?: string | undefined;
    readonly url?: string | undefined;
    /** Where `url` was replaced: what came. */
    readonly originalUrl?: string | undefined;
    readonly rawHeaders: readonly string[];
    readonly headersDistinct: Readonly<Record<string, readonly string[] | undefined>>;
  };
  readonly query: unknown;
  readonly body: unknown;
}

/** What a gateway says of the request that it asks about. */
export interface Asked {
  readonly place: {
    readonly environment?: string | undefined;
    /** Undefined only where the gateway said that any key will do. */
    readonly permission?: string | undefined;
    /** Where a withdrawal goes. */
    readonly destination?: string | undefined;
  };
  readonly request: ReceivedRequest;
  readonly clientIp: string | undefined;
}

/** Where a kind of gateway says what. */
export interface Gateway {
  readonly name: 'nginx' | 'forward' | 'envoy';
  /** Fields that it has to set itself. Only these are read: of any other nobody knows whether a client wrote it. */
  readonly fields: readonly string[];
  readonly read: (said: Said, request: HttpRequest, isProxy: IsProxy) => Described;
}

interface Described extends Pick<Asked, 'clientIp'> {
  readonly request: Omit<ReceivedRequest, 'headers'> & {
    readonly host: string;
    /** As the client sent it, which a signature may cover; undefined where nobody knows. */
    readonly contentLength?: string | undefined;
  };
}
type Said = (field: string) => string | undefined;

const PLACED = ['environment', 'permission'] as const;
const PLACE = PLACED.map((what) => `x-keyhold-${what}`);
/** Said in place of a permission, and no permission: every one of those has a colon. */
const ANY_KEY = 'any-key';
export const ENVOY_PREFIX = '/v1/auth/envoy';
/** In place of the client's address, which is none of ours: nothing of it is to be decoded, checked or refused here. */
const ENVOY_ROUTE = `${ENVOY_PREFIX}/request`;

/** Where a question is routed to. */
export function routeOf(address: string): string {
  return address.startsWith(`${ENVOY_PREFIX}/`) ? ENVOY_ROUTE : address;
}

/** `auth_request`: every field is set by its configuration (examples/nginx). */
export const NGINX: Gateway = {
  name: 'nginx',
  fields: [
    ...['method', 'uri', 'host', 'scheme', 'protocol', 'content-length', 'transfer-encoding'].map(
      (name) => `x-original-${name}`,
    ),
    'x-real-ip',
  ],
  read: (said) => {
    const method = said('x-original-method') ?? 'GET';
    const [length, coding] = [said('x-original-content-length') ?? '', said('x-original-transfer-encoding') ?? ''];
    // By HTTP/1 a request without either has no body (RFC 9112 §6.3); later versions need neither for one.
    const framed = (said('x-original-protocol') ?? '').startsWith('HTTP/1.');
    const empty = coding === '' && (/^0+$/.test(length) || (length === '' && (framed || readsOnly(method))));
    return {
      request: {
        method,
        target: said('x-original-uri') ?? '/',
        host: said('x-original-host') ?? '',
        scheme: schemeOf(said('x-original-scheme')),
        contentLength: length === '' ? undefined : length,
        body: empty ? new Uint8Array() : null,
      },
      clientIp: said('x-real-ip'),
    };
  },
};

/** Forward-auth of Traefik and Caddy, which set these fields by themselves. */
export const FORWARD: Gateway = {
  name: 'forward',
  fields: [...['method', 'uri', 'host', 'proto', 'for'].map((name) => `x-forwarded-${name}`)],
  read: (said, _request, isProxy) => {
    const method = said('x-forwarded-method') ?? 'GET';
    return {
      request: {
        method,
        target: said('x-forwarded-uri') ?? '/',
        host: said('x-forwarded-host') ?? '',
        scheme: schemeOf(said('x-forwarded-proto')),
        // They don't say whether there is one.
        body: readsOnly(method) ? new Uint8Array() : null,
      },
      clientIp: clientIn(said('x-forwarded-for'), isProxy),
    };
  },
};

/** `ext_authz` over HTTP, which asks with the request itself, its body too where it was told to. */
export const ENVOY: Gateway = {
  name: 'envoy',
  fields: ['x-keyhold-body', 'x-envoy-auth-partial-body', 'x-forwarded-proto', 'x-forwarded-for', 'host'],
  read: (said, { raw, body }, isProxy) => {
    const method = raw.method ?? 'GET';
    const sent = said('x-keyhold-body') === 'sent' && said('x-envoy-auth-partial-body') !== 'true';
    return {
      request: {
        method,
        target: (raw.originalUrl ?? raw.url ?? '').slice(ENVOY_PREFIX.length) || '/',
        host: said('host') ?? '',
        scheme: schemeOf(said('x-forwarded-proto')),
        body: sent || readsOnly(method) ? bytesOf(body) : null,
        contentLength: sent ? said('content-length') : undefined,
      },
      clientIp: clientIn(said('x-forwarded-for'), isProxy),
    };
  },
};

/** Set by the gateway or on the way to it, and no part of what the client sent. */
const NOT_THE_CLIENTS = /^(?:x-(?:keyhold|original|forwarded|envoy)-|x-real-ip$|host$|connection$|content-length$)/i;

/** The gateway's own token: `Authorization` is the client's. None where there are two, of which a client may have sent one. */
export function tokenOf({ raw }: HttpRequest): string | null {
  const [token, ...more] = raw.headersDistinct['x-keyhold-token'] ?? [];
  return token === undefined || more.length > 0 ? null : token;
}

/**
 * Reads what the gateway asks; refuses what stands there twice: a client may have sent the other one.
 * @param isProxy of those before the gateway, whose `X-Forwarded-For` is believed
 */
export function readAsked(gateway: Gateway, request: HttpRequest, isProxy: IsProxy): Asked | Refusal {
  const { headersDistinct, rawHeaders } = request.raw;
  const fields = [...PLACE, ...gateway.fields];
  const twice = fields.find((name) => (headersDistinct[name]?.length ?? 0) > 1);
  if (twice !== undefined) return refuse('INVALID_INPUT', 'It is there more than once: whose is it?', twice);
  const said: Said = (field) => headersDistinct[field]?.[0];
  const place = placeOf(gateway, said, request);
  if (isRefusal(place)) return place;
  const { clientIp, request: described } = gateway.read(said, request, isProxy);
  const { host, contentLength, ...rest } = described;
  const headers: FieldLine[] = [['Host', host]];
  if (contentLength !== undefined) headers.push(['Content-Length', contentLength]);
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    if (!NOT_THE_CLIENTS.test(name)) headers.push([name, rawHeaders[i + 1] as string]);
  }
  return {
    place,
    request: { ...rest, headers },
    clientIp,
  };
}

/**
 * In the address that it asks at, which no client writes, or else in fields that it sets. Envoy's address is the
 * client's own. Where the address names environment or permission, a field that says anything else, or what the address
 * leaves out, is refused: nobody knows who wrote it, so that neither a client is believed nor a gateway's word dropped.
 * Where neither names a permission, a rule was forgotten or a variable was empty, of which nginx sends nothing: refused,
 * since any key would do otherwise. Forward-auth hands on whatever field a client sends: that any key will do is said in
 * its address alone. So is, of every gateway, where funds go.
 */
function placeOf({ name }: Gateway, said: Said, { query }: HttpRequest): Asked['place'] | Refusal {
  const place: { environment?: string; permission?: string; destination?: string } = {};
  const inAddress = (what: string) => {
    const given = name === 'envoy' ? undefined : (query as Readonly<Record<string, unknown>>)[what];
    // Twice in an address is an array, and nothing that anybody has.
    return given === undefined ? undefined : String(given);
  };
  const inFields = PLACED.every((what) => inAddress(what) === undefined);
  for (const what of PLACED) {
    const field = said(`x-keyhold-${what}`);
    const value = inFields ? field : inAddress(what);
    if (field !== undefined && field !== value) {
      return refuse('INVALID_INPUT', 'The address does not say what the field says: whose is it?', `x-keyhold-${what}`);
    }
    if (value !== undefined) place[what] = value;
  }
  if (place.permission === undefined) {
    const detail = `Say which permission the request takes; where any key will do, say ${ANY_KEY}.`;
    return refuse('INVALID_INPUT', detail, 'x-keyhold-permission');
  }
  if (place.permission === ANY_KEY) {
    if (inFields && name === 'forward') {
      return refuse('INVALID_INPUT', `Say ${ANY_KEY} in the address: whose is the field?`, 'x-keyhold-permission');
    }
    delete place.permission;
  }
  const destination = inAddress('destination');
  return destination === undefined ? place : { ...place, destination };
}

/** An API has to leave a body of these alone (RFC 9110 §9.3.1): nothing may depend on it. */
function readsOnly(method: string): boolean {
  return method === 'GET' || method === 'HEAD';
}

function schemeOf(said: string | undefined): 'http' | 'https' {
  return said === 'http' ? 'http' : 'https';
}

/**
 * The one that the gateway added itself, and what stands before it came with the request: believed only where that
 * one is a proxy's, and so on.
 */
function clientIn(list: string | undefined, isProxy: IsProxy): string | undefined {
  const addresses = list?.split(',').map((one) => one.trim()) ?? [];
  return addresses.findLast((one) => !isProxy(one)) ?? addresses.at(-1);
}

function bytesOf(body: unknown): Uint8Array {
  return body instanceof Uint8Array ? body : new Uint8Array();
}
