import type { VerdictCode } from '@keyhold/protocol/verdict';
import { type OnlineAnswer, OnlineQuestion } from '@keyhold/protocol/verification-messages';
import { decide } from '@keyhold/verifier/decide';
import { MapReplica } from '@keyhold/verifier/map-replica';
import { compileRequirement } from '@keyhold/verifier/permissions';
import { DIGEST_ENCODING } from '@keyhold/verifier/replica';
import { refuse } from '@keyhold/protocol/errors';
import type { Kysely } from 'kysely';
import { Compile } from 'typebox/compile';
import type { Clock } from '../clock.ts';
import type { CredentialRow, Database } from '../database/schema.ts';
import { type FeedScope, isAddressedTo } from '../feed/scope.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { findCredential } from '../keys/keys.store.ts';
import { readCheckedRows } from './checked-rows.ts';
import type { Places } from './places.ts';
import { recordOf } from './record-of.ts';

const questions = Compile(OnlineQuestion);

/**
 * Decides by the committed rows, with the verifier's own `decide`. With `record`, the decision is made again in the
 * transaction of its entry, so the log shows no use after a revocation (DESIGN §5).
 */
export async function answerOnline(
  { ledger, reader, clock, places }: { ledger: Ledger; reader: Kysely<Database>; clock: Clock; places: Places },
  scope: FeedScope,
  payload: unknown,
): Promise<OnlineAnswer> {
  if (!questions.Check(payload)) return { code: 'STORE_UNAVAILABLE' };
  const credential = await findCredential(reader, payload.credential);
  const own = { projects: [credential?.project_id ?? ''], environment: credential?.environment_id ?? '' };
  if (credential === undefined || !isAddressedTo(own, scope)) return { code: 'NOT_FOUND' };
  const decideIn = (db: Kysely<Database>) => decideByRows(db, places, credential, payload, clock.wall());
  if (!payload.record) return { code: await decideIn(reader) };
  const decided: { code: VerdictCode } = { code: 'STORE_UNAVAILABLE' };
  const draft = {
    actor: credential.id,
    action: 'key.used',
    subject: credential.key_id,
    project: credential.project_id,
    environment: credential.environment_id,
    side: { permission: payload.permission, clientIp: payload.clientIp },
    locks: [credential.key_id, credential.id],
    evenWithoutChange: true as const,
  };
  await ledger.record(draft, async (facts) => {
    decided.code = await decideIn(facts.db);
    return decided.code === 'VALID' ? decided.code : refuse('FORBIDDEN', 'not valid by the committed state');
  });
  return decided;
}

async function decideByRows(
  db: Kysely<Database>,
  places: Places,
  { id, key_id, digest }: CredentialRow,
  question: OnlineQuestion,
  nowMs: number,
): Promise<VerdictCode> {
  const key = await db.selectFrom('keys').select('consumer_id').where('id', '=', key_id).executeTakeFirst();
  const rows = await readCheckedRows(db, [question.environment, key?.consumer_id ?? '', key_id, id]);
  const replica = new MapReplica();
  // A row that was tampered with is left out, and what depends on it is not found.
  for (const checked of rows) {
    if ('tampered' in checked) continue;
    const record = recordOf(checked, places);
    if (record !== null) replica.apply(record.record);
  }
  const credential = replica.credential(Buffer.from(digest, 'hex').toString(DIGEST_ENCODING));
  if (credential === undefined) return 'NOT_FOUND';
  const requirement = question.permission === null ? null : compileRequirement(question.permission);
  if (question.permission !== null && requirement === null) return 'INSUFFICIENT_PERMISSIONS';
  return decide(credential, { requirement, clientIp: question.clientIp ?? undefined }, nowMs);
}
