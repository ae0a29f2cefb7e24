import { isRefusal, type Refusal } from '@keyhold/protocol/errors';
import type { SecretMetadata } from '@keyhold/protocol/operations/secrets';
import type { Caller } from '../access/change-context.ts';
import type { Recorded } from '../ledger/entry.ts';
import type { Vault } from '../vault/vault.ts';
import { findHeld, secretEntry } from './open-secret.ts';
import type { PlacedSecret } from './secret-record.ts';

/** Says until when a new version is due; what is due sooner stays so, and is answered with false. */
export async function setRotateBy(
  { ledger, clock }: Pick<Vault, 'ledger' | 'clock'>,
  caller: Caller,
  secret: PlacedSecret,
  atMs: number,
): Promise<Recorded<boolean> | Refusal> {
  return await ledger.record(secretEntry(caller, secret, 'secret.updated'), async (facts) => {
    const row = await findHeld(facts, secret);
    if (isRefusal(row)) return row;
    const metadata = JSON.parse(row.metadata) as SecretMetadata;
    if (metadata.rotateBy !== undefined && Date.parse(metadata.rotateBy) <= atMs) return false;
    const due = JSON.stringify({ ...metadata, rotateBy: new Date(atMs).toISOString() });
    await facts.update('secrets', row, { metadata: due, updated_at: clock.wall() });
    return true;
  });
}
