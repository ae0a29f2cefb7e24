import type { KeyRow } from '../database/schema.ts';
import type { Facts } from '../ledger/facts.ts';
import type { Random } from '../random.ts';
import { findAddressBook } from './keys.store.ts';

/**
 * Writes where a key may send funds to, within a change of the key; true where it took an address away, or may have done
 * so before, having found nothing to change.
 */
export async function writeAddressBook(
  facts: Facts,
  random: Random,
  { id: key_id, project_id, environment_id }: Pick<KeyRow, 'id' | 'project_id' | 'environment_id'>,
  addresses: readonly string[],
): Promise<boolean> {
  const found = await findAddressBook(facts.db, key_id);
  const columns = { addresses: JSON.stringify(addresses) };
  if (found === undefined) {
    if (addresses.length === 0) return false;
    const place = { project_id, environment_id, key_id };
    await facts.insert('address_books', { id: random.newId('addressBook'), ...place, ...columns });
    return false;
  }
  const row = (await facts.find('address_books', found.id)) ?? found;
  if ((await facts.update('address_books', row, columns)) === row) return true;
  const kept = new Set(addresses);
  return (JSON.parse(row.addresses) as string[]).some((address) => !kept.has(address));
}
