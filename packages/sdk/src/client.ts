import type { AckLevel } from '@keyhold/protocol/acknowledgement';
import type { Body, Operation, Params, Query, Response } from '@keyhold/protocol/operation';
import * as access from '@keyhold/protocol/operations/access';
import * as audit from '@keyhold/protocol/operations/audit';
import * as factors from '@keyhold/protocol/operations/factors';
import * as installation from '@keyhold/protocol/operations/installation';
import * as keys from '@keyhold/protocol/operations/keys';
import * as approvals from '@keyhold/protocol/operations/approvals';
import * as breakGlass from '@keyhold/protocol/operations/break-glass';
import * as customRoles from '@keyhold/protocol/operations/custom-roles';
import * as offboarding from '@keyhold/protocol/operations/offboarding';
import * as signOn from '@keyhold/protocol/operations/sign-on';
import * as policies from '@keyhold/protocol/operations/policies';
import * as projects from '@keyhold/protocol/operations/projects';
import * as backup from '@keyhold/protocol/operations/backup';
import * as deliveries from '@keyhold/protocol/operations/deliveries';
import * as people from '@keyhold/protocol/operations/people';
import * as signIn from '@keyhold/protocol/operations/sign-in';
import * as rules from '@keyhold/protocol/operations/rules';
import * as secrets from '@keyhold/protocol/operations/secrets';
import * as workloads from '@keyhold/protocol/operations/workloads';
import * as seal from '@keyhold/protocol/operations/seal';
import * as vault from '@keyhold/protocol/operations/vault';
import { verify, verifyBatch } from '@keyhold/protocol/operations/verify';
import { type Acknowledged, checkedConnection, type Connection, request } from './request.ts';

/** Everything an operation takes, path parameters, query and body in one object; each name occurs once. */
export type Input<O extends Operation> = Part<Params<O>> & Part<Query<O>> & Part<Body<O>>;

type Part<T> = T extends object ? T : unknown;

/** One operation as a function. */
export type Call<O extends Operation> =
  unknown extends Input<O>
    ? (input?: Record<string, never>, options?: CallOptions) => Promise<Response<O>>
    : (input: Input<O>, options?: CallOptions) => Promise<Response<O>>;

export interface CallOptions {
  /** Makes the call safe to repeat: the same key and input do it once. */
  readonly idempotencyKey?: string;
  readonly signal?: AbortSignal;
  /** What a refusal called `confirmation`, once the person has confirmed it in a browser. */
  readonly confirmation?: string;
  /** Why, for those who approve it: where it takes approvals it then waits for them, as `approval` of the refusal. */
  readonly approvalReason?: string;
  /** What a refusal called `approval`, once enough have approved it. */
  readonly approval?: string;
  /** Waits until the log is that far with the change, 10 s at most. */
  readonly ack?: AckLevel;
  /** Told which entry the change has, and how far the log is with it. */
  readonly acknowledged?: (told: Acknowledged) => void;
}

/**
 * A typed client of a control plane, made from the same operations that the server mounts.
 * @throws KeyholdError for every refusal, with the server's code; TypeError from fetch when nobody answers, and at once
 * for a token that can't be sent
 */
export function createClient(to: Connection) {
  const connection = checkedConnection(to);
  const bind = <O extends Operation>(operation: O): Call<O> =>
    ((input: unknown, options: unknown) =>
      request(
        connection,
        operation,
        (input ?? {}) as Record<string, unknown>,
        (options ?? {}) as CallOptions,
      )) as Call<O>;
  return {
    projects: { create: bind(projects.createProject), list: bind(projects.listProjects) },
    environments: {
      create: bind(projects.createEnvironment),
      list: bind(projects.listEnvironments),
      setPermission: bind(projects.setPermission),
      listPermissions: bind(projects.listPermissions),
      setSigning: bind(projects.setSigning),
      getSigning: bind(projects.getSigning),
      setRules: bind(rules.setRules),
      getRules: bind(rules.getRules),
    },
    consumers: consumerCalls(bind),
    factors: {
      enrolTotp: bind(factors.enrolTotp),
      confirm: bind(factors.confirmFactor),
      enrolPasskey: bind(factors.enrolPasskey),
      confirmPasskey: bind(factors.confirmPasskey),
      list: bind(factors.listFactors),
      remove: bind(factors.removeFactor),
    },
    keys: {
      issue: bind(keys.issueKey),
      list: bind(keys.listKeys),
      get: bind(keys.getKey),
      update: bind(keys.updateKey),
      rotate: bind(keys.rotateKey),
      suspend: bind(keys.suspendKey),
      resume: bind(keys.resumeKey),
      revoke: bind(keys.revokeKey),
      revokeMany: bind(keys.revokeKeys),
      destroy: bind(keys.destroyKey),
    },
    credentials: { revoke: bind(keys.revokeCredential) },
    tokens: tokenCalls(bind),
    people: peopleCalls(bind),
    signOn: signOnCalls(bind),
    offboardings: offboardingCalls(bind),
    approvals: approvalCalls(bind),
    breakGlass: breakGlassCalls(bind),
    customRoles: customRoleCalls(bind),
    policies: policyCalls(bind),
    sessions: sessionCalls(bind),
    workloads: workloadCalls(bind),
    secrets: secretCalls(bind),
    deliveries: {
      list: bind(deliveries.listDeliveries),
      take: bind(deliveries.takeDelivery),
      end: bind(deliveries.endDelivery),
    },
    vaultKeys: vaultKeyCalls(bind),
    backup: { recordDrill: bind(backup.recordDrill) },
    seal: sealCalls(bind),
    audit: auditCalls(bind),
    installation: { get: bind(installation.getInstallation), acceptRestore: bind(installation.acceptRestore) },
  };
}

function sealCalls(bind: <O extends Operation>(operation: O) => Call<O>) {
  return {
    get: bind(seal.getSeal),
    unseal: bind(seal.unseal),
    seal: bind(seal.sealInstallation),
    change: bind(seal.changeSeal),
    confirm: bind(seal.confirmSeal),
  };
}

function vaultKeyCalls(bind: <O extends Operation>(operation: O) => Call<O>) {
  return {
    get: bind(vault.getRotation),
    rotate: bind(vault.rotateEnvironmentKeys),
    rotateRoot: bind(vault.rotateRootKey),
  };
}

function consumerCalls(bind: <O extends Operation>(operation: O) => Call<O>) {
  return {
    create: bind(projects.createConsumer),
    list: bind(projects.listConsumers),
    get: bind(projects.getConsumer),
  };
}

/** People, and their roles. What is critical is confirmed with a passkey: that takes a browser. */
function peopleCalls(bind: <O extends Operation>(operation: O) => Call<O>) {
  return {
    invite: bind(people.invitePerson),
    list: bind(people.listPeople),
    get: bind(people.getPerson),
    reinvite: bind(people.reinvitePerson),
    suspend: bind(people.suspendPerson),
    resume: bind(people.resumePerson),
    remove: bind(people.removePerson),
    grantRole: bind(people.grantRole),
    endRole: bind(people.endRole),
  };
}

function signOnCalls(bind: <O extends Operation>(operation: O) => Call<O>) {
  return {
    save: bind(signOn.saveSignOn),
    list: bind(signOn.listSignOns),
    remove: bind(signOn.removeSignOn),
    createToken: bind(signOn.createProvisioningToken),
  };
}

function offboardingCalls(bind: <O extends Operation>(operation: O) => Call<O>) {
  return {
    listKnown: bind(offboarding.listExposures),
    create: bind(offboarding.createOffboarding),
    list: bind(offboarding.listOffboardings),
    get: bind(offboarding.getOffboarding),
    listExposures: bind(offboarding.listOffboardingExposures),
    rotate: bind(offboarding.rotateExposed),
  };
}

function approvalCalls(bind: <O extends Operation>(operation: O) => Call<O>) {
  return {
    list: bind(approvals.listApprovals),
    approve: bind(approvals.approveRequest),
    deny: bind(approvals.denyRequest),
  };
}

function breakGlassCalls(bind: <O extends Operation>(operation: O) => Call<O>) {
  return {
    open: bind(breakGlass.openBreakGlass),
    list: bind(breakGlass.listBreakGlass),
    close: bind(breakGlass.closeBreakGlass),
    review: bind(breakGlass.reviewBreakGlass),
  };
}

function customRoleCalls(bind: <O extends Operation>(operation: O) => Call<O>) {
  return {
    list: bind(customRoles.listCustomRoles),
    save: bind(customRoles.saveCustomRole),
    remove: bind(customRoles.removeCustomRole),
  };
}

/** Cedar policies over roles and scopes. */
function policyCalls(bind: <O extends Operation>(operation: O) => Call<O>) {
  return {
    list: bind(policies.listPolicies),
    schema: bind(policies.getPolicySchema),
    preview: bind(policies.previewPolicy),
    save: bind(policies.savePolicy),
    remove: bind(policies.removePolicy),
  };
}

function sessionCalls(bind: <O extends Operation>(operation: O) => Call<O>) {
  return { get: bind(signIn.getSession), end: bind(signIn.endSession), signOut: bind(signIn.signOut) };
}

function tokenCalls(bind: <O extends Operation>(operation: O) => Call<O>) {
  return { create: bind(access.createToken), list: bind(access.listTokens), revoke: bind(access.revokeToken) };
}

function workloadCalls(bind: <O extends Operation>(operation: O) => Call<O>) {
  return {
    create: bind(workloads.createWorkload),
    list: bind(workloads.listWorkloads),
    remove: bind(workloads.removeWorkload),
  };
}

function secretCalls(bind: <O extends Operation>(operation: O) => Call<O>) {
  return {
    store: bind(secrets.storeSecret),
    list: bind(secrets.listSecrets),
    get: bind(secrets.getSecret),
    listVersions: bind(secrets.listSecretVersions),
    update: bind(secrets.updateSecret),
    reveal: bind(secrets.revealSecret),
    deliver: bind(secrets.deliverSecret),
    delete: bind(secrets.deleteSecretVersions),
    undelete: bind(secrets.undeleteSecretVersions),
    destroy: bind(secrets.destroySecretVersions),
    remove: bind(secrets.removeSecret),
  };
}

/** Reading and proving the log. */
function auditCalls(bind: <O extends Operation>(operation: O) => Call<O>) {
  return {
    list: bind(audit.listEntries),
    eraseSubject: bind(audit.eraseSubject),
    getReceipt: bind(audit.getReceipt),
    getLog: bind(audit.getLog),
    proveInclusion: bind(audit.proveInclusion),
    proveConsistency: bind(audit.proveConsistency),
    proveRange: bind(audit.proveRange),
    prune: bind(audit.pruneLog),
    createExport: bind(audit.createExport),
    listExports: bind(audit.listExports),
    removeExport: bind(audit.removeExport),
  };
}

export type Client = ReturnType<typeof createClient>;

/** An online confirmation takes 5 s at most. Whoever asks keeps a caller of his own waiting, and refuses him then. */
const VERDICT_TIMEOUT_MS = 10_000;

/**
 * A typed client of a verifier process.
 * @throws TypeError for a token that can't be sent
 */
export function createVerifierClient(to: Connection) {
  const connection = { ...checkedConnection(to), timeoutMs: to.timeoutMs ?? VERDICT_TIMEOUT_MS };
  return {
    /** Decides one request; a refusal is a verdict, not an error. */
    verify: (input: Input<typeof verify>, options: CallOptions = {}): Promise<Response<typeof verify>> =>
      request(connection, verify, input, options),
    /** Decides up to a thousand; the verdicts are in their order. */
    verifyBatch: (input: Input<typeof verifyBatch>, options: CallOptions = {}): Promise<Response<typeof verifyBatch>> =>
      request(connection, verifyBatch, input, options),
  };
}
