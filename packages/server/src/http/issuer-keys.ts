import { createRemoteJWKSet, decodeJwt, errors, type JWTPayload, jwtVerify } from 'jose';

/** Signatures of tokens that are looked at; no HMAC, whose key would be ours to guess from a public one. */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];
const TIMEOUT_MS = 5_000;
const MAX_DISCOVERY_BYTES = 64 * 1024;
/** By how much an issuer's clock may differ. */
const CLOCK_SECONDS = 30;
/** Issuers whose keys are kept; workloads are few. */
const MAX_ISSUERS = 100;
const DISCOVERY_MS = 3_600_000;
/** An issuer that could not be asked is left alone for so long: strangers' tokens make us ask. */
const PAUSE_MS = 5_000;

export interface TrustedIssuer {
  readonly issuer: string;
  readonly audience: string;
  /** Null: as its discovery document says (OpenID Connect Discovery §4). */
  readonly jwksUri: string | null;
}

type KeySet = ReturnType<typeof createRemoteJWKSet>;

/** Checks tokens of other issuers by their public keys, which are asked for and kept. */
export class IssuerKeys {
  readonly #now: () => number;
  readonly #askedAgainAt = new Map<string, number>();
  readonly #sets = new Map<string, { readonly keys: Promise<KeySet>; readonly until: number }>();

  /** @param now epoch milliseconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** The issuer that a token names, unverified; null where it is no JWT. */
  issuerOf(jwt: string): string | null {
    try {
      const { iss } = decodeJwt(jwt);
      return typeof iss === 'string' ? iss : null;
    } catch {
      return null;
    }
  }

  /** Claims of a token that the issuer signed for this audience and that is good now; null where it is not, or he can't be asked. */
  async verify(jwt: string, trusted: TrustedIssuer): Promise<JWTPayload | null> {
    if ((this.#askedAgainAt.get(nameOf(trusted)) ?? 0) > this.#now()) return null;
    try {
      const { payload } = await jwtVerify(jwt, await this.#keysOf(trusted), {
        issuer: trusted.issuer,
        audience: trusted.audience,
        algorithms: ALGORITHMS,
        requiredClaims: ['exp'],
        clockTolerance: CLOCK_SECONDS,
        currentDate: new Date(this.#now()),
      });
      return payload;
    } catch (error) {
      if (!(error instanceof errors.JOSEError) || error instanceof errors.JWKSTimeout) this.#pause(nameOf(trusted));
      return null;
    }
  }

  #pause(name: string): void {
    this.#sets.delete(name);
    this.#askedAgainAt.delete(name);
    this.#askedAgainAt.set(name, this.#now() + PAUSE_MS);
    if (this.#askedAgainAt.size > MAX_ISSUERS) {
      this.#askedAgainAt.delete(this.#askedAgainAt.keys().next().value as string);
    }
  }

  #keysOf(trusted: TrustedIssuer): Promise<KeySet> {
    const name = nameOf(trusted);
    const known = this.#sets.get(name);
    if (known !== undefined && known.until > this.#now()) return known.keys;
    const keys = this.#find(trusted);
    this.#sets.delete(name);
    this.#sets.set(name, { keys, until: this.#now() + DISCOVERY_MS });
    if (this.#sets.size > MAX_ISSUERS) this.#sets.delete(this.#sets.keys().next().value as string);
    return keys;
  }

  async #find({ issuer, jwksUri }: TrustedIssuer): Promise<KeySet> {
    const uri = jwksUri ?? (await discover(issuer));
    return createRemoteJWKSet(new URL(uri), { timeoutDuration: TIMEOUT_MS, cooldownDuration: 30_000 });
  }
}

function nameOf({ issuer, jwksUri }: TrustedIssuer): string {
  return JSON.stringify([issuer, jwksUri]);
}

async function discover(issuer: string): Promise<string> {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MS) });
  const text = await response.text();
  if (!response.ok || text.length > MAX_DISCOVERY_BYTES) throw new Error('the issuer has no discovery document');
  const { issuer: said, jwks_uri: uri } = JSON.parse(text) as { issuer?: unknown; jwks_uri?: unknown };
  if (said !== issuer || typeof uri !== 'string') throw new Error('the discovery document is of another issuer');
  const [keys, own] = [new URL(uri), new URL(issuer)];
  if (keys.protocol !== 'https:' && keys.protocol !== own.protocol) throw new Error('keys are asked for by https');
  return uri;
}
