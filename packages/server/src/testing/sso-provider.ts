import { createServer, type Server } from 'node:http';
import { Provider } from 'oidc-provider';

/** Somebody whom the provider knows; its `sub` is his login. */
export interface SsoAccount {
  readonly name?: string;
  readonly groups?: readonly string[];
}

/** A real OpenID Connect provider on loopback, with one client, and whoever is in `accounts`. */
export interface SsoProvider extends AsyncDisposable {
  /** Its tokens carry a signature that is none. */
  breaksSignatures: boolean;
  readonly issuer: string;
  readonly clientSecret: string;
  readonly accounts: Map<string, SsoAccount>;
}

const CLIENT = 'keyhold';

interface ProviderOptions {
  /** What somebody is goes into the token itself, and not just where it is asked for. */
  readonly claimsInToken?: boolean;
}

/** @param redirectUris where it may send browsers to */
export async function startSsoProvider(
  redirectUris: readonly string[],
  { claimsInToken = false }: ProviderOptions = {},
): Promise<SsoProvider> {
  const server: Server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const issuer = `http://127.0.0.1:${port}`;
  const clientSecret = crypto.randomUUID();
  const accounts = new Map<string, SsoAccount>();
  const provider = new Provider(issuer, {
    clients: [{ client_id: CLIENT, client_secret: clientSecret, redirect_uris: [...redirectUris] }],
    scopes: ['openid', 'profile', 'groups'],
    claims: { openid: ['sub'], profile: ['name'], groups: ['groups'] },
    conformIdTokenClaims: !claimsInToken,
    cookies: { keys: [crypto.randomUUID()] },
    findAccount: async (_context, id) => {
      const account = accounts.get(id);
      if (account === undefined) return undefined;
      return { accountId: id, claims: async () => ({ sub: id, ...account, groups: [...(account.groups ?? [])] }) };
    },
  });
  // What it says to its operator is nobody's here.
  const handle = provider.callback();
  const running = { issuer, clientSecret, accounts, breaksSignatures: false };
  server.on('request', (request, response) => {
    const end = response.end.bind(response) as (body?: unknown) => typeof response;
    response.end = ((body?: unknown) => end(running.breaksSignatures ? withoutSignature(body) : body)) as never;
    void handle(request, response);
  });
  return Object.assign(running, {
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}

/** As long as it was. */
function withoutSignature(body: unknown): unknown {
  if (typeof body !== 'string') return body;
  return body.replace(
    /("id_token":"[^".]+\.[^".]+\.)([^"]+)/,
    (_, head: string, signature: string) => head + 'A'.repeat(signature.length),
  );
}

/** A browser, as far as it takes to sign in somewhere: it follows redirects, and keeps cookies by host. */
export class SsoBrowser {
  readonly #jars = new Map<string, Map<string, string>>();
  /** Every address that it was sent to. */
  readonly visited: string[] = [];

  cookieOf(url: string, name: string): string | undefined {
    return this.#jars.get(new URL(url).host)?.get(name);
  }

  setCookie(url: string, name: string, value: string): void {
    const { host } = new URL(url);
    this.#jars.set(host, (this.#jars.get(host) ?? new Map<string, string>()).set(name, value));
  }

  async request(url: string, body?: URLSearchParams): Promise<Response> {
    const { host } = new URL(url);
    const jar = this.#jars.get(host) ?? new Map<string, string>();
    this.#jars.set(host, jar);
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
    const sent = body === undefined ? {} : { method: 'POST', body };
    const response = await fetch(url, { redirect: 'manual', headers: cookie === '' ? {} : { cookie }, ...sent });
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === '') jar.delete(name);
      else jar.set(name, value);
    }
    return response;
  }

  /** Goes where it is sent, and signs in and agrees as it is asked; resolves to where `until` is met. */
  async go(start: string, login: string, until: (url: string) => boolean): Promise<string> {
    let url = start;
    for (let i = 0; i < 20; i++) {
      this.visited.push(url);
      if (i > 0 && until(url)) return url;
      const response = await this.request(url);
      const location = response.headers.get('location');
      if (location !== null) {
        url = new URL(location, url).href;
        continue;
      }
      const page = await response.text();
      const prompt = /name="prompt" value="(\w+)"/.exec(page)?.[1];
      if (prompt === undefined) throw new Error(`${url} answered ${response.status}: ${page.slice(0, 300)}`);
      const form = new URLSearchParams(prompt === 'login' ? { prompt, login, password: 'x' } : { prompt });
      const action = /action="([^"]+)"/.exec(page)?.[1] ?? url;
      const answered = await this.request(new URL(action, url).href, form);
      url = new URL(answered.headers.get('location') ?? '', url).href;
    }
    throw new Error(`it was sent around: ${this.visited.join(' → ')}`);
  }
}
