import { createSecretKey } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { isRefusal } from '@keyhold/protocol/errors';
import type { SealKind } from '@keyhold/protocol/operations/seal';
import { sql } from 'kysely';
import { approvalGate } from './access/approvals/approvals.routes.ts';
import { authenticate } from './access/authenticate.ts';
import { BootstrapUse } from './access/bootstrap-use.ts';
import { personGate } from './access/sign-in/person-gate.routes.ts';
import { openSignIn } from './access/sign-in/open-sign-in.ts';
import { localOriginOf, siteOf } from './access/sign-in/site.ts';
import { ensureOwnerTokens, ensureVerifierToken } from './access/own-tokens.ts';
import { DenialLog } from './access/denial-log.ts';
import { DecisionLog } from './access/policies/record-decisions.ts';
import { RequestJudge } from './access/policies/request-judge.ts';
import type { Principal } from './access/principal.ts';
import { acknowledge } from './audit/acknowledge.ts';
import { Exporter } from './audit/exporter.ts';
import { type LogOptions, TransparencyLog } from './audit/log.ts';
import { PersonalParts } from './audit/personal-parts.ts';
import { openWitnessPolicy, type WitnessPolicy } from './audit/witness-policy.ts';
import { Witnesses } from './audit/witnesses.ts';
import { systemClock } from './clock.ts';
import { type Config, environmentOfLibrary } from './config.ts';
import { refuseLooseFile, refuseLooseFolder } from './file-modes.ts';
import { openData } from './database/open-data.ts';
import { Scratch } from './database/scratch.ts';
import { classifyFault } from './database/store-fault.ts';
import { type AuthenticateFeed, serveFeed } from './feed/feed-socket.ts';
import { logAccess } from './http/access-log.ts';
import { Cursors } from './http/cursor.ts';
import { mountHealth } from './http/health.ts';
import type { Log } from './http/log.ts';
import { serveReference } from './http/reference.ts';
import { createHttpServer } from './http/server.ts';
import type { Admitting } from './access/admit-workload.ts';
import { startCertificateListener } from './access/certificate-listener.routes.ts';
import { acceptListMethod } from './compat/list-socket.ts';
import type { VaultApi } from './compat/vault-call.ts';
import { readTls, type TlsMaterial } from './http/tls.ts';
import { decryptWith, encryptTo, newPair } from './delivery/pair-cipher.ts';
import { startVaultListener } from './compat/start-vault-listener.ts';
import { endWhatCameBack } from './backup/end-what-came-back.ts';
import { Alarms } from './ledger/alarms.ts';
import type { RollbackGuard } from './ledger/rollback-guard.ts';
import { LivedTime } from './ledger/lived-time.ts';
import { originOf } from './audit/ask-witnesses.ts';
import { type Ground, headFileOf, startLedger } from './ledger-wiring.ts';
import type { Feed } from './feed/start-feed.ts';
import type { UsageLog } from './verification/usage-log.ts';
import type { PolicyBook } from './access/policies/policy-book.ts';
import { startMaintenance } from './maintenance.ts';
import { ensureDefaultPlace } from './projects/ensure-default-place.ts';
import { mountWires, peopleOf, VAULT_BELOW } from './people-wiring.ts';
import { mountControlPlane } from './routes.ts';
import { type Random, systemRandom } from './random.ts';
import { collectGarbage } from './vault/collect-garbage.ts';
import { Keyring } from './vault/keyring.ts';
import { Hsm } from './vault/hsm.ts';
import { KeyUses } from './vault/key-uses.ts';
import { openVault } from './vault/open-vault.ts';
import { Rewrapper } from './vault/rewrapper.ts';
import { SealGate } from './vault/seal-gate.ts';
import { Turns } from './vault/turns.ts';
import type { Vault } from './vault/vault.ts';
import { replaceHandedKeys } from './verification/replace-handed-keys.ts';
import { urlOf } from './verification/verifier-process.ts';

/** A running control plane. */
export interface ControlPlane extends AsyncDisposable {
  /** `http(s)://host:port` */
  readonly url: string;
  /** Vault's wire API, at its root. */
  readonly vaultUrl: string;
  /** Where certificates are exchanged; undefined where that is not configured. */
  readonly certificateUrl: string | undefined;
  /** Holds the feed token of this installation's own verifier process. */
  readonly verifierTokenFile: string;
  readonly bootstrapTokenFile: string;
  /** Once it was tried to open it: an HSM may take its time. */
  readonly seal: Promise<StartedSeal>;
}

/** How the installation came up; null where the stored seal was tampered with. */
export type StartedSeal = { readonly kind: SealKind; readonly sealed: boolean; readonly keyFile: string } | null;

/** Starts the control plane. Everything is wired here, by hand, from the lowest floor up. */
export async function startControlPlane(config: Config, log: Log): Promise<ControlPlane> {
  await using stack = new AsyncDisposableStack();
  makeDataFolder(config);
  const [clock, random] = [systemClock, systemRandom];
  // database
  const file = (name: string) => join(config.dataFolder, name);
  const store = await openData(config, stack);
  const [scratch, livedTime] = [new Scratch(store), await LivedTime.take(store, clock)];

  // ledger, vault, feed
  const alarms = new Alarms(clock, (alarm) => log.error({ alarm }, 'ALARM'));
  const tampered = (rowId: string) =>
    alarms.raise('ROW_TAMPERED', rowId, 'the stored row is not the one that the ledger recorded');
  const policy = openWitnessPolicy(config.witnessPolicyFile);
  // Verifiers ask for keys once everything serves.
  const ground = { store, scratch, clock, livedTime, random, alarms, tampered, policy, log, vault: (): Vault => vault };
  const { feed, places, policies, guard, usageLog, unreadable } = await startLedger(config, ground, stack);
  const own = { ledger: feed.ledger, reader: store.reader, clock, random };
  const keyFile = config.keyFile ?? join(config.userDataFolder, `${feed.ledger.head.installation}.key`);
  const vault: Vault = vaultOf({ ...own, tampered }, scratch, alarms);
  await openVault(vault, keyFile);
  await places.load(store.reader, tampered);
  await policies.load(store.reader, tampered);

  // access
  const { ledger, propagation, hub, book } = feed;
  const place = await ensureDefaultPlace(own);
  const audit = await openAudit({ vault, scratch, place, policy, folder: file('exports') }, alarms, stack);
  await enterRollback(guard, vault);
  // Before the listener, so that what is refused until it closes is entered.
  const { denials, refused } = countDenials(own, usageLog, stack);
  const access = await openAccess(config, { ...ground, own, policies, feed, denials }, stack);
  const { ownerTokens, judgeFor, decisions, find, tokens } = access;

  // http
  const tls = readTls(config);
  const app = openHttp(config, tls, log, stack);
  await serveReference(app, 'Keyhold');
  mountHealth(app, async () => (await sql`select 1`.execute(store.reader)).rows.length === 1);
  const context = { ledger, propagation, clock, random };
  const { seals, rewrapper, rewrap, hsm } = sealsOf(vault, { keyFile, config, personal: audit.personal }, log, stack);
  const tokenRevoked = () => replaceHanded(vault, rewrap);
  const site = () => siteOf(config.publicUrl ?? localOriginOf(app.server.address(), tls !== undefined));
  const known = { store, scratch, alarms, site, tampered, ownerTokens, judgeFor, roleNamed: policies.roleNamed, vault };
  const signIn = openSignIn(context, { ...known, home: place, isSealed: () => vault.keyring.unsealed === null });
  const people = peopleOf(context, { store, scratch, tampered, policies, places, decisions, alarms }, tokenRevoked);
  const acknowledged = { acknowledge: acknowledge.bind(null, { ...audit, ledger, clock }) };
  const gate = { ...personGate(signIn, tokens), ...acknowledged, refused, approvals: approvalGate(people.approving) };
  const routes = { gate, context, reader: store.reader, cursors: newCursors(random), signIn };
  mountControlPlane(app, {
    ...{ ...routes, feed, unreadable, usageLog, denials, alarms, store, vault, seals, rewrapper, ...audit },
    ...{ ...people, ...people.offboarding, livedTime, places, place, signOnFailed: tellSignOn.bind(null, log) },
  });
  // Its clients hold tokens: people read secrets where they confirm it.
  const vaultApi = { ...routes, authenticate: tokens, vault, seals, refused };
  await mountWires(app, vaultApi, people.scim, { tampered, log, site });
  await app.ready();
  stack.defer(acceptListMethod(app.server, tls !== undefined, `${VAULT_BELOW}/`));
  const closeFeed = serveFeed(app.server, hub, feedGate(find));
  await app.listen({ host: config.host, port: config.port });
  stack.defer(closeFeed);
  const elsewhere = await startListeners(config, vaultApi, { ...context, reader: store.reader, tampered }, log, stack);
  const kept = { ledger, book, hub, rewrap, audit, usageLog, denials, vault, decisions, ...people };
  stack.defer(startMaintenance({ ...ground, ...kept, auditDays: config.auditDays }));
  const running = stack.move();
  return {
    url: urlOf(app.server.address(), config.host, tls !== undefined),
    ...elsewhere,
    verifierTokenFile: access.verifierTokenFile,
    bootstrapTokenFile: ownerTokens.bootstrapFile,
    seal: openAtStart(seals, hsm, { keyFile, log }, running),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** Why a state of before is served, and the end of what came back with it, before anybody can ask for that. */
async function enterRollback(guard: RollbackGuard, vault: Vault): Promise<void> {
  await guard.enter(vault.ledger);
  await endWhatCameBack(vault);
  await replaceHandedKeys(vault);
}

/** What is refused to callers is entered by who they are, to strangers by how often. */
function countDenials(
  vault: Pick<Vault, 'ledger' | 'clock' | 'random'>,
  usageLog: UsageLog,
  stack: AsyncDisposableStack,
) {
  const denials = new DenialLog(vault.ledger, vault.clock, vault.random);
  stack.defer(() =>
    denials.flush().then(
      () => {},
      () => {},
    ),
  );
  const refused: VaultApi['refused'] = (principal, operation, code, ip) => {
    if (principal !== null) denials.note(principal, operation, code, ip);
    else usageLog.add([], [{ environment: '', code, count: 1 }]);
  };
  return { denials, refused };
}

/** The listeners beside the main one. */
async function startListeners(
  config: Config,
  vaultApi: VaultApi,
  admitting: Admitting,
  log: Log,
  stack: AsyncDisposableStack,
): Promise<Pick<ControlPlane, 'vaultUrl' | 'certificateUrl'>> {
  const vault = stack.use(await startVaultListener(config, vaultApi, log));
  const vaultUrl = urlOf({ port: vault.port }, config.host, config.tls !== undefined);
  const certificates = await startCertificateListener(config, admitting, log);
  if (certificates === null) return { vaultUrl, certificateUrl: undefined };
  return { vaultUrl, certificateUrl: urlOf({ port: stack.use(certificates).port }, config.host, true) };
}

function noteAll(bootstrapUse: BootstrapUse, ids: readonly string[]): void {
  for (const id of ids) bootstrapUse.note(id).catch(() => {});
}

type Handed = Pick<Vault, 'ledger' | 'reader' | 'clock' | 'random' | 'tampered'>;

function vaultOf(own: Handed, scratch: Scratch, alarms: Alarms): Vault {
  return {
    ...own,
    keyring: new Keyring(collectGarbage),
    sealTurns: new Turns(),
    uses: new KeyUses(scratch),
    broken: ({ id }, detail) => alarms.raise('ENVELOPE_BROKEN', id, detail),
    takenTwice: (id) => alarms.raise('DELIVERY_TAKEN_TWICE', id, 'somebody came for a delivery that was taken before'),
  };
}

interface AuditPlaces extends Pick<LogOptions, 'vault' | 'scratch' | 'place'> {
  readonly policy: WitnessPolicy | null;
  /** Where exports to files go. */
  readonly folder: string;
}

/** The log of all entries, their personal parts, and where they are sent. */
async function openAudit(places: AuditPlaces, alarms: Alarms, stack: AsyncDisposableStack) {
  const { vault, scratch, place, policy, folder } = places;
  const { ledger } = vault;
  const personal = new PersonalParts({ vault, scratch, place, pair: { newPair, encryptTo, decryptWith } });
  ledger.encryptSides(personal.prepare);
  await personal.ensurePeriods();
  const { installation } = ledger.head;
  const forged: LogOptions['forged'] = (what, detail) =>
    alarms.raise('LOG_FORGED', what === 'tree' ? installation : `${installation}/${what}`, detail);
  const log = await TransparencyLog.open({ vault, scratch, place, origin: originOf(installation), forged });
  await log.publish();
  const lagging = (id: string, detail: string) => alarms.raise('EXPORT_LAGS', id, detail);
  const caughtUp = (id: string) => alarms.settle('EXPORT_LAGS', id);
  const alarmed = () => alarms.list().flatMap(({ code, subject }) => (code === 'EXPORT_LAGS' ? [subject] : []));
  const signingKey = () => log.exportKey();
  const exporter = new Exporter({ vault, scratch, personal, folder, signingKey, lagging, alarmed, caughtUp });
  stack.defer(() => exporter.stop());
  const witnesses = stack.use(await Witnesses.start({ vault, scratch, log, alarms, policy }));
  return { log, personal, exporter, witnesses };
}

/** Loudly: whoever can read the file, and open the seal, becomes an owner. */
function tellRecovery(alarms: Alarms, tokenId: string, file: string): void {
  alarms.raise('OWNER_RECOVERY', tokenId, `for 24 hours ${file} makes an owner of whoever opens the seal`);
}

function tellSignOn(log: Log, signOn: string, reason: string): void {
  log.warn({ signOn, reason }, 'signing in at a provider failed');
}

/** A cursor outlives no start: what it is bound with needs no key that could be sealed. */
function newCursors(random: Random): Cursors {
  return new Cursors(createSecretKey(random.bytes(32)));
}

const DATA_FILES = ['keyhold.db', 'keyhold.db-wal', 'keyhold.db-shm', 'bootstrap-token', 'verifier-token'];

function makeDataFolder(config: Config): void {
  const { dataFolder } = config;
  mkdirSync(dataFolder, { recursive: true, mode: 0o700 });
  refuseLooseFolder(dataFolder);
  for (const name of DATA_FILES) refuseLooseFile('data file', join(dataFolder, name));
  refuseLooseFile('head record', headFileOf(config));
}

interface AccessGround extends Ground {
  readonly own: Pick<Vault, 'ledger' | 'reader' | 'clock' | 'random'>;
  readonly policies: PolicyBook;
  readonly feed: Feed;
  readonly denials: DenialLog;
}

/** Who asks, and what policies say of him. */
async function openAccess(config: Config, ground: AccessGround, stack: AsyncDisposableStack) {
  const { store, scratch, clock, alarms, tampered, own, policies, feed, denials } = ground;
  const file = (name: string) => join(config.dataFolder, name);
  const ownerTokens = await ensureOwnerTokens(own, file, config.recoverOwner ? tellRecovery.bind(null, alarms) : null);
  const bootstrapUse = new BootstrapUse(feed.ledger, clock, ownerTokens.bootstrapId);
  feed.onTokensUsed((ids) => noteAll(bootstrapUse, ids));
  const verifierTokenFile = file('verifier-token');
  if (config.withVerifier) await ensureVerifierToken(own, verifierTokenFile);
  const decisions = new DecisionLog(scratch, clock);
  stack.defer(() => decisions.flush().catch(() => {}));
  const judgeFor = (network: string) => new RequestJudge({ book: policies, clock, decided: decisions.note }, network);
  const over = denials.noteOver.bind(denials);
  const authenticating = { reader: store.reader, clock, tampered, judgeFor, over };
  const find: Find = (secret, ip) => authenticate(authenticating, secret, ip);
  return { ownerTokens, verifierTokenFile, decisions, judgeFor, find, tokens: gateOf(find, bootstrapUse) };
}

function openHttp({ trustedProxies }: Config, tls: TlsMaterial | undefined, log: Log, stack: AsyncDisposableStack) {
  const app = createHttpServer({ log, tls, trustedProxies, classify: classifyFault });
  stack.defer(() => app.close());
  logAccess(app, log, Math.random);
  return app;
}

/** When everything else serves already. Not to be waited for: verifiers need no HSM that answers in order to start. */
function openAtStart(seals: SealGate, hsm: Hsm, told: Told, stack: AsyncDisposableStack): Promise<StartedSeal> {
  const seal = startedSeal(seals, told);
  const over = seal.catch(() => {});
  // First of all when it stops, so that what became of the try is entered.
  stack.defer(async () => {
    hsm.stop();
    await over;
  });
  return seal;
}

interface Told {
  readonly keyFile: string;
  readonly log: Log;
}

async function startedSeal(seals: SealGate, { keyFile, log }: Told): Promise<StartedSeal> {
  await seals.removeFormerFiles();
  const opened = await seals.openByItself();
  if (isRefusal(opened)) log.warn({ code: opened.refused, detail: opened.detail }, 'the seal does not open by itself');
  const seal = await seals.show();
  if (isRefusal(seal) || seal.sealed) log.warn('SEALED: unseal it with POST /v1/unseal');
  if (!isRefusal(seal) && seal.kind === 'file')
    log.warn({ keyFile }, 'whoever reads the key file has every secret: change the seal with keyhold seal change');
  return isRefusal(seal) ? null : { kind: seal.kind, sealed: seal.sealed, keyFile };
}

/** What opens and closes the seal, and re-wraps once it is open. */
interface SealPlaces {
  readonly keyFile: string;
  readonly config: Config;
  readonly personal: PersonalParts;
}

function sealsOf(vault: Vault, { keyFile, config, personal }: SealPlaces, log: Log, stack: AsyncDisposableStack) {
  const rewrapper = new Rewrapper(vault, (error) => log.error({ error }, 're-wrapping stopped'));
  stack.defer(() => rewrapper.stop());
  const rewrap = () => rewrapper.kick();
  rewrap();
  const opened = () => {
    rewrap();
    void replaceHanded(vault, rewrap).catch(() => {});
    // What this can't do now is done within the minute.
    void personal.move().catch(() => {});
  };
  const left = (error: unknown) =>
    log.error({ error }, 'a key file is not in its place, or one of a seal before still there: a start tries again');
  const hsm = new Hsm({ clock: vault.clock, environment: environmentOfLibrary(config) });
  stack.defer(() => hsm.stop());
  return { rewrapper, rewrap, hsm, seals: new SealGate(vault, { keyFile, hsm }, opened, left) };
}

/** Distribution keys that were handed to tokens which are over are replaced, and what lies under them moves. */
async function replaceHanded(vault: Vault, rewrap: () => void): Promise<void> {
  if ((await replaceHandedKeys(vault)) > 0) rewrap();
}

type Find = (secret: string, ip: string) => Promise<Principal | null>;

/** Finds the holders of tokens that are alive; each use of the bootstrap token is noted. */
function gateOf(find: Find, bootstrapUse: BootstrapUse) {
  return async (secret: string | null, ip: string): Promise<Principal | null> => {
    const principal = secret === null ? null : await find(secret, ip);
    if (principal !== null) await bootstrapUse.note(principal.id);
    return principal;
  };
}

/** Opens the feed to tokens of the scope `feed`, as far as they are bound. */
function feedGate(find: Find): AuthenticateFeed {
  return async (secret) => {
    const principal = secret === null ? null : await find(secret, '');
    const grant = principal?.grants.find(({ opener }) => opener === 'feed');
    if (principal === null || grant === undefined) return null;
    const { projects, environment } = grant;
    return { scope: { projects, environment }, tokenId: principal.id };
  };
}
