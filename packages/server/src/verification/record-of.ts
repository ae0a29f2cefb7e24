import type { FeedRecord } from '@keyhold/protocol/feed';
import type { ChangedRow } from '../ledger/facts.ts';
import type { Addressed } from '../feed/scope.ts';
import {
  feedAddressBook,
  feedConsumer,
  feedCredential,
  feedEnvironment,
  feedFactor,
  feedKey,
  feedPasskey,
  feedRemoval,
  feedRules,
  feedSetting,
  feedSignatureKey,
  feedSigning,
  feedToken,
} from './feed-records.ts';
import type { EnvironmentRow } from '../database/schema.ts';
import type { Places } from './places.ts';

/** The feed record of a row; null for tables that verifiers need nothing of. */
export function recordOf(changed: ChangedRow, places: Places): Addressed<FeedRecord> | null {
  switch (changed.table) {
    case 'environments':
      return environmentRecord(changed.row, places.slugOf(changed.row.project_id));
    case 'permission_settings':
      return feedSetting(changed.row, places.projectOf(changed.row.environment_id));
    case 'consumers':
      return feedConsumer(changed.row);
    case 'keys':
      return feedKey(changed.row);
    case 'credentials':
      return feedCredential(changed.row);
    case 'signing_settings':
      return feedSigning(changed.row);
    case 'key_rules':
      return feedRules(changed.row);
    case 'address_books':
      return feedAddressBook(changed.row);
    case 'signature_keys':
      return feedSignatureKey(changed.row);
    case 'consumer_factors':
      return feedFactor(changed.row);
    case 'passkeys':
      return feedPasskey(changed.row);
    case 'tokens':
      return feedToken(
        changed.row,
        changed.row.environment_id === null ? null : places.projectOf(changed.row.environment_id),
      );
    default:
      return null;
  }
}

function environmentRecord(row: EnvironmentRow, slug: string | undefined): Addressed<FeedRecord> {
  return slug === undefined ? feedRemoval(row.id) : feedEnvironment(row, slug);
}
