import * as client from 'openid-client';

const TIMEOUT_SECONDS = 5;
const DISCOVERY_MS = 3_600_000;
/** Providers are few, and owners name them. */
const MAX_KEPT = 50;

/** A provider, and what we are to it. */
export interface OpenIdParty {
  readonly issuer: string;
  readonly clientId: string;
  /** Null: the client has none, and PKCE is what holds the code. */
  readonly clientSecret: string | null;
}

/** What one sign-in is held by; each is used once. */
export interface OpenIdChecks {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
  /** He has to have shown who he is so long ago at most. */
  readonly maxAgeSeconds?: number;
}

/** What a provider said of whoever signed in, checked. */
export type OpenIdClaims = Readonly<Record<string, unknown>> & { readonly sub: string };

/** Signing in at OpenID Connect providers by the authorization code flow with PKCE (RFC 7636, RFC 9207, RFC 9700). */
export class OpenId {
  readonly #now: () => number;
  readonly #known = new Map<string, { readonly found: Promise<client.Configuration>; readonly until: number }>();

  /** @param now epoch milliseconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Values that nobody can guess. */
  newChecks(): OpenIdChecks {
    return { state: client.randomState(), nonce: client.randomNonce(), verifier: client.randomPKCECodeVerifier() };
  }

  /**
   * Where a browser is to be sent.
   * @throws where the provider can't be asked
   */
  async addressOf(
    party: OpenIdParty,
    redirectUri: string,
    { state, nonce, verifier, maxAgeSeconds }: OpenIdChecks,
  ): Promise<URL> {
    const configuration = await this.#find(party);
    return client.buildAuthorizationUrl(configuration, {
      ...{ redirect_uri: redirectUri, scope: scopesOf(configuration), state, nonce },
      ...{ code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256' },
      ...(maxAgeSeconds === undefined ? {} : { max_age: String(maxAgeSeconds) }),
    });
  }

  /**
   * Takes the code to the provider, and checks what it answers: its signature, issuer, audience, times and nonce; and that
   * the address came from this provider and no other (RFC 9207).
   * @param address as the browser came with it
   * @throws OpenIdRefused where anything of that is not as it should be; another error where nobody answered
   */
  async claimsOf(party: OpenIdParty, address: URL, checks: OpenIdChecks, wanted: string): Promise<OpenIdClaims> {
    const configuration = await this.#find(party);
    try {
      return await ask(configuration, address, checks, wanted);
    } catch (error) {
      throw isRefusedAnswer(error) ? new OpenIdRefused((error as client.ClientError).code) : error;
    }
  }

  #find(party: OpenIdParty): Promise<client.Configuration> {
    const name = JSON.stringify([party.issuer, party.clientId, party.clientSecret]);
    const known = this.#known.get(name);
    if (known !== undefined && known.until > this.#now()) return known.found;
    const found = discover(party);
    this.#known.delete(name);
    this.#known.set(name, { found, until: this.#now() + DISCOVERY_MS });
    if (this.#known.size > MAX_KEPT) this.#known.delete(this.#known.keys().next().value as string);
    // Who could not be asked is asked again the next time.
    found.catch(() => this.#known.delete(name));
    return found;
  }
}

async function ask(configuration: client.Configuration, address: URL, checks: OpenIdChecks, wanted: string) {
  const { state, nonce, verifier, maxAgeSeconds } = checks;
  const tokens = await client.authorizationCodeGrant(configuration, address, {
    ...{ expectedState: state, expectedNonce: nonce, pkceCodeVerifier: verifier, idTokenExpected: true },
    ...(maxAgeSeconds === undefined ? {} : { maxAge: maxAgeSeconds }),
  });
  const claims = tokens.claims() as OpenIdClaims;
  if (wanted in claims || configuration.serverMetadata().userinfo_endpoint === undefined) return claims;
  // Some say groups there alone; it is of the same person, or refused.
  return { ...(await client.fetchUserInfo(configuration, tokens.access_token, claims.sub)), ...claims };
}

/** The provider was asked, and what came back is not what it should be. */
export class OpenIdRefused extends Error {
  override readonly name = 'OpenIdRefused';
}

/** Whether an answer was looked at and refused: not that nobody answered, nor that somebody cancelled. */
function isRefusedAnswer(error: unknown): boolean {
  return error instanceof client.ClientError && error.code !== 'OAUTH_TIMEOUT';
}

async function discover({ issuer, clientId, clientSecret }: OpenIdParty): Promise<client.Configuration> {
  const authentication = clientSecret === null ? client.None() : client.ClientSecretBasic(clientSecret);
  // Signatures too, though the answer came over TLS (OpenID Connect Core §3.1.3.7): not all of it does, below a proxy.
  const execute = [client.enableNonRepudiationChecks];
  if (new URL(issuer).protocol === 'http:') execute.push(client.allowInsecureRequests);
  const options = { timeout: TIMEOUT_SECONDS, execute };
  const found = await client.discovery(new URL(issuer), clientId, undefined, authentication, options);
  // The library makes exceptions for some issuers, such as those of many tenants: here one is one.
  if (found.serverMetadata().issuer === issuer) return found;
  throw new OpenIdRefused('the discovery document names another issuer');
}

/** Providers refuse scopes that they don't know. */
function scopesOf(configuration: client.Configuration): string {
  const known = configuration.serverMetadata().scopes_supported ?? [];
  return ['openid', 'profile', ...['email', 'groups'].filter((scope) => known.includes(scope))].join(' ');
}
