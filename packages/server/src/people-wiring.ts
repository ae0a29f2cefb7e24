import { isRefusal, type Refusal } from '@keyhold/protocol/errors';
import type { FastifyInstance } from 'fastify';
import type { Attribution, ChangeContext } from './access/change-context.ts';
import type { PolicyBook } from './access/policies/policy-book.ts';
import type { DecisionLog } from './access/policies/record-decisions.ts';
import type { ScimContext } from './access/scim/save-scim-user.ts';
import { mountScim } from './access/scim/scim.routes.ts';
import type { VaultApi } from './compat/vault-call.ts';
import { mountVault } from './compat/vault.routes.ts';
import { createOffboarding } from './compliance/create-offboarding.ts';
import { findActors } from './compliance/find-exposures.ts';
import type { OffboardContext } from './compliance/finish-offboarding.ts';
import type { Scratch } from './database/scratch.ts';
import type { Store } from './database/store.ts';
import type { Log } from './http/log.ts';
import type { Alarms } from './ledger/alarms.ts';
import type { Places } from './verification/places.ts';

/**
 * As a provider that keeps people here says that somebody has left. The token that says so goes on, whoever made it: else
 * nobody who leaves after him would be heard of. It stands in the list of what he knows.
 */
async function offboardBy(
  context: OffboardContext,
  by: Attribution,
  of: string,
  reason: string,
): Promise<Refusal | null> {
  const isHis = (await findActors(context.reader, of)).includes(by.actor);
  const left = await createOffboarding(context, by, { of, reason, keep: isHis ? [by.actor] : [] });
  return isRefusal(left) ? left : null;
}

interface WireGround {
  readonly tampered: (rowId: string) => void;
  readonly log: Log;
  readonly site: () => { readonly origin: string };
}

/** Where Vault's wire API is on the main listener. */
export const VAULT_BELOW = '/compat/vault';

/** What others speak: Vault's clients, and providers that keep their people here. */
export async function mountWires(
  app: FastifyInstance,
  vaultApi: VaultApi,
  context: ScimContext,
  { tampered, log, site }: WireGround,
): Promise<void> {
  await mountVault(app, VAULT_BELOW, vaultApi, log);
  const failed = (error: unknown, request: string) => log.error({ error, request }, 'a request failed');
  const { authenticate } = vaultApi;
  await mountScim(app, { context, authenticate, tampered, origin: () => site().origin, failed });
}

interface PeopleGround {
  readonly store: Store;
  readonly scratch: Scratch;
  readonly tampered: (rowId: string) => void;
  readonly alarms: Alarms;
  readonly policies: PolicyBook;
  readonly places: Places;
  readonly decisions: DecisionLog;
}

/** What approving, policies, break-glass and off-boarding work with. */
export function peopleOf(context: ChangeContext, ground: PeopleGround, tokenRevoked: () => Promise<void>) {
  const { store, scratch, tampered, policies, places, decisions, alarms } = ground;
  const reading = { ...context, reader: store.reader };
  const approving = { ...reading, tampered, roleNamed: policies.roleNamed };
  const finished = alarms.settle.bind(alarms, 'OFFBOARDING_UNFINISHED');
  const offboarding = { ...reading, scratch, tokenRevoked, underWay: new Set<string>(), finished };
  return {
    approving,
    policies: { ...approving, places, book: policies, decisions },
    breaking: { ...approving, broken: tellBroken.bind(null, alarms), reviewed: settleBroken.bind(null, alarms) },
    offboarding,
    scim: { ...reading, offboard: offboardBy.bind(null, offboarding) },
  };
}

function tellBroken(alarms: Alarms, id: string, person: string, reason: string): void {
  alarms.raise('BREAK_GLASS', id, `${person} goes on without approvals: ${reason}`);
}

function settleBroken(alarms: Alarms, id: string): void {
  for (const code of ['BREAK_GLASS', 'BREAK_GLASS_UNREVIEWED'] as const) alarms.settle(code, id);
}
