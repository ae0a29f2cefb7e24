import { rfc9421SettingsFault } from '@keyhold/protocol/dialects/rfc9421/rfc9421';
import type { DialectSettings } from '@keyhold/protocol/dialects/settings';
import type { Kysely } from 'kysely';
import type { Database } from '../database/schema.ts';

/** Signing settings that were stored when less was asked of them: every request by them is refused as malformed. */
export async function findUnusableSigning(
  db: Kysely<Database>,
): Promise<{ readonly environment: string; readonly fault: string }[]> {
  const rows = await db.selectFrom('signing_settings').select(['environment_id', 'dialects']).execute();
  return rows.flatMap(({ environment_id: environment, dialects }) => {
    return read(dialects).flatMap((one) => {
      const fault = one.dialect === 'rfc9421' ? rfc9421SettingsFault(one) : null;
      return fault === null ? [] : { environment, fault };
    });
  });
}

/** A row that somebody edited is told of elsewhere, and keeps nobody from starting. */
function read(text: string): readonly DialectSettings[] {
  try {
    const settings: unknown = JSON.parse(text);
    return Array.isArray(settings) ? (settings as DialectSettings[]) : [];
  } catch {
    return [];
  }
}
