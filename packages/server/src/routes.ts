import type { DenialLog } from './access/denial-log.ts';
import type { FastifyInstance } from 'fastify';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { mountApprovals } from './access/approvals/approvals.routes.ts';
import type { ApprovalContext } from './access/approvals/ask-approval.ts';
import { mountBreakGlass } from './access/break-glass/break-glass.routes.ts';
import type { BreakGlassContext } from './access/break-glass/open-break-glass.ts';
import { attribution } from './access/change-context.ts';
import type { Exchanging } from './access/exchange-token.ts';
import { allowOnInstallation } from './access/locate.ts';
import type { Principal } from './access/principal.ts';
import { mountPeople } from './access/people/people.routes.ts';
import { mountCustomRoles } from './access/custom-roles.routes.ts';
import { mountPolicies } from './access/policies/policies.routes.ts';
import type { PolicyPlaces } from './access/policies/entities.ts';
import type { PreviewContext } from './access/policies/preview-policy.ts';
import { mountPages } from './access/pages/pages.routes.ts';
import { mountPending, mountSelf, mountSession } from './access/sign-in/session.routes.ts';
import { mountSignIn } from './access/sign-in/sign-in.routes.ts';
import type { SignInContext } from './access/sign-in/sign-in-context.ts';
import { mountSignOnPages } from './access/sign-on/browser.routes.ts';
import { mountSignOn, mountSignOnTokens, type SignOnRoutes } from './access/sign-on/sign-on.routes.ts';
import { mountPasswords } from './access/passwords/passwords.routes.ts';
import { syncSignOn } from './access/scim/sync-roles.ts';
import { SignOnsUnderWay } from './access/sign-on/sign-ons-under-way.ts';
import { mountTokenExchange } from './access/token-exchange.routes.ts';
import { mountTokens } from './access/tokens.routes.ts';
import { mountWorkloads } from './access/workloads.routes.ts';
import { mountEntries } from './audit/entries.routes.ts';
import type { Exporter } from './audit/exporter.ts';
import { mountExports } from './audit/exports.routes.ts';
import type { TransparencyLog } from './audit/log.ts';
import { mountLog } from './audit/log.routes.ts';
import type { PersonalParts } from './audit/personal-parts.ts';
import { mountProofs } from './audit/proofs.routes.ts';
import { mountPruning } from './audit/prune.routes.ts';
import { mountTiles } from './audit/tiles.routes.ts';
import type { Witnesses } from './audit/witnesses.ts';
import { mountExposures, mountOffboarding } from './compliance/offboarding.routes.ts';
import { mountBackup } from './backup/backup.routes.ts';
import type { Scratch } from './database/scratch.ts';
import type { Store } from './database/store.ts';
import { mountDeliveries } from './delivery/delivery.routes.ts';
import type { Feed } from './feed/start-feed.ts';
import { OpenId } from './http/openid.ts';
import { IssuerKeys } from './http/issuer-keys.ts';
import { mountMetrics } from './http/metrics.ts';
import { mountFactors } from './keys/factors.routes.ts';
import { mountKeyStates } from './keys/key-states.routes.ts';
import { mountKeys, mountRotation } from './keys/keys.routes.ts';
import type { Alarms } from './ledger/alarms.ts';
import type { LivedTime } from './ledger/lived-time.ts';
import { registerControlMetrics } from './metrics.ts';
import { mountEnvironmentSettings } from './projects/environment-settings.routes.ts';
import { mountConsumers, mountEnvironments, mountProjects, type Routes } from './projects/projects.routes.ts';
import { tokenPlaces } from './projects/token-places.ts';
import { mountReveal, revealField } from './secrets/reveal.routes.ts';
import { removeAddresses } from './keys/remove-addresses.ts';
import { mountKeyRotation } from './secrets/key-rotation.routes.ts';
import { mountSecrets } from './secrets/secrets.routes.ts';
import { mountSeal } from './vault/seal.routes.ts';
import type { Rewrapper } from './vault/rewrapper.ts';
import type { SealGate } from './vault/seal-gate.ts';
import type { InEnvironment, Vault } from './vault/vault.ts';
import { mountInstallation } from './verification/installation.routes.ts';
import type { UnreadableItems } from './verification/unreadable-items.ts';
import type { UsageLog } from './verification/usage-log.ts';

export interface ControlPlaneRoutes extends Routes {
  readonly feed: Feed;
  readonly unreadable: UnreadableItems;
  readonly alarms: Alarms;
  readonly store: Store;
  readonly vault: Vault;
  readonly seals: SealGate;
  readonly rewrapper: Rewrapper;
  readonly log: TransparencyLog;
  readonly livedTime: LivedTime;
  readonly personal: PersonalParts;
  readonly scratch: Scratch;
  readonly witnesses: Witnesses;
  readonly exporter: Exporter;
  readonly signIn: SignInContext;
  readonly policies: PreviewContext;
  readonly approving: ApprovalContext;
  readonly breaking: BreakGlassContext;
  readonly places: PolicyPlaces;
  /** Told of a provider that did not do, for the log of the server. */
  readonly signOnFailed: SignOnRoutes['signOnFailed'];
  /** Where the keys of the installation itself lie. */
  readonly place: InEnvironment;
  /** Off-boardings that somebody waits for. */
  readonly underWay: Set<string>;
  readonly finished: (offboarding: string) => void;
  readonly usageLog: UsageLog;
  readonly denials: DenialLog;
  /** Told after a token was revoked, before its revocation is answered. */
  readonly tokenRevoked: () => Promise<void>;
}

/** Every operation of the control plane, room by room, and its metrics. */
export function mountControlPlane(app: FastifyInstance, routes: ControlPlaneRoutes): void {
  const { gate, reader, feed, alarms, store, seals, unreadable } = routes;
  const { ledger, hub, book } = feed;
  mountProjects(app, routes);
  mountEnvironments(app, routes);
  mountEnvironmentSettings(app, routes);
  mountConsumers(app, routes);
  mountFactors(app, routes);
  mountKeys(app, routes);
  mountRotation(app, routes);
  mountKeyStates(app, routes);
  mountTokens(app, { ...routes, places: tokenPlaces(reader, 'tokens.create') });
  mountWorkloads(app, { ...routes, places: tokenPlaces(reader, 'workloads.create') });
  mountPeople(app, {
    ...routes,
    places: tokenPlaces(reader, 'roles.grant'),
    origin: () => routes.signIn.site().origin,
    roleNamed: routes.signIn.roleNamed,
    home: routes.place,
  });
  const leaving = { ...routes, context: { ...routes, ...routes.context } };
  mountExposures(app, leaving);
  mountOffboarding(app, leaving);
  mountApprovals(app, routes);
  mountBreakGlass(app, routes);
  mountCustomRoles(app, routes);
  mountPolicies(app, routes);
  mountSignIn(app, routes);
  mountPasswords(app, routes);
  mountSelf(app, { ...routes, places: tokenPlaces(reader, 'roles.grant') });
  mountSession(app, routes);
  mountPending(app, routes);
  mountProviders(app, routes);
  mountPages(app, routes.context.random, () => routes.signIn.site().origin);
  const keys = new IssuerKeys(() => routes.context.clock.wall());
  const issuers = { issuerOf: keys.issuerOf.bind(keys), verify: verifyWith(keys) };
  mountTokenExchange(app, { ...routes.context, reader, tampered: routes.vault.tampered, ...issuers });
  mountDeliveries(app, routes);
  mountSecrets(app, routes);
  mountReveal(app, routes);
  mountKeyRotation(app, routes);
  mountBackup(app, routes);
  const attribute = (principal: Principal, ip: string) => attribution({ principal, ip, idempotency: undefined });
  mountSeal(app, gate, { allow: allowOnInstallation, attribute }, seals);
  const mayReadLog = (principal: Principal) => allowOnInstallation(principal, 'audit.read');
  const mayErase = (principal: Principal) => allowOnInstallation(principal, 'audit.erase');
  const erasing = { forget: forgetSubject.bind(null, routes), enterCounted: enterCounted.bind(null, routes) };
  mountEntries(app, gate, { read: mayReadLog, erase: mayErase, attribute }, { ...routes, ...erasing });
  mountLog(app, gate, mayReadLog, routes);
  mountProofs(app, gate, mayReadLog, routes);
  const permit = (principal: Principal) => allowOnInstallation(principal, 'audit.prune');
  mountPruning(app, gate, { permit, attribute }, routes);
  const mayExport = (principal: Principal) => allowOnInstallation(principal, 'audit.export');
  const signingKey = () => routes.log.exportKey();
  mountExports(app, gate, { read: mayReadLog, manage: mayExport, attribute }, { ...routes, signingKey });
  mountTiles(app, gate, mayReadLog, routes);
  mountInstallation(app, { ...routes, hub, book, alarms });
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  registerControlMetrics(registry, { ledger, writer: store.writer, book, alarms, unreadable });
  mountMetrics(app, gate, registry, (principal) => allowOnInstallation(principal, 'installation.read') === null);
}

/** What is counted in memory has whole addresses in it. */
async function enterCounted({ usageLog, denials }: ControlPlaneRoutes): Promise<boolean> {
  const isEntered = await usageLog.flush();
  return (await denials.flush()) && isEntered;
}

/** What is kept of a subject beside the log. */
async function forgetSubject({ policies, scratch }: ControlPlaneRoutes, subject: string): Promise<void> {
  await policies.decisions.forgetOf(subject);
  await removeAddresses(scratch, subject);
}

/** Signing in at somebody else's. */
function mountProviders(app: FastifyInstance, routes: ControlPlaneRoutes): void {
  const { clock, random } = routes.context;
  const [openId, underWay] = [new OpenId(() => clock.wall()), new SignOnsUnderWay(clock, random)];
  const clientSecretAt: SignOnRoutes['clientSecretAt'] = (caller, at) =>
    revealField(routes, caller, at, 'clientSecret');
  const syncing = { ...routes.context, reader: routes.reader };
  const saved: SignOnRoutes['saved'] = (signOn) => syncSignOn(syncing, signOn);
  const signingOn = {
    ...routes,
    saved,
    clientSecretAt,
    places: tokenPlaces(routes.reader, 'roles.grant'),
    openId,
    underWay,
  };
  mountSignOn(app, signingOn);
  mountSignOnTokens(app, signingOn);
  mountSignOnPages(app, signingOn);
}

/** A workload's row is what its issuer is known by. */
function verifyWith(keys: IssuerKeys): Exchanging['verify'] {
  return (jwt, { issuer, audience, jwks_uri: jwksUri }) => keys.verify(jwt, { issuer, audience, jwksUri });
}
