import type { VerdictCode } from '@keyhold/protocol/verdict';
import type { OnlineAnswer, OnlineQuestion } from '@keyhold/protocol/verification-messages';
import { decide } from '@keyhold/verifier/decide';
import { CompactReplica } from '@keyhold/verifier/compact-replica';
import { readableAddress } from '@keyhold/verifier/networks';
import { compileRequirement } from '@keyhold/verifier/permissions';
import { digestFromHex } from '@keyhold/verifier/digest';
import { refuse } from '@keyhold/protocol/errors';
import type { Kysely } from 'kysely';
import type { Clock } from '../clock.ts';
import type { CredentialRow, Database, FactTable } from '../database/schema.ts';
import { type FeedScope, isAddressedTo } from '../feed/scope.ts';
import type { ChangedRow, Facts } from '../ledger/facts.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { findAddressBook, findCredential } from '../keys/keys.store.ts';
import { findRules } from '../projects/projects.store.ts';
import { readCheckedRows } from '../ledger/checked-rows.ts';
import { FED_TABLES } from './fed-tables.ts';
import { feedUnreadableRules } from './feed-records.ts';
import type { Places } from './places.ts';
import { recordOf } from './record-of.ts';

/** What a decision with the control plane takes. */
export interface OnlineContext {
  readonly ledger: Ledger;
  readonly reader: Kysely<Database>;
  readonly clock: Clock;
  readonly places: Places;
}

/**
 * Decides by the committed rows, with the verifier's own `decide`. With `record`, the decision is made again in the
 * transaction of its entry, so the log shows no use after a revocation (DESIGN §5).
 */
export async function answerOnline(
  { ledger, reader, clock, places }: OnlineContext,
  scope: FeedScope,
  payload: OnlineQuestion,
): Promise<OnlineAnswer> {
  const credential = await findCredential(reader, payload.credential);
  const own = { projects: [credential?.project_id ?? ''], environment: credential?.environment_id ?? '' };
  if (credential === undefined || !isAddressedTo(own, scope)) return { code: 'NOT_FOUND' };
  const decideOn = (rows: Committed) => decideByRows(rows, places, credential, payload, clock.wall());
  if (!payload.record) return { code: decideOn(await committedRows(reader, credential, payload.environment)) };
  const decided: { code: VerdictCode } = { code: 'STORE_UNAVAILABLE' };
  const draft = {
    actor: credential.id,
    action: 'key.used',
    subject: credential.key_id,
    project: credential.project_id,
    environment: credential.environment_id,
    // An address that is none may hold what no entry can.
    side: {
      permission: payload.permission,
      clientIp: readableAddress(payload.clientIp),
      ...(payload.destination === undefined ? {} : { destination: payload.destination }),
      ...(payload.evidence === undefined ? {} : { evidence: payload.evidence }),
    },
    about: await consumerOf(reader, credential),
    locks: [credential.key_id, credential.id],
    evenWithoutChange: true as const,
  };
  await ledger.record(draft, async (facts) => {
    decided.code = decideOn(await rowsWithin(facts, credential, payload.environment));
    return decided.code === 'VALID' ? decided.code : refuse('FORBIDDEN', 'not valid by the committed state');
  });
  return decided;
}

/** What a decision needs, without what was tampered with: whatever depends on that is then not found. */
interface Committed {
  readonly rows: readonly ChangedRow[];
  /** The rules forbid: without them more would be allowed. */
  readonly rulesTampered: boolean;
}

async function committedRows(db: Kysely<Database>, credential: CredentialRow, environment: string): Promise<Committed> {
  const { rules, addressBook } = await besideOf(db, environment, credential);
  const ids = [
    environment,
    ...rules,
    await consumerOf(db, credential),
    credential.key_id,
    ...addressBook,
    credential.id,
  ];
  const checked = await readCheckedRows(db, FED_TABLES, ids);
  return {
    rows: checked.flatMap((one) => ('tampered' in one ? [] : one)),
    rulesTampered: checked.some((one) => 'tampered' in one && one.table === 'key_rules'),
  };
}

/** The same within a change: rows that others changed in this very commit count as they are now. */
async function rowsWithin(facts: Facts, credential: CredentialRow, environment: string): Promise<Committed> {
  const rows: ChangedRow[] = [];
  let rulesTampered = false;
  const add = async <T extends FactTable>(table: T, id: string) => {
    const { row, tampered } = await facts.examine(table, id);
    if (tampered && table === 'key_rules') rulesTampered = true;
    if (row !== undefined && !tampered) rows.push({ table, row } as unknown as ChangedRow);
  };
  const { rules, addressBook } = await besideOf(facts.db, environment, credential);
  await add('environments', environment);
  for (const id of rules) await add('key_rules', id);
  await add('consumers', await consumerOf(facts.db, credential));
  await add('keys', credential.key_id);
  for (const id of addressBook) await add('address_books', id);
  await add('credentials', credential.id);
  return { rows, rulesTampered };
}

/** Ids of what is kept beside the environment and the key, where there is any. */
async function besideOf(db: Kysely<Database>, environment: string, { key_id }: CredentialRow) {
  const [rules, addressBook] = [await findRules(db, environment), await findAddressBook(db, key_id)];
  return {
    rules: rules === undefined ? [] : [rules.id],
    addressBook: addressBook === undefined ? [] : [addressBook.id],
  };
}

async function consumerOf(db: Kysely<Database>, { key_id }: CredentialRow): Promise<string> {
  const key = await db.selectFrom('keys').select('consumer_id').where('id', '=', key_id).executeTakeFirst();
  return key?.consumer_id ?? '';
}

function decideByRows(
  { rows, rulesTampered }: Committed,
  places: Places,
  { digest }: CredentialRow,
  question: OnlineQuestion,
  nowMs: number,
): VerdictCode {
  const replica = new CompactReplica();
  for (const row of rows) {
    const record = recordOf(row, places);
    if (record !== null) replica.apply(record.record);
  }
  if (rulesTampered) replica.apply(feedUnreadableRules('', question.environment, '').record);
  const credential = replica.credential(digestFromHex(digest));
  if (credential === undefined) return 'NOT_FOUND';
  const requirement = question.permission === null ? null : compileRequirement(question.permission);
  if (question.permission !== null && requirement === null) return 'INSUFFICIENT_PERMISSIONS';
  const { destination } = question;
  return decide(credential, { requirement, clientIp: question.clientIp ?? undefined, destination }, nowMs);
}
