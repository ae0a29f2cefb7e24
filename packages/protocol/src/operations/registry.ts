import * as access from './access.ts';
import * as audit from './audit.ts';
import * as factors from './factors.ts';
import * as people from './people.ts';
import * as passwords from './passwords.ts';
import * as signIn from './sign-in.ts';
import * as installation from './installation.ts';
import * as approvals from './approvals.ts';
import * as breakGlass from './break-glass.ts';
import * as customRoles from './custom-roles.ts';
import * as keys from './keys.ts';
import * as offboarding from './offboarding.ts';
import * as policies from './policies.ts';
import * as projects from './projects.ts';
import * as backup from './backup.ts';
import * as deliveries from './deliveries.ts';
import * as rules from './rules.ts';
import * as secrets from './secrets.ts';
import * as seal from './seal.ts';
import * as signOn from './sign-on.ts';
import type { Operation } from '../operation.ts';
import * as vault from './vault.ts';
import { verify, verifyBatch } from './verify.ts';
import * as workloads from './workloads.ts';

/** Every operation of the control plane, in the order of the reference page. */
export const MANAGEMENT_OPERATIONS: readonly Operation[] = [
  projects.createProject,
  projects.listProjects,
  projects.createEnvironment,
  projects.listEnvironments,
  projects.setPermission,
  projects.listPermissions,
  projects.setSigning,
  projects.getSigning,
  rules.setRules,
  rules.getRules,
  projects.createConsumer,
  projects.listConsumers,
  projects.getConsumer,
  factors.enrolTotp,
  factors.confirmFactor,
  factors.enrolPasskey,
  factors.confirmPasskey,
  factors.listFactors,
  factors.removeFactor,
  keys.issueKey,
  keys.listKeys,
  keys.getKey,
  keys.updateKey,
  keys.rotateKey,
  keys.suspendKey,
  keys.resumeKey,
  keys.revokeKey,
  keys.revokeKeys,
  keys.destroyKey,
  keys.revokeCredential,
  access.createToken,
  access.listTokens,
  access.revokeToken,
  workloads.createWorkload,
  workloads.listWorkloads,
  workloads.removeWorkload,
  people.invitePerson,
  people.listPeople,
  people.getPerson,
  people.reinvitePerson,
  people.suspendPerson,
  people.resumePerson,
  people.removePerson,
  people.grantRole,
  people.endRole,
  signOn.saveSignOn,
  signOn.listSignOns,
  signOn.removeSignOn,
  signOn.createProvisioningToken,
  offboarding.listExposures,
  offboarding.createOffboarding,
  offboarding.listOffboardings,
  offboarding.getOffboarding,
  offboarding.listOffboardingExposures,
  offboarding.rotateExposed,
  approvals.listApprovals,
  approvals.approveRequest,
  approvals.denyRequest,
  breakGlass.openBreakGlass,
  breakGlass.listBreakGlass,
  breakGlass.closeBreakGlass,
  breakGlass.reviewBreakGlass,
  customRoles.listCustomRoles,
  customRoles.saveCustomRole,
  customRoles.removeCustomRole,
  policies.listPolicies,
  policies.getPolicySchema,
  policies.previewPolicy,
  policies.savePolicy,
  policies.removePolicy,
  secrets.storeSecret,
  secrets.listSecrets,
  secrets.getSecret,
  secrets.listSecretVersions,
  secrets.updateSecret,
  secrets.revealSecret,
  secrets.deleteSecretVersions,
  secrets.undeleteSecretVersions,
  secrets.destroySecretVersions,
  secrets.removeSecret,
  secrets.deliverSecret,
  deliveries.takeDelivery,
  deliveries.listDeliveries,
  deliveries.endDelivery,
  vault.getRotation,
  vault.rotateEnvironmentKeys,
  vault.rotateRootKey,
  backup.recordDrill,
  seal.getSeal,
  seal.unseal,
  seal.sealInstallation,
  seal.changeSeal,
  seal.confirmSeal,
  audit.listEntries,
  audit.eraseSubject,
  audit.getReceipt,
  audit.getLog,
  audit.proveInclusion,
  audit.proveConsistency,
  audit.proveRange,
  audit.pruneLog,
  audit.createExport,
  audit.listExports,
  audit.removeExport,
  installation.getInstallation,
  installation.acceptRestore,
];

/** Those of whoever signs in, and has signed in: for people, and for no token. */
export const SIGN_IN_OPERATIONS: readonly Operation[] = [
  signOn.listWaysIn,
  signIn.askToSignIn,
  signIn.signIn,
  signIn.askToEnrol,
  signIn.enrol,
  passwords.enrolPassword,
  passwords.signInWithPassword,
  passwords.askForNonce,
  passwords.changePassword,
  passwords.newRecoveryCodes,
  passwords.askForTotp,
  passwords.replaceTotp,
  signIn.getSession,
  signIn.signOut,
  signIn.endSession,
  signIn.askForPasskey,
  signIn.addPasskey,
  signIn.removePasskey,
  signOn.linkIdentity,
  signIn.makeDeviceCode,
  signIn.signInDevice,
  signIn.listPending,
  signIn.confirmPending,
  signIn.discardPending,
];

/** Every operation of the verifier process. */
export const VERIFIER_OPERATIONS: readonly Operation[] = [verify, verifyBatch];
