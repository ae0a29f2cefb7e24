import { assertStatus, type SharedMarket, shareMarket } from './shared-market.ts';
import { send, type TestAnswer, type TestInstallation } from './installation.ts';
import type { TestPlace } from './databases.ts';

export interface VaultOptions {
  readonly token?: string | undefined;
  readonly namespace?: string;
  readonly wrapTtl?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Vault's wire API, as its clients call it. */
export interface VaultWire {
  /** `path` is what is behind `/v1/`. */
  call(method: string, path: string, body?: unknown, options?: VaultOptions): Promise<TestAnswer>;
  /** Fails unless it answers with that status; resolves to the body. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  expect(status: number, method: string, path: string, body?: unknown, options?: VaultOptions): Promise<any>;
}

export interface SharedVault extends SharedMarket {
  readonly wire: VaultWire;
  /** A token of the installation's own, of those scopes and bounds. */
  token(settings: Readonly<Record<string, unknown>>): Promise<string>;
  /** Actions of the entries of that subject, oldest first. */
  actionsOn(subject: string): Promise<string[]>;
  /** Codes of alarms about that subject. */
  alarmsAbout(subject: string): Promise<string[]>;
}

export function vaultWire(url: string, token: string): VaultWire {
  const call: VaultWire['call'] = async (method, path, body, options = {}) => {
    const given = 'token' in options ? options.token : token;
    return await send(new URL(`${url}/v1/${path}`), method, body, {
      headers: {
        ...(given === undefined ? {} : { 'x-vault-token': given }),
        ...(options.namespace === undefined ? {} : { 'x-vault-namespace': options.namespace }),
        ...(options.wrapTtl === undefined ? {} : { 'x-vault-wrap-ttl': options.wrapTtl }),
        ...options.headers,
      },
    });
  };
  return {
    call,
    expect: async (status, method, path, body, options) =>
      assertStatus(await call(method, path, body, options), status),
  };
}

/** One installation with its Vault API, started once for a whole suite. Call the result inside tests only. */
export function shareVault(createPlace: () => Promise<TestPlace>): () => SharedVault {
  const market = shareMarket(createPlace);
  let shared: SharedVault | undefined;
  return () => {
    shared ??= assemble(market());
    return shared;
  };
}

function assemble(market: SharedMarket): SharedVault {
  const { installation, expect } = market;
  return {
    ...market,
    wire: vaultWire(installation.vaultUrl, installation.bootstrapToken),
    token: async (settings) => (await expect(201, 'POST', '/v1/tokens', { name: 'vault', ...settings })).secret,
    actionsOn: (subject) => actionsOn(installation, subject),
    alarmsAbout: async (subject) => {
      const { alarms } = await expect(200, 'GET', '/v1/installation');
      return (alarms as { code: string; subject: string }[])
        .filter((alarm) => alarm.subject === subject)
        .map(({ code }) => code);
    },
  };
}

async function actionsOn({ call }: TestInstallation, subject: string): Promise<string[]> {
  const actions: string[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const { body } = await call(
      'GET',
      `/v1/audit/entries?subject=${subject}&order=asc&limit=100${cursor === '' ? '' : `&cursor=${cursor}`}`,
    );
    actions.push(...body.items.map(({ action }: { action: string }) => action));
    cursor = body.nextCursor;
  }
  return actions;
}
