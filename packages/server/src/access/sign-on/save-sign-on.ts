import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { RoleGrantRow } from '../../database/people-rows.ts';
import type { SignOnRow } from '../../database/sign-on-rows.ts';
import type { Recorded } from '../../ledger/entry.ts';
import { keyToEncrypt } from '../../vault/open-vault-key.ts';
import { sealSecret } from '../../vault/seal-secret.ts';
import type { Secret } from '../../vault/secret.ts';
import { type InEnvironment, placeIn, type Vault } from '../../vault/vault.ts';
import { type Attribution, attribution, attributionWith, type Caller } from '../change-context.ts';
import { endRolesBy } from './end-roles.ts';
import { type MappedRole, mappedRolesOf, nameOfHeld, provisioningNameOf } from './sign-on.ts';
import { findSignOn, keptRows, tokensNamed } from './sign-ons.store.ts';

export interface SignOnInput {
  readonly name: string;
  readonly issuer: string;
  readonly clientId: string;
  /** Null: none. Undefined: the one that is kept. */
  readonly clientSecret: Secret | null | undefined;
  readonly groupsClaim: string;
  readonly subjectClaim: string;
  readonly makesPeople: boolean;
  readonly onDeactivated: SignOnRow['on_deactivated'];
  readonly roles: readonly MappedRole[];
}

/** Trusts a provider to say who somebody is, and in which groups; or changes what is known of it. */
export async function saveSignOn(
  vault: Vault,
  caller: Caller,
  place: InEnvironment,
  input: SignOnInput,
): Promise<Recorded<SignOnRow> | Refusal> {
  const { ledger, reader, random, clock } = vault;
  const before = await findSignOn(reader, input.name);
  const id = before?.id ?? random.newId('signOn');
  const sealed = (before && refuseOther(before, input)) ?? (await seal(vault, place, id, input.clientSecret));
  if (isRefusal(sealed)) return sealed;
  const by = attribution(caller);
  const endLost = async () => {
    if (before !== undefined)
      await endRolesBy({ ledger, reader }, { ...by, idempotency: undefined }, id, lostBy(before, input));
  };
  // First, so that a call that was cut short can be repeated; whoever comes between loses it below.
  await endLost();
  const { clientSecret: _, ...set } = input;
  const draft = { ...attributionWith(caller, set), action: 'sign-on.saved', subject: id, locks: [id] };
  const recorded = await ledger.record(draft, async (facts) => {
    const found = await findSignOn(facts.db, input.name);
    if (found !== undefined && found.id !== id)
      return refuse('INVALID_INPUT', 'Somebody made it at this moment: look again.', 'name');
    const row = await facts.find('sign_ons', id);
    const now = clock.wall();
    const saved = {
      ...{ issuer: input.issuer, client_id: input.clientId, groups_claim: input.groupsClaim, saved_at: now },
      ...{ makes_people: input.makesPeople ? (1 as const) : (0 as const), roles: JSON.stringify(input.roles) },
      ...{ subject_claim: input.subjectClaim, on_deactivated: input.onDeactivated, saved_by: caller.principal.id },
    };
    const none = { vault_key_id: null, envelope: null };
    if (row === undefined) {
      const made = { id, name: input.name, ...place, ...(sealed ?? none), ...saved, created_at: now };
      return await facts.insert('sign_ons', made);
    }
    return refuseOther(row, input) ?? (await facts.update('sign_ons', row, { ...saved, ...(sealed ?? {}) }));
  });
  if (!isRefusal(recorded)) await endLost();
  return recorded;
}

/** Another provider's people are others, whatever it calls them; and so are those of another claim. */
function refuseOther(row: SignOnRow, { issuer, subjectClaim }: SignOnInput): Refusal | null {
  if (row.issuer !== issuer) return OTHER_ISSUER;
  return row.subject_claim === subjectClaim ? null : OTHER_CLAIM;
}

/**
 * Which roles that somebody was told at a sign-in may be other ones now: a group of them gives it no more, or another claim
 * says the groups. By which group he has it is not kept; whoever still is in one that gives it comes again.
 */
function lostBy(before: SignOnRow, { groupsClaim, roles }: SignOnInput): (role: RoleGrantRow) => boolean {
  const named = (one: MappedRole) => JSON.stringify([one.group, nameOfHeld(one)]);
  const kept = new Set(roles.map(named));
  const lost = new Set(mappedRolesOf(before).flatMap((one) => (kept.has(named(one)) ? [] : [nameOfHeld(one)])));
  const isOther = before.groups_claim !== groupsClaim;
  return (role) => role.expires_at !== null && (isOther || lost.has(nameOfHeld(role)));
}

const OTHER_ISSUER = refuse('INVALID_INPUT', 'The issuer stays: save the other one under another name.', '/issuer');

const OTHER_CLAIM = refuse('INVALID_INPUT', 'Who is who is said by one claim: it stays.', '/subjectClaim');

async function seal(
  vault: Vault,
  place: InEnvironment,
  id: string,
  secret: Secret | null | undefined,
): Promise<Pick<SignOnRow, 'vault_key_id' | 'envelope'> | undefined | Refusal> {
  if (secret === undefined) return undefined;
  if (secret === null) return { vault_key_id: null, envelope: null };
  const key = await keyToEncrypt(vault, place, 'secrets');
  if (isRefusal(key)) return key;
  return { vault_key_id: key.id, envelope: sealSecret(key, secret, placeIn(vault, 'sign-on.secret', place, id, 1)) };
}

/** An entry names each role, and is bounded. */
const ENDED_AT_ONCE = 50;

/**
 * Trusts a provider no more: no session that began there is good any more, and roles by its groups end. It works on a row
 * that was tampered with too.
 */
export async function removeSignOn(
  { ledger, reader }: Pick<Vault, 'ledger' | 'reader'>,
  caller: Caller,
  name: string,
): Promise<Recorded<{ rolesEnded: number }> | Refusal> {
  const absent = refuse('SIGN_ON_NOT_FOUND', `There is no ${name}.`, 'name');
  const known = await findSignOn(reader, name);
  if (known === undefined) return absent;
  const by = attribution(caller);
  // First, so that a call that was cut short can be repeated; what comes between ends below, or by itself.
  const before = await endRolesBy({ ledger, reader }, by, known.id, () => true);
  const draft = { ...by, action: 'sign-on.removed', subject: known.id, locks: [known.id] };
  const removed = await ledger.record(draft, async (facts) => {
    const { row } = await facts.examine('sign_ons', known.id);
    if (row === undefined) return absent;
    await facts.remove('sign_ons', row);
    facts.removed.push(row.id);
    return null;
  });
  if (isRefusal(removed)) return removed;
  const after = await endRolesBy({ ledger, reader }, by, known.id, () => true);
  await forgetKept({ ledger, reader }, by, known.id);
  return { ...removed, value: { rolesEnded: before + after } };
}

/** What the provider kept here, and the tokens that it did so with. */
async function forgetKept(
  { ledger, reader }: Pick<Vault, 'ledger' | 'reader'>,
  by: Attribution,
  signOn: string,
): Promise<void> {
  for (;;) {
    const tokens = await tokensNamed(reader, provisioningNameOf({ id: signOn }), ENDED_AT_ONCE);
    const kept = tokens.length > 0 ? [] : await keptRows(reader, signOn, ENDED_AT_ONCE);
    if (tokens.length + kept.length === 0) return;
    const draft = { actor: by.actor, side: by.side, action: 'sign-on.emptied', subject: signOn };
    const locks = [...tokens, ...kept.map(({ id }) => id)];
    const recorded = await ledger.record({ ...draft, locks }, async (facts) => {
      let ended = 0;
      for (const id of tokens)
        if ((await facts.takeAway('tokens', id, { state: 'deactivated' })) !== undefined) ended++;
      for (const { table, id } of kept) {
        const { row } = await facts.examine(table, id);
        if (row === undefined) continue;
        await facts.remove(table, row);
        ended++;
      }
      return ended;
    });
    // Rows that the ledger never knew open nothing, and stay.
    if (isRefusal(recorded) || recorded.value === 0) return;
  }
}
