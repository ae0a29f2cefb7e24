import type { PersonPasskeyRow } from '../../database/people-rows.ts';
import { readCheckedRows } from '../../ledger/checked-rows.ts';
import { findPasskeyId, notePasskeyUse, passkeyUses } from './sessions.store.ts';
import type { SignInContext } from './sign-in-context.ts';

type Context = Pick<SignInContext, 'reader' | 'scratch' | 'clock' | 'tampered' | 'copied'>;

/** The passkey that browsers name so, as the ledger recorded it; undefined where it is none, or removed. */
export async function findPasskey(
  { reader, tampered }: Context,
  credentialId: string,
): Promise<PersonPasskeyRow | undefined> {
  const id = await findPasskeyId(reader, credentialId);
  const [checked] = id === undefined ? [] : await readCheckedRows(reader, ['person_passkeys'], [id]);
  if (checked === undefined) return undefined;
  if ('tampered' in checked) {
    tampered(checked.tampered);
    return undefined;
  }
  return checked.table === 'person_passkeys' && checked.row.state === 'active' ? checked.row : undefined;
}

/**
 * Notes what an authenticator says of how often it signed. One that says less than before is one of two (WebAuthn
 * §6.1.1): an alarm, and no refusal, for answers that come at the same moment may change places.
 */
export async function noteAssertion(context: Context, { id }: PersonPasskeyRow, counter: number): Promise<void> {
  const { reader, scratch, clock, copied } = context;
  const before = (await passkeyUses(reader, [id])).get(id)?.counter ?? 0;
  if (before > 0 && counter < before) copied(id);
  const use = { counter: Math.max(counter, before), lastUsedAt: clock.wall() };
  // It says when a passkey was used, no more: nothing is refused for it.
  void scratch.write((tables) => notePasskeyUse(tables, id, use)).catch(() => {});
}

/** False for one of before its person enrolled anew, whatever its row says. */
export async function isOfNow(
  { reader, tampered }: Context,
  { person_id, created_at }: PersonPasskeyRow,
): Promise<boolean> {
  const [checked] = await readCheckedRows(reader, ['people'], [person_id]);
  if (checked === undefined) return false;
  if ('tampered' in checked) {
    tampered(checked.tampered);
    return false;
  }
  return checked.table === 'people' && created_at >= checked.row.passkeys_after;
}
