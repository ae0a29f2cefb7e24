import { createSecretKey } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { sql } from 'kysely';
import { authenticate } from './access/authenticate.ts';
import { BootstrapUse } from './access/bootstrap-use.ts';
import { ensureBootstrapToken, ensureVerifierToken } from './access/own-tokens.ts';
import type { Principal } from './access/principal.ts';
import { systemClock } from './clock.ts';
import type { Config } from './config.ts';
import { openData } from './database/open-data.ts';
import { Scratch } from './database/scratch.ts';
import { classifyFault } from './database/store-fault.ts';
import { startFeed } from './feed/start-feed.ts';
import { type AuthenticateFeed, serveFeed } from './feed/feed-socket.ts';
import { logAccess } from './http/access-log.ts';
import { Cursors } from './http/cursor.ts';
import { mountHealth } from './http/health.ts';
import type { Log } from './http/log.ts';
import type { Gate } from './http/mount.ts';
import { serveReference } from './http/reference.ts';
import { createHttpServer } from './http/server.ts';
import { readTls } from './http/tls.ts';
import { Alarms } from './ledger/alarms.ts';
import { startMaintenance } from './maintenance.ts';
import { mountControlPlane } from './routes.ts';
import { systemRandom } from './random.ts';
import { Keyring } from './vault/keyring.ts';
import { KeyUses } from './vault/key-uses.ts';
import { openVault } from './vault/open-vault.ts';
import { SealGate } from './vault/seal-gate.ts';
import type { Vault } from './vault/vault.ts';
import { answerOnline } from './verification/answer-online.ts';
import { VerificationSource } from './verification/feed-source.ts';
import { Places } from './verification/places.ts';
import { takeReport } from './verification/take-report.ts';
import { urlOf } from './verification/verifier-process.ts';

/** A running control plane. */
export interface ControlPlane extends AsyncDisposable {
  /** `http(s)://host:port` */
  readonly url: string;
  /** Holds the feed token of this installation's own verifier process. */
  readonly verifierTokenFile: string;
  readonly bootstrapTokenFile: string;
}

/** Starts the control plane. Everything is wired here, by hand, from the lowest floor up. */
export async function startControlPlane(config: Config, log: Log): Promise<ControlPlane> {
  await using stack = new AsyncDisposableStack();
  mkdirSync(config.dataFolder, { recursive: true, mode: 0o700 });
  const [clock, random] = [systemClock, systemRandom];

  // database
  const file = (name: string) => join(config.dataFolder, name);
  const store = await openData(config, stack);
  const scratch = new Scratch(store);

  // ledger, vault, feed
  const alarms = new Alarms(clock, (alarm) => log.error({ alarm }, 'ALARM'));
  const tampered = (rowId: string) =>
    alarms.raise('ROW_TAMPERED', rowId, 'the stored row is not the one that the ledger recorded');
  const places = new Places();
  const online = { reader: store.reader, clock, places };
  const source = new VerificationSource({
    store,
    clock,
    places,
    tampered,
    report: (scope, payload) => takeReport({ ...online, scratch, tokensUsed: feed.tokensUsed }, scope, payload),
    answer: (scope, payload) => answerOnline({ ...online, ledger: feed.ledger }, scope, payload),
  });
  const feed = await startFeed({ store, clock, random, alarms, source });
  const own = { ledger: feed.ledger, reader: store.reader, clock, random };
  const keyFile = config.keyFile ?? join(config.userDataFolder, `${feed.ledger.head.installation}.key`);
  const vault = vaultOf({ ...own, tampered }, scratch, alarms);
  if ((await openVault(vault, keyFile)) === 'sealed') log.warn('SEALED: unseal it with POST /v1/unseal');
  await places.load(store.reader, tampered);

  // access
  const { ledger, propagation, hub, book } = feed;
  const bootstrapTokenFile = file('bootstrap-token');
  const bootstrapUse = new BootstrapUse(ledger, clock, await ensureBootstrapToken(own, bootstrapTokenFile));
  feed.onTokensUsed((ids) => {
    for (const id of ids) bootstrapUse.note(id).catch(() => {});
  });
  const verifierTokenFile = file('verifier-token');
  if (config.withVerifier) await ensureVerifierToken(own, verifierTokenFile);
  const find = (secret: string) => authenticate(store.reader, clock, secret, tampered);
  const gate: Gate<Principal> = {
    authenticate: async (secret) => {
      const principal = secret === null ? null : await find(secret);
      if (principal !== null) await bootstrapUse.note(principal.id);
      return principal;
    },
  };

  // http
  const tls = readTls(config);
  const app = createHttpServer({ log, tls, trustedProxies: config.trustedProxies, classify: classifyFault });
  stack.defer(() => app.close());
  logAccess(app, log, Math.random);
  await serveReference(app, 'Keyhold');
  mountHealth(app, async () => (await sql`select 1`.execute(store.reader)).rows.length === 1);
  // A cursor outlives no start: what it is bound with needs no key that could be sealed.
  const cursors = new Cursors(createSecretKey(random.bytes(32)));
  const routes = { gate, context: { ledger, propagation, clock, random }, reader: store.reader, cursors };
  const seals = new SealGate(vault, keyFile);
  mountControlPlane(app, { ...routes, feed, alarms, writer: store.writer, vault, seals });
  await app.ready();
  const closeFeed = serveFeed(app.server, hub, feedGate(find));
  await app.listen({ host: config.host, port: config.port });
  stack.defer(closeFeed);
  stack.defer(startMaintenance({ store, scratch, clock, ledger, book, hub, alarms, tampered }));
  const running = stack.move();
  return {
    url: urlOf(app.server.address(), config.host, tls !== undefined),
    verifierTokenFile,
    bootstrapTokenFile,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

type Handed = Pick<Vault, 'ledger' | 'reader' | 'clock' | 'random' | 'tampered'>;

function vaultOf(own: Handed, scratch: Scratch, alarms: Alarms): Vault {
  return {
    ...own,
    keyring: new Keyring(),
    uses: new KeyUses(scratch),
    broken: ({ id }, detail) => alarms.raise('ENVELOPE_BROKEN', id, detail),
  };
}

/** Opens the feed to tokens of the scope `feed`, as far as they are bound. */
function feedGate(find: (secret: string) => Promise<Principal | null>): AuthenticateFeed {
  return async (secret) => {
    const principal = secret === null ? null : await find(secret);
    if (principal === null || !principal.scopes.includes('feed')) return null;
    const { id, projects, environment } = principal;
    return { scope: { projects, environment }, tokenId: id };
  };
}
